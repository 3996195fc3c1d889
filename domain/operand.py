"""What a condition compares: a number, a bar field, an indicator of it, or what is calculated from those."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from domain import indicators
from domain.known_keys import hint
from domain.ticker import Ticker, ticker_text
from domain.timeframe import Timeframe

MAX_OFFSET = 500
MAX_CALCULATION = 12  # levels
FieldName = Literal["open", "high", "low", "close", "volume"]


class Model(BaseModel):
    """Base of everything people write: immutable, and an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, data: Any) -> Any:
        """``true`` is no number, though Python takes it for 1; and a number has at most 300 digits."""
        if isinstance(data, dict):
            for name, value in data.items():
                if isinstance(value, bool) and name not in cls._truths():
                    raise ValueError(f"'{name}' is true or false where a value belongs")
                if isinstance(value, int) and abs(value) >= 10**300:
                    raise ValueError(f"'{name}' is too large a number")
        return data

    def unlike(self, other: Model | None) -> list[str]:
        """Names of the fields in which this differs from another, sorted."""
        theirs = other.model_dump() if other is not None else {}
        return sorted(name for name, value in self.model_dump().items() if theirs.get(name) != value)

    @classmethod
    def _truths(cls) -> set[str]:
        """Names of the fields that are true or false."""
        return {name for name, field in cls.model_fields.items() if isinstance(field.default, bool)}


class FieldOperand(Model):
    """A field of the bar; ``price`` is written for ``close``.

    ``offset`` counts bars back, ``symbol`` is another ticker than the alert's.
    """

    field: FieldName
    symbol: Ticker | None = None
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)
    timeframe: Timeframe | None = None
    multiplier: float = 1.0

    @model_validator(mode="before")
    @classmethod
    def _price_means_close(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("field") == "price":
            return {**data, "field": "close"}
        return data

    @cached_property
    def key(self) -> str:
        """The value's name in snapshots, e.g. ``close[1]``."""
        return f"{_prefix(self)}{self.field}{_suffix(self)}"

    def __str__(self) -> str:
        return _scaled(self.multiplier, self.key)


class IndicatorOperand(Model):
    """A TA-Lib indicator by name, e.g. ``{"indicator": "rsi", "params": {"timeperiod": 14}}``.

    ``output`` is needed only where the function has several; ``source`` replaces the close where it takes one series.
    ``symbol`` is another ticker than the alert's.
    """

    indicator: str
    symbol: Ticker | None = None
    params: dict[str, int | float] = Field(default_factory=dict)
    output: str | None = None
    source: FieldName | None = None
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)
    timeframe: Timeframe | None = None
    multiplier: float = 1.0

    @model_validator(mode="before")
    @classmethod
    def _price_means_close(cls, data: Any) -> Any:
        return {**data, "source": "close"} if isinstance(data, dict) and data.get("source") == "price" else data

    @model_validator(mode="after")
    def _complete(self) -> IndicatorOperand:
        found = indicators.find(self.indicator)
        output = self.output.lower() if self.output else None
        if output is None:
            output = found.outputs[0]
        elif output not in found.outputs:
            meant = hint(output, found.outputs, lists=False)
            raise ValueError(f"{found.name} has no output '{self.output}'; it has {', '.join(found.outputs)}{meant}")
        if self.source is not None and not found.takes_source:
            raise ValueError(f"{found.name} reads {', '.join(found.inputs)}; its source cannot be chosen")
        source = None if self.source == found.inputs[0] else self.source
        values = {
            "indicator": found.name,
            "params": indicators.complete(found, self.params),
            "output": output,
            "source": source,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        return self

    @cached_property
    def definition(self) -> indicators.Indicator:
        """The catalogue's entry."""
        return indicators.find(self.indicator)

    @cached_property
    def base(self) -> str:
        """Function, source and parameters without output, offset or timeframe: what is computed once."""
        arguments: list[str] = [self.source] if self.source else []
        arguments += [number_text(value) for value in self.params.values()]
        return f"{self.indicator}({', '.join(arguments)})"

    @cached_property
    def key(self) -> str:
        """The value's name in snapshots, e.g. ``macd(12, 26, 9).macdsignal@1d[1]``."""
        first = self.definition.outputs[0]
        output = "" if self.output == first else f".{self.output}"
        return f"{_prefix(self)}{self.base}{output}{_suffix(self)}"

    @cached_property
    def window(self) -> int:
        """Closed bars to compute on, offset not counted."""
        return indicators.window(self.definition, self.params)

    def __str__(self) -> str:
        return _scaled(self.multiplier, self.key)


def _prefix(operand: FieldOperand | IndicatorOperand) -> str:
    return f"{ticker_text(operand.symbol)}:" if operand.symbol else ""


def _suffix(operand: FieldOperand | IndicatorOperand) -> str:
    frame = f"@{operand.timeframe}" if operand.timeframe else ""
    offset = f"[{operand.offset}]" if operand.offset else ""
    return frame + offset


def _scaled(multiplier: float, key: str) -> str:
    return key if multiplier == 1 else f"{number_text(multiplier)} * {key}"


def number_text(value: float) -> str:
    """Shortest text that reads back as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


class CalculatedOperand(Model):
    """What is calculated from others, e.g. ``{"calc": "/", "of": [{"field": "close"}, {"field": "close", "symbol": "QQQ"}]}``.

    ``+``, ``*``, ``min`` and ``max`` take two or more, ``-`` and ``/`` two, ``abs`` one. It is missing where a part is, where it
    divides by zero, and where no finite number comes of it.
    """

    calc: Literal["+", "-", "*", "/", "abs", "min", "max"]
    of: tuple[Operand, ...] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _fits(self) -> CalculatedOperand:
        count = len(self.of)
        if self.calc == "abs" and count != 1:
            raise ValueError(f"abs takes one value, got {count}")
        if self.calc in ("-", "/") and count != 2:
            raise ValueError(f"'{self.calc}' takes two values, got {count}")
        if self.calc in ("+", "*", "min", "max") and count < 2:
            raise ValueError(f"'{self.calc}' takes at least two values, got {count}")
        if _levels(self) > MAX_CALCULATION:
            raise ValueError(f"is calculated in more than {MAX_CALCULATION} levels")
        if not any(series_of(self)):
            raise ValueError("calculates with numbers alone; name a price or an indicator")
        return self

    def __str__(self) -> str:
        if self.calc == "abs":
            return f"abs({operand_text(self.of[0])})"
        if self.calc in ("min", "max"):  # a number first, so that it is not read as a period
            parts = sorted(self.of, key=lambda one: not isinstance(one, int | float))
            return f"{self.calc}({', '.join(operand_text(one) for one in parts)})"
        return f" {self.calc} ".join(self._part(one, first=not at) for at, one in enumerate(self.of))

    def _part(self, operand: Operand, *, first: bool) -> str:
        text = operand_text(operand)
        if isinstance(operand, int | float):
            return text
        if not isinstance(operand, CalculatedOperand):
            return text if operand.multiplier == 1 or (first or self.calc in "+-") else f"({text})"
        if operand.calc in ("abs", "min", "max"):
            return text
        tighter = operand.calc in "*/" and self.calc in "+-"
        return text if tighter or (first and (self.calc in "+-" or operand.calc in "*/")) else f"({text})"


def _operand_tag(value: Any) -> str:
    if isinstance(value, CalculatedOperand) or (isinstance(value, dict) and "calc" in value):
        return "<calculation>"
    if isinstance(value, FieldOperand) or (isinstance(value, dict) and "field" in value):
        return "<field>"
    if isinstance(value, IndicatorOperand | dict):
        return "<indicator>"
    return "<number>"


SeriesOperand = FieldOperand | IndicatorOperand
Operand = Annotated[
    Annotated[float, Tag("<number>")]
    | Annotated[FieldOperand, Tag("<field>")]
    | Annotated[IndicatorOperand, Tag("<indicator>")]
    | Annotated[CalculatedOperand, Tag("<calculation>")],
    Discriminator(_operand_tag),
]
CalculatedOperand.model_rebuild()


def operand_text(operand: Operand) -> str:
    """How the operand is written in an expression."""
    return number_text(operand) if isinstance(operand, int | float) else str(operand)


def series_of(operand: Operand) -> Iterator[SeriesOperand]:
    """What must be looked up to know its value, in reading order."""
    if isinstance(operand, CalculatedOperand):
        for part in operand.of:
            yield from series_of(part)
    elif isinstance(operand, FieldOperand | IndicatorOperand):
        yield operand


def changed(operand: Operand, change: Callable[[SeriesOperand], SeriesOperand]) -> Operand:
    """The operand with each series in it replaced."""
    if isinstance(operand, CalculatedOperand):
        return CalculatedOperand(calc=operand.calc, of=tuple(changed(part, change) for part in operand.of))
    return operand if isinstance(operand, int | float) else change(operand)


def with_fields(operand: SeriesOperand, **fields: Any) -> SeriesOperand:
    """The operand with other fields."""
    return type(operand).model_validate(operand.model_dump() | fields)


def earlier(operand: Operand, bars: int) -> Operand:
    """The operand as it was so many bars before."""
    return changed(operand, lambda one: with_fields(one, offset=one.offset + bars))


def _levels(operand: Operand) -> int:
    return 1 + max(map(_levels, operand.of)) if isinstance(operand, CalculatedOperand) else 0

"""What a condition compares: a number, a bar field, or an indicator of it."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from domain import indicators
from domain.timeframe import Timeframe

MAX_OFFSET = 500
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
    """A field of the bar; ``price`` is written for ``close``. ``offset`` counts bars back."""

    field: FieldName
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
        return f"{self.field}{_suffix(self)}"

    def __str__(self) -> str:
        return _scaled(self.multiplier, self.key)


class IndicatorOperand(Model):
    """A TA-Lib indicator by name, e.g. ``{"indicator": "rsi", "params": {"timeperiod": 14}}``.

    ``output`` is needed only where the function has several; ``source`` replaces the close where it takes one series.
    """

    indicator: str
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
            raise ValueError(f"{found.name} has no output '{self.output}'; it has {', '.join(found.outputs)}")
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
        return f"{self.base}{output}{_suffix(self)}"

    @cached_property
    def window(self) -> int:
        """Closed bars to compute on, offset not counted."""
        return indicators.window(self.definition, self.params)

    def __str__(self) -> str:
        return _scaled(self.multiplier, self.key)


def _suffix(operand: FieldOperand | IndicatorOperand) -> str:
    frame = f"@{operand.timeframe}" if operand.timeframe else ""
    offset = f"[{operand.offset}]" if operand.offset else ""
    return frame + offset


def _scaled(multiplier: float, key: str) -> str:
    return key if multiplier == 1 else f"{number_text(multiplier)} * {key}"


def number_text(value: float) -> str:
    """Shortest text that reads back as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _operand_tag(value: Any) -> str:
    if isinstance(value, FieldOperand) or (isinstance(value, dict) and "field" in value):
        return "<field>"
    if isinstance(value, IndicatorOperand | dict):
        return "<indicator>"
    return "<number>"


SeriesOperand = FieldOperand | IndicatorOperand
Operand = Annotated[
    Annotated[float, Tag("<number>")]
    | Annotated[FieldOperand, Tag("<field>")]
    | Annotated[IndicatorOperand, Tag("<indicator>")],
    Discriminator(_operand_tag),
]


def operand_text(operand: float | SeriesOperand) -> str:
    """How the operand is written in an expression."""
    return number_text(operand) if isinstance(operand, int | float) else str(operand)

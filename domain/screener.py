"""Parameters of a screener: which tickers, what they must meet, and how they are ranked."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from domain import expression
from domain.definition import AlertDefinition, read_definition
from domain.errors import InvalidInput
from domain.job_params import Told, WithFrame
from domain.job_words import CUSTOM
from domain.operand import FieldOperand, IndicatorOperand, Model
from domain.ticker import Ticker

FUNDAMENTALS = ("min_market_cap", "max_market_cap", "min_pe_ratio", "max_pe_ratio")


def _condition(tree: dict[str, Any]) -> str:
    try:
        return str(read_definition({"symbol": "X", "rule": tree}).rule)
    except InvalidInput as error:
        raise ValueError("; ".join(f"{fault.path[1:]}: {fault.message}" for fault in error.faults)) from None


class FilterCriteria(Model):
    """What a ticker must meet. ``conditions`` are expressions such as ``rsi(14) < 30``."""

    min_market_cap: float | None = Field(default=None, ge=0)
    max_market_cap: float | None = Field(default=None, ge=0)
    min_pe_ratio: float | None = None
    max_pe_ratio: float | None = None
    min_volume: float | None = Field(default=None, ge=0)
    conditions: tuple[str, ...] = Field(default=(), max_length=20)

    @property
    def fundamentals(self) -> tuple[str, ...]:
        """The bounds on companies that are set."""
        return tuple(name for name in FUNDAMENTALS if getattr(self, name) is not None)

    @field_validator("conditions", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """A condition may be written as a part of an alert's rule, too."""
        return (
            [_condition(one) if isinstance(one, dict) else one for one in value] if isinstance(value, list) else value
        )

    @field_validator("conditions")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                parsed = expression.parse(text)
            except InvalidInput as error:
                raise ValueError("; ".join(fault.message for fault in error.faults)) from None
            if parsed.symbol is not None:
                raise ValueError(f"a condition is for every ticker of the set; leave out {parsed.symbol}")
            if parsed.timeframe is not None:
                raise ValueError(f"a condition is on the screener's timeframe; leave out {parsed.timeframe}")
        return value


RANKED_BY_COMPANY = ("market_cap", "pe_ratio")


class ScreenerParams(Told, WithFrame):
    """A screener. ``symbols`` are the tickers of a ``custom`` set; a set by name is looked up when it runs.

    ``rank_by`` is ``volume`` or any other operand such as ``rsi(14)``, ``market_cap`` or ``pe_ratio``; the greatest comes first,
    unless not ``descending``. ``create_alerts`` is an alert's definition without its ticker: one is made for each ticker that
    begins to match.
    """

    screener_set: str = Field(default=CUSTOM, pattern=r"^[A-Za-z0-9][A-Za-z0-9_&. -]{0,63}$")
    symbols: tuple[Ticker, ...] = Field(default=(), max_length=5000)
    filter_criteria: FilterCriteria = FilterCriteria()
    top_n: int = Field(default=20, ge=1, le=1000)
    rank_by: str = Field(default="volume", max_length=200)
    descending: bool = True
    create_alerts: dict[str, Any] | None = None

    @field_validator("rank_by")
    @classmethod
    def _an_operand(cls, value: str) -> str:
        if value not in RANKED_BY_COMPANY:
            _operand_key(value)
        return value

    @property
    def rank_key(self) -> str:
        """Under which the ranked value is looked up."""
        return self.rank_by if self.rank_by in RANKED_BY_COMPANY else _operand_key(self.rank_by)

    @model_validator(mode="after")
    def _of_something(self) -> ScreenerParams:
        if self.screener_set == CUSTOM and not self.symbols:
            raise ValueError("symbols: name at least one ticker, here or as the target")
        return self

    @field_validator("create_alerts")
    @classmethod
    def _an_alert(cls, value: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        if value is not None:
            alert_of(value, "X", info.data.get("timeframe", "1d"))
        return value


def alert_of(template: dict[str, Any], symbol: str, frame: str) -> AlertDefinition:
    """The alert that a screener makes for a ticker; its timeframe is the screener's, unless it names another.

    Raises:
        ValueError: with every fault of the template.
    """
    named = sorted({"symbol", "ticker"} & template.keys())
    if named:
        raise ValueError(f"leave out {named[0]}: an alert is made for each ticker that matches")
    try:
        return read_definition({"timeframe": frame, **template, "symbol": symbol})
    except InvalidInput as error:
        raise ValueError(
            "; ".join(f"{fault.path.removeprefix('$.')}: {fault.message}" for fault in error.faults)
        ) from None


def _operand_key(text: str) -> str:
    """The key of the one operand that a text is.

    Raises:
        ValueError: it is none, or names a ticker.
    """
    hint = f"expected volume, {', '.join(RANKED_BY_COMPANY)}, or an operand such as rsi(14)"
    try:
        found = expression.operand_in(text)
    except InvalidInput:
        raise ValueError(hint) from None
    if not isinstance(found, FieldOperand | IndicatorOperand) or found.symbol is not None or found.multiplier != 1:
        raise ValueError(hint)
    return found.key

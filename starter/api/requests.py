"""What the REST API takes: shapes that keep exactly what was sent; the domain says what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError
from pydantic.config import JsonDict

from domain.definition import faults_of
from domain.errors import Fault, InvalidInput
from domain.ids import CHOSEN
from domain.job import JobType

Params = dict[str, Any]
EXAMPLE_ALERT: JsonDict = {"symbol": "AAPL", "rule": "rsi(14) > 70 and close > 150", "timeframe": "1h"}


def _named(value: Any) -> Any:
    """The replaced services number their users."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Type = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$", description=f"{', '.join(JobType)}, or a type of the operator's own.")
]
Id = Annotated[Annotated[str, Field(pattern=CHOSEN)], BeforeValidator(_named)]
Owner = Annotated[Annotated[str, Field(min_length=1, max_length=64)], BeforeValidator(_named)]
Whose = Annotated[str | None, Query(max_length=64, description="For admin keys: whose.")]


def _whole(value: Any) -> Any:
    """``3.0`` is an integer in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _few(most: int) -> Callable[[Any], Any]:
    """Counts a list before its items are looked at: each of them could be a fault."""

    def check(value: Any) -> Any:
        if isinstance(value, list) and len(value) > most:
            raise ValueError(f"expected at most {most:,} items, not {len(value):,}")
        return value

    return check


def printable(value: Any) -> Any:
    """What another program wrote, as an answer can hold it."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {printable(str(key)): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list) else value


class In(BaseModel):
    """Requests: an unknown key is a fault, and no value is bent to fit."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class ScheduleIn(In):
    """A schedule as its owner writes it; an alert is the schedule whose ``job_type`` is ``alert``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"job_type": "alert", "name": "AAPL is hot", "task_params": EXAMPLE_ALERT},
                {
                    "job_type": "report",
                    "name": "closing report",
                    "task_params": {"report_type": "daily_summary", "symbols": ["AAPL", "MSFT"]},
                    "cron": "0 30 16 * * 1-5",
                    "timezone": "America/New_York",
                },
            ]
        }
    )

    job_type: Type
    name: str = Field(default="", max_length=255)
    target: str | None = Field(default=None, max_length=255, description="The ticker of an alert.")
    task_params: Params = Field(description="What is to be done; its schema depends on job_type.")
    cron: str = Field(
        default="", max_length=256, description="5 fields, or 6 with seconds first. Alerts have a default."
    )
    timezone: str | None = Field(
        default=None, max_length=64, description="IANA zone; the server's default when left out."
    )
    enabled: StrictBool = True


class ScheduleEdit(ScheduleIn):
    """A schedule that is written over another: what is left out gets its default, ``job_type`` and ``task_params`` are needed.

    Where the operator has set ALERTS_API_STRICT=false, what is left out stays as it is.
    """

    job_type: Type | None = None  # type: ignore[assignment]
    task_params: Params | None = Field(  # type: ignore[assignment]
        default=None, description="What is to be done; its schema depends on job_type."
    )

    def over(self, kept: Mapping[str, Any]) -> ScheduleIn:
        """With what stays of ``kept``, a row's fields by name.

        Raises:
            InvalidInput: neither says what is needed.
        """
        given = dict(kept) | {name: getattr(self, name) for name in self.model_fields_set}
        missing = [name for name in ("job_type", "task_params") if given.get(name) is None]
        if missing:
            hint = "is needed; with ALERTS_API_STRICT=false what is left out stays as it is"
            raise InvalidInput("the request", [Fault(f"$.{name}", hint) for name in missing])
        try:
            return ScheduleIn.model_validate(given)
        except ValidationError as error:  # of what stays, which another program wrote
            raise InvalidInput("the request", faults_of(error)) from None


class NewSchedule(ScheduleIn):
    """A schedule to be made."""

    id: Id | None = Field(
        default=None, description="Made from the ticker or job type when left out; a number or a text."
    )
    user_id: Owner | None = Field(default=None, description="For admin keys: whose it is; a number or a text.")


class AlertFields(In):
    """The fields of an alert's definition; each may be left out where it has a default or is not to change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rule": "AAPL > 160", "tags": ["tech"]}]})

    name: str | None = Field(default=None, max_length=255)
    description: str | None = Field(default=None, max_length=2000)
    symbol: str | None = Field(default=None, max_length=32)
    ticker: str | None = Field(default=None, max_length=32, description="Another word for symbol.")
    timeframe: str | None = Field(default=None, max_length=8)
    rule: str | Params | None = Field(default=None, description="An expression, or a rule tree.")
    expression: str | None = Field(default=None, max_length=4000, description="The rule as text.")
    condition: str | None = Field(default=None, max_length=4000, description="A short form such as price_above.")
    threshold: float | None = None
    rearm: str | Params | None = None
    options: Params | None = None
    cron: str | None = Field(default=None, max_length=256)
    timezone: str | None = Field(default=None, max_length=64)
    notification_channels: Annotated[list[str], BeforeValidator(_few(10))] | None = Field(default=None, max_length=10)
    tags: Annotated[list[str], BeforeValidator(_few(20))] | None = Field(default=None, max_length=20)
    group: str | None = Field(default=None, max_length=64, description="Alerts that are steered together.")
    message_template: str | None = Field(default=None, max_length=2000, description="Words with {ticker} and the like.")
    priority: str | None = Field(default=None, max_length=16, description="normal, high or urgent.")
    custom: Params | None = Field(default=None, description="Fields that the operator's own schema declares.")
    notify: Params | None = Field(
        default=None, description="channels, message_template and priority, as the older services had them."
    )

    def given(self) -> dict[str, Any]:
        """What the request named, ``null`` included."""
        own = set(AlertFields.model_fields)
        return {name: getattr(self, name) for name in self.model_fields_set & own}

    def named(self) -> dict[str, Any]:
        """What the request gave a value."""
        return {name: value for name, value in self.given().items() if value is not None}


class NewAlert(AlertFields):
    """An alert to be made: from an expression, a short form or a whole definition."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"expression": "AAPL > 150"},
                {"symbol": "AAPL", "condition": "price_above", "threshold": 150, "notification_channels": ["log"]},
                EXAMPLE_ALERT,
            ]
        }
    )

    id: Id | None = Field(default=None, description="Made from the ticker when left out; a number or a text.")
    user_id: Owner | None = Field(default=None, description="For admin keys: whose it is; a number or a text.")
    enabled: StrictBool = True


class PauseIn(In):
    """Why, and until when; without an end it is until resumed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "earnings"}, {"seconds": 3600}]})

    reason: str = Field(default="", max_length=500)
    seconds: Annotated[int | None, Field(ge=1, le=366 * 86_400), BeforeValidator(_whole)] = None


class Bar(In):
    """One candle; ``time`` is its open, ISO with an offset."""

    time: str = Field(max_length=40, examples=["2026-01-05T14:30:00Z"])
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = None


EXAMPLE_PREVIEW: JsonDict = {
    "definition": {"expression": "AAPL > 150"},
    "bars": [
        {"time": "2026-01-05T14:30:00Z", "close": 149.0},
        {"time": "2026-01-05T14:31:00Z", "close": 151.0},
    ],
}


class PreviewIn(In):
    """A definition and the bars to try it on; without bars, the newest stored ones of its ticker."""

    definition: AlertFields
    bars: Annotated[list[Bar], BeforeValidator(_few(5_000))] | None = Field(
        default=None, min_length=1, max_length=5_000
    )

"""What requests hold and what they are answered with; separate from rows and definitions, which may change."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from domain.alert import AlertEvent
from domain.errors import MOST_FAULTS
from domain.run import Run
from domain.text import cut
from storage.audit import AuditEntry
from storage.runs import RunCount
from storage.schedules import StoredSchedule

ID = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
TEXT = r"^[^\x00]*$"
JobName = Literal["alert", "report", "screener", "notification", "data_processing", "backup"]
Params = dict[str, Any]
MOST_SHOWN = 4000  # characters of parameters that cannot be read
EXAMPLE_ALERT: JsonDict = {"symbol": "AAPL", "rule": "rsi(14) > 70 and close > 150", "timeframe": "1h"}

EXAMPLE_ROW: JsonDict = {
    "id": "aapl-3f9c2a5b",
    "user_id": "ann",
    "name": "AAPL is hot",
    "job_type": "alert",
    "target": "AAPL",
    "task_params": EXAMPLE_ALERT,
    "cron": "0 * * * *",
    "timezone": "UTC",
    "enabled": True,
    "version": 1,
    "status": "ARMED",
    "reason": "created",
    "next_run_at": "2026-01-05T16:00:01Z",
    "created_at": "2026-01-05T14:30:00Z",
    "updated_at": "2026-01-05T14:30:00Z",
    "errors": [],
}


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


def _brief(value: Any) -> Any:
    """What another program wrote, as an answer can hold it: shortly."""
    shown = _printable(value)
    if isinstance(shown, dict | list | str):
        text = shown if isinstance(shown, str) else json.dumps(shown)
        return shown if len(text) <= MOST_SHOWN else cut(text, MOST_SHOWN)
    return str(shown)[:MOST_SHOWN]


def _numbers(value: Any) -> dict[str, float | None] | None:
    """Values by name, where they are some."""
    if not isinstance(value, dict):
        return None
    return value if all(one is None or isinstance(one, int | float) for one in value.values()) else None


def _printable(value: Any) -> Any:
    """What another program wrote, as an answer can hold it."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_printable(str(key)): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


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

    job_type: JobName
    name: str = Field(default="", max_length=200)
    target: str | None = Field(default=None, max_length=64, description="The ticker of an alert.")
    task_params: Params = Field(description="What is to be done; its schema depends on job_type.")
    cron: str = Field(
        default="", max_length=256, description="5 fields, or 6 with seconds first. Alerts have a default."
    )
    timezone: str | None = Field(
        default=None, max_length=64, description="IANA zone; the server's default when left out."
    )
    enabled: StrictBool = True


class NewSchedule(ScheduleIn):
    """A schedule to be made."""

    id: str | None = Field(default=None, pattern=ID, description="Made from the ticker or job type when left out.")
    user_id: str | None = Field(default=None, min_length=1, max_length=64, description="For admin keys: whose it is.")


class ScheduleOut(BaseModel):
    """A row of ``job_schedules``. ``errors`` says why a row that another program wrote cannot be used."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_ROW]})

    id: str
    user_id: str
    name: str
    job_type: str
    target: str | None
    task_params: Any
    cron: str
    timezone: str
    enabled: bool
    version: int
    status: str
    reason: str
    next_run_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None
    errors: list[dict[str, Any]] = []

    @classmethod
    def of(cls, stored: StoredSchedule) -> ScheduleOut:
        """From the row."""
        faults = [fault.as_json() for fault in stored.faults]
        params = _brief(stored.task_params) if stored.schedule is None else stored.task_params
        kept = stored.errors if isinstance(stored.errors, list) and len(stored.errors) <= MOST_FAULTS + 1 else []
        return cls(
            id=stored.id,
            user_id=stored.user_id,
            name=_printable(stored.name),
            job_type=_printable(stored.job_type),
            target=_printable(stored.target),
            task_params=params,
            cron=stored.cron,
            timezone=stored.timezone,
            enabled=bool(stored.enabled),
            version=int(stored.version),
            status=stored.status,
            reason=stored.reason,
            next_run_at=stored.next_run_at,
            created_at=stored.created_at,
            updated_at=stored.updated_at,
            errors=faults or [_printable(one) for one in kept if isinstance(one, dict)],
        )


class AlertOut(ScheduleOut):
    """An alert with what was last recorded of its state."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **EXAMPLE_ROW,
                    "symbol": "AAPL",
                    "timeframe": "1h",
                    "rule": "rsi(14) > 70 and close > 150",
                    "definition": EXAMPLE_ALERT,
                    "status": "TRIGGERED",
                    "reason": "fired",
                    "last_bar_close": "2026-01-05T15:30:00Z",
                    "last_values": {"close": 151.2, "rsi(14)": 71.4},
                    "triggered_at": "2026-01-05T15:30:00Z",
                    "trigger_count": 1,
                }
            ]
        }
    )

    symbol: str
    timeframe: str
    rule: str
    definition: dict[str, Any]
    last_bar_close: datetime | None
    last_values: dict[str, float | None] | None
    triggered_at: datetime | None
    trigger_count: int

    @classmethod
    def of(cls, stored: StoredSchedule) -> AlertOut:
        """From the row; one that cannot be read has an empty definition."""
        definition = stored.alert.definition if stored.schedule is not None else None
        return cls(
            **dict(ScheduleOut.of(stored)),
            symbol=definition.symbol if definition else stored.target or "",
            timeframe=definition.timeframe if definition else "",
            rule=str(definition.rule) if definition else "",
            definition=definition.as_json() if definition else {},
            last_bar_close=stored.last_bar_close,
            last_values=_numbers(stored.last_values),
            triggered_at=stored.triggered_at,
            trigger_count=stored.trigger_count,
        )


class AlertFields(In):
    """The fields of an alert's definition; each may be left out where it has a default or is not to change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rule": "AAPL > 160", "tags": ["tech"]}]})

    name: str | None = Field(default=None, max_length=200)
    description: str | None = Field(default=None, max_length=2000)
    symbol: str | None = Field(default=None, max_length=32)
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

    id: str | None = Field(default=None, pattern=ID)
    user_id: str | None = Field(default=None, min_length=1, max_length=64, description="For admin keys: whose it is.")
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


class RunOut(BaseModel):
    """A row of ``job_schedule_runs``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run_id": "293a1564-43fe-46e2-a98c-3e881b391ce5",
                    "job_type": "report",
                    "job_id": "closing",
                    "user_id": "ann",
                    "status": "COMPLETED",
                    "scheduled_for": "2026-01-05T21:30:00Z",
                    "enqueued_at": "2026-01-05T21:30:00Z",
                    "started_at": "2026-01-05T21:30:00Z",
                    "finished_at": "2026-01-05T21:30:02Z",
                    "job_snapshot": {"version": 1, "cron": "0 30 16 * * 1-5", "timezone": "America/New_York"},
                    "result": {"report_type": "daily_summary", "symbols": {"AAPL": {"close": 151.2, "change_1": 0.8}}},
                    "error": None,
                    "worker_id": "7@worker",
                }
            ]
        }
    )

    run_id: str
    job_type: str
    job_id: str | None
    user_id: str
    status: Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "MISSED"]
    scheduled_for: datetime
    enqueued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    job_snapshot: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    worker_id: str | None

    @classmethod
    def of(cls, run: Run) -> RunOut:
        """From the run."""
        return cls(**{name: getattr(run, name) for name in cls.model_fields})


class RunCountOut(BaseModel):
    """How many runs of a type ended how, and their mean seconds from start to finish."""

    job_type: str
    status: str
    count: int
    mean_seconds: float | None

    @classmethod
    def of(cls, one: RunCount) -> RunCountOut:
        """From the statistics."""
        return cls(job_type=one.job_type, status=one.status, count=one.count, mean_seconds=one.seconds)


class EventOut(BaseModel):
    """Something that happened to an alert."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "ca96bb8dbb890c241cd51417322bf0aa",
                    "alert_id": "aapl-3f9c2a5b",
                    "version": 1,
                    "kind": "triggered",
                    "at": "2026-01-05T15:30:00Z",
                    "status": "TRIGGERED",
                    "reason": "fired",
                    "bar_close": "2026-01-05T15:30:00Z",
                    "values": {"close": 151.2},
                    "trigger_count": 1,
                    "late": False,
                    "count": 1,
                    "detail": "",
                    "source": "yahoo",
                }
            ]
        }
    )

    id: str
    alert_id: str
    version: int
    kind: str
    at: datetime
    status: str
    reason: str
    bar_close: datetime | None
    values: dict[str, float | None]
    trigger_count: int
    late: bool
    count: int
    detail: str
    source: str

    @classmethod
    def of(cls, event: AlertEvent) -> EventOut:
        """From the event."""
        return cls(**{name: getattr(event, name) for name in cls.model_fields})


class AuditOut(BaseModel):
    """Who changed what, when, from which client."""

    at: datetime
    actor: str
    client: str
    action: str
    version: int | None
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditOut:
        """From the log."""
        return cls(**{name: getattr(entry, name) for name in cls.model_fields})


class SchedulePage(BaseModel):
    """One page of schedules."""

    items: list[ScheduleOut]
    next_cursor: str | None


class AlertPage(BaseModel):
    """One page of alerts."""

    items: list[AlertOut]
    next_cursor: str | None


class RunPage(BaseModel):
    """One page of runs, newest first."""

    items: list[RunOut]
    next_cursor: str | None


class Events(BaseModel):
    """One page of events, those recorded last first."""

    items: list[EventOut]
    next_cursor: str | None


class AuditPage(BaseModel):
    """One page of changes, newest first."""

    items: list[AuditOut]
    next_cursor: str | None


class RunStatistics(BaseModel):
    """Runs by type and status."""

    items: list[RunCountOut]

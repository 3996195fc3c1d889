"""What the REST API answers; separate from rows and definitions, which may change."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from domain.alert import AlertEvent
from domain.errors import MOST_FAULTS
from domain.job import Job
from domain.run import Run
from domain.text import cut
from starter.api.requests import EXAMPLE_ALERT, printable
from starter.liveness import Liveness, seen
from storage.audit import AuditEntry
from storage.runs import RunCount
from storage.stored_schedule import StoredSchedule

MOST_SHOWN = 4000  # characters of parameters that cannot be read

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


def _brief(value: Any) -> Any:
    """What another program wrote, as an answer can hold it: shortly."""
    shown = printable(value)
    if isinstance(shown, dict | list | str):
        text = shown if isinstance(shown, str) else json.dumps(shown)
        return shown if len(text) <= MOST_SHOWN else cut(text, MOST_SHOWN)
    return str(shown)[:MOST_SHOWN]


def _numbers(value: Any) -> dict[str, float | None] | None:
    """Values by name, where they are some."""
    if not isinstance(value, dict):
        return None
    return value if all(one is None or isinstance(one, int | float) for one in value.values()) else None


class ScheduleOut(BaseModel):
    """A row of ``job_schedules``. ``errors`` says why a row that another program wrote cannot be used, ``warnings`` what of a
    job is kept without effect.
    """

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
    warnings: list[str] = []

    @classmethod
    def of(cls, stored: StoredSchedule) -> ScheduleOut:
        """From the row."""
        faults = [fault.as_json() for fault in stored.faults]
        params = _brief(stored.task_params) if stored.schedule is None else stored.task_params
        kept = stored.errors if isinstance(stored.errors, list) and len(stored.errors) <= MOST_FAULTS + 1 else []
        return cls(
            id=stored.id,
            user_id=stored.user_id,
            name=printable(stored.name),
            job_type=printable(stored.row.job_type),
            target=printable(stored.target),
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
            errors=faults or [printable(one) for one in kept if isinstance(one, dict)],
            warnings=stored.schedule.definition.warnings() if isinstance(stored.schedule, Job) else [],
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
                    "last_look": "2026-01-05T15:30:01Z",
                    "away": 0.0,
                    "watched": True,
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
    last_look: datetime | None
    away: float | None
    watched: bool | None
    triggered_at: datetime | None
    trigger_count: int

    @classmethod
    def of(cls, stored: StoredSchedule, alive: Liveness | None = None) -> AlertOut:
        """From the row; one that cannot be read has an empty definition.

        ``last_look`` is when a worker looked last, ``away`` how far the rule is from true (a fraction), ``watched`` whether any
        worker runs; after a write they are not looked up, and None.
        """
        definition = stored.alert.definition if stored.schedule is not None else None
        found = (alive.seen.get(stored.id) if alive else None) or seen(stored, None)
        return cls(
            **dict(ScheduleOut.of(stored)),
            symbol=definition.symbol if definition else stored.target or "",
            timeframe=definition.timeframe if definition else "",
            rule=str(definition.rule) if definition else "",
            definition=definition.as_json() if definition else {},
            last_bar_close=found.bar_close,
            last_values=_numbers(dict(found.values)) if found.values else _numbers(stored.last_values),
            last_look=found.looked_at,
            away=found.away,
            watched=alive.watching if alive else None,
            triggered_at=stored.triggered_at,
            trigger_count=stored.trigger_count,
        )


class ProgressOut(BaseModel):
    """How far a run has come; ``total`` is 0 where nobody knows."""

    done: int
    total: int
    what: str


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
                    "progress": {"done": 2, "total": 2, "what": "AAPL"},
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
    progress: ProgressOut | None

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

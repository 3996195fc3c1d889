"""One execution of a schedule: what was to run, when, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunStatus(StrEnum):
    """Where a run is. MISSED is a slot outside the catch-up window."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    MISSED = "MISSED"


OPEN = (RunStatus.PENDING, RunStatus.RUNNING)


@dataclass(frozen=True)
class Run:
    """One row of ``job_schedule_runs``. ``job_id`` is the schedule's id, None for a job run once by hand.

    ``scheduled_for`` is the slot: no second run has the same schedule and slot. Times are aware UTC. ``progress`` is how far a
    running one has come: ``{"done", "total", "what"}``.
    """

    run_id: str
    job_type: str
    job_id: str | None
    user_id: str
    status: RunStatus
    scheduled_for: datetime
    enqueued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    job_snapshot: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: str | None = None
    worker_id: str | None = None
    progress: dict[str, Any] | None = None
    id: int = 0

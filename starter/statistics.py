"""What there is and what it did, counted: ``/stats`` and ``alerts status``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from activities.market_data.vendors.status import NOTE as PROVIDERS
from activities.market_data.vendors.status import TOLD_FOR, outside_sessions
from domain.job import JobType
from domain.run import RunStatus
from starter.watching import watch_state
from storage.database import Database
from storage.runs import RunCount, RunFilter
from worker.settings import Settings

DAY = timedelta(days=1)
MOST_ERRORS = 10


async def statistics(
    database: Database, settings: Settings, now: datetime, user_id: str | None = None, *, whole: bool = False
) -> dict[str, Any]:
    """``/stats``: schedules by type and state, alerts by status, runs of the last day, deliveries by status, odd market data.

    Errors are told of a user's own runs, and ``whole`` of everybody's; else counts alone.
    """
    wanted = RunFilter(user_id=user_id, since=now - DAY)
    async with database.transaction() as work:
        counts = await work.schedules.counts(user_id)
        runs = await work.runs.statistics(wanted)
        deliveries = await work.deliveries.counts(user_id)
        notes = await work.reports.under(PROVIDERS, now - TOLD_FOR)
        errors = [] if user_id is None and not whole else await work.runs.common_errors(wanted, MOST_ERRORS)
    watch = (await watch_state(database, settings, now)).as_json()
    outside = outside_sessions(value for _, value in notes.values())
    schedules: dict[str, dict[str, int]] = {}
    alerts: dict[str, int] = {}
    for kind, enabled, status, count in counts:
        of_type = schedules.setdefault(kind, {"enabled": 0, "disabled": 0})
        of_type["enabled" if enabled else "disabled"] += count
        if kind == JobType.ALERT:
            alerts[status] = alerts.get(status, 0) + count
    by_type: dict[str, dict[str, Any]] = {}
    for one in runs:
        by_type.setdefault(one.job_type, {})[one.status] = {"count": one.count, "mean_seconds": one.seconds}
    return {
        "schedules": schedules,
        "alerts": alerts,
        "runs_last_day": by_type,
        "deliveries": deliveries,
        "market_data": {"times_outside_sessions": sum(one["times"] for one in outside.values())},
        "watch": {name: value for name, value in watch.items() if name not in ("each", "silent")},
        **_success(runs),
        "common_errors": [{"error": text, "count": count} for text, count in errors],
        "as_of": now.isoformat().replace("+00:00", "Z"),
    }


def by_status(runs: Sequence[RunCount]) -> dict[str, int]:
    """How many of each, of all types."""
    counts: dict[str, int] = {}
    for one in runs:
        counts[one.status] = counts.get(one.status, 0) + one.count
    return counts


def _success(runs: Sequence[RunCount]) -> dict[str, Any]:
    """``success_rate`` is of the runs of the last day that have ended, from 0 to 1; None where none has."""
    counts = by_status(runs)
    well = counts.get(RunStatus.COMPLETED.value, 0)
    badly = counts.get(RunStatus.FAILED.value, 0) + counts.get(RunStatus.MISSED.value, 0)
    timed = [(one.count, one.seconds) for one in runs if one.seconds is not None]
    count = sum(number for number, _ in timed)
    mean = sum(number * seconds for number, seconds in timed) / count if count else None
    metrics = {
        "runs": sum(counts.values()),
        "completed": well,
        "failed": counts.get(RunStatus.FAILED.value, 0),
        "missed": counts.get(RunStatus.MISSED.value, 0),
        "cancelled": counts.get(RunStatus.CANCELLED.value, 0),
        "mean_seconds": mean,
    }
    return {"metrics": metrics, "success_rate": well / (well + badly) if well + badly else None}

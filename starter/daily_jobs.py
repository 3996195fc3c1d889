"""Daily jobs: tickers whose prices and indicators are brought in once a day; a face of schedules of type data_processing."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

from domain.errors import Fault, InvalidInput
from domain.job import Job, JobDefinition, JobType, read_job
from domain.run import Run
from starter import definition_writes, quotas
from starter.clock import now
from starter.context import Context, NotFound
from starter.definition_writes import Written
from storage.database import UnitOfWork
from storage.runs import RunFilter
from storage.stored_schedule import Filter, StoredSchedule

MARK = "daily_job"  # an own field by which one is known among the other schedules
MOST = 500
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DAILY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* \*")


@dataclass(frozen=True)
class DailyJob:
    """One, with its newest run. ``schedule_time`` is ``HH:MM`` in its zone."""

    stored: StoredSchedule
    last_run: Run | None = None

    @property
    def stock_ids(self) -> tuple[str, ...]:
        """Its tickers."""
        found: tuple[str, ...] = self.stored.job.definition.params.symbols
        return found

    @property
    def schedule_time(self) -> str:
        """When it runs."""
        return time_of(self.stored.job.definition.cron)


def time_of(cron: str) -> str:
    """``16:30`` of ``30 16 * * *``; the cron itself, where somebody gave it another."""
    found = _DAILY.fullmatch(cron)
    return f"{int(found[2]):02}:{int(found[1]):02}" if found else cron


def definition_of(name: str, stock_ids: list[str], schedule_time: str, timezone: str) -> JobDefinition:
    """The schedule that a daily job is.

    Raises:
        InvalidInput: with every fault, by the names that its writer used.
    """
    params = {"kind": "historical_prices", "operation": "indicators", "symbols": stock_ids, "custom": {MARK: True}}
    return _read(name, params, schedule_time, "", timezone)


def altered(
    job: Job, name: str | None, stock_ids: list[str] | None, schedule_time: str | None, timezone: str | None
) -> JobDefinition:
    """Its definition with what is given; all else stays, what somebody gave it as a schedule included.

    Raises:
        InvalidInput: with every fault.
    """
    before = job.definition
    params = before.task_params()
    if stock_ids is not None:
        params["symbols"] = stock_ids
    return _read(before.name if name is None else name, params, schedule_time, before.cron, timezone or before.timezone)


def _read(name: str, params: dict[str, Any], schedule_time: str | None, cron: str, timezone: str) -> JobDefinition:
    faults: list[Fault] = []
    if schedule_time is not None:
        at = _TIME.fullmatch(schedule_time.strip())
        faults = [] if at else [Fault("$.schedule_time", "expected a time of the day such as 16:30", schedule_time)]
        cron = f"{int(at[2])} {int(at[1])} * * *" if at else "0 0 * * *"
    try:
        found = read_job(JobType.DATA_PROCESSING, params, cron=cron, timezone=timezone, name=name)
    except InvalidInput as error:
        faults += [one.at(one.path.replace("$.task_params.symbols", "$.stock_ids")) for one in error.faults]
    if faults:
        raise InvalidInput("daily job", faults)
    return found


def is_daily(stored: StoredSchedule) -> bool:
    """Whether it is one, and can be read."""
    return isinstance(stored.schedule, Job) and stored.schedule.definition.custom.get(MARK) is True


async def every(work: UnitOfWork, context: Context) -> list[DailyJob]:
    """The user's, or all; the oldest first."""
    rows = await work.schedules.page(Filter(context.owner, JobType.DATA_PROCESSING), None, MOST)
    return [await _with_run(work, one) for one in rows if is_daily(one)]


async def find(work: UnitOfWork, context: Context, id: str) -> DailyJob:
    """The job.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    stored = await context.find(work, id)
    if not is_daily(stored):
        raise NotFound(id, "daily job", "GET /scheduler/jobs")
    return await _with_run(work, stored)


async def _with_run(work: UnitOfWork, stored: StoredSchedule) -> DailyJob:
    newest = await work.runs.page(RunFilter(job_id=stored.id), None, 1)
    return DailyJob(stored, newest[0] if newest else None)


async def create(
    work: UnitOfWork, context: Context, user_id: str, definition: JobDefinition, *, enabled: bool
) -> tuple[DailyJob, Written]:
    """A new one.

    Raises:
        OverQuota: more than its user may have.
    """
    job = Job(id=f"daily-{uuid.uuid4().hex[:8]}", user_id=user_id, definition=definition)
    await quotas.check(work, context, job, enabled=enabled)
    (written,) = await definition_writes.create(work, context.who, [job], now(), disabled=() if enabled else (job.id,))
    return await find(work, context, job.id), written


async def edit(
    work: UnitOfWork, context: Context, found: DailyJob, definition: JobDefinition, enabled: bool
) -> tuple[DailyJob, tuple[Written, ...]]:
    """Written over; an edit changes nothing where nothing differs.

    Raises:
        OverQuota: more than its user may have.
        DefinitionConflict: the row has changed since it was read.
    """
    stored = found.stored
    await quotas.check(work, context, Job(id=stored.id, user_id=stored.user_id, definition=definition), enabled=enabled)
    written = await definition_writes.edit(work, context.who, stored, definition, now(), enabled=enabled)
    return await find(work, context, stored.id), (written,) if written else ()


def brief(run: Run | None) -> dict[str, Any] | None:
    """What is told of a run."""
    if run is None:
        return None
    return {
        "run_id": run.run_id,
        "status": run.status.value,
        "scheduled_for": run.scheduled_for,
        "finished_at": run.finished_at,
        "error": run.error,
    }

"""The life of a run: opened once for its slot, worked on by the executor of its type, and brought to an end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeats
from activities.interface import (
    CLOSE_RUN,
    JOB_HEARTBEAT,
    OPEN_RUN,
    RUN_JOB,
    RUN_STEP,
    CloseRun,
    ErrorType,
    OpenedRun,
    OpenRun,
    RunEnd,
    StepInput,
    source_of,
)
from activities.jobs.executor import Done, Executor, JobFailed, JobRefused, StepExecutor, Task
from activities.jobs.notice import deliveries
from activities.jobs.progress import told
from activities.notifications.fallback import with_fallbacks
from domain.alert import Alert
from domain.cron import next_fire, slot_of
from domain.errors import InvalidInput
from domain.job import JobType, read_job
from domain.run import OPEN, Run, RunStatus
from storage.audit import AuditEntry
from storage.database import Database, UnitOfWork
from storage.deliveries import DeliveryStatus
from storage.stored_schedule import StoredSchedule

RUNS = uuid.UUID("0f5e0c51-0a55-4d1f-8f6d-8a8a3e1f4c11")  # the name space of run ids made from (schedule, slot)
MOST_ERROR = 2000
LONGEST_WAIT = timedelta(minutes=15)  # a run that waits keeps its schedule's next ones from starting
FORGOTTEN = timedelta(days=2)  # what runs that never ended have left between their steps
log = structlog.get_logger(__name__)


Names = Callable[[str, tuple[str, ...]], Awaitable[list[str]]]


async def as_given(_user_id: str, names: tuple[str, ...]) -> list[str]:
    """Each name is a delivery."""
    return list(names)


class JobRunner:
    """Every step may be repeated: the database holds one run for each (schedule, slot)."""

    def __init__(
        self,
        database: Database,
        executors: Mapping[JobType, Executor],
        worker_id: str,
        timeouts: Mapping[JobType, float] | None = None,
        steps: Mapping[JobType, StepExecutor] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        names: Names = as_given,
    ) -> None:
        self.names = names
        self.timeouts = timeouts or {}
        self.steps = steps or {}
        self.database = database
        self.executors = executors
        self.worker_id = worker_id
        self.clock = clock

    @activity.defn(name=OPEN_RUN)
    async def open(self, given: OpenRun) -> OpenedRun:
        """The run's row, made when it is not there. No run: the slot has one, or the schedule is gone or disabled."""
        async with self.database.transaction() as work:
            if given.given.run_id is not None:
                run = await work.runs.get(given.given.run_id)
                if run is None or run.status not in OPEN:
                    return OpenedRun(None, "the run is gone, or has ended")
                run = await _described(work, run, given.workflow_id)
                return OpenedRun(run.run_id, steps=self._steps(run))
            assert given.given.schedule_id is not None
            stored = await work.schedules.get(given.given.schedule_id, given.given.job_type)
            if stored is None or not stored.enabled:
                return OpenedRun(None, "the schedule is gone, or disabled")
            return await self._open_slot(work, stored, given)

    async def _open_slot(self, work: UnitOfWork, stored: StoredSchedule, given: OpenRun) -> OpenedRun:
        if stored.schedule is None:
            faults = "; ".join(str(fault) for fault in stored.faults)
            run = self._new(stored, given.slot, given, RunStatus.FAILED, error=f"the row cannot be read: {faults}")
            await work.runs.add([run])
            return OpenedRun(None, "the row cannot be read")
        definition = stored.job.definition
        zone = ZoneInfo(definition.timezone)
        slot = slot_of(definition.parsed_cron, zone, given.slot)
        if slot is None and _clocks_change(given.slot, zone):
            return OpenedRun(None, "no slot of the cron: Temporal's calendar and ours differ in a clock change")
        slot = slot or given.slot  # started by hand, in Temporal's own UI
        following = next_fire(definition.parsed_cron, zone, max(slot, self.clock()))
        await work.schedules.schedule_next(stored.id, following)
        run = self._new(stored, slot, given, RunStatus.PENDING)
        await work.runs.add([run])
        await work.runs.reopen(run.run_id, self.clock(), run.job_snapshot)
        kept = await work.runs.of_slot(stored.id, slot)
        if kept is None or kept.job_snapshot.get("workflow_id") != given.workflow_id or kept.status not in OPEN:
            return OpenedRun(None, "the slot has its run already")
        return OpenedRun(kept.run_id, steps=self._steps(kept))

    def _steps(self, run: Run) -> tuple[str, ...]:
        """Those of a data job; a run that cannot be read says so when it is run."""
        if JobType(run.job_type) not in self.steps:
            return ()
        try:
            params = _task(run).job.params
        except InvalidInput:
            return ()
        return tuple(step.value for step in params.steps)

    def _new(
        self, stored: StoredSchedule, slot: datetime, given: OpenRun, status: RunStatus, error: str | None = None
    ) -> Run:
        now = self.clock()
        return Run(
            run_id=run_id_of(stored.id, slot),
            job_type=stored.job_type,
            job_id=stored.id,
            user_id=stored.user_id,
            status=status,
            scheduled_for=slot,
            enqueued_at=now,
            finished_at=now if error else None,
            job_snapshot=snapshot_of(stored, given.workflow_id),
            error=error,
        )

    @activity.defn(name=RUN_STEP)
    async def run_step(self, given: StepInput) -> dict[str, int]:
        """One step of a run; what it makes is left in SQL for the next.

        Raises:
            ApplicationError: retried, or ``JobRefused``, which is not.
        """
        async with self.database.transaction() as work:
            run = await work.runs.get(given.run_id)
            if run is None or run.status not in OPEN:
                return {}
            await work.runs.begin(given.run_id, self.clock(), self.worker_id)
        told_of(run)
        try:
            async with heartbeats(JOB_HEARTBEAT), told(self.database, given.run_id) as tell:
                return await self.steps[JobType(run.job_type)](replace(_task(run), tell=tell), given.step)
        except (JobRefused, InvalidInput) as error:
            raise ApplicationError(str(error)[:MOST_ERROR], type=ErrorType.JOB_REFUSED, non_retryable=True) from None
        except JobFailed as error:
            raise _again(error) from None

    @activity.defn(name=RUN_JOB)
    async def run(self, run_id: str) -> RunEnd:
        """Does the work and writes the result into the row, with the deliveries it makes necessary, in one transaction.

        Raises:
            ApplicationError: retried, or ``JobRefused``, which is not.
        """
        async with self.database.transaction() as work:
            run = await work.runs.get(run_id)
            if run is None or run.status not in OPEN:
                return await _ended(work, run_id, run.status if run else RunStatus.CANCELLED)
            await work.runs.begin(run_id, self.clock(), self.worker_id)
        told_of(run)
        try:
            task = _task(run)
            executor = self.executors.get(JobType(run.job_type))
            if executor is None:
                raise JobRefused(f"this worker has nothing that runs {run.job_type} jobs")
            limit = self.timeouts.get(JobType(run.job_type))
            async with heartbeats(JOB_HEARTBEAT), told(self.database, run_id) as tell, asyncio.timeout(limit) as bound:
                done = await executor(replace(task, tell=tell))
        except TimeoutError as error:
            took = f"took longer than {limit:g} s" if limit is not None and bound.expired() else "something timed out"
            raise ApplicationError(str(error) or took, type=ErrorType.JOB_FAILED) from None
        except (JobRefused, InvalidInput) as error:
            raise ApplicationError(str(error)[:MOST_ERROR], type=ErrorType.JOB_REFUSED, non_retryable=True) from None
        except JobFailed as error:
            raise _again(error) from None
        return await self._finish(task, done)

    async def _finish(self, task: Task, done: Done) -> RunEnd:
        names = await self.names(task.user_id, tuple(done.notice.channels)) if done.notice else []
        rows, result = deliveries(task, done.notice, names), done.result
        async with self.database.transaction() as work:
            rows = await with_fallbacks(work, rows, self.clock())
            if rows:
                result = {**result, "deliveries": {row.channel: DeliveryStatus.PENDING.value for row in rows}}
            if done.is_all:
                run = await work.runs.get(task.run_id)
                is_open = run is not None and run.status in OPEN
            else:
                is_open = await work.runs.finish(task.run_id, RunStatus.COMPLETED, self.clock(), result)
            if is_open:  # one that was cancelled meanwhile has nothing to say
                await work.deliveries.open(rows, self.clock())
                await work.files.put(task.run_id, done.files, self.clock())
                await _begin(work, task, done.alerts, self.clock())
            await work.records.clear_stage(task.run_id, self.clock() - FORGOTTEN)
            status = RunStatus.RUNNING if done.is_all else RunStatus.COMPLETED
            return await _ended(work, task.run_id, status)

    @activity.defn(name=CLOSE_RUN)
    async def close(self, given: CloseRun) -> None:
        """The end of a run that its work did not write; one that has an end keeps it."""
        result = None if given.deliveries is None else {"deliveries": given.deliveries}
        error = given.error[:MOST_ERROR] or None
        async with self.database.transaction() as work:
            await work.runs.finish(given.run_id, RunStatus(given.status), self.clock(), result, error)
            await work.records.clear_stage(given.run_id, self.clock() - FORGOTTEN)


async def _described(work: UnitOfWork, run: Run, workflow_id: str) -> Run:
    """With the schedule as it is now, where another program ordered the run and kept nothing of it."""
    if "task_params" in run.job_snapshot or run.job_id is None:
        return run
    stored = await work.schedules.get(run.job_id, run.job_type)
    if stored is None:
        return run
    snapshot = run.job_snapshot | snapshot_of(stored, workflow_id)
    await work.runs.describe(run.run_id, snapshot)
    return replace(run, job_snapshot=snapshot)


async def _begin(work: UnitOfWork, task: Task, alerts: Sequence[Alert], now: datetime) -> None:
    """Alerts that a run makes; the reconciler starts them. One that is there already stays as it is."""
    there = await work.schedules.owners(*(alert.id for alert in alerts))
    fresh = await work.never_before([alert for alert in alerts if alert.id not in there])
    await work.schedules.add_all(fresh, now)
    details = [{"name": alert.definition.name, "run": task.run_id} for alert in fresh]
    await work.audit.add_all(
        [
            AuditEntry(now, task.user_id, "job", "created", "schedule", alert.id, alert.version, detail)
            for alert, detail in zip(fresh, details, strict=True)
        ]
    )


async def _ended(work: UnitOfWork, run_id: str, status: RunStatus) -> RunEnd:
    """How it ended, and whether there is anything left to be told."""
    return RunEnd(status.value, tells=bool(await work.deliveries.waiting(source_of(run_id))))


def _again(error: JobFailed) -> ApplicationError:
    """Tried again by the limits of the job's type, or when a vendor said; a longer wait than a run may last ends it."""
    wait, text = error.retry_after, str(error)[:MOST_ERROR]
    if wait is not None and wait > LONGEST_WAIT:
        return ApplicationError(text, type=ErrorType.JOB_REFUSED, non_retryable=True)
    return ApplicationError(text, type=ErrorType.JOB_FAILED, next_retry_delay=wait)


def _clocks_change(at: datetime, zone: ZoneInfo) -> bool:
    near = timedelta(hours=4)
    return (at - near).astimezone(zone).utcoffset() != (at + near).astimezone(zone).utcoffset()


def told_of(run: Run) -> None:
    """Whatever is logged from here on in this activity says of which job it is, and whose."""
    structlog.contextvars.bind_contextvars(job_id=run.job_id, run_id=run.run_id, user_id=run.user_id)


def run_id_of(schedule_id: str, slot: datetime) -> str:
    """The id of a schedule's run of a slot: the same, whoever makes it."""
    return str(uuid.uuid5(RUNS, f"{schedule_id}|{slot.isoformat()}"))


def snapshot_of(stored: StoredSchedule, workflow_id: str) -> dict[str, Any]:
    """What a run keeps of its schedule, so that it can be told later what ran."""
    return {
        "version": stored.version,
        "workflow_id": workflow_id,
        "name": stored.name,
        "target": stored.target,
        "cron": stored.cron,
        "timezone": stored.timezone,
        "task_params": stored.task_params if isinstance(stored.task_params, dict) else None,
    }


def _task(run: Run) -> Task:
    """The work a run's snapshot holds."""
    kept = run.job_snapshot
    definition = None
    if run.job_type != JobType.ALERT:
        definition = read_job(
            run.job_type,
            kept.get("task_params"),
            name=kept.get("name") or ("" if kept.get("cron") else f"{run.job_type} by hand"),
            target=kept.get("target"),
            cron=kept.get("cron") or "@daily",  # a job run once by hand has none
            timezone=kept.get("timezone") or "UTC",
        )
    return Task(run.run_id, run.job_id or run.run_id, run.user_id, definition)

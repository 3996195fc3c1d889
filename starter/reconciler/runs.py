"""Care for runs: those Temporal was not told of are started, stuck ones are closed, missed slots are written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.interface import WORKFLOW_TYPES, RunInput, TaskQueue
from activities.jobs.runner import run_id_of, snapshot_of
from domain.cron import next_fire, slots_at_risk
from domain.job import JOBS, JobType
from domain.run import Run, RunStatus
from storage.database import Database
from storage.runs import RunFilter
from storage.stored_schedule import Filter, StoredSchedule
from workflows.search_attributes import ALERT_USER_ID, JOB_TYPE

PATIENCE = timedelta(seconds=20)
LOOK_BACK = timedelta(days=1)
MISSED_AT_ONCE = 500
MOST_MISSED = 5000  # rows of a schedule at once; what is missing beyond is told in one
GRACE = timedelta(seconds=30)  # after which a slot that the Schedule passed over is made up for
PAGE = 500
MISSED_NOTE = "missed"
log = structlog.get_logger(__name__)


def run_workflow_id(run_id: str) -> str:
    """The workflow of a run that was ordered by hand."""
    return f"run-{run_id}"


async def start_run(client: Client, run: Run) -> None:
    """Starts the workflow of a run that has its row; a repeat starts no second."""
    job_type = JobType(run.job_type)
    try:
        await client.start_workflow(
            WORKFLOW_TYPES[job_type],
            RunInput(job_type=job_type, run_id=run.run_id),
            id=run_workflow_id(run.run_id),
            task_queue=TaskQueue.JOBS,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(JOB_TYPE, job_type), SearchAttributePair(ALERT_USER_ID, run.user_id)]
            ),
            static_summary=f"{run.job_type} by hand",
        )
    except WorkflowAlreadyStartedError:
        return


class RunSupervisor:
    """One look at all runs that may need help."""

    def __init__(self, client: Client, database: Database, clock: Callable[[], datetime]) -> None:
        self.client = client
        self.database = database
        self.clock = clock

    async def deliver(self) -> int:
        """Starts PENDING runs that were ordered while Temporal could not be told; returns how many were looked at."""
        async with self.database.transaction() as work:
            waiting = await work.runs.waiting(self.clock() - PATIENCE)
        for run in waiting:
            await self._guarded(run, self._deliver(run))
        return len(waiting)

    async def _deliver(self, run: Run) -> None:
        ended = await self._ended(run)
        if ended:
            await self._close(run, f"its workflow has {ended} before the run began")
        elif ended is None and run.job_snapshot.get("workflow_id") in (None, run_workflow_id(run.run_id)):
            await start_run(self.client, run)
        elif ended is None:
            await self._close(run, "Temporal knows nothing of it")

    async def close_stuck(self) -> int:
        """Closes RUNNING runs whose workflow is over: their worker died before it could say so."""
        async with self.database.transaction() as work:
            running = await work.runs.running(self.clock() - PATIENCE)
        for run in running:
            await self._guarded(run, self._close_stuck(run))
        return len(running)

    async def _close_stuck(self, run: Run) -> None:
        ended = await self._ended(run)
        began = run.started_at or run.enqueued_at or run.scheduled_for
        if ended:
            await self._close(run, f"stuck: its workflow has {ended} without writing a result")
        elif ended is None and self.clock() - began > longest(JobType(run.job_type)):
            await self._close(run, "stuck: Temporal knows nothing of it")

    async def _guarded(self, run: Run, work: Coroutine[Any, Any, None]) -> None:
        """One run that cannot be helped keeps none of the others from it."""
        try:
            await work
        except Exception as error:
            log.warning(
                "run not looked after", action="runs", run_id=run.run_id, error=f"{type(error).__name__}: {error}"[:300]
            )

    async def _ended(self, run: Run) -> str | None:
        """How the run's workflow ended; empty while it runs, None when there is none."""
        name = str(run.job_snapshot.get("workflow_id") or run_workflow_id(run.run_id))
        try:
            found = await self.client.get_workflow_handle(name).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        if found.status in (WorkflowExecutionStatus.RUNNING, None):
            return ""
        return found.status.name.lower().replace("_", " ")

    async def _close(self, run: Run, why: str) -> None:
        async with self.database.transaction() as work:
            await work.runs.finish(run.run_id, RunStatus.FAILED, self.clock(), error=why)

    async def write_missed(self) -> int:
        """Writes a MISSED row for each slot that no run began for in time, since this was done last.

        Where clocks are set back, slots that the Schedule passed over are made up for.
        """
        now, written, after = self.clock(), 0, None
        async with self.database.transaction() as work:
            last = await work.reports.get(MISSED_NOTE)
        looked_until = last[0] if last else now - LOOK_BACK
        while True:
            async with self.database.transaction() as work:
                page = await work.schedules.page(Filter(enabled=True, is_job=True), after, PAGE)
            for stored in page:
                await asyncio.sleep(0)  # alerts of the same process take their turn
                try:
                    await self._make_up(stored, now)
                    written += await self._write_missed(stored, looked_until, now)
                except Exception as error:  # one odd row stops no other
                    text = f"{type(error).__name__}: {error}"[:300]
                    log.warning("slots not looked after", action="runs", id=stored.id, error=text)
            if len(page) < PAGE or page[-1].created_at is None:
                break
            after = (page[-1].created_at, page[-1].id)
        async with self.database.transaction() as work:
            await work.reports.put(MISSED_NOTE, now, {"written": written})
        return written

    async def _write_missed(self, stored: StoredSchedule, looked_until: datetime, now: datetime) -> int:
        if stored.schedule is None:
            return 0
        definition = stored.job.definition
        options, zone = definition.options, ZoneInfo(definition.timezone)
        patience = timedelta(seconds=options.catchup + options.jitter) + longest(JobType(stored.job_type))
        since = max(looked_until - patience, stored.updated_at or now - LOOK_BACK)
        written, slot, until = 0, next_fire(definition.parsed_cron, zone, since), now - patience
        why = f"no run began within {options.catchup:g} s of its slot"
        while slot <= until and written < MOST_MISSED:
            slots: list[datetime] = []
            while slot <= until and len(slots) < MISSED_AT_ONCE:
                slots.append(slot)
                slot = next_fire(definition.parsed_cron, zone, slot)
            written += await self._write_slots(stored, slots, now, why)
        if slot <= until:
            why = f"no run began for this slot, nor for any other until {until:%Y-%m-%d %H:%M:%S} UTC: too many for a row each"
            written += await self._write_slots(stored, [slot], now, why)
        return written

    async def _make_up(self, stored: StoredSchedule, now: datetime) -> None:
        """Orders runs for slots that Temporal's calendars passed over where clocks were set back."""
        if stored.schedule is None:
            return
        definition = stored.job.definition
        options, zone = definition.options, ZoneInfo(definition.timezone)
        since = max(now - timedelta(seconds=options.catchup), stored.updated_at or now)
        slots = slots_at_risk(definition.parsed_cron, zone, since, now - GRACE)
        if not slots:
            return
        async with self.database.transaction() as work:
            seen = await work.runs.slots(stored.id, slots)
            under_way = await work.runs.page(RunFilter(job_id=stored.id, status=RunStatus.RUNNING), None, 1)
            if under_way and options.overlap != "allow_all":
                return  # as the Schedule would have it: it is looked at again while it may still be caught up with
            await work.runs.add([_ordered(stored, one, now) for one in slots if one not in seen])

    async def _write_slots(self, stored: StoredSchedule, slots: list[datetime], now: datetime, why: str) -> int:
        """MISSED rows for those of the slots that have no run."""
        async with self.database.transaction() as work:
            seen = await work.runs.slots(stored.id, slots)
            runs = [
                replace(
                    _of_slot(stored, one, ""),
                    status=RunStatus.MISSED,
                    finished_at=now,
                    error=why,
                )
                for one in slots
                if one not in seen
            ]
            await work.runs.add(runs)
        return len(runs)


def _of_slot(stored: StoredSchedule, slot: datetime, workflow_id: str) -> Run:
    """The run of a schedule's slot, PENDING."""
    return Run(
        run_id=run_id_of(stored.id, slot),
        job_type=stored.job_type,
        job_id=stored.id,
        user_id=stored.user_id,
        status=RunStatus.PENDING,
        scheduled_for=slot,
        job_snapshot=snapshot_of(stored, workflow_id),
    )


def _ordered(stored: StoredSchedule, slot: datetime, now: datetime) -> Run:
    """The same, to be started with the next look."""
    return replace(_of_slot(stored, slot, run_workflow_id(run_id_of(stored.id, slot))), enqueued_at=now)


def longest(job_type: JobType) -> timedelta:
    """How long a run of a type may take with all its tries."""
    limits = JOBS[job_type].limits
    return (limits.timeout + limits.apart) * limits.tries + PATIENCE

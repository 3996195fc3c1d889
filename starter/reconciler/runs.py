"""Care for runs: those Temporal was not told of are started, stuck ones are closed, missed slots are written down (R-207)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.interface import RunInput, TaskQueue
from activities.jobs.runner import RUNS, snapshot_of
from domain.cron import next_fire
from domain.job import LIMITS, JobType
from domain.run import Run, RunStatus
from storage.database import Database
from storage.runs import RunFilter
from storage.schedules import Filter
from workflows.jobs import WORKFLOWS
from workflows.search_attributes import ALERT_USER_ID, JOB_TYPE

PATIENCE = timedelta(seconds=20)
LOOK_BACK = timedelta(days=1)
MOST_MISSED = 100
PAGE = 500


def run_workflow_id(run_id: str) -> str:
    """The workflow of a run that was ordered by hand."""
    return f"run-{run_id}"


async def start_run(client: Client, run: Run) -> None:
    """Starts the workflow of a run that has its row; a repeat starts no second."""
    job_type = JobType(run.job_type)
    try:
        await client.start_workflow(
            WORKFLOWS[job_type],
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


class RunKeeper:
    """One look at all runs that may need help."""

    def __init__(self, client: Client, database: Database, clock: Callable[[], datetime]) -> None:
        self.client = client
        self.database = database
        self.clock = clock

    async def deliver(self) -> int:
        """Starts PENDING runs that were ordered while Temporal could not be told; returns how many."""
        async with self.database.transaction() as work:
            waiting = await work.runs.waiting(self.clock() - PATIENCE)
        for run in waiting:
            ended = await self._ended(run)
            if ended is None and run.job_snapshot.get("workflow_id") in (None, run_workflow_id(run.run_id)):
                await start_run(self.client, run)
            elif ended:
                await self._close(run, f"its workflow has {ended} before the run began")
        return len(waiting)

    async def close_stuck(self) -> int:
        """Closes RUNNING runs whose workflow is over: their worker died before it could say so."""
        closed = 0
        async with self.database.transaction() as work:
            running = await work.runs.running(self.clock() - PATIENCE)
        for run in running:
            limits = LIMITS[JobType(run.job_type)]
            longest = (limits.timeout + limits.apart) * limits.tries + PATIENCE
            ended = await self._ended(run)
            began = run.started_at or run.enqueued_at or run.scheduled_for
            if ended:
                await self._close(run, f"stuck: its workflow has {ended} without writing a result")
            elif ended is None and self.clock() - began > longest:
                await self._close(run, "stuck: Temporal knows nothing of it")
            else:
                continue
            closed += 1
        return closed

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
        """Writes a MISSED row for each slot of the last day that has no run and is outside the catch-up window."""
        now, written = self.clock(), 0
        for kind in JobType:
            if kind is JobType.ALERT:
                continue
            after = None
            while True:
                async with self.database.transaction() as work:
                    page = await work.schedules.page(Filter(job_type=kind, enabled=True), after, PAGE)
                    for stored in page:
                        if stored.schedule is None:
                            continue
                        options = stored.job.definition.options
                        since = max(stored.updated_at, now - LOOK_BACK)
                        until = now - timedelta(seconds=options.catchup) - LIMITS[kind].timeout
                        if until <= since:
                            continue
                        seen = {
                            run.scheduled_for
                            for run in await work.runs.page(
                                RunFilter(job_id=stored.id, since=since), None, 24 * 60 + MOST_MISSED
                            )
                        }
                        definition, zone = stored.job.definition, ZoneInfo(stored.job.definition.timezone)
                        runs: list[Run] = []
                        slot = next_fire(definition.parsed_cron, zone, since)
                        while slot <= until and len(runs) < MOST_MISSED:
                            if slot not in seen:
                                runs.append(
                                    Run(
                                        run_id=str(uuid.uuid5(RUNS, f"{stored.id}|{slot.isoformat()}")),
                                        job_type=stored.job_type,
                                        job_id=stored.id,
                                        user_id=stored.user_id,
                                        status=RunStatus.MISSED,
                                        scheduled_for=slot,
                                        finished_at=now,
                                        job_snapshot=snapshot_of(stored, ""),
                                        error=f"no run began within {options.catchup:g} s of its slot",
                                    )
                                )
                            slot = next_fire(definition.parsed_cron, zone, slot)
                        await work.runs.add(runs)
                        written += len(runs)
                if len(page) < PAGE:
                    break
                after = (page[-1].created_at, page[-1].id)
        return written

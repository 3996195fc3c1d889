"""Histories of the jobs' workflows: a plain run, a data job in its steps, and one that fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities import interface
from activities.interface import (
    WORKFLOW_TYPES,
    CloseRun,
    DeliveriesOfRun,
    DeliveryInput,
    DeliveryTask,
    OpenedRun,
    OpenRun,
    RunEnd,
    RunInput,
    StepInput,
    TaskQueue,
)
from domain.watching import WatchReport
from workflows.delivery import DeliveryWorkflow
from workflows.jobs import ALL
from workflows.retention import RetentionWorkflow
from workflows.watch import WatchWorkflow

RUN = "0e5c7c3c-0000-0000-0000-0000000000"


@dataclass
class Office:
    """What the runner does, told what to say."""

    steps: tuple[str, ...] = ()
    fails: bool = False
    end: RunEnd = RunEnd("COMPLETED")
    refuses: bool = False
    run_id: str = "0e5c7c3c-0000-0000-0000-000000000000"

    @activity.defn(name=interface.OPEN_RUN)
    async def open(self, given: OpenRun) -> OpenedRun:
        return OpenedRun(self.run_id, steps=self.steps)

    @activity.defn(name=interface.RUN_STEP)
    async def step(self, given: StepInput) -> dict[str, int]:
        return {"done": 2, "failed": 0}

    @activity.defn(name=interface.RUN_JOB)
    async def run(self, run_id: str) -> RunEnd:
        if self.fails:
            raise ApplicationError("no such symbol", type="JobRefused", non_retryable=True)
        return self.end

    @activity.defn(name=interface.CLOSE_RUN)
    async def close(self, given: CloseRun) -> None:
        return

    @activity.defn(name=interface.OPEN_DELIVERY)
    async def open_delivery(self, given: DeliveryInput) -> list[str]:
        return ["log", "webhook"]

    @activity.defn(name=interface.DELIVER)
    async def deliver(self, task: DeliveryTask) -> str:
        if self.refuses and task.channel == "webhook":
            raise ApplicationError("HTTP 410", type="ChannelRefused", non_retryable=True)
        return "SENT" if task.channel == "log" else "UNSAVED"

    @activity.defn(name=interface.MARK_SENT)
    async def mark_sent(self, task: DeliveryTask) -> None:
        return

    @activity.defn(name=interface.BURY)
    async def bury(self, task: DeliveryTask) -> None:
        return

    @activity.defn(name=interface.NOTE_DELIVERIES)
    async def note(self, given: DeliveriesOfRun) -> None:
        return


OFFICES = {
    "job": ("report", Office()),
    "data-steps": ("data_processing", Office(("fetch", "normalize", "cache", "indicators"))),
    "job-failed": ("screener", Office(fails=True)),
    "job-told": ("report", Office(end=RunEnd("COMPLETED", tells=True), run_id=f"{RUN}01")),
    "notification": ("notification", Office(end=RunEnd("RUNNING", tells=True), run_id=f"{RUN}02")),
    "notification-dead": ("notification", Office(end=RunEnd("RUNNING", tells=True), refuses=True, run_id=f"{RUN}03")),
}


@activity.defn(name=interface.PRUNE)
async def prune() -> dict[str, int]:
    """Some rows of two kinds."""
    return {"quotes": 12, "minute_bars": 3}


async def history_of_retention(client: Client) -> dict[str, str]:
    """A night's removal of old rows."""
    async with Worker(client, task_queue=TaskQueue.JOBS, workflows=[RetentionWorkflow], activities=[prune]):
        handle = await client.start_workflow(RetentionWorkflow.run, id="retention-night", task_queue=TaskQueue.JOBS)
        assert await handle.result() == {"quotes": 12, "minute_bars": 3}
        return {handle.id: (await handle.fetch_history()).to_json()}


@activity.defn(name=interface.WATCH)
async def watch(shard: int) -> str:
    """Its worker ends once; then there is no such shard any more."""
    if activity.info().attempt == 1:
        raise ApplicationError("the worker ends", type="HandedOn", next_retry_delay=timedelta(milliseconds=100))
    await asyncio.sleep(2)
    return f"there is no shard {shard} of 1"


async def history_of_watch(client: Client) -> dict[str, str]:
    """Of a shard whose watch reports, and is not needed any more."""
    async with Worker(client, task_queue=TaskQueue.WATCH, workflows=[WatchWorkflow], activities=[watch]):
        handle = await client.start_workflow(WatchWorkflow.run, 7, id="watch-7", task_queue=TaskQueue.WATCH)
        now = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
        await handle.signal(interface.WATCH_REPORT, WatchReport(7, 8, "1@host", now, now, 10, 2, 30, 4))
        await handle.result()
        return {handle.id: (await handle.fetch_history()).to_json()}


async def history_of(client: Client, name: str) -> dict[str, str]:
    """Histories by workflow id of one of them, run to its end, and of the delivery it may have."""
    job_type, office = OFFICES[name]
    activities = [office.open, office.step, office.run, office.close]
    delivery = [office.open_delivery, office.deliver, office.mark_sent, office.bury, office.note]
    async with (
        Worker(client, task_queue=TaskQueue.JOBS, workflows=list(ALL), activities=activities),
        Worker(client, task_queue=TaskQueue.NOTIFICATIONS, workflows=[DeliveryWorkflow], activities=delivery),
    ):
        workflow = WORKFLOW_TYPES[job_type]  # type: ignore[index]
        id = f"{job_type}-{name}"
        handle = await client.start_workflow(
            workflow, RunInput(job_type, "sched"), id=id, task_queue=TaskQueue.JOBS, result_type=str
        )
        await handle.result()
        found = {handle.id: (await handle.fetch_history()).to_json()}
        if office.end.tells:
            child = client.get_workflow_handle(f"delivery-{office.run_id.replace('-', '')}")
            await child.result()
            found[child.id] = (await child.fetch_history()).to_json()
        return found

"""The workflow of a shard: it outlives every worker, and shows how the watch fares."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.interface import WATCH, WATCH_REPORT, TaskQueue
from domain.watching import WatchReport
from workflows.watch import WatchWorkflow

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
REPORT = WatchReport(0, 2, "7@host", NOON, NOON + timedelta(minutes=3), 1234, 17, 56_789, 12, 3, 250, NOON)


@dataclass
class Worn:
    """A watch whose workers end again and again, until there is no such shard any more."""

    ends: int
    begun: list[int] = field(default_factory=list)

    @activity.defn(name=WATCH)
    async def watch(self, shard: int) -> str:
        self.begun.append(shard)
        if len(self.begun) <= self.ends:
            raise ApplicationError("the worker ends", type="HandedOn", next_retry_delay=timedelta(milliseconds=100))
        return f"there is no shard {shard} of 1"


async def test_it_goes_on_with_another_worker_until_there_is_no_such_shard(time_skipping: WorkflowEnvironment) -> None:
    worn = Worn(ends=5)
    async with Worker(
        time_skipping.client, task_queue=TaskQueue.WATCH, workflows=[WatchWorkflow], activities=[worn.watch]
    ):
        said = await time_skipping.client.execute_workflow(
            WatchWorkflow.run, 3, id="watch-3", task_queue=TaskQueue.WATCH
        )
    assert (said, worn.begun) == ("there is no shard 3 of 1", [3] * 6)


async def test_its_details_show_what_the_watch_reports(dev_server: WorkflowEnvironment) -> None:
    client = dev_server.client
    async with Worker(client, task_queue="watch-details", workflows=[WatchWorkflow]):  # nobody serves the activity
        handle = await client.start_workflow(WatchWorkflow.run, 0, id="watch-details", task_queue="watch-details")
        await handle.signal(WATCH_REPORT, REPORT)
        shown = await handle.query("__temporal_workflow_metadata")
        await handle.terminate()
    details = shown.current_details
    for said in ("Shard 0 of 2: **1,234 alerts** on 17 feeds, by 7@host", "56,789 judgements", "0.2 s after its close",
                 "12 nudges, 3 unanswered", "2026-01-05 12:03:00 UTC"):  # fmt: skip
        assert said in details

"""Deliveries that nobody tells any more: their workflow was ended from outside, or could not be started."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.interface import DeliveryInput, TaskQueue
from activities.notifications.patience import LONGEST
from storage.database import Database
from workflows.delivery import DeliveryWorkflow

PATIENCE = 2 * LONGEST  # longer than any pause between two tries that nobody asked for
log = structlog.get_logger(__name__)


async def deliver_again(client: Client, source_id: str, at: datetime, channel: str = "") -> None:
    """Starts what tells a source's waiting deliveries, or the one of a channel; a repeat at the same time starts no second."""
    try:
        await client.start_workflow(
            DeliveryWorkflow.run,
            DeliveryInput(again=source_id, channel=channel),
            id=f"delivery-{source_id}-{at:%Y%m%dT%H%M%S}" + (f"-{channel}" if channel else ""),
            task_queue=TaskQueue.NOTIFICATIONS,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary="told again",
        )
    except WorkflowAlreadyStartedError:
        return


class NoticeSupervisor:
    """One look at the deliveries that wait."""

    def __init__(self, client: Client, database: Database, clock: Callable[[], datetime]) -> None:
        self.client, self.database, self.clock = client, database, clock

    async def deliver(self, patience: timedelta = PATIENCE) -> int:
        """Starts those that no workflow tells; how many."""
        now, started = self.clock(), 0
        async with self.database.transaction() as work:
            sources = await work.deliveries.forgotten(now - patience)
        for source in sources:
            running = f"WorkflowId STARTS_WITH 'delivery-{source}' AND ExecutionStatus = 'Running'"
            try:
                if (await self.client.count_workflows(running)).count == 0:
                    await deliver_again(self.client, source, now)
                    started += 1
            except Exception as error:  # one that cannot be helped keeps none of the others from it
                text = f"{type(error).__name__}: {error}"[:300]
                log.warning("delivery not looked after", action="deliver", source_id=source, error=text)
        return started

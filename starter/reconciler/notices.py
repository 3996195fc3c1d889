"""Deliveries that nobody tells any more: their workflow was ended from outside, or could not be started."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.interface import DeliveryInput, TaskQueue, delivery_id
from activities.notifications.patience import LONGEST
from storage.database import Database
from storage.deliveries import Delivery
from workflows.delivery import DeliveryWorkflow

PATIENCE = 2 * LONGEST  # longer than any pause between two tries that nobody asked for
UNHANDED = timedelta(seconds=10)  # who wrote it tells Temporal within this, or not at all
log = structlog.get_logger(__name__)


async def deliver_again(client: Client, source_id: str, at: datetime, channel: str = "", alert_id: str = "") -> None:
    """Starts what tells a source's waiting deliveries, or the one of a channel; a repeat at the same time starts no second.

    ``alert_id`` is the alert, or the schedule, that they are of.
    """
    try:
        await client.start_workflow(
            DeliveryWorkflow.run,
            DeliveryInput(again=source_id, channel=channel),
            id=f"{delivery_id(alert_id, source_id)}-{at:%Y%m%dT%H%M%S}" + (f"-{channel}" if channel else ""),
            task_queue=TaskQueue.NOTIFICATIONS,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary="told again",
        )
    except WorkflowAlreadyStartedError:
        return


async def hand_on(client: Client, database: Database, one: Delivery, now: datetime) -> None:
    """Tells Temporal of a delivery that was written elsewhere than in a workflow, and notes that."""
    await deliver_again(client, one.event_id, one.begun_at, one.channel, one.alert_id)
    async with database.transaction() as work:
        await work.deliveries.handed(one.id, now)


class NoticeSupervisor:
    """One look at the deliveries that wait."""

    def __init__(self, client: Client, database: Database, clock: Callable[[], datetime]) -> None:
        self.client, self.database, self.clock = client, database, clock

    async def hand_on(self) -> int:
        """Tells Temporal of those that were written while it was away; how many."""
        now = self.clock()
        async with self.database.transaction() as work:
            waiting = await work.deliveries.unhanded(now - UNHANDED)
        return sum([await self._helped(one.event_id, hand_on(self.client, self.database, one, now)) for one in waiting])

    async def deliver(self, patience: timedelta = PATIENCE) -> int:
        """Starts those that no workflow tells; how many."""
        now, started = self.clock(), 0
        async with self.database.transaction() as work:
            sources = await work.deliveries.forgotten(now - patience)
        for source, alert_id in sources:
            started += await self._helped(source, self._unless_told(source, alert_id, now))
        return started

    async def _unless_told(self, source: str, alert_id: str, now: datetime) -> bool:
        """Of a run the one that began it bears no schedule's id."""
        for name in (delivery_id("", source), delivery_id(alert_id, source)):
            quoted = name.replace("'", "''")
            running = f"WorkflowId STARTS_WITH '{quoted}' AND ExecutionStatus = 'Running'"
            if (await self.client.count_workflows(running)).count:
                return False
        await deliver_again(self.client, source, now, alert_id=alert_id)
        return True

    async def _helped(self, source: str, work: Awaitable[bool | None]) -> bool:
        """Whether something was begun; one that cannot be helped keeps none of the others from it."""
        try:
            return await work is not False
        except Exception as error:
            text = f"{type(error).__name__}: {error}"[:300]
            log.warning("delivery not looked after", action="deliver", source_id=source, error=text)
            return False

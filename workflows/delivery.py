"""DeliveryWorkflow: an event or a run's result told by every channel, each with its own retries."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import (
        UNSAVED,
        DeliveriesOfRun,
        DeliveryInput,
        DeliveryOutcome,
        DeliveryTask,
        TaskQueue,
    )
    from workflows.failures import reason_of

SENT, DEAD = "SENT", "DEAD"
CANCELLED = "cancelled"


@workflow.defn(name="DeliveryWorkflow")
class DeliveryWorkflow:
    """Sees to the delivery rows, then one activity per channel; a dead channel harms no other."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}

    @workflow.run
    async def run(self, given: DeliveryInput) -> DeliveryOutcome:
        """Ends when each channel was told or buried."""
        event, what = given.event, f"result of run {given.run_id}" if given.run_id else f"{given.again}, once more"
        if event is not None:
            what = f"{event.kind.value} of alert {event.alert_id} at {event.at:%Y-%m-%d %H:%M:%S} UTC"
        workflow.set_current_details(what)
        channels: list[str] = await workflow.execute_activity(
            interface.OPEN_DELIVERY,
            given,
            result_type=list[str],
            start_to_close_timeout=interface.STORE_TIMEOUT,
            retry_policy=interface.STORE_RETRY,
            summary=f"record {event.kind.value}" if event is not None else "deliveries of the run",
        )
        ends = await asyncio.gather(*(self._tell(given.source_id, channel) for channel in channels))
        outcome = DeliveryOutcome(dict(zip(channels, ends, strict=True)), self.errors)
        if given.run_id and channels:
            noted = DeliveriesOfRun(given.run_id, outcome.channels)
            await self._store(interface.NOTE_DELIVERIES, noted, "outcome")
        return outcome

    async def _tell(self, source_id: str, channel: str) -> str:
        """What came of it; why it could not be told is kept beside it."""
        task = DeliveryTask(source_id, channel)
        try:
            outcome: str = await workflow.execute_activity(
                interface.DELIVER,
                task,
                result_type=str,
                start_to_close_timeout=interface.DELIVER_TIMEOUT,
                heartbeat_timeout=interface.DELIVER_HEARTBEAT,
                retry_policy=interface.DELIVER_RETRY,
                summary=channel,
            )
        except ActivityError as error:
            cancelled = is_cancelled_exception(error)
            text = CANCELLED if cancelled else reason_of(error)
            workflow.logger.warning("delivery buried", extra={"source_id": source_id, "channel": channel})
            buried = self._store(interface.BURY, DeliveryTask(source_id, channel, text), f"bury {channel}")
            await asyncio.shield(asyncio.ensure_future(buried))
            if cancelled:
                raise
            self.errors[channel] = text
            return DEAD
        if outcome == UNSAVED:  # it was told, and must not be told again whatever the database does
            await self._store(interface.MARK_SENT, task, f"sent by {channel}")
        return SENT if outcome == UNSAVED else outcome

    def _store(self, name: str, argument: Any, summary: str) -> Coroutine[Any, Any, None]:
        """Waits for as long as the database is away."""
        return workflow.execute_activity(
            name,
            argument,
            start_to_close_timeout=interface.STORE_TIMEOUT,
            retry_policy=interface.STORE_RETRY,
            summary=summary,
        )


async def start_delivery(
    given: DeliveryInput, summary: str
) -> workflow.ChildWorkflowHandle[DeliveryWorkflow, DeliveryOutcome] | None:
    """The delivery under way, which outlives the workflow that begins it; None when it was begun before."""
    try:
        return await workflow.start_child_workflow(
            DeliveryWorkflow.run,
            given,
            id=given.workflow_id,
            task_queue=TaskQueue.NOTIFICATIONS,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=summary,
        )
    except WorkflowAlreadyStartedError:
        return None

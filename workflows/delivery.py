"""DeliveryWorkflow: one event told by every channel of its alert, each with its own retries (R-402)."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import DeliveryInput, DeliveryOutcome, DeliveryTask


@workflow.defn(name="DeliveryWorkflow")
class DeliveryWorkflow:
    """Records the event, makes the delivery rows, then one activity per channel; a dead channel harms no other."""

    @workflow.run
    async def run(self, given: DeliveryInput) -> DeliveryOutcome:
        """Ends when each channel was told or buried."""
        event = given.event
        workflow.set_current_details(
            f"{event.kind.value} of alert {event.alert_id} at {event.at:%Y-%m-%d %H:%M:%S} UTC"
        )
        channels: list[str] = await workflow.execute_activity(
            interface.OPEN_DELIVERY,
            given,
            result_type=list[str],
            start_to_close_timeout=interface.STORE_TIMEOUT,
            retry_policy=interface.STORE_RETRY,
            summary=f"record {event.kind.value}",
        )
        outcomes = await asyncio.gather(*(self._tell(event.id, channel) for channel in channels))
        return DeliveryOutcome(dict(zip(channels, outcomes, strict=True)))

    async def _tell(self, event_id: str, channel: str) -> str:
        task = DeliveryTask(event_id, channel)
        try:
            outcome: str = await workflow.execute_activity(
                interface.DELIVER,
                task,
                result_type=str,
                start_to_close_timeout=interface.DELIVER_TIMEOUT,
                retry_policy=interface.DELIVER_RETRY,
                summary=channel,
            )
            return outcome
        except ActivityError as error:
            cause = error.cause
            text = cause.message if isinstance(cause, ApplicationError) else str(cause or error)
            workflow.logger.warning("delivery buried", extra={"event_id": event_id, "channel": channel})
        await workflow.execute_activity(
            interface.BURY,
            DeliveryTask(event_id, channel, text),
            start_to_close_timeout=interface.STORE_TIMEOUT,
            retry_policy=interface.STORE_RETRY,
            summary=f"bury {channel}",
        )
        return "DEAD"

"""The delivery activities: open the rows, make one attempt, bury what cannot be told (DESIGN 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.interface import BURY, DELIVER, OPEN_DELIVERY, DeliveryInput, DeliveryTask, ErrorType
from activities.notifications.channel import Channel, ChannelRefused, ChannelUnavailable, Letter
from activities.notifications.message import render
from storage.database import Database
from storage.deliveries import DeliveryStatus, NewDelivery


class Notifier:
    """Delivers by the channels the operator set up, by name; others go to ``fallback``, which refuses them."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        fallback: Channel,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        retries: int = 5,
    ) -> None:
        self.retries = retries
        self.database = database
        self.channels = dict(channels)
        self.fallback = fallback
        self.clock = clock

    @activity.defn(name=OPEN_DELIVERY)
    async def open(self, given: DeliveryInput) -> list[str]:
        """Records the event and makes a row for each channel, with the words to be said. Returns the channels."""
        message, definition = render(given.alert, given.event), given.alert.definition
        rows = [
            NewDelivery(given.event.id, given.alert.id, given.alert.user_id, channel, message.subject, message.body)
            for channel in definition.notification_channels
        ]
        async with self.database.transaction() as work:
            await work.events.record([given.event], self.clock())
            await work.deliveries.open(rows, self.clock())
        return list(definition.notification_channels)

    @activity.defn(name=DELIVER)
    async def deliver(self, task: DeliveryTask) -> str:
        """One attempt, written down before it is made. A delivery that was told is not told again."""
        async with self.database.transaction() as work:
            delivery = await work.deliveries.get(task.event_id, task.channel)
            event = await work.events.get(task.event_id)
            if delivery is None or event is None:
                raise ApplicationError("the delivery has no row", type=ErrorType.CHANNEL_REFUSED, non_retryable=True)
            if delivery.status is DeliveryStatus.SENT:
                return delivery.status.value
            await work.deliveries.attempt(task.event_id, task.channel, self.clock())
        channel = self.channels.get(task.channel, self.fallback)
        try:
            await channel.send(Letter(delivery, event))
        except ChannelRefused as error:
            await self._failed(task, str(error))
            raise ApplicationError(str(error), type=ErrorType.CHANNEL_REFUSED, non_retryable=True) from None
        except ChannelUnavailable as error:
            await self._failed(task, str(error))
            raise ApplicationError(
                str(error),
                type=ErrorType.CHANNEL_UNAVAILABLE,
                next_retry_delay=error.retry_after,
                non_retryable=activity.in_activity() and activity.info().attempt > self.retries,
            ) from None
        async with self.database.transaction() as work:
            await work.deliveries.sent(task.event_id, task.channel, self.clock())
        return DeliveryStatus.SENT.value

    async def _failed(self, task: DeliveryTask, error: str) -> None:
        async with self.database.transaction() as work:
            await work.deliveries.failed(task.event_id, task.channel, error, dead=False)

    @activity.defn(name=BURY)
    async def bury(self, task: DeliveryTask) -> None:
        """Puts a delivery with the dead letters, where it can be looked at."""
        async with self.database.transaction() as work:
            await work.deliveries.failed(task.event_id, task.channel, task.error, dead=True)

    async def close(self) -> None:
        """Closes every channel."""
        for channel in {id(channel): channel for channel in (*self.channels.values(), self.fallback)}.values():
            await channel.close()

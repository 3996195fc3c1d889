"""The delivery activities: open the rows, make one attempt, bury what cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from cachetools import LRUCache
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.interface import (
    BURY,
    DELIVER,
    MARK_SENT,
    NOTE_DELIVERIES,
    OPEN_DELIVERY,
    UNSAVED,
    DeliveriesOfRun,
    DeliveryInput,
    DeliveryTask,
    ErrorType,
)
from activities.notifications.artist import Artist
from activities.notifications.channel import ChannelRefused, ChannelUnavailable, Letter, Moved, Pace
from activities.notifications.directory import Directory
from activities.notifications.message import render
from activities.notifications.patience import Patience
from activities.notifications.turns import PER_LETTER, Turns, digest
from domain.quiet import silence_of
from storage.database import Database
from storage.deliveries import Delivery, DeliveryStatus, NewDelivery

SOON = timedelta(seconds=1)
MOST_TOLD = 10_000
log = structlog.get_logger(__name__)


class Notifier:
    """Delivers by the channels of a directory, as long as ``patience`` says. ``link`` leads to an alert, by its ``{id}``."""

    def __init__(
        self,
        database: Database,
        directory: Directory,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        patience: Patience | None = None,
        link: str = "",
        artist: Artist | None = None,
    ) -> None:
        self.patience, self.link, self.artist = patience or Patience(), link, artist
        self.database = database
        self.directory = directory
        self.clock = clock
        self.turns = Turns(database, clock)
        self._told: LRUCache[DeliveryTask, bool] = LRUCache(MOST_TOLD)

    @property
    def activities(self) -> list[Callable[..., Coroutine[Any, Any, Any]]]:
        """What its worker registers."""
        return [self.open, self.deliver, self.mark_sent, self.bury, self.note]

    @activity.defn(name=OPEN_DELIVERY)
    async def open(self, given: DeliveryInput) -> list[str]:
        """Records the event and makes a row for each channel, with the words to be said. Returns the channels to be told.

        A run made its rows with its result; what is told again has its rows, too.
        """
        if given.alert is None or given.event is None:
            async with self.database.transaction() as work:
                return await work.deliveries.waiting(given.source_id)
        message = render(given.alert, given.event, self.link.replace("{id}", given.alert.id))
        names = await self.directory.names(given.alert.user_id, given.alert.definition.notification_channels)
        rows = [
            NewDelivery(given.event.id, given.alert.id, given.alert.user_id, name, message.subject, message.body)
            for name in names
        ]
        now, alert = self.clock(), given.alert
        async with self.database.transaction() as work:
            silences = await work.quiet.silences(alert.user_id, now)
            silence = silence_of(silences, alert.id, alert.definition, now)
            why = "" if silence is None else f"silenced until {silence.until:%Y-%m-%d %H:%M:%S} UTC"
            await work.events.record([given.event], now)
            await work.deliveries.open(rows, now, why)
            return await work.deliveries.waiting(given.source_id)

    @activity.defn(name=DELIVER)
    async def deliver(self, task: DeliveryTask) -> str:
        """One attempt, written down before it is made. A delivery that was told is not told again.

        ``UNSAVED`` when it was told and that could not be written. What the database does is never counted as an attempt.

        Raises:
            ApplicationError: ``ChannelUnavailable`` (tried again when ``Patience`` says, up to a day) or ``ChannelRefused``.
        """
        async with self.database.transaction() as work:
            delivery = await work.deliveries.get(task.event_id, task.channel)
            if delivery is None:
                raise ApplicationError("the delivery has no row", type=ErrorType.CHANNEL_REFUSED, non_retryable=True)
            if delivery.status is DeliveryStatus.SENT:
                return delivery.status.value
        structlog.contextvars.bind_contextvars(job_id=delivery.alert_id, user_id=delivery.user_id)
        if task in self._told:
            return await self._written([delivery])
        pace = await self._pace(delivery)
        if pace is None:
            async with self.database.transaction() as work:
                await work.deliveries.attempt(task.event_id, task.channel, self.clock())
            return await self._tell([replace(delivery, attempts=delivery.attempts + 1)])
        async with self.database.transaction() as work:
            hours = await work.quiet.hours(delivery.user_id)
            until = hours.until(self.clock()) if hours else None
            if until is not None:
                ahead = await work.deliveries.queued_before(delivery.user_id, delivery.channel, delivery.id)
        if until is not None:
            wait = until - self.clock() + pace.interval * (ahead // PER_LETTER)
            raise ApplicationError("quiet hours", type=ErrorType.CHANNEL_UNAVAILABLE, next_retry_delay=wait)
        async with self.turns.at(delivery):
            turn = await self.turns.next(delivery, pace)
            is_in = any(one.id == delivery.id for one in turn.batch)
            try:
                told = await self._tell(turn.batch) if turn.batch else ""
            except ApplicationError:
                if is_in:
                    raise
        if is_in:
            return told
        raise ApplicationError("waits its turn", type=ErrorType.CHANNEL_UNAVAILABLE, next_retry_delay=turn.wait or SOON)

    async def _pace(self, delivery: Delivery) -> Pace | None:
        """Of its destination; None where letters need not wait, or where none will arrive."""
        if delivery.priority == "urgent":
            return None
        try:
            channel, _ = await self.directory.channel(delivery.user_id, delivery.channel)
        except ChannelRefused:
            return None
        pace: Pace | None = getattr(channel, "pace", None)
        return pace

    async def _tell(self, batch: Sequence[Delivery]) -> str:
        """One letter for the batch, whose attempt is counted already.

        Raises:
            ApplicationError: as ``deliver``.
        """
        first = batch[0]
        if len(batch) == 1:
            async with self.database.transaction() as work:
                event = await work.events.get(first.event_id)
            letter = Letter(first, event, first.kind, first.priority)
        else:
            letter = digest(batch)
        try:
            await self._send(letter)
        except ChannelRefused as error:
            await self._failed(batch, str(error))
            if len(batch) > 1:
                self.turns.separate(batch)
            raise ApplicationError(str(error), type=ErrorType.CHANNEL_REFUSED, non_retryable=len(batch) == 1) from None
        except Exception as error:
            known = isinstance(error, ChannelUnavailable)
            text = str(error) if known else f"failed ({type(error).__name__})"
            asked = error.retry_after if isinstance(error, ChannelUnavailable) else None
            if asked is not None:
                self.turns.shut(first, asked)
            again = self.patience.next_try(first.attempts, first.begun_at, self.clock(), asked)
            await self._failed(batch, text)
            raise ApplicationError(
                text, type=ErrorType.CHANNEL_UNAVAILABLE, next_retry_delay=again, non_retryable=again is None
            ) from None
        return await self._written(batch)

    async def _written(self, batch: Sequence[Delivery]) -> str:
        """They were told, and must not be told again while this process lives, whatever the database does."""
        tasks = [DeliveryTask(one.event_id, one.channel) for one in batch]
        self._told.update(dict.fromkeys(tasks, True))
        try:
            async with self.database.transaction() as work:
                for task in tasks:
                    await work.deliveries.sent(task.event_id, task.channel, self.clock())
        except Exception as error:  # each driver has its own
            log.warning("sent, not written", action="deliver", event_id=tasks[0].event_id, error=type(error).__name__)
            return UNSAVED
        for task in tasks:
            self._told.pop(task, None)
        return DeliveryStatus.SENT.value

    async def _send(self, letter: Letter) -> None:
        """To where it belongs; a destination that has moved is followed at once, one that is gone is disabled."""
        delivery = letter.delivery
        for _ in range(2):
            channel, own = await self.directory.channel(delivery.user_id, delivery.channel)
            if self.artist is not None and getattr(channel, "takes_pictures", False) and letter.picture is None:
                letter = replace(letter, picture=await self.artist.picture(letter.event, delivery.alert_id))
            try:
                await channel.send(letter)
            except ChannelRefused as error:
                if error.disable and own is not None:
                    await self.directory.disable(own, str(error), self.clock())
                raise
            except Moved as moved:
                if own is None:
                    raise ChannelRefused(f"the chat has another number now: {moved.address}") from None
                await self.directory.move(own, moved.address, self.clock())
            else:
                return
        raise ChannelRefused("the chat moves on and on")

    @activity.defn(name=MARK_SENT)
    async def mark_sent(self, task: DeliveryTask) -> None:
        """It was told."""
        async with self.database.transaction() as work:
            await work.deliveries.sent(task.event_id, task.channel, self.clock())

    async def _failed(self, batch: Sequence[Delivery], error: str) -> None:
        """For onlookers; what the channel said counts, whether or not it can be written."""
        try:
            async with self.database.transaction() as work:
                for one in batch:
                    await work.deliveries.failed(one.event_id, one.channel, error, dead=False)
        except Exception as trouble:
            log.warning(
                "failure not written", action="deliver", event_id=batch[0].event_id, error=type(trouble).__name__
            )

    @activity.defn(name=BURY)
    async def bury(self, task: DeliveryTask) -> None:
        """Puts a delivery with the dead letters, where it can be looked at."""
        async with self.database.transaction() as work:
            await work.deliveries.failed(task.event_id, task.channel, task.error, dead=True)

    @activity.defn(name=NOTE_DELIVERIES)
    async def note(self, given: DeliveriesOfRun) -> None:
        """What came of a run's deliveries, into its result."""
        async with self.database.transaction() as work:
            await work.runs.note_deliveries(given.run_id, given.channels)

    async def close(self) -> None:
        """Closes every channel."""
        if self.artist is not None:
            self.artist.close()
        await self.directory.close()

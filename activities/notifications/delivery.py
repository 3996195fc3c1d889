"""The delivery activities: open the rows, make one attempt, bury what cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from cachetools import LRUCache
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeats
from activities.interface import (
    BURY,
    DELIVER,
    DELIVER_HEARTBEAT,
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
from activities.notifications.channel import ChannelRefused, ChannelUnavailable, Letter, Pace
from activities.notifications.directory import Directory
from activities.notifications.fallback import URGENT, is_spared, wait_of, with_fallbacks
from activities.notifications.grouping import with_groups
from activities.notifications.message import about_of, priority, render
from activities.notifications.patience import Patience
from activities.notifications.sending import Sender
from activities.notifications.turns import Turns, digest
from domain.alert import AlertEvent, EventKind
from domain.quiet import silence_of
from storage.database import Database, UnitOfWork
from storage.deliveries import Delivery, DeliveryStatus, NewDelivery

SOON = timedelta(seconds=1)
MOST_TOLD = 10_000
STUBBORN = 4  # tries
log = structlog.get_logger(__name__)


def _refused(why: str) -> ApplicationError:
    return ApplicationError(why, type=ErrorType.CHANNEL_REFUSED, non_retryable=True)


def _unavailable(why: str, pause: timedelta | None) -> ApplicationError:
    """To be tried again after a pause; never, without one."""
    return ApplicationError(
        why, type=ErrorType.CHANNEL_UNAVAILABLE, next_retry_delay=pause, non_retryable=pause is None
    )


async def _fire_before(work: UnitOfWork, event: AlertEvent) -> AlertEvent | None:
    """Where this is not the first fire since the alert was armed afresh."""
    if event.kind is not EventKind.TRIGGERED or event.trigger_count < 2:
        return None
    return await work.events.fire_before(event.alert_id, event.at)


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
        self.turns = Turns(database, clock, self.patience)
        self.sender = Sender(directory, artist, clock)
        self._told: LRUCache[tuple[str, str], bool] = LRUCache(MOST_TOLD)

    @property
    def activities(self) -> list[Callable[..., Coroutine[Any, Any, Any]]]:
        """What its worker registers."""
        return [self.open, self.deliver, self.mark_sent, self.bury, self.note]

    @activity.defn(name=OPEN_DELIVERY)
    async def open(self, given: DeliveryInput) -> list[str]:
        """Records the event and makes a row for each channel, with the words to be said. Returns the channels to be told.

        A run made its rows with its result; what is told again has its rows, too.
        """
        alert, event = given.alert, given.event
        if alert is None or event is None:
            async with self.database.transaction() as work:
                waiting = await work.deliveries.waiting(given.source_id)
            return [name for name in waiting if given.channel in ("", name)]
        names, now = await self.directory.names(alert.user_id, alert.definition.notification_channels), self.clock()
        async with self.database.transaction() as work:
            message = render(alert, event, self.link.replace("{id}", alert.id), await _fire_before(work, event))
            about = about_of(alert)
            rows = [
                NewDelivery(
                    event.id, alert.id, alert.user_id, name, message.subject, message.body, priority=priority(alert, event.kind),
                    about=about,
                )
                for name in names
            ]  # fmt: skip
            silences = await work.quiet.silences(alert.user_id, now)
            silence = silence_of(silences, alert.id, alert.definition, now)
            why = "" if silence is None else f"silenced until {silence.until:%Y-%m-%d %H:%M:%S} UTC"
            await work.events.record([event], now)
            rows = await with_groups(work, await with_fallbacks(work, rows, now), alert.definition, now)
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
        if delivery.status in (DeliveryStatus.SENT, DeliveryStatus.SPARED):
            return delivery.status.value
        if delivery.status is not DeliveryStatus.PENDING:
            raise _refused(delivery.last_error or f"the delivery is {delivery.status}")
        structlog.contextvars.bind_contextvars(job_id=delivery.alert_id, user_id=delivery.user_id)
        if (delivery.event_id, delivery.channel) in self._told:
            return await self._written([delivery])
        if delivery.held_until is not None and delivery.retried_at is None and await self._is_spared(delivery):
            return DeliveryStatus.SPARED.value
        pace = await self._pace(delivery)
        async with heartbeats(DELIVER_HEARTBEAT, at_once=False):
            return await (self._by_itself(delivery) if pace is None else self._in_turn(delivery, pace))

    async def _is_spared(self, held: Delivery) -> bool:
        """Whether the others have told it; waits while they may."""
        async with self.database.transaction() as work:
            found = await work.deliveries.of_events([held.event_id])
            others = [one for one in found[held.event_id] if one.id != held.id]
            if spared := is_spared(others):
                await work.deliveries.spared(held.event_id, held.channel)
        if not spared and (wait := wait_of(held, others, self.clock())):
            raise self._later(held, wait, "waits for the others")
        return spared

    async def _pace(self, delivery: Delivery) -> Pace | None:
        """Of its destination; None where letters need not wait, or where none will arrive."""
        if delivery.priority == URGENT:
            return None
        try:
            channel, _ = await self.directory.channel(delivery.user_id, delivery.channel)
        except ChannelRefused:
            return None
        pace: Pace | None = getattr(channel, "pace", None)
        return pace

    async def _by_itself(self, delivery: Delivery) -> str:
        async with self.database.transaction() as work:
            claimed = await work.deliveries.claim([delivery], self.clock())
        if not claimed:
            raise self._later(delivery, SOON, "another process is at it")
        (one,) = claimed
        try:
            await self.sender.send(await self._letter(one))
        except ChannelRefused as error:
            await self._failed([one], str(error))
            raise _refused(str(error)) from None
        except ChannelUnavailable as error:
            pause = self.patience.next_try(one.attempts, one.begun_at, self.clock(), error.retry_after)
            await self._failed([one], str(error), pause)
            raise _unavailable(str(error), pause) from None
        return await self._written(claimed)

    async def _in_turn(self, delivery: Delivery, pace: Pace) -> str:
        """The oldest that wait, of which this may be one; if it is not, it comes again."""
        turn = await self.turns.take(delivery, pace, self._told)
        if not turn.batch:
            raise self._later(delivery, turn.wait or SOON, delivery.last_error or "waits its turn")
        is_in, several = any(one.id == delivery.id for one in turn.batch), len(turn.batch) > 1
        try:
            await self.sender.send(digest(turn.batch) if several else await self._letter(turn.batch[0]))
        except ChannelRefused as error:
            await self.turns.refused(turn.batch, pace)
            await self._failed(turn.batch, str(error), dead=not several)
            if is_in and not several:
                raise _refused(str(error)) from None
            raise self._later(delivery, pace.interval, str(error)) from None
        except ChannelUnavailable as error:
            pause = await self.turns.failed(turn.batch, turn, error.retry_after)
            await self._failed(turn.batch, str(error), pause)
            raise self._later(delivery, pause, str(error)) from None
        told = await self._written(turn.batch)
        await self._gone(turn.batch, pace)
        if is_in:
            return told
        raise self._later(delivery, pace.interval, "waits its turn")

    async def _gone(self, batch: Sequence[Delivery], pace: Pace) -> None:
        """What was told stays so though the turn cannot be given back: it ends by itself."""
        try:
            await self.turns.gone(batch, pace)
        except Exception as trouble:
            log.warning("turn not given back", action="deliver", channel=batch[0].channel, error=type(trouble).__name__)

    async def _letter(self, one: Delivery) -> Letter:
        async with self.database.transaction() as work:
            event = await work.events.get(one.event_id)
        return Letter(one, event, one.kind, one.priority)

    def _later(self, delivery: Delivery, wait: timedelta, why: str) -> ApplicationError:
        """To come again, by its own patience: what others have waited is not its own."""
        too_late = self.clock() + wait > delivery.begun_at + self.patience.lasting
        return _unavailable(why, None if too_late else wait)

    async def _written(self, batch: Sequence[Delivery]) -> str:
        """They were told, and must not be told again while this process lives, whatever the database does."""
        pairs = [(one.event_id, one.channel) for one in batch]
        self._told.update(dict.fromkeys(pairs, True))
        try:
            async with self.database.transaction() as work:
                await work.deliveries.sent(pairs, self.clock())
        except Exception as error:  # each driver has its own
            log.warning("sent, not written", action="deliver", event_id=pairs[0][0], error=type(error).__name__)
            return UNSAVED
        for one, pair in zip(batch, pairs, strict=True):
            self._told.pop(pair, None)
            self.turns.alone.discard(one.id)
        return DeliveryStatus.SENT.value

    @activity.defn(name=MARK_SENT)
    async def mark_sent(self, task: DeliveryTask) -> None:
        """It was told."""
        async with self.database.transaction() as work:
            await work.deliveries.sent([(task.event_id, task.channel)], self.clock())

    async def _failed(
        self, batch: Sequence[Delivery], error: str, pause: timedelta | None = None, *, dead: bool = False
    ) -> None:
        """For onlookers, and for others who look for what is due; what the channel said counts though it cannot be written."""
        now = self.clock()
        try:
            async with self.database.transaction() as work:
                for one in batch:
                    own = None if pause is None else now + max(pause, self.patience.delay(one.attempts))
                    if (
                        own is not None and one.attempts >= STUBBORN
                    ):  # others may go first: perhaps it is this one's fault
                        own = now + 2 * (own - now)
                    await work.deliveries.failed(one.event_id, one.channel, error, dead=dead, next_try_at=own)
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

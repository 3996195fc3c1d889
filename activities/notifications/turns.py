"""Whose turn it is at a destination that takes one letter at a time, and what goes into it when many wait."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from activities.notifications.channel import Letter, Pace
from activities.notifications.grouping import letters_of, name_of, ripe
from activities.notifications.patience import Patience
from storage.database import Database
from storage.deliveries import Delivery

FEW = 3  # so many come one by one
MOST = 500
LINE = 300
PER_LETTER = 40  # what a letter holds, to guess how long the queue is
EMPTY = 120  # characters of a letter that are not lines
HELD = timedelta(seconds=60)  # longer than any send may take: who took the turn and died gives it back by then


@dataclass(frozen=True)
class Turn:
    """What is to be told now; or for how long to wait. ``failures`` are the destination's, in a row."""

    batch: Sequence[Delivery] = ()
    wait: timedelta = timedelta()
    failures: int = 0


class Turns:
    """One letter at a time for each destination, whichever process sends it: the table says who does, and when the next may."""

    def __init__(self, database: Database, clock: Callable[[], datetime], patience: Patience) -> None:
        self.database, self.clock, self.patience = database, clock, patience
        self.alone: set[int] = set()

    async def take(self, delivery: Delivery, pace: Pace, told: Collection[tuple[str, str]]) -> Turn:
        """The oldest that wait, in their order; or the pause until it may be this one's turn. Nobody is waited for.

        ``told`` are those that were told and could not be written down.
        """
        now, to = self.clock(), (delivery.user_id, delivery.channel)
        async with self.database.transaction() as work:
            if delivery.group_until is not None:
                begins = await work.deliveries.group_begins(*to, delivery.group_key)
                if begins is not None and begins > now:
                    return Turn(wait=begins - now)
            hours = await work.quiet.hours(delivery.user_id)
            quiet = hours.until(now) if hours else None
            door = await work.turns.door(*to, now)
            opens = max(door.opens_at, quiet or now)
            if opens > now or not await work.turns.take(*to, now, now + HELD):
                ahead = await work.deliveries.queued_before(*to, delivery.id)
                wait = max(opens - now, pace.interval) + pace.interval * (ahead // PER_LETTER)
                return Turn(wait=wait)
            queued = await work.deliveries.queued(*to, now, MOST)
            waiting = ripe([one for one in queued if (one.event_id, one.channel) not in told], now)
            chosen = self._chosen(delivery, waiting, pace)
            batch = await work.deliveries.claim(chosen, now)
            if not batch:
                await work.turns.give_back(*to, now, now, door.failures)
                return Turn(wait=max((delivery.next_try_at or now) - now, pace.interval))
            return Turn(batch, pace.interval, door.failures)

    def _chosen(self, delivery: Delivery, waiting: Sequence[Delivery], pace: Pace) -> Sequence[Delivery]:
        single = [one for one in waiting if one.id in self.alone]
        if delivery.id in self.alone:
            return [one for one in single if one.id == delivery.id]
        together = [one for one in waiting if one.id not in self.alone]
        letters = letters_of(together)
        if len(letters) <= FEW:
            return fitting(letters[0] if letters else single[:1], pace.most)
        return fitting(together, pace.most)

    async def gone(self, batch: Sequence[Delivery], pace: Pace) -> None:
        """It went well: the next may go when the pace says."""
        await self._give_back(batch[0], pace.interval, 0)

    async def refused(self, batch: Sequence[Delivery], pace: Pace) -> None:
        """It will never go; of several it is seen which one, when each comes alone."""
        if len(batch) > 1:
            self.alone |= {one.id for one in batch}
        await self._give_back(batch[0], pace.interval, 0)

    async def failed(self, batch: Sequence[Delivery], turn: Turn, asked: timedelta | None) -> timedelta:
        """It may go later: nobody else tries before that. The pause."""
        pause = max(asked or timedelta(), self.patience.delay(turn.failures + 1))
        await self._give_back(batch[0], pause, turn.failures + 1)
        return pause

    async def _give_back(self, one: Delivery, pause: timedelta, failures: int) -> None:
        now = self.clock()
        async with self.database.transaction() as work:
            await work.turns.give_back(one.user_id, one.channel, now, now + pause, failures)


def fitting(waiting: Sequence[Delivery], most: int) -> Sequence[Delivery]:
    """As many of the oldest as one letter names."""
    used = EMPTY
    for place, one in enumerate(waiting):
        used += len(_line(one).encode("utf-16-le")) // 2 + 1
        if used > most:
            return waiting[: max(place, 1)]
    return waiting


def digest(batch: Sequence[Delivery]) -> Letter:
    """One letter for all of them, the oldest first. Its key is made of the first and the last."""
    first, last, group = batch[0], batch[-1], name_of(batch)
    priority = "high" if any(one.priority != "normal" for one in batch) else "normal"
    whole = replace(
        first,
        event_id=f"{first.event_id[:16]}-{last.event_id[:16]}",
        subject=f"{group}: {len(batch)} notices" if group else f"{len(batch)} notices",
        body="\n".join(_line(one) for one in batch),
        priority=priority,
    )
    return Letter(whole, None, first.kind, priority)


def _line(one: Delivery) -> str:
    return f"• {one.subject}"[:LINE]

"""Whose turn it is at a destination that takes one letter at a time, and what goes into it when many wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from cachetools import LRUCache

from activities.notifications.channel import Letter, Pace
from storage.database import Database
from storage.deliveries import Delivery

FEW = 3  # so many come one by one
MOST = 500
MOST_KEPT = 10_000
LINE = 300
PER_LETTER = 40  # what a letter holds, to guess how long the queue is
EMPTY = 120  # characters of a letter that are not lines


@dataclass(frozen=True)
class Turn:
    """What is to be told now, claimed; or for how long to wait."""

    batch: Sequence[Delivery] = ()
    wait: timedelta = timedelta()


class Turns:
    """One letter at a time for each destination of this process; the table says when the last one went, whoever sent it."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.database, self.clock = database, clock
        self._shut: LRUCache[tuple[str, str], datetime] = LRUCache(MOST_KEPT)
        self._alone: LRUCache[int, bool] = LRUCache(MOST_KEPT)
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def at(self, delivery: Delivery) -> AsyncIterator[None]:
        """While nobody else of this process sends there."""
        lock = self._locks.setdefault((delivery.user_id, delivery.channel), asyncio.Lock())
        async with lock:
            yield

    async def next(self, delivery: Delivery, pace: Pace) -> Turn:
        """The oldest that wait, in their order; or the pause until it is this one's turn."""
        now, to = self.clock(), (delivery.user_id, delivery.channel)
        async with self.database.transaction() as work:
            last = await work.deliveries.last_told(*to, now - pace.interval)
            opens = max(last + pace.interval if last else now, self._shut.get(to, now))
            if opens > now:
                ahead = await work.deliveries.queued_before(*to, delivery.id)
                return Turn(wait=opens - now + pace.interval * (ahead // PER_LETTER))
            if delivery.id in self._alone:
                return Turn(await work.deliveries.claim([delivery], now))
            waiting = [one for one in await work.deliveries.queued(*to, MOST) if one.id not in self._alone]
            chosen = waiting[:1] if len(waiting) <= FEW else fitting(waiting, pace.most)
            return Turn(await work.deliveries.claim(chosen, now), pace.interval)

    def shut(self, delivery: Delivery, pause: timedelta) -> None:
        """The other side wants to be left alone for so long, with whatever letter."""
        self._shut[delivery.user_id, delivery.channel] = self.clock() + pause

    def separate(self, batch: Sequence[Delivery]) -> None:
        """Their letter was refused for good: which of them it was is seen when each comes alone."""
        for one in batch:
            self._alone[one.id] = True


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
    first, last = batch[0], batch[-1]
    priority = "high" if any(one.priority != "normal" for one in batch) else "normal"
    whole = replace(
        first,
        event_id=f"{first.event_id[:16]}-{last.event_id[:16]}",
        subject=f"{len(batch)} notices",
        body="\n".join(_line(one) for one in batch),
        priority=priority,
    )
    return Letter(whole, None, first.kind, priority)


def _line(one: Delivery) -> str:
    return f"• {one.subject}"[:LINE]

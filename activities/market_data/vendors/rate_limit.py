"""A vendor's rate, kept by token buckets. It never reads a clock of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from activities.market_data.vendors.errors import RateUsedUp

PATIENCE = timedelta(seconds=20)  # the longest an alert waits for a token; beyond that the next vendor is asked
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
RATE = r"[1-9]\d{0,6}/(?:second|minute|hour|day)"
RATES = re.compile(rf"{RATE}(?:\s*[,;]\s*{RATE})*")
A_ROUNDING = 1e-9  # of a token


class TokenBucket:
    """So many calls in a period: full at first, refilled evenly.

    Half the calls may come at once and the other half is spread, so that no window of the period, wherever it begins,
    sees more than the vendor's limit.
    """

    def __init__(self, calls: int, period: timedelta) -> None:
        self.calls, self.period = calls, period
        self.size = max(1.0, calls / 2)
        self.each = period / max(calls - self.size, 0.5)  # time in which one token comes back
        self._tokens = self.size
        self._at: datetime | None = None

    def wait(self, now: datetime, cost: float = 1) -> timedelta:
        """How long until ``cost`` tokens are there."""
        lacking = min(cost, self.size) - self.level(now)
        return self.each * lacking if lacking > A_ROUNDING else timedelta()

    def take(self, now: datetime, cost: float = 1) -> None:
        """Takes them; the level may go below zero, and those who come after wait for that too."""
        self._tokens, self._at = self.level(now) - cost, now

    def give_back(self, cost: float) -> None:
        """Tokens that were taken for a call that was not made."""
        self._tokens = min(self.size, self._tokens + cost)

    def level(self, now: datetime) -> float:
        """Tokens there are."""
        if self._at is None:
            return self._tokens
        return min(self.size, self._tokens + max(now - self._at, timedelta()) / self.each)


def parse_rates(rates: str) -> list[TokenBucket]:
    """From a text such as ``5/minute, 25/day``; empty for no limit.

    Raises:
        ValueError: when it is none.
    """
    if not rates.strip():
        return []
    if not RATES.fullmatch(rates.strip()):
        raise ValueError("expected rates such as 60/minute or 5/minute, 25/day")
    found = []
    for part in re.split(r"\s*[,;]\s*", rates.strip()):
        calls, _, unit = part.partition("/")
        found.append(TokenBucket(int(calls), timedelta(seconds=PERIODS[unit])))
    return found


class RateLimiter:
    """All rates of one vendor in one process, whoever asks; counts the calls that were let through."""

    def __init__(
        self,
        name: str,
        rates: Sequence[TokenBucket],
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name, self.rates, self.clock, self.sleep = name, rates, clock, sleep
        self.calls = 0
        self._queued: set[asyncio.Task[Any] | None] = set()

    async def acquire(self, patience: timedelta = PATIENCE, cost: float = 1) -> None:
        """Waits for a token of each rate, ``patience`` at the longest.

        Who is more patient than an alert (jobs, backfills) leaves the last token to those who are not.

        Raises:
            RateUsedUp: the tokens are further away than that.
        """
        spare = 1.0 if patience > PATIENCE else 0.0
        waited = timedelta()
        while True:
            now = self.clock()
            wait = max((self._wait(bucket, now, cost, spare) for bucket in self.rates), default=timedelta())
            if waited + wait > patience:
                raise RateUsedUp(self.name, f"its rate is used up for {wait.total_seconds():.0f} s", wait)
            if not wait:
                break
            if not spare:  # taken before it is there, so that those who come later wait for their own
                break
            waited += wait
            await self._queue(wait)
        for bucket in self.rates:
            bucket.take(now, cost)
        if wait:
            try:
                await self._queue(wait)
            except asyncio.CancelledError:
                for bucket in self.rates:
                    bucket.give_back(cost)
                raise
        self.calls += 1

    def was_queued(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a task that was cancelled was waiting here: then the vendor has not failed it."""
        was = task in self._queued
        self._queued.discard(task)
        return was

    def _wait(self, bucket: TokenBucket, now: datetime, cost: float, spare: float) -> timedelta:
        return bucket.wait(now, cost + min(spare, max(bucket.size - cost, 0.0)))

    async def _queue(self, wait: timedelta) -> None:
        task = asyncio.current_task()
        self._queued.add(task)
        await self.sleep(wait.total_seconds())
        self._queued.discard(task)  # who is cancelled stays in it, for :meth:`was_queued`

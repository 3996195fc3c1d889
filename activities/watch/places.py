"""How the shards are shared: no worker holds more than its part while others have room, and any takes one that is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from activities.watch.shards import LONG_AGO, beats
from storage.database import Database

NOTE = "watch-worker:"
EVERY = 3.0  # seconds between two words of a worker
PRESENT = timedelta(seconds=10)
SILENT = timedelta(seconds=7)  # of a shard: two beats did not come
PATIENCE = timedelta(seconds=15)  # with too many shards, before one is given up: workers come and go
log = structlog.get_logger(__name__)


class Places:
    """Of one worker, ``owner``, that can hold some of ``count`` shards."""

    def __init__(self, database: Database, owner: str, count: int, clock: Callable[[], datetime]) -> None:
        self.database, self.owner, self.count, self.clock = database, owner, count, clock
        self.held: set[int] = set()
        self._others = 0
        self._too_many_since: datetime | None = None

    @property
    def part(self) -> int:
        """How many of the shards are this worker's."""
        return -(-self.count // (self._others + 1))

    async def take(self, shard: int) -> bool:
        """Whether this worker is to hold a shard that it was given; when SQL cannot say, it is."""
        if self.count > 1 and await self.look() and await self._lives(shard) and len(self.held) >= self.part:
            return False
        self.held.add(shard)
        return True

    async def _lives(self, shard: int) -> bool:
        try:
            return shard in await beats(self.database, self.clock() - SILENT)
        except Exception as error:
            log.debug("shards not seen", action="watch", error=type(error).__name__)
            return False

    def gives_up(self, shard: int) -> bool:
        """Whether a shard that it holds goes to another worker now: one after the other."""
        now = self.clock()
        if len(self.held) <= self.part:
            self._too_many_since = None
            return False
        since = self._too_many_since = self._too_many_since or now
        if now - since < PATIENCE or shard != max(self.held):
            return False
        self.give_back(shard)
        return True

    async def too_many(self, shard: int) -> None:
        """Returns when a shard is to be given up."""
        while not self.gives_up(shard):
            await asyncio.sleep(EVERY)

    def give_back(self, shard: int) -> None:
        """It looks after that one no more."""
        self.held.discard(shard)

    async def look(self) -> bool:
        """Says that it is here, and sees who else is; False where SQL is away."""
        now = self.clock()
        try:
            async with self.database.transaction() as work:
                await work.reports.put(self._note, now, {"shards": sorted(self.held)})
                present = await work.reports.under(NOTE, now - PRESENT)
        except Exception as error:
            log.debug("workers not seen", action="watch", error=type(error).__name__)
            return False
        self._others = len(present.keys() - {self._note})
        return True

    async def keep_present(self) -> None:
        """Until it is cancelled; one shard is not shared."""
        while self.count > 1:
            await self.look()
            await asyncio.sleep(EVERY)

    async def leave(self) -> None:
        """Its shards are anybody's."""
        try:
            async with self.database.transaction() as work:
                await work.reports.put(self._note, LONG_AGO, {})
                await work.reports.forget(NOTE, self.clock() - timedelta(days=1))
        except Exception as error:
            log.debug("not said that it leaves", action="watch", error=type(error).__name__)

    @property
    def _note(self) -> str:
        return f"{NOTE}{self.owner}"[:64]

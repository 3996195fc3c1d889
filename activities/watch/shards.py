"""Whether the watch of a ticker's shard lives, and until when it may look for an alert: what it says of itself in SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from activities.interface import EvaluateInput, EvaluateResult
from domain.observing import observe
from domain.watching import next_self_check, shard_of
from storage.database import Database

NOTE, LATE_NOTE = "watch:", "watch-late:"
TOLD_WITHIN = timedelta(minutes=2)  # later than that, the watch has missed it
ALIVE = timedelta(seconds=20)  # a shard says that it lives every few seconds
READ_AGAIN = timedelta(seconds=3)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Beat:
    """What a shard's watch said last."""

    shard: int
    at: datetime
    said: Mapping[str, Any]

    @property
    def alerts(self) -> int:
        """How many it watches."""
        count = self.said.get("alerts")
        return count if isinstance(count, int) else 0


def note_of(shard: int) -> str:
    """The name of its report."""
    return f"{NOTE}{shard}"


async def beats(database: Database, since: datetime) -> dict[int, Beat]:
    """Of the shards that were heard of since a time."""
    async with database.transaction() as work:
        found = await work.reports.under(NOTE, since)
    return {
        int(name.removeprefix(NOTE)): Beat(int(name.removeprefix(NOTE)), at, said)
        for name, (at, said) in found.items()
        if name.removeprefix(NOTE).isdigit()
    }


class Shards:
    """``count`` of them; 0 has every alert tick by itself. What SQL says is read again every few seconds."""

    def __init__(
        self, database: Database, count: int, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.database, self.count, self.clock = database, count, clock
        self._beats: dict[int, Beat] = {}
        self.found_late = Counter[int]()
        self._read_at = LONG_AGO

    async def lives(self, symbol: str) -> bool:
        """Whether the watch of the ticker's shard does. A database that is away says no."""
        if not self.count:
            return False
        now = self.clock()
        if now - self._read_at > READ_AGAIN:
            self._read_at = now
            try:
                self._beats = await beats(self.database, now - ALIVE)
            except Exception as error:
                self._beats = {}
                log.debug("shards not read", action="watch", error=type(error).__name__)
        found = self._beats.get(shard_of(symbol, self.count))
        return found is not None and now - found.at <= ALIVE and found.said.get("shards") == self.count

    def check(self, wanted: EvaluateInput, found: EvaluateResult) -> None:
        """A self-check must find nothing that the watch should have told long before."""
        oldest = _first_that_matters(wanted, found)
        if oldest is None or found.as_of - oldest <= TOLD_WITHIN + wanted.timeframe.length:
            return
        shard = shard_of(wanted.symbol, max(self.count, 1))
        self.found_late[shard] += 1
        alert_id = wanted.alert.id if wanted.alert else ""
        log.warning("watch missed a bar", action="watch", shard=shard, alert_id=alert_id, bar=oldest.isoformat())

    async def tell(self, identity: str) -> None:
        """What self-checks found in this process, where health can see it."""
        if self.found_late:
            async with self.database.transaction() as work:
                counts = {str(shard): count for shard, count in self.found_late.items()}
                await work.reports.put(f"{LATE_NOTE}{identity}"[:64], self.clock(), {"shards": counts})

    async def until(self, alert_id: str, symbol: str, now: datetime) -> datetime | None:
        """Until when the watch may look for an alert; None where it does not live."""
        if not await self.lives(symbol):
            return None
        fleet = sum(beat.alerts for beat in self._beats.values())
        return next_self_check(alert_id, now, fleet)


def _first_that_matters(wanted: EvaluateInput, found: EvaluateResult) -> datetime | None:
    """Close of the bar; under ``record: all`` those before it are there, too."""
    if wanted.alert is None or wanted.state is None:
        return None
    mattering = observe(wanted.alert, found.before or wanted.state, found.snapshots).snapshots
    return mattering[0].bar_close if mattering else None

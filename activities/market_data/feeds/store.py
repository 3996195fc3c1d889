"""SQL's side of feeds. A database that is away is no reason not to go on from vendor data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import structlog

from activities.market_data.calendars.market import Interval
from activities.market_data.quality.adjustment import is_readjusted
from activities.market_data.vendors.provider import RAW, Provider
from domain.bar import Bar
from domain.timeframe import Timeframe
from storage.bars import Gap, Saved
from storage.database import Database, UnitOfWork

DATABASE_SECONDS = 5.0  # alerts wait for the answer
MOST_TOLD = 3  # gaps in the log; SQL has all
T = TypeVar("T")
log = structlog.get_logger(__name__)


class SeriesKey(NamedTuple):
    """Under which bars are stored: vendors, raw prices and adjusted ones never mix."""

    symbol: str
    timeframe: Timeframe
    adjustment: str

    @classmethod
    def of(cls, provider: Provider, symbol: str, frame: Timeframe) -> SeriesKey:
        """That of a provider's bars."""
        return cls(symbol, frame, stored_key(provider, frame))


def stored_key(provider: Provider, frame: Timeframe) -> str:
    """The vendor's part of the key."""
    return f"{provider.name}/{provider.adjustment(frame)}"


async def save_newest(work: UnitOfWork, key: SeriesKey, bars: Sequence[Bar], source: str, now: datetime) -> Saved:
    """Saves; where the vendor has readjusted its history, what is older is forgotten: it would not go with it."""
    saved = await work.bars.save(*key, bars, source, now)
    if not key.adjustment.endswith(f"/{RAW}") and is_readjusted(saved.closes, bars):
        await work.bars.forget(*key, bars[0].open_time)
    return saved


class BarStore:
    """Every way in or out has a bound of time, and goes without the database when it is away."""

    def __init__(self, database: Database | None, clock: Callable[[], datetime]) -> None:
        self.database = database
        self.clock = clock

    async def newest(
        self, key: SeriesKey, window: int, until: datetime, as_of: datetime
    ) -> tuple[list[Bar], list[datetime]] | None:
        """The window up to a close and all after it, with the places where, so the vendor, nothing traded."""

        async def work(unit: UnitOfWork) -> tuple[list[Bar], list[datetime]]:
            bars = await unit.bars.newest(*key, window, until)
            if not bars:
                return [], []
            bars += await unit.bars.between(*key, bars[-1].open_time, as_of)
            return bars, await unit.bars.empty_gaps(*key, since=bars[0].open_time)

        return await self._with_database("bars not read", key, work)

    async def newer(self, key: SeriesKey, since: datetime, as_of: datetime) -> list[Bar] | None:
        """Bars that opened after a time."""
        return await self._with_database("bars not read", key, lambda unit: unit.bars.between(*key, since, as_of))

    async def save(self, key: SeriesKey, bars: Sequence[Bar], source: str, *, anew: bool) -> None:
        """``anew``: the vendor has adjusted its history; what SQL has from before would not go with it."""
        if not bars:
            return

        async def work(unit: UnitOfWork) -> Saved:
            if anew:
                await unit.bars.forget(*key, bars[0].open_time)
            return await save_newest(unit, key, bars, source, self.clock())

        saved = await self._with_database("bars not stored", key, work)
        if saved is not None and saved.corrected:
            log.info("bars corrected", action="store_bars", symbol=key.symbol, provider=source, count=saved.corrected)

    async def note_gaps(self, key: SeriesKey, found: Sequence[tuple[Interval, int]]) -> None:
        """Gaps, each with how many bars a second request brought."""
        for gap, filled in found[-MOST_TOLD:]:
            log.info("gap", action="refill", symbol=key.symbol, vendor=key.adjustment, start=str(gap[0]), filled=filled)
        if found:
            gaps = [Gap(*key, gap[0], gap[1], self.clock(), filled) for gap, filled in found]
            await self._with_database("gap not noted", key, lambda unit: unit.bars.note_gaps(gaps))

    async def _with_database(
        self, trouble: str, key: SeriesKey, work: Callable[[UnitOfWork], Awaitable[T]]
    ) -> T | None:
        if self.database is None:
            return None
        try:
            async with asyncio.timeout(DATABASE_SECONDS), self.database.transaction() as unit:
                return await work(unit)
        except Exception as error:
            log.warning(trouble, action="store_bars", symbol=key.symbol, error=type(error).__name__)
            return None

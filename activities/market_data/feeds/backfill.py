"""History, window by window: each is stored and noted before the next is asked for, so that a restart goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from activities.market_data.calendars.market import Continuous, Market
from activities.market_data.feeds.series import BEGINNING
from activities.market_data.feeds.store import SeriesKey
from activities.market_data.quality.adjustment import is_readjusted
from activities.market_data.quality.gaps import gaps
from activities.market_data.vendors.errors import ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.provider import BarRequest, FetchedBars, Provider
from domain.timeframe import Timeframe
from storage.database import Database

Window = tuple[datetime, datetime]
LONGEST_WINDOW = {True: timedelta(days=60), False: timedelta(days=3650)}  # within a day, and from a day on
TRIES = 6  # over half a minute, with the pauses doubled
MOST_GAPS = 10  # a thin ticker has them everywhere
FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = timedelta(minutes=15)  # a vendor that asks for more is asked another day


@dataclass(frozen=True)
class Progress:
    """How far a backfill is. ``done`` and ``whole`` are lengths of time; ``bars`` were stored by this run."""

    done: timedelta
    whole: timedelta
    bars: int
    windows: int
    skipped: int
    waits_until: datetime | None = None


class Backfill:
    """One provider's history of one ticker and timeframe, from ``start`` to ``end`` (aware UTC)."""

    def __init__(
        self,
        provider: Provider,
        market: Market | None,
        database: Database,
        symbol: str,
        frame: Timeframe,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.provider = provider
        self.market = market or Continuous()
        self.database = database
        self.symbol = symbol
        self.frame = frame
        self.clock = clock
        self.sleep = sleep
        self.key = SeriesKey.of(provider, symbol, frame)
        self.readjusted = False
        self.begins = BEGINNING

    def bounded(self, start: datetime, end: datetime) -> Window:
        """The part a provider can reach, up to now."""
        now, reach = self.clock(), self.provider.reach(self.frame)
        earliest = start if reach is None else max(start, now - reach + timedelta(minutes=5))
        begins = self._floor(earliest)
        return begins if reach is None or begins >= now - reach else begins + self._step(), min(end, now)

    def _step(self) -> timedelta:
        return max(self.frame.length, timedelta(minutes=1))

    def _floor(self, at: datetime) -> datetime:
        """A window begins with a bar: at the frame's grid, at midnight, on Monday."""
        return self.frame.floor(at)

    async def run(self, start: datetime, end: datetime) -> AsyncIterator[Progress]:
        """Stores what is not there yet, and tells how far it is after each window.

        Raises:
            ProviderError: what a vendor does not give, or did not give after several tries.
        """
        start, end = self.bounded(start, end)
        self.readjusted, self.begins = False, start
        async for progress in self._once(start, end):
            yield progress
        if self.readjusted:  # a split since the last time: what is there is of other prices
            async for progress in self._once(start, end, anew=True):
                yield progress

    async def _once(self, start: datetime, end: datetime, *, anew: bool = False) -> AsyncIterator[Progress]:
        whole, position = max(end - start, timedelta()), start
        bars = windows = skipped = 0
        async with self.database.transaction() as work:
            covered = [] if anew else await work.bars.covered(*self.key)
        while position < end:
            known = next((one for one in covered if one[0] <= position < one[1]), None)
            if known is not None:
                position, skipped = min(known[1], end), skipped + 1
                yield Progress(position - start, whole, bars, windows, skipped)
                continue
            following = min((one[0] for one in covered if one[0] > position), default=end)
            until = self._window_end(position, min(end, following))
            async for fetched in self._with_retries(position, until):
                if isinstance(fetched, datetime):
                    yield Progress(position - start, whole, bars, windows, skipped, waits_until=fetched)
                    continue
                bars += await self._keep((position, until), await self._mended((position, until), fetched))
            windows, position = windows + 1, until
            yield Progress(position - start, whole, bars, windows, skipped)
        if not bars and not skipped and self.market.trading(start, end):
            raise ProviderRefused(self.provider.name, f"has no {self.frame} bars of {self.symbol}")

    def _window_end(self, start: datetime, end: datetime) -> datetime:
        until = min(self.provider.window_end(self.frame, start, end), start + LONGEST_WINDOW[self.frame.is_intraday])
        on_grid = self._floor(until)
        return on_grid if start < on_grid < end and until < end else until

    async def _with_retries(self, start: datetime, end: datetime) -> AsyncIterator[FetchedBars | datetime]:
        """The window's bars; before that, the times until which a vendor or its rate makes us wait."""
        for attempt in range(1, TRIES + 1):
            now = self.clock()
            # daily labels may lie before the window their session is in
            label = timedelta() if self.frame.is_intraday else self.frame.length
            request = BarRequest(self.symbol, self.frame, start - label, end, now, self.market, LONGEST_PAUSE)
            try:
                yield await self.provider.fetch(request)
                return
            except ProviderUnavailable as error:
                wait = error.retry_after or timedelta(seconds=FIRST_PAUSE * 2 ** (attempt - 1))
                if attempt == TRIES or wait > LONGEST_PAUSE:
                    raise
            yield now + wait
            await self.sleep(wait.total_seconds())

    async def _mended(self, window: Window, fetched: FetchedBars) -> FetchedBars:
        """Gaps and rows without values are asked for once more; what is still missing then was never traded."""
        found = gaps(fetched.bars, self.frame, self.market)
        if fetched.blank:
            found = [window]
        if not found or len(found) > MOST_GAPS:  # a thin ticker has them everywhere
            return fetched
        bars = {bar.open_time: bar for bar in fetched.bars}
        for gap in found:
            request = BarRequest(self.symbol, self.frame, gap[0], gap[1], self.clock(), self.market, LONGEST_PAUSE)
            try:
                again = await self.provider.fetch(request)
            except ProviderUnavailable:
                continue
            bars |= {bar.open_time: bar for bar in again.bars}
        return FetchedBars(tuple(bars[opened] for opened in sorted(bars)), fetched.begins_history)

    async def _keep(self, window: Window, fetched: FetchedBars) -> int:
        """The closed bars, and the note that the window is done, in one transaction."""
        now = self.clock()
        closed = [bar for bar in fetched.bars if bar.final and bar.close_time > self.begins]
        settled = all(bar.final for bar in fetched.bars) and window[1] <= now - timedelta(days=1)
        async with self.database.transaction() as work:
            saved = await work.bars.save(*self.key, closed, self.provider.name, seen_at=now)
            readjusted = is_readjusted(saved.closes, closed)
            if readjusted:  # in the same transaction: a restart must know it too
                await work.bars.uncover(*self.key)
            if settled and (closed or not self.market.trading(*window)):
                await work.bars.cover(*self.key, window, len(closed), now)
        self.readjusted = self.readjusted or readjusted
        return sum(bar.open_time >= window[0] for bar in closed)

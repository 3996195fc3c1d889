"""Values of many tickers: by columns from stored bars that are new and whole, the others one by one as alerts see them."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import structlog

from activities.evaluation import bars_for, operand_of
from activities.jobs.executor import JobFailed, JobRefused
from activities.jobs.on_bars import OnBars, Values
from activities.jobs.progress import Progress, untold
from activities.jobs.stored_values import StoredQuery, StoredValues, Window, stored_values
from activities.market_data.calendars.exchange import NEVER_QUIET
from activities.market_data.calendars.market import Market
from activities.market_data.feeds.store import stored_key
from activities.market_data.quality.gaps import LIQUID
from activities.market_data.vendors.provider import Provider
from activities.side_process import SideProcess
from domain.timeframe import Timeframe
from storage.database import Database

BATCH = 600  # tickers a call: how far it has come is told between two
YIELD_EVERY = 50
FEWEST = 2  # bars: a jump is seen between two
log = structlog.get_logger(__name__)


class ByColumns:
    """``each`` as ``OnBars`` has it, and the same figures."""

    def __init__(self, on_bars: OnBars, database: Database | None, side: SideProcess) -> None:
        self.on_bars, self.database, self.side = on_bars, database, side
        self.market = on_bars.evaluation.market

    async def each(
        self, symbols: Sequence[str], frame: Timeframe, keys: tuple[str, ...], tell: Progress = untold
    ) -> tuple[dict[str, Values], dict[str, str]]:
        """The newest closed bar's values by ticker, and why some have none.

        Raises:
            JobFailed: none has any.
            JobRefused: a key is no operand that can be computed.
        """
        unique = list(dict.fromkeys(symbols))
        stored = await self._stored(unique, frame, keys, tell)
        left = [symbol for symbol in unique if symbol not in stored]
        found, failed = dict[str, Values](), dict[str, str]()
        if left:
            begun = len(stored)

            def further(done: int, _total: int, what: str) -> None:
                tell(begun + done, len(unique), what)

            try:
                found, failed = await self.on_bars.each(left, frame, keys, further)
            except JobFailed as error:
                if not stored:
                    raise
                failed = dict.fromkeys(left, str(error)[:200])
        every = stored | found
        return {symbol: every[symbol] for symbol in unique if symbol in every}, failed

    async def _stored(
        self, symbols: Sequence[str], frame: Timeframe, keys: tuple[str, ...], tell: Progress
    ) -> dict[str, Values]:
        """Of tickers whose stored bars are all there; none where the database is away, or no vendor's bars are kept."""
        frames = {frame: FEWEST}
        try:
            for operand in map(operand_of, keys):
                if operand.symbol:
                    return {}  # another ticker's bars are joined one by one
                own = Timeframe(operand.timeframe or frame)
                frames[own] = max(frames.get(own, FEWEST), bars_for(operand))
        except (ValueError, AssertionError) as error:
            raise JobRefused(f"{', '.join(keys)}: {error}") from None
        kept = {one: self._kept(one) for one in frames}
        if self.database is None or not all(kept.values()):
            return {}
        now, found = self.market.clock(), dict[str, Values]()
        needed = {str(one): count for one, count in frames.items()}
        adjustments = {str(one): tuple(providers) for one, providers in kept.items()}
        since = {str(one): await self._begin(symbols, one, count, now) for one, count in frames.items()}
        for start in range(0, len(symbols), BATCH):
            some = tuple(symbols[start : start + BATCH])
            asked = StoredQuery(self.database.url, some, frame, keys, needed, adjustments, since, now)
            try:
                answered = await self.side.run(stored_values, asked)
            except Exception as error:  # the vendors have them, too
                log.warning("stored bars not read", action="columns", error=f"{type(error).__name__}: {error}"[:200])
                return found
            for number, (symbol, one) in enumerate(answered.items()):
                if number % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
                try:
                    if await self._is_whole(symbol, one, kept, now):
                        found[symbol] = one.values
                except Exception as error:  # of a market that has no calendar; it is looked at by itself
                    log.debug("not by columns", action="columns", symbol=symbol, error=type(error).__name__)
            tell(min(start + BATCH, len(symbols)), len(symbols), "stored bars")
        return found

    async def _begin(self, symbols: Sequence[str], frame: Timeframe, count: int, now: datetime) -> datetime:
        """Since when every ticker has so many bars, whichever its market."""
        calendars, found = self.market.calendars, [now]
        for code in {calendars.code_of(symbol) for symbol in symbols}:
            try:
                await calendars.prepare(code)
                found.append(calendars.market(code).start_of(frame, now, count))
            except Exception as error:  # its tickers are looked at one by one
                log.debug("no calendar", action="columns", market=code, error=type(error).__name__)
        return min(found)

    def _kept(self, frame: Timeframe) -> dict[str, Provider]:
        """Under which names bars of a timeframe are stored, the first vendor's first."""
        durable = [
            one for one in self.market.providers if one.durable and (not one.intervals or frame in one.intervals)
        ]
        return {stored_key(one, frame): one for one in durable}

    async def _is_whole(
        self, symbol: str, one: StoredValues, kept: dict[Timeframe, dict[str, Provider]], now: datetime
    ) -> bool:
        """Whether each window ends with the bar that closed last, and lacks none."""
        code = self.market.calendars.code_of(symbol)
        for frame, providers in kept.items():
            window = one.windows[frame]
            await self.market.calendars.prepare(code, window.first_open.date())
            market = self.market.market(providers[window.adjustment], symbol, window.first_open.date())
            if market is None or not is_whole(window, frame, market, now):
                return False
        return True


def is_whole(window: Window, frame: Timeframe, market: Market, now: datetime) -> bool:
    """Whether a window ends with the bar that closed last, and lacks none.

    Where minutes may be quiet, nearly all of them must be there.
    """
    phase = market.phase_of(frame, window.last_open) if frame.is_intraday else None
    expected = market.last_close(frame, now, phase)
    if expected is None or window.last_close < expected:
        return False
    grid = () if frame.is_intraday else market.grid(frame)
    if grid:
        first = bisect_left(grid, window.first_open, key=itemgetter(0))
        return bisect_right(grid, window.last_open, key=itemgetter(0)) - first == window.count
    if market.continuous:
        return (window.last_open - window.first_open) / frame.length + 1 == window.count
    possible = _possible(window, frame, market)
    return window.count == possible if frame.length >= NEVER_QUIET else window.count >= LIQUID * possible


def _possible(window: Window, frame: Timeframe, market: Market) -> int:
    """Bars that there could be: a session's last may be cut."""
    grid, found = market.grid(frame), 0
    first = max(bisect_right(grid, window.first_open, key=itemgetter(0)) - 1, 0)
    for start, end in grid[first : bisect_left(grid, window.last_close, key=itemgetter(0))]:
        begin, until = max(start, window.first_open), min(end, window.last_close)
        if begin < until:
            found += -((begin - until) // frame.length)
    return found

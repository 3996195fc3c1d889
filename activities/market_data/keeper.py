"""The series that are held: brought from SQL and vendors, joined, their holes asked for again, and stored."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import structlog

from activities.market_data.calendars import Calendars
from activities.market_data.doubt import SECOND_LOOK, Doubt, doubt, splits, without_spikes
from activities.market_data.market import CRYPTO, Interval, Market
from activities.market_data.provider import BarProvider, BarRequest, FetchedBars, Hours, ProviderError, delay_of
from activities.market_data.series import IsHole, Series, holes, is_liquid, joined, readjusted, unbroken
from domain.bar import Bar, by_close, by_open
from domain.timeframe import Timeframe
from storage.bars import Gap
from storage.database import Database

LONGEST_FETCH_SECONDS = 25.0
DATABASE_SECONDS = 5.0
MOST_HOLES = 3
OVERLAP = 3  # held bars that are asked for again with the new one: what changed in all of them was readjusted
QUIET_FOR = timedelta(minutes=2)
MENDED_FOR = timedelta(hours=1)
THIN = 4
UNUSED_FOR, SWEPT_EVERY = timedelta(hours=2), timedelta(minutes=10)
WIDENED_FOR = timedelta(minutes=30)
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
Key = tuple[str, str, str]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Need:
    """What is asked for: ``window`` closed bars up to ``since`` and all after it (None: up to the newest).

    ``forming`` wants the unfinished bar as it is now.
    """

    symbol: str
    frame: Timeframe
    window: int
    since: datetime | None = None
    forming: bool = False


class Keeper:
    """One series for each (provider, symbol, timeframe); who may call when is decided by who holds it."""

    def __init__(self, calendars: Calendars, database: Database | None, clock: Callable[[], datetime]) -> None:
        self.calendars = calendars
        self.database = database
        self.clock = clock
        self.series: dict[Key, Series] = {}
        self.fetched_at: dict[Key, datetime] = {}
        self._widest: dict[Key, int] = {}
        self._empty: dict[Key, set[datetime]] = {}
        self._blank: dict[Key, dict[datetime, datetime]] = {}
        self._widened: dict[Key, datetime] = {}
        self._mended: dict[Key, datetime] = {}
        self._used: dict[Key, datetime] = {}
        self._swept = BEGINNING
        self._unstored: dict[Key, tuple[datetime, ...]] = {}
        self.believed: set[tuple[str, str, datetime]] = set()

    def market(self, provider: BarProvider, symbol: str, since: date | None = None) -> Market | None:
        """The clock a provider's bars of a ticker keep; None for those of a file."""
        if provider.hours is Hours.FILE:
            return None
        return self.calendars.market(CRYPTO) if provider.hours is Hours.ALWAYS else self.calendars.of(symbol, since)

    def widen(self, key: Key, window: int) -> None:
        """Remembers the widest window anyone needs, and that somebody does."""
        self._used[key] = self.clock()
        self._widest[key] = max(window, self._widest.get(key, 0))

    def _sweep(self) -> None:
        """What nobody has asked for in hours goes: a screener's tickers, alerts that were deleted. SQL still has it."""
        now = self.clock()
        if now - self._swept < SWEPT_EVERY:
            return
        self._swept = now
        for key in [key for key, used in self._used.items() if now - used > UNUSED_FOR]:
            for kept in (
                self._used, self.series, self.fetched_at, self._widest, self._blank, self._widened, self._mended, self._unstored,
            ):  # fmt: skip
                kept.pop(key, None)
            if self.database is not None:
                self._empty.pop(key, None)

    def start(self, provider: BarProvider, need: Need) -> datetime:
        """Open time from which on a fetch surely has the whole window."""
        market, as_of = self.market(provider, need.symbol), provider.market_time(self.clock())
        if market is None:
            return BEGINNING
        return market.start_of(need.frame, min(need.since or as_of, as_of), need.window + 2)

    def reaches(self, provider: BarProvider, held: Series, need: Need) -> bool:
        """Whether the held bars go back far enough, or were asked for and are all there is."""
        if held.begins_history or held.reach <= self.start(provider, need):
            return True
        return held.count_until(need.since) >= need.window

    async def fetch(self, provider: BarProvider, need: Need) -> Series:
        """What is new, from SQL when another process has brought it already, else from the vendor.

        Raises:
            ProviderError: one of its kinds; TimeoutError: it took too long altogether.
        """
        self._sweep()
        key, now = (provider.name, need.symbol, need.frame), self.clock()
        market = self.market(provider, need.symbol)
        as_of = provider.market_time(now) - delay_of(provider, market)
        held = self.series.get(key)
        if provider.durable and (held is None or held.bars):
            held = await self._with_stored(provider, need, held, as_of)
        if held is not None and self._has_newest(provider, held, need, as_of):
            return self._keep(key, held)
        needed = start = self.start(provider, need)
        overlaps = held is not None and bool(held.bars) and self.reaches(provider, held, need)
        if overlaps and held is not None:
            overlap = held.bars[-OVERLAP:][0].open_time
            again = min([overlap, *held.blank, *self._mendable(key, held, as_of), *self._unstored.get(key, ())])
            at = bisect_left(held.bars, again, key=by_open)
            start = held.bars[max(0, at - 1)].open_time if again < overlap else overlap
        async with asyncio.timeout(LONGEST_FETCH_SECONDS):
            series, fetched = await self._fetched(provider, need, market, held, start, needed)
            further = self._further(provider, need, series, overlaps=overlaps)
            if further is not None:
                with suppress(ProviderError):  # what was fetched stays
                    series, fetched = await self._fetched(provider, need, market, None, further, needed)
        adjusts = provider.adjustment(need.frame) != "raw"
        changed = adjusts and held is not None and readjusted(held, [bar for bar in fetched.bars if bar.final])
        self._keep(key, series)
        if provider.durable:  # what waits for the answer need not wait for SQL's errors
            await self._store(provider, need, self._storable(key, series, fetched), anew=changed)
        return series

    def doubt(self, key: Key, series: Series) -> Doubt | None:
        """What is doubtful of the newest bars, and not believed yet."""
        found = doubt(series.bars, series.market)
        return None if found is None or (key[1], key[2], found.bar.close_time) in self.believed else found

    def _storable(self, key: Key, series: Series, fetched: FetchedBars) -> list[Bar]:
        """What was fetched, as it stands in the series; not what is doubted, which is asked for again."""
        first = fetched.bars[0].open_time if fetched.bars else BEGINNING
        given = {bar.open_time for bar in fetched.bars if bar.final}
        bars = [bar for bar in series.bars[bisect_left(series.bars, first, key=by_open) :] if bar.open_time in given]
        found = self.doubt(key, series)
        if found is None:
            self._unstored.pop(key, None)
            return bars
        self._unstored[key] = (found.bar.open_time,)
        return bars[: bisect_left(bars, found.bar.open_time, key=by_open)]

    def _mendable(self, key: Key, held: Series, as_of: datetime) -> list[datetime]:
        """Bars without sound values: the vendor may have mended them. Those of the last hour each time, older ones every hour."""
        oldest = as_of - MENDED_FOR
        if as_of - self._mended.get(key, BEGINNING) > MENDED_FOR:
            self._mended[key], oldest = as_of, BEGINNING
        first = bisect_left(held.bars, oldest, key=by_close)
        found = [bar.open_time for bar in held.bars[first:] if math.isnan(bar.close)]
        if oldest is BEGINNING and not held.is_raw:  # a vendor may work a split in days after it
            found += [held.bars[max(index - 2, 0)].open_time for index in splits(held.bars, held.market)]
        return found

    def _further(self, provider: BarProvider, need: Need, series: Series, *, overlaps: bool) -> datetime | None:
        """From when on to fetch once more: a jump may be gone from an adjusted history, a thin ticker has bars further back."""
        key, now = (provider.name, need.symbol, need.frame), self.clock()
        if overlaps:
            return None if self.doubt(key, series) is None else self.start(provider, need)
        if not _is_thin(series, need, series.market) or now - self._widened.get(key, BEGINNING) < WIDENED_FOR:
            return None
        self._widened[key] = now
        return self.start(provider, replace(need, window=need.window * THIN))

    async def _fetched(
        self,
        provider: BarProvider,
        need: Need,
        market: Market | None,
        held: Series | None,
        start: datetime,
        needed: datetime,
    ) -> tuple[Series, FetchedBars]:
        key, now = (provider.name, need.symbol, need.frame), self.clock()
        end = provider.market_time(now) + need.frame.length
        request = BarRequest(need.symbol, need.frame, start, end, now)
        request = request if market is None else replace(request, market=market)
        fetched = await provider.fetch(request)
        fetched = await self._refilled(provider, need, request, fetched, held)
        keep = self._widest.get(key, need.window)
        is_hole = self._is_hole(key, need.frame, market)
        series = joined(provider.name, held, fetched, start, needed, keep, is_hole, market)
        series = replace(
            series,
            bars=without_spikes(series.bars),
            blank=self._unconfirmed(key, fetched, series),
            is_raw=provider.adjustment(need.frame) == "raw",
        )
        return series, fetched

    def _unconfirmed(self, key: Key, fetched: FetchedBars, series: Series) -> frozenset[datetime]:
        """Places without values that were seen for the first time a moment ago; what stays so is a quiet market."""
        now, seen = self.clock(), self._blank.setdefault(key, {})
        known = {bar.open_time for bar in series.bars}  # what was held before goes on
        for opened in fetched.blank:
            seen.setdefault(opened, now)
        young = {opened for opened in fetched.blank - known if now - seen[opened] < SECOND_LOOK}
        oldest = series.bars[0].open_time if series.bars else now
        self._blank[key] = {opened: at for opened, at in seen.items() if opened >= oldest}
        return frozenset(young)

    def _keep(self, key: Key, series: Series) -> Series:
        self.series[key], self.fetched_at[key] = series, self.clock()
        return series

    def _has_newest(self, provider: BarProvider, held: Series, need: Need, as_of: datetime) -> bool:
        """Whether what SQL had is all there can be now; a forming bar is never in SQL."""
        key = (provider.name, need.symbol, need.frame)
        if need.forming or held.market is None or not held.bars or not self.reaches(provider, held, need):
            return False
        expected, known = held.last_close(need.frame, as_of), self.series.get(key)
        news = known is None or not known.bars or held.bars[-1].close_time > known.bars[-1].close_time
        return news and expected is not None and held.bars[-1].close_time >= expected

    def _is_hole(self, key: Key, frame: Timeframe, market: Market | None) -> IsHole:
        empty = self._empty.setdefault(key, set())
        length = frame.length

        def is_hole(earlier: Bar, later: Bar) -> bool:
            if market is None or later.open_time - earlier.open_time <= length:
                return False
            hole = market.missing(frame, earlier.open_time, later.open_time)
            return hole is not None and hole[0] not in empty

        return is_hole

    async def _refilled(
        self,
        provider: BarProvider,
        need: Need,
        request: BarRequest,
        fetched: FetchedBars,
        held: Series | None,
    ) -> FetchedBars:
        """Each hole is asked for at once, and again with the second look: what is lacking then never traded, and is noted so.

        In a series that is seen for the first time, what has been blank for minutes is asked for once.
        """
        if provider.hours is Hours.FILE:
            return fetched
        key, now, first = (provider.name, need.symbol, need.frame), self.clock(), held is None
        empty, seen = self._empty.setdefault(key, set()), self._blank.setdefault(key, {})
        known = held.bars if held is not None and len(held.bars) > len(fetched.bars) else fetched.bars
        liquid = is_liquid(known, need.frame, request.market)
        there = {bar.open_time for bar in held.bars} if held is not None else set()
        found = [
            hole
            for hole in holes(fetched.bars, need.frame, request.market, liquid=liquid)
            if hole[0] not in empty and hole[0] not in there and hole[0] not in fetched.blank
        ]
        past = [hole for hole in found if now - hole[1] > MENDED_FOR]
        recent = found[len(past) :]
        asked = past[-MOST_HOLES:] + (recent if len(recent) <= MOST_HOLES else [(recent[0][0], recent[-1][1])])
        if first and fetched.blank:
            asked.append((min(fetched.blank), max(fetched.blank) + need.frame.length))
        bars, lacking = {bar.open_time: bar for bar in fetched.bars}, set(fetched.blank)
        for hole in asked:
            try:
                again = await provider.fetch(replace(request, start=hole[0], end=hole[1]))
            except ProviderError as error:
                log.warning("hole not filled", action="refill", symbol=need.symbol, error=str(error)[:200])
                break
            bars |= {bar.open_time: bar for bar in again.bars}
        older = [hole for hole in past[:-MOST_HOLES] if hole[0] not in bars]
        empty.update(hole[0] for hole in older)  # of what trades now and then there are too many to ask for
        noted = [(hole, 0) for hole in older]
        if first:  # what is long past was not lost a moment ago: a quiet market, so the vendor twice
            places = [*found, *((opened, opened) for opened in fetched.blank)]
            seen |= {opened: now - SECOND_LOOK for opened, until in places if now - until > QUIET_FOR}
        for hole in past[-MOST_HOLES:] + recent:
            filled = sum(hole[0] <= opened < hole[1] for opened in bars)
            if not filled and now - seen.setdefault(hole[0], now) < SECOND_LOOK:
                lacking.add(hole[0])
                continue
            if not filled:
                empty.add(hole[0])
            noted.append((hole, filled))
        await self._note_gaps(provider, need, noted)
        ordered = tuple(bars[opened] for opened in sorted(bars))
        return FetchedBars(ordered, fetched.begins_history, frozenset(lacking - bars.keys()))

    async def _with_stored(
        self, provider: BarProvider, need: Need, held: Series | None, as_of: datetime
    ) -> Series | None:
        """What SQL holds without a hole, when that is enough; or what it has beyond what is held."""
        if self.database is None:
            return held
        adjustment = stored_key(provider, need.frame)
        market = self.market(provider, need.symbol)
        if held is not None and self._is_before(held, need, as_of):
            return held
        try:
            async with asyncio.timeout(DATABASE_SECONDS), self.database.transaction() as work:
                if held is not None:
                    since = held.bars[-OVERLAP - 1 :][0].open_time
                    newer = await work.bars.between(need.symbol, need.frame, adjustment, since, as_of)
                else:
                    until = need.since or as_of
                    bars = await work.bars.newest(need.symbol, need.frame, adjustment, need.window, until)
                    key = (need.symbol, need.frame, adjustment)
                    newer = [*bars, *await work.bars.between(*key, bars[-1].open_time, as_of)] if bars else []
                    self._empty.setdefault((provider.name, need.symbol, need.frame), set()).update(
                        await work.bars.empty_gaps(need.symbol, need.frame, adjustment, since=newer[0].open_time)
                        if newer
                        else ()
                    )
        except Exception as error:  # the database may be away: alerts go on from vendor data
            log.warning("bars not read", action="read_bars", symbol=need.symbol, error=type(error).__name__)
            return held
        is_hole = self._is_hole((provider.name, need.symbol, need.frame), need.frame, market)
        is_raw = provider.adjustment(need.frame) == "raw"
        if held is not None:
            if not is_raw and readjusted(held, newer):  # another process has met a split
                return await self._with_stored(provider, need, None, as_of)
            coming = [held.bars[-1], *(bar for bar in newer if bar.open_time > held.bars[-1].open_time)]
            if len(unbroken(coming, is_hole)) < len(coming):
                return held
            return replace(held, bars=without_spikes([*held.bars[:-1], *coming]), forming=None)
        kept = unbroken(newer, is_hole)
        if sum(bar.close_time <= (need.since or as_of) for bar in kept) < need.window:
            return None
        bars_kept, reach = without_spikes(kept), kept[0].open_time
        return Series(provider.name, bars_kept, begins_history=False, reach=reach, market=market, is_raw=is_raw)

    def _is_before(self, held: Series, need: Need, as_of: datetime) -> bool:
        """Whether nothing newer than what is held can be anywhere."""
        expected = held.last_close(need.frame, as_of)
        return expected is None or held.market is None or held.bars[-1].close_time >= expected

    async def _store(self, provider: BarProvider, need: Need, bars: Sequence[Bar], *, anew: bool) -> None:
        """``anew``: the vendor has adjusted its history; what SQL has from before would not go with it."""
        if self.database is None or not bars:
            return
        adjustment = stored_key(provider, need.frame)
        try:
            async with asyncio.timeout(DATABASE_SECONDS), self.database.transaction() as work:
                if anew:
                    await work.bars.forget(need.symbol, need.frame, adjustment, bars[0].open_time)
                key = (need.symbol, need.frame, adjustment)
                changed = await work.bars.save_newest(*key, bars, provider.name, seen_at=self.clock())
        except Exception as error:
            log.warning("bars not stored", action="store_bars", symbol=need.symbol, error=type(error).__name__)
            return
        if changed.corrected:
            count = changed.corrected
            log.info("bars corrected", action="store_bars", symbol=need.symbol, provider=provider.name, count=count)

    async def _note_gaps(self, provider: BarProvider, need: Need, found: Sequence[tuple[Interval, int]]) -> None:
        for hole, filled in found[-MOST_HOLES:]:
            log.info(
                "hole", action="refill", symbol=need.symbol, provider=provider.name, start=str(hole[0]), filled=filled
            )
        if self.database is None or not provider.durable or not found:
            return
        now, key = self.clock(), (need.symbol, need.frame, stored_key(provider, need.frame))
        gaps = [Gap(*key, hole[0], hole[1], now, filled) for hole, filled in found]
        try:
            async with asyncio.timeout(DATABASE_SECONDS), self.database.transaction() as work:
                await work.bars.note_gaps(gaps)
        except Exception as error:
            log.warning("hole not noted", action="refill", symbol=need.symbol, error=type(error).__name__)


def _is_thin(series: Series, need: Need, market: Market | None) -> bool:
    """A window asked for as of a market that trades every minute, of one that does not."""
    if market is None or market.continuous or not need.frame.is_intraday or series.begins_history:
        return False
    return series.count_until(need.since) < need.window


def stored_key(provider: BarProvider, frame: Timeframe) -> str:
    """The stored key keeps vendors apart, and raw prices from adjusted ones."""
    return f"{provider.name}/{provider.adjustment(frame)}"

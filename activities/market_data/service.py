"""Bars for alerts: one vendor request per (symbol, timeframe, bar) in the process, whoever asks (R-304)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from activities.interface import Freshness
from activities.market_data.provider import (
    BarProvider,
    BarRequest,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
)
from activities.market_data.series import Series, joined, longest_gap, unbroken
from domain import timeframe
from domain.bar import Bar
from storage.database import Database

SETTLE_FOR = timedelta(minutes=10)
SETTLE_STEP = timedelta(seconds=2)
DAILY_TTL = timedelta(seconds=30)
FORMING_TTL = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=1)
LONGEST_DAILY_WAIT = timedelta(minutes=30)
LONGEST_FETCH_SECONDS = 25.0
RETRY_SECONDS = 0.5
BEHIND = timedelta(minutes=2)
Key = tuple[str, str, str]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Need:
    """What is asked for: ``window`` closed bars up to ``since`` and all after it (None: up to the newest).

    ``seen_at`` is a moment whose bars must have been asked for; ``forming`` wants the unfinished bar as it is now.
    """

    symbol: str
    frame: str
    window: int
    since: datetime | None = None
    seen_at: datetime | None = None
    forming: bool = False


@dataclass(frozen=True)
class Answer:
    """A series with how much it can be relied on. ``as_of`` is the market's time."""

    freshness: Freshness
    as_of: datetime
    series: Series | None = None
    ready_at: datetime | None = None
    problem: str = ""


class MarketData:
    """The cache over all providers, in order of priority."""

    def __init__(
        self,
        providers: Sequence[BarProvider],
        database: Database | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        retries: int = 0,
    ) -> None:
        self.retries = retries
        if not providers:
            raise ValueError("at least one market data provider is needed")
        self.providers = list(providers)
        self.database = database
        self.clock = clock
        self._series: dict[Key, Series] = {}
        self._fetched_at: dict[Key, datetime] = {}
        self._flights: dict[Key, asyncio.Task[Series]] = {}
        self._serving: dict[tuple[str, str], BarProvider] = {}
        self._widest: dict[Key, int] = {}

    async def bars(self, need: Need, *, limit: float | None) -> Answer:
        """The bars needed, where there are so many; a vendor gets at most ``limit`` seconds.

        Providers are asked in order of priority, the one that served last first. Never raises a provider's error.
        """
        refusals, problem, ready = [], "", None
        as_of = self.clock()
        for provider in self._ordered(need):
            as_of = provider.market_time(self.clock())
            try:
                answer = await self._patiently(provider, need, limit)
            except ProviderRefused as error:
                refusals.append(str(error))
                continue
            except ProviderUnavailable as error:
                problem = str(error)
                ready = self.clock() + error.retry_after if error.retry_after else ready
                continue
            except Exception as error:  # a vendor's answer we did not foresee must not stop the others
                log.error("provider failed", action="fetch_bars", provider=provider.name, error=repr(error)[:300])
                problem = f"{provider.name}: sent something unreadable ({type(error).__name__})"
                continue
            self._serving[need.symbol, need.frame] = provider
            return answer
        if not problem:
            return Answer(Freshness.REFUSED, as_of, problem="; ".join(refusals))
        return Answer(Freshness.UNAVAILABLE, as_of, ready_at=ready, problem="; ".join([problem, *refusals]))

    async def _patiently(self, provider: BarProvider, need: Need, limit: float | None) -> Answer:
        """Some tries at once where there is time for them; a vendor that says when to come back is left alone until then."""
        for attempt in range(self.retries if limit is None else 0):
            try:
                return await self._from(provider, need, limit)
            except ProviderUnavailable as error:
                if error.retry_after is not None:
                    raise
                await asyncio.sleep(RETRY_SECONDS * 2**attempt)
        return await self._from(provider, need, limit)

    def _ordered(self, need: Need) -> list[BarProvider]:
        serving = self._serving.get((need.symbol, need.frame))
        if serving is None:
            return self.providers
        return [serving, *(provider for provider in self.providers if provider is not serving)]

    async def _from(self, provider: BarProvider, need: Need, limit: float | None) -> Answer:
        key = (provider.name, need.symbol, need.frame)
        self._widest[key] = max(need.window, self._widest.get(key, 0))
        held = self._series.get(key)
        for _ in range(3):  # a flight that others began may fall short, and a readjusted series is begun anew
            if held is not None and self._reaches(provider, held, need) and not self._is_due(provider, need, held):
                break
            held = await self._flight(provider, need, limit)
            if need.forming and self._reaches(provider, held, need):
                break
        assert held is not None
        return self._judged(provider, need, held)

    def _judged(self, provider: BarProvider, need: Need, held: Series) -> Answer:
        """Whether the newest bar is there, is about to come, or is overdue on a market that never closes."""
        now = self.clock()
        as_of = provider.market_time(now)
        length = timeframe.duration(need.frame)
        newest = held.newest_close
        if not timeframe.is_intraday(need.frame) or as_of != now:
            return Answer(Freshness.FRESH, as_of, held)
        expected = held.last_close(need.frame, as_of)
        if newest is not None and newest >= expected:
            return Answer(Freshness.FRESH, as_of, held)
        continuous = longest_gap(provider, need.frame) <= length
        if continuous and newest is None:
            raise ProviderUnavailable(provider.name, f"has no recent {need.frame} bars of {need.symbol}")
        overdue = now - (newest or now)
        if continuous and overdue > 3 * length + BEHIND:
            raise ProviderUnavailable(provider.name, f"its newest bar is {overdue.total_seconds():.0f} s old")
        came_before = newest is not None and newest >= expected - length
        if came_before and now - expected < SETTLE_FOR:
            ready = max(expected + provider.grace, now + max(SETTLE_STEP, now - expected))
            return Answer(Freshness.SETTLING, as_of, held, ready_at=ready)
        return Answer(Freshness.FRESH, as_of, held)

    def _start(self, provider: BarProvider, need: Need) -> datetime:
        """Open time from which on a fetch surely has the whole window."""
        as_of = provider.market_time(self.clock())
        until = min(need.since or as_of, as_of)
        return timeframe.floor(need.frame, until) - provider.span(need.frame, need.window + 2)

    def _reaches(self, provider: BarProvider, held: Series, need: Need) -> bool:
        """Whether the held bars go back far enough, or were asked for and are all there is."""
        if held.begins_history or held.reach <= self._start(provider, need):
            return True
        return held.count_until(need.since) >= need.window

    def _is_due(self, provider: BarProvider, need: Need, held: Series) -> bool:
        """Whether the vendor may have something newer than what is held."""
        key = (provider.name, need.symbol, need.frame)
        now, fetched_at = self.clock(), self._fetched_at[key]
        age, as_of = now - fetched_at, provider.market_time(now)
        if need.forming:
            return age >= FORMING_TTL
        if as_of != now:  # a replay has a pace of its own
            return age >= FORMING_TTL / 2
        following = None if held.newest_close is None else held.newest_close + timeframe.duration(need.frame)
        if following is not None and as_of < following + provider.grace:
            return False
        # the longer a bar is overdue (a closed market, most often), the less often it is asked for
        overdue = as_of - following if following is not None else timedelta(0)
        if not timeframe.is_intraday(need.frame):
            unseen = need.seen_at is not None and fetched_at < need.seen_at
            return unseen or age >= max(DAILY_TTL, min(overdue / 8, LONGEST_DAILY_WAIT))
        return age >= max(SETTLE_STEP / 2, min(overdue / 8, LONGEST_WAIT))

    async def _flight(self, provider: BarProvider, need: Need, limit: float | None) -> Series:
        """One request for all who wait; one that gives up leaves it running for the others."""
        key = (provider.name, need.symbol, need.frame)
        task = self._flights.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(provider, need))
            self._flights[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        try:
            return await asyncio.wait_for(asyncio.shield(task), limit)
        except TimeoutError:
            raise ProviderUnavailable(provider.name, "did not answer in time") from None

    def _landed(self, key: Key, task: asyncio.Task[Series]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, ProviderError):
            log.error("fetch failed", action="fetch_bars", provider=key[0], symbol=key[1], error=repr(error)[:300])

    async def _fetch(self, provider: BarProvider, need: Need) -> Series:
        key = (provider.name, need.symbol, need.frame)
        now = self.clock()
        as_of, length = provider.market_time(now), timeframe.duration(need.frame)
        held = self._series.get(key)
        if held is None and provider.durable:
            held = await self._stored(provider, need, as_of)
        needed = start = self._start(provider, need)
        if held is not None and held.bars and self._reaches(provider, held, need):
            start = held.bars[-1].open_time - length * 2
        request = BarRequest(need.symbol, need.frame, start, as_of + length, now)
        async with asyncio.timeout(LONGEST_FETCH_SECONDS):
            fetched = await provider.fetch(request)
        keep = self._widest.get(key, need.window)
        series = joined(provider.name, held, fetched, start, needed, keep, longest_gap(provider, need.frame))
        self._series[key] = series
        self._fetched_at[key] = now
        if provider.durable:
            await self._store(provider, need, [bar for bar in fetched.bars if bar.final])
        return series

    async def _stored(self, provider: BarProvider, need: Need, as_of: datetime) -> Series | None:
        """What SQL holds without a hole wider than the market's closed hours, when that is enough."""
        if self.database is None:
            return None
        try:
            async with self.database.transaction() as work:
                bars = await work.bars.newest(
                    need.symbol, need.frame, _adjustment(provider), need.window, need.since or as_of
                )
        except Exception as error:  # the database may be away: alerts go on from vendor data
            log.warning("bars not read", action="read_bars", symbol=need.symbol, error=type(error).__name__)
            return None
        kept = unbroken(bars, longest_gap(provider, need.frame))
        if len(kept) < need.window:
            return None
        return Series(provider.name, tuple(kept), begins_history=False, reach=kept[0].open_time)

    async def _store(self, provider: BarProvider, need: Need, bars: Sequence[Bar]) -> None:
        if self.database is None or not bars:
            return
        try:
            async with self.database.transaction() as work:
                await work.bars.save(need.symbol, need.frame, _adjustment(provider), bars, provider.name)
        except Exception as error:
            log.warning("bars not stored", action="store_bars", symbol=need.symbol, error=type(error).__name__)

    async def close(self) -> None:
        """Ends what is under way and closes every provider."""
        flights = list(self._flights.values())
        for task in flights:
            task.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        for provider in self.providers:
            await provider.close()


def _adjustment(provider: BarProvider) -> str:
    """The stored key keeps vendors apart: their prices for one bar differ."""
    return f"{provider.name}/{provider.adjustment}"[:16]

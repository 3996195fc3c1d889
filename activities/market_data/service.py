"""Bars for alerts: one vendor request per (symbol, timeframe, bar) in the process, whoever asks (R-304)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import structlog
from numpy.typing import NDArray

from activities.interface import Freshness
from activities.market_data.provider import (
    BarProvider,
    BarRequest,
    FetchedBars,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
)
from domain import timeframe
from domain.bar import FIELDS, Bar
from storage.database import Database

MOST_BARS = 60_000
SETTLE_FOR = timedelta(seconds=12)
SETTLE_STEP = timedelta(seconds=2)
DAILY_TTL = timedelta(seconds=30)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Series:
    """Closed bars of one provider, ascending and without gaps of ours, and the forming bar if asked for."""

    provider: str
    bars: tuple[Bar, ...]
    begins_history: bool
    forming: Bar | None = None

    @cached_property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The closed bars by field."""
        return {name: np.array([getattr(bar, name) for bar in self.bars], dtype=np.float64) for name in FIELDS}

    @property
    def newest_close(self) -> datetime | None:
        """Close of the newest closed bar."""
        return self.bars[-1].close_time if self.bars else None


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
    ) -> None:
        if not providers:
            raise ValueError("at least one market data provider is needed")
        self.providers = list(providers)
        self.database = database
        self.clock = clock
        self._series: dict[tuple[str, str, str], Series] = {}
        self._fetched_at: dict[tuple[str, str, str], datetime] = {}
        self._flights: dict[tuple[str, str, str], asyncio.Task[Series]] = {}
        self._serving: dict[tuple[str, str], BarProvider] = {}

    async def bars(self, symbol: str, frame: str, count: int, *, limit: float | None, forming: bool = False) -> Answer:
        """At least ``count`` closed bars where there are so many; a vendor gets at most ``limit`` seconds.

        Providers are asked in order of priority, the one that served last first. Never raises a provider's error.
        """
        refusals, problem, ready = [], "", None
        as_of = self.clock()
        for provider in self._ordered(symbol, frame):
            as_of = provider.market_time(self.clock())
            try:
                answer = await self._from(provider, symbol, frame, count, limit, forming)
            except ProviderRefused as error:
                refusals.append(str(error))
                continue
            except ProviderUnavailable as error:
                problem = str(error)
                ready = self.clock() + error.retry_after if error.retry_after else ready
                continue
            self._serving[symbol, frame] = provider
            return answer
        if not problem:
            return Answer(Freshness.REFUSED, as_of, problem="; ".join(refusals))
        return Answer(Freshness.UNAVAILABLE, as_of, ready_at=ready, problem="; ".join([problem, *refusals]))

    def _ordered(self, symbol: str, frame: str) -> list[BarProvider]:
        serving = self._serving.get((symbol, frame))
        if serving is None:
            return self.providers
        return [serving, *(provider for provider in self.providers if provider is not serving)]

    async def _from(
        self, provider: BarProvider, symbol: str, frame: str, count: int, limit: float | None, forming: bool
    ) -> Answer:
        key = (provider.name, symbol, frame)
        now = self.clock()
        count = min(count, MOST_BARS)
        held = self._series.get(key)
        enough = held is not None and (len(held.bars) >= count or held.begins_history)
        if not enough or forming or self._is_due(provider, frame, key, now):
            held = await self._flight(provider, symbol, frame, count, limit)
        assert held is not None
        as_of = provider.market_time(now)
        expected = timeframe.last_close(frame, as_of) if timeframe.is_intraday(frame) else None
        lacking = expected is not None and (held.newest_close is None or held.newest_close < expected)
        if lacking and expected is not None and provider.market_time(now) == now and now - expected < SETTLE_FOR:
            ready = max(expected + provider.grace, now + SETTLE_STEP)
            return Answer(Freshness.SETTLING, as_of, held, ready_at=ready)
        return Answer(Freshness.FRESH, as_of, held)

    def _is_due(self, provider: BarProvider, frame: str, key: tuple[str, str, str], now: datetime) -> bool:
        """Whether the vendor may have something newer than what is held."""
        as_of, held = provider.market_time(now), self._series[key]
        since = now - self._fetched_at[key]
        if not timeframe.is_intraday(frame):
            return since >= DAILY_TTL
        expected = timeframe.last_close(frame, as_of)
        if held.newest_close is not None and held.newest_close >= expected:
            return False
        return as_of >= expected + provider.grace and (since >= SETTLE_STEP / 2 or self._fetched_at[key] < expected)

    async def _flight(self, provider: BarProvider, symbol: str, frame: str, count: int, limit: float | None) -> Series:
        """One request for all who wait; one that gives up leaves it running for the others."""
        key = (provider.name, symbol, frame)
        task = self._flights.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(provider, symbol, frame, count))
            self._flights[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        try:
            return await asyncio.wait_for(asyncio.shield(task), limit)
        except TimeoutError:
            raise ProviderUnavailable(provider.name, f"did not answer within {limit:g} s") from None

    def _landed(self, key: tuple[str, str, str], task: asyncio.Task[Series]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, ProviderError):
            log.error("fetch failed", action="fetch_bars", provider=key[0], symbol=key[1], error=repr(error))

    async def _fetch(self, provider: BarProvider, symbol: str, frame: str, count: int) -> Series:
        key = (provider.name, symbol, frame)
        now = self.clock()
        as_of = provider.market_time(now)
        length = timeframe.duration(frame)
        held = self._series.get(key)
        if held is None and provider.durable:
            held = await self._stored(provider, symbol, frame, count, as_of)
        if held is not None and held.bars and (len(held.bars) >= count or held.begins_history):
            start = held.bars[-1].open_time - length * 2
        else:
            start = timeframe.floor(frame, as_of) - provider.span(frame, count + 2)
        fetched = await provider.fetch(BarRequest(symbol, frame, start, as_of + length, now))
        series = _joined(provider.name, held, fetched, count)
        self._series[key] = series
        self._fetched_at[key] = now
        if provider.durable:
            await self._store(provider, symbol, frame, [bar for bar in fetched.bars if bar.final])
        return series

    async def _stored(
        self, provider: BarProvider, symbol: str, frame: str, count: int, as_of: datetime
    ) -> Series | None:
        """What SQL holds, when it reaches back far enough and has no hole wider than the provider's closed hours."""
        if self.database is None:
            return None
        try:
            async with self.database.transaction() as work:
                bars = await work.bars.newest(symbol, frame, _adjustment(provider), count, as_of)
        except Exception as error:  # the database may be away: alerts go on from vendor data
            log.warning("bars not read", action="read_bars", symbol=symbol, error=type(error).__name__)
            return None
        return Series(provider.name, tuple(bars), begins_history=False) if len(bars) >= count else None

    async def _store(self, provider: BarProvider, symbol: str, frame: str, bars: Sequence[Bar]) -> None:
        if self.database is None or not bars:
            return
        try:
            async with self.database.transaction() as work:
                await work.bars.save(symbol, frame, _adjustment(provider), bars, provider.name)
        except Exception as error:
            log.warning("bars not stored", action="store_bars", symbol=symbol, error=type(error).__name__)

    async def close(self) -> None:
        """Ends what is under way and closes every provider."""
        for task in list(self._flights.values()):
            task.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        for provider in self.providers:
            await provider.close()


def _adjustment(provider: BarProvider) -> str:
    """The stored key keeps vendors apart: their prices for one bar differ."""
    return f"{provider.name}/{provider.adjustment}"[:16]


def _joined(name: str, held: Series | None, fetched: FetchedBars, keep: int) -> Series:
    """Held bars with the fetched ones over them, cut to ``keep`` and some slack when they have grown to twice that."""
    closed = [bar for bar in fetched.bars if bar.final]
    forming = fetched.bars[-1] if fetched.bars and not fetched.bars[-1].final else None
    older: list[Bar] = []
    begins = fetched.begins_history
    if held is not None and held.bars:
        first = closed[0].open_time if closed else None
        older = [bar for bar in held.bars if first is None or bar.open_time < first]
        begins = held.begins_history if older else begins
    bars = [*older, *closed]
    if len(bars) > 2 * keep + 512:
        bars, begins = bars[-keep - 256 :], False
    return Series(name, tuple(bars), begins, forming)

"""Asking vendors for data jobs: one after the other in order of priority, each behind its gate, with a few tries."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from activities.market_data.failover import MarketData
from activities.market_data.vendors.errors import BeingTried, ProviderError, ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.provider import BarRequest, DataRequest, Provider
from domain.bar import FIELDS, Bar
from domain.job import DataProcessingParams
from domain.timeframe import DAILY
from domain.vendor_data import Kind, Quote, Record
from storage.vendor_data import Staged

PATIENCE = timedelta(minutes=2)
OPEN_FOR = timedelta(minutes=30)
CLOSED = "the market is closed"
DAYS = {
    Kind.NEWS: (3, 0),
    Kind.EARNINGS_CALENDAR: (1, 90),
    Kind.ECONOMIC_EVENTS: (7, 30),
}  # days back and ahead
LISTS = (Kind.NEWS, Kind.EARNINGS_CALENDAR, Kind.ECONOMIC_EVENTS)  # may well be empty
log = structlog.get_logger(__name__)


class Fetcher:
    """A vendor's answer, as it came."""

    def __init__(
        self,
        market: MarketData,
        lookback: int,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.market, self.lookback, self.clock, self.sleep = market, lookback, clock, sleep

    async def fetch(self, params: DataProcessingParams, symbol: str) -> Staged:
        """From the first that has one.

        Raises:
            ProviderError: none has; the one that will be back first says why.
        """
        now, calendars = self.clock(), self.market.calendars
        await calendars.prepare(calendars.code_of(symbol))
        if params.market_hours_only and not calendars.of(symbol).is_open(now, now + timedelta(seconds=1)):
            return Staged(symbol, error=CLOSED)
        problems: list[ProviderError] = []
        for provider in self.market.providers:
            try:
                return Staged(symbol, provider.name, await self._with_retries(provider, params, symbol, now))
            except ProviderError as error:
                problems.append(error)
            except Exception as error:  # an answer we did not foresee must not stop the next vendor
                log.error("provider failed", action="fetch", provider=provider.name, error=repr(error)[:300])
                unreadable = f"sent something unreadable ({type(error).__name__})"
                problems.append(ProviderUnavailable(provider.name, unreadable))
        raise min([one for one in problems if not isinstance(one, ProviderRefused)] or problems, key=wait_of)

    async def _with_retries(self, provider: Provider, params: DataProcessingParams, symbol: str, now: datetime) -> Any:
        """Two retries. A vendor whose circuit will close within the step's time is waited for."""
        attempt = 0
        while True:
            try:
                return await self._ask(provider, params, symbol, now)
            except BeingTried as error:  # by another ticker: nobody was asked, and no try is used up
                await self.sleep((error.retry_after or timedelta(seconds=1)).total_seconds())
            except ProviderUnavailable as error:
                wait = error.retry_after or timedelta(seconds=2**attempt)
                if attempt == self.market.retries or wait > PATIENCE:
                    raise
                await self.sleep(wait.total_seconds())
                attempt += 1

    async def _ask(self, provider: Provider, params: DataProcessingParams, symbol: str, now: datetime) -> Any:
        if params.kind is Kind.HISTORICAL_PRICES:
            return await self._bars(provider, params, symbol, now)
        request = request_of(params, symbol, now)
        answer = clean(await provider.data(request))
        found = () if params.kind in LISTS else provider.read(answer, request)
        if params.kind not in LISTS and not found:
            raise ProviderRefused(provider.name, "knows nothing of this ticker")
        if params.kind is Kind.STOCK_QUOTES and self._is_old(symbol, found, now):
            raise ProviderRefused(provider.name, "has no price of this session")
        return answer

    def _is_old(self, symbol: str, quotes: Sequence[Record], now: datetime) -> bool:
        """Whether all prices are from before a session that has been open for longer than any feed is late."""
        opened = now - OPEN_FOR
        market = self.market.calendars.of(symbol)
        if market.continuous or not (market.is_open(opened, opened) and market.is_open(now, now)):
            return False
        before = market.last_close(DAILY, now)
        return before is not None and all(quote.at <= before for quote in quotes if isinstance(quote, Quote))

    async def _bars(self, provider: Provider, params: DataProcessingParams, symbol: str, now: datetime) -> Any:
        calendars, as_of = self.market.calendars, provider.market_time(now)
        count = params.lookback or self.lookback
        start = calendars.of(symbol).start_of(params.timeframe, as_of, count)
        await calendars.prepare(calendars.code_of(symbol), start.date())
        market = self.market.market(provider, symbol)
        start = start if market is None else market.start_of(params.timeframe, as_of, count)
        request = BarRequest(symbol, params.timeframe, start, as_of + params.timeframe.length, now, patience=PATIENCE)
        fetched = await provider.fetch(request if market is None else replace(request, market=market))
        if not fetched.bars:
            raise ProviderRefused(provider.name, "has no bars of it")
        return [
            [bar.open_time.isoformat(), bar.close_time.isoformat(), *_cells(bar), bar.final] for bar in fetched.bars
        ]


def clean(value: Any) -> Any:
    """The same JSON without what a database cannot hold: NaN and infinity become null, odd characters go."""
    if isinstance(value, dict):
        return {clean(key): clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [clean(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "ignore").decode()
    return value


def wait_of(error: Exception) -> timedelta:
    """How long from now until another try makes sense; nothing where nobody said."""
    found: timedelta | None = getattr(error, "retry_after", None)
    return found or timedelta()


def request_of(params: DataProcessingParams, symbol: str, now: datetime) -> DataRequest:
    """What a vendor is asked for a kind that is no bars."""
    back, ahead = DAYS.get(params.kind, (0, 0))
    today = now.date()
    return DataRequest(params.kind, symbol, today - timedelta(days=back), today + timedelta(days=ahead), now, PATIENCE)


def _cells(bar: Bar) -> Sequence[float | None]:
    values = [getattr(bar, name) for name in FIELDS]
    return [value if math.isfinite(value) else None for value in values]

"""A market whose bars cost next to nothing to make, so that a benchmark measures what is done with them."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from activities.market_data.vendors.provider import BarRequest, FetchedBars, Hours, Provider
from domain.bar import Bar

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=400)


@lru_cache(maxsize=500_000)
def noise(symbol: str, at: int) -> float:
    """Uniform in [0, 1), the same for a ticker and a second in every process."""
    return zlib.crc32(f"{symbol}|{at}".encode()) / 2**32


def close(symbol: str, at: datetime) -> float:
    """Of the bar that closes then: between 100 and 101."""
    return round(100 + noise(symbol, int(at.timestamp())), 6)


class PlainMarket(Provider):
    """Bars of any length, always open; each is there as soon as it has closed."""

    name = "plain"
    hours = Hours.ALWAYS

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """Closed bars, and none that forms."""
        length, now = request.timeframe.length, request.now
        bars, at = [], request.timeframe.floor(request.start)
        while at < request.end and at + length <= now:
            value = close(request.symbol, at + length)
            bars.append(Bar(at, at + length, value, value + 0.1, value - 0.1, value, 1000.0))
            at += length
        return FetchedBars(tuple(bars))

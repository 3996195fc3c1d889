"""The simulated market: a seeded random walk with regimes, the same for a seed, symbol and time wherever it runs.

A symbol's price is a function of time, so every timeframe is cut from the same path. Closes of whole days come from a
walk that starts on 1 January 2020; each day is a Brownian bridge of 86,400 seconds between two of them, whose
volatility and pull change every few minutes (calm, trend, storm). Numbers come from MT19937, whose stream is frozen.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from activities.market_data.vendors.errors import ProviderRefused
from activities.market_data.vendors.provider import BarRequest, FetchedBars, Hours, Provider
from domain.bar import Bar

ORIGIN = datetime(2020, 1, 1, tzinfo=UTC)  # the first day of the walk
DAY = 86_400
LONGEST_DAYS = 36_500  # until the year 2119
REGIMES = ((0.35, 0.0), (0.6, 1.0), (0.6, -1.0), (1.8, 0.0))  # volatility and pull, relative
Array = NDArray[np.float64]


def _random(*parts: object) -> np.random.RandomState:
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype=np.uint32))


@lru_cache(maxsize=512)
def _daily_log_prices(seed: int, symbol: str) -> Array:
    """Log price at each midnight since the origin (shape: days)."""
    random = _random(seed, symbol, "days")
    start = math.log(20 + 400 * random.random_sample())
    daily = 0.0002 + 0.014 * random.standard_normal(LONGEST_DAYS)
    walk = np.cumsum(daily)
    # pulled gently back to its start, so that no price runs off to zero or infinity over decades
    pulled = np.empty_like(walk)
    level = 0.0
    for index in range(LONGEST_DAYS):
        level += daily[index] - 0.0015 * level
        pulled[index] = level
    return np.concatenate([[start], start + pulled])


@lru_cache(maxsize=96)  # 1 MB each
def _day(seed: int, symbol: str, day: int) -> tuple[Array, NDArray[np.float32]]:
    """Price at each second of a day (86,401 points, both midnights) and volume in each second (86,400)."""
    bounds = _daily_log_prices(seed, symbol)[day : day + 2]
    random = _random(seed, symbol, day)
    volatility, pull = np.empty(DAY), np.empty(DAY)
    second = 0
    while second < DAY:
        length = int(random.randint(60, 600))
        relative, direction = REGIMES[int(random.randint(len(REGIMES)))]
        volatility[second : second + length] = relative
        pull[second : second + length] = direction
        second += length
    steps = volatility * random.standard_normal(DAY) + 0.12 * volatility * pull
    scale = 0.02 / math.sqrt(DAY)
    path = np.concatenate([[0.0], np.cumsum(steps * scale)])
    bridge = path - path[-1] * np.arange(DAY + 1) / DAY
    logs = bounds[0] + (bounds[1] - bounds[0]) * np.arange(DAY + 1) / DAY + bridge
    volume = np.floor(volatility * 40 * (1 + random.standard_exponential(DAY)))
    return np.round(np.exp(logs), 4), volume.astype(np.float32)


class SimulatedMarket(Provider):
    """Any symbol, any timeframe, any time since 2020; never closed. ``seed`` picks the world."""

    name = "simulated"
    hours = Hours.ALWAYS

    def __init__(self, seed: int = 7) -> None:
        self.seed = seed

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """The bars asked for; the last is not final while it forms."""
        found = []
        for bar in self._each(request):
            found.append(bar)
            await asyncio.sleep(0)  # a daily bar is 86,400 steps: others take their turn between two
        return FetchedBars(tuple(found))

    def bars(self, request: BarRequest) -> tuple[Bar, ...]:
        """The same without a loop, for tests and replays."""
        return tuple(self._each(request))

    def _each(self, request: BarRequest) -> Iterator[Bar]:
        length = request.timeframe.length
        opened = request.timeframe.floor(request.start)
        if opened < request.start:
            opened += length
        if opened < ORIGIN:
            raise ProviderRefused(self.name, "the simulated market begins on 2020-01-01")
        while opened < request.end and opened < request.now:
            yield self._bar(request.symbol, opened, opened + length, request.now)
            opened += length

    def _bar(self, symbol: str, opened: datetime, closes: datetime, now: datetime) -> Bar:
        until = min(closes, now.replace(microsecond=0))
        prices, volume = self._path(symbol, opened, until)
        return Bar(
            opened,
            closes,
            open=float(prices[0]),
            high=float(prices.max()),
            low=float(prices.min()),
            close=float(prices[-1]),
            volume=float(volume.sum(dtype=np.float64)),
            final=closes <= now,
        )

    def _path(self, symbol: str, start: datetime, end: datetime) -> tuple[Array, NDArray[np.float32]]:
        first, last = (int((at - ORIGIN).total_seconds()) for at in (start, end))
        prices, volumes = [], []
        for day in range(first // DAY, max(first, last - 1) // DAY + 1):
            day_prices, day_volume = _day(self.seed, symbol, day)
            low, high = max(first - day * DAY, 0), min(last - day * DAY, DAY)
            prices.append(day_prices[low : high + 1])
            volumes.append(day_volume[low:high])
        return np.concatenate(prices), np.concatenate(volumes)

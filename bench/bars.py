"""What a bar costs when many alerts watch it, and what it costs to keep: ``python -m bench.bars``.

One run on one machine: a tick of 1,000 alerts on 50 tickers against one alert a ticker; the same with an indicator of each
alert's own; bars saved in a batch against one by one; vendor requests counted. Ratios are what counts.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, Freshness
from activities.market_data.failover import MarketData
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import BarRequest, FetchedBars
from domain.bar import Bar
from domain.timeframe import Timeframe
from storage.database import Database

ALERTS, TICKERS, TICKS = 1000, 50, 7
MINUTE = timedelta(minutes=1)
BEGIN = datetime(2026, 11, 19, 15, 0, 2, tzinfo=UTC)
SAVED, ONE_BY_ONE = 20_000, 500


class Counted(SimulatedMarket):
    """The simulated market, its requests counted and its bars worth a row."""

    durable = True
    requests = 0

    async def fetch(self, request: BarRequest) -> FetchedBars:
        self.requests += 1
        return await super().fetch(request)


async def tick_of(asks: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Median seconds of a tick in which each (ticker, operand) is evaluated, and requests a tick."""
    now, vendor = [BEGIN], Counted(7)
    evaluation = Evaluation(MarketData([vendor], clock=lambda: now[0]))
    took = []
    for _ in range(TICKS):
        before, began = vendor.requests, time.perf_counter()
        after = now[0].replace(second=0) - MINUTE if took else None
        wanted = [EvaluateInput(symbol, Timeframe("1m"), (key,), now[0], after=after) for symbol, key in asks]
        found = await asyncio.gather(*(evaluation.values(one) for one in wanted))
        took.append(time.perf_counter() - began)
        assert all(one.freshness is Freshness.FRESH and len(one.snapshots) == 1 for one in found)
        now[0] += MINUTE
    return statistics.median(took[1:]), vendor.requests - before


def made(count: int) -> list[Bar]:
    return [Bar(BEGIN + n * MINUTE, BEGIN + (n + 1) * MINUTE, 10, 11, 9, 10 + n % 7, 5) for n in range(count)]


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def saving(folder: Path) -> tuple[float, float, float]:
    """Microseconds a bar: in one batch, the same again unchanged, and one transaction each."""
    database = Database(f"sqlite:///{folder / 'bars.db'}")
    await database.upgrade()

    async def save(symbol: str, bars: Sequence[Bar]) -> None:
        async with database.transaction() as work:
            await work.bars.save(symbol, "1m", "bench/raw", bars, "bench", seen_at=BEGIN)

    async def each(bars: Sequence[Bar]) -> None:
        for bar in bars:
            await save("ONE", [bar])

    batch, again = await timed(lambda: save("MANY", made(SAVED))), await timed(lambda: save("MANY", made(SAVED)))
    single = await timed(lambda: each(made(ONE_BY_ONE)))
    await database.close()
    return batch / SAVED * 1e6, again / SAVED * 1e6, single / ONE_BY_ONE * 1e6


async def main() -> None:
    one_each = [(f"S{n}", "rsi(14)") for n in range(TICKERS)]
    many = [(f"S{n % TICKERS}", "rsi(14)") for n in range(ALERTS)]
    own = [(f"S{n % TICKERS}", f"rsi({5 + n // TICKERS})") for n in range(ALERTS)]
    alone, asked_alone = await tick_of(one_each)
    shared, asked = await tick_of(many)
    different, asked_own = await tick_of(own)
    print(f"{TICKERS} alerts, one a ticker: a tick {alone * 1e3:.0f} ms, {asked_alone:.0f} requests")
    print(f"{ALERTS} alerts on them: {shared * 1e3:.0f} ms ({shared / alone:.1f} times), {asked:.0f} requests")
    print(
        f"each with an indicator of its own: {different * 1e3:.0f} ms ({different / shared:.1f} times), {asked_own:.0f} requests"
    )
    with tempfile.TemporaryDirectory() as folder:
        batch, again, single = await saving(Path(folder))
    print(
        f"a bar saved in a batch {batch:.0f} µs, unchanged {again:.0f} µs, alone {single:.0f} µs: {single / batch:.0f} times"
    )


if __name__ == "__main__":
    asyncio.run(main())

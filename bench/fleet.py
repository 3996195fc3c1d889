"""100,000 alerts in the watch, and the whole system with own ticks against watched: ``python -m bench.fleet [--json]``.

The first part drives its clock, so that a minute takes as long as judging it. The second runs on the real server, in real time;
what is compared there was measured in one run on one machine. ``--only watch`` or ``system`` measures one of them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import insert

from activities.evaluation import Evaluation
from activities.interface import BarsObserved
from activities.looks import Looks
from activities.market_data.failover import MarketData
from activities.watch.shards import Shards
from activities.watch.watch import ShardWatch, Watch
from bench.plain_market import PlainMarket
from domain.alert import Alert, AlertState
from domain.definition import read_definition
from storage.database import Database
from storage.job_tables import WatchedRow
from storage.row_mapping import columns
from storage.stored_schedule import STATE
from storage.tables import ScheduleRow

MINUTE = timedelta(minutes=1)
BEGIN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
BATCH = 1000
SHAPES = (  # of rules, with a level that is another one for each alert, and that is never reached
    "close > {up}", "close < {down}", "high > {up} or low < {down}", "rsi(14) > 99.9{n}", "rsi(7) < 0.0{n}",
    "close > sma(20) and close > {up}", "close < ema(50) and close < {down}", "sma(20) > {up}", "ema(12) crosses_above {up}",
    "close crosses_below {down}", "atr(14) > {n}", "adx(14) > 99.9{n}", "cci(20) > 9{n}", "roc(10) > 9{n}", "willr(14) < -999{n}",
    "mom(10) > 9{n}", "macd() > {n}", "bbands(20).upperband > {up}", "volume > 9{n}", "change_pct(close, 12) > 9{n}",
)  # fmt: skip


def rule(number: int) -> str:
    """The rule of one alert."""
    text = SHAPES[number % len(SHAPES)]
    return text.format(up=200 + number % 997, down=1 + number % 97, n=100 + number % 899)


def alerts(count: int, tickers: int) -> Iterator[Alert]:
    """Of 20 rule shapes on so many tickers."""
    for number in range(count):
        body = {"symbol": f"T{number // len(SHAPES) % tickers}", "timeframe": "1m", "rule": rule(number)}
        yield Alert(id=f"fleet-{number}", definition=read_definition({**body, "notification_channels": []}))


async def fill(database: Database, count: int, tickers: int) -> None:
    """Their rows, as workflows that are watched have left them."""
    rows, watched = list[dict[str, Any]](), list[dict[str, Any]]()
    state = AlertState(last_bar_close=BEGIN)
    memory = STATE.dump_python(state, mode="json")

    async def write() -> None:
        if not rows:
            return
        async with database.transaction() as work:
            await work.session.execute(insert(ScheduleRow), rows)
            await work.session.execute(insert(WatchedRow), watched)
        rows.clear()
        watched.clear()

    for alert in alerts(count, tickers):
        kept = {"of": alert.definition.memory_key, "memory": memory}
        rows.append(
            {**columns(alert), "id": alert.id, "user_id": "local", "job_type": "alert", "enabled": True, "state": kept,
             "created_at": BEGIN, "updated_at": BEGIN}
        )  # fmt: skip
        until = BEGIN + timedelta(days=9)
        watched.append(
            {"alert_id": alert.id, "symbol": alert.definition.symbol, "version": 1, "revision": 0, "until": until,
             "noted_at": BEGIN}
        )  # fmt: skip
        if len(rows) == BATCH:
            await write()
    await write()


class Gap:
    """The longest stretch of work between two turns of the event loop, in CPU seconds: a busy machine is no fault of ours."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def measure(self) -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - began)


async def watch_alone(count: int, tickers: int, bars: int) -> dict[str, float]:
    """CPU and memory of one shard that holds them all, judging one bar after the other."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        database = Database(f"sqlite:///{Path(home) / 'alerts.db'}")
        await database.upgrade()
        await fill(database, count, tickers)
        now = [BEGIN + timedelta(seconds=1)]

        def clock() -> datetime:
            return now[0]

        evaluation = Evaluation(MarketData([PlainMarket()], clock=clock), 250)
        shards = Shards(database, 1, clock)
        one = ShardWatch(Watch(database, evaluation, shards, Looks(database, clock), "bench", clock), 0)
        gc.collect()
        process, began = psutil.Process(), time.perf_counter()
        before = process.memory_info().rss
        await one.fleet.load()
        load = time.perf_counter() - began
        assert len(one.fleet.replicas) == count, len(one.fleet.replicas)
        nudged = list[str]()

        async def send(alert_id: str, nudge: BarsObserved) -> None:
            nudged.append(alert_id)

        one.nudger.send = send
        looking = asyncio.create_task(one._look_when_due())
        await _judged(one, now[0], BEGIN)  # the first look fetches the windows
        gc.collect()
        gc.freeze()
        memory = (process.memory_info().rss - before) / count
        gap, lags, cpu = Gap(), list[float](), 0.0
        measuring = asyncio.create_task(gap.measure())
        for bar in range(1, bars + 1):
            now[0] = BEGIN + bar * MINUTE + timedelta(milliseconds=1)
            began, used = time.perf_counter(), time.process_time()
            one.fleet.changed.set()
            lags += await _judged(one, now[0], BEGIN + bar * MINUTE, began)
            cpu += time.process_time() - used
        measuring.cancel()
        looking.cancel()
        await asyncio.gather(looking, measuring, return_exceptions=True)
        await database.close()
    assert not nudged, f"{len(nudged)} were to be quiet"
    return {
        "alerts": count,
        "symbols": tickers,
        "bars": bars,
        "us_per_quiet_tick": cpu / (count * bars) * 1e6,
        "bar_to_judged_p99_ms": statistics.quantiles(lags, n=100)[98] * 1000,
        "bytes_per_alert": memory,
        "load_s": load,
        "longest_block_ms": gap.longest * 1000,
    }


async def _judged(one: ShardWatch, now: datetime, close: datetime, began: float = 0.0) -> list[float]:
    """Waits until all have judged a bar; how long each feed took, since it closed."""
    waiting, found = set(one.fleet.listeners.values()), list[float]()
    while waiting:
        done = {group for group in waiting if group.due > now and group not in one._looking}
        at = time.perf_counter() - began
        found += [at] * len(done)
        waiting -= done
        await asyncio.sleep(0.002)
    newest = {group.newest.bar_close for group in one.fleet.listeners.values() if group.newest}
    assert newest <= {close}, newest
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--alerts", type=int, default=100_000, help="of the watch alone")
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--bars", type=int, default=10)
    parser.add_argument("--system-alerts", type=int, default=5000)
    parser.add_argument("--system-bars", type=int, default=3)
    parser.add_argument("--only", choices=("watch", "system"))
    parser.add_argument("--serve", choices=("own", "watched"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    from bench import fleet_system

    if options.serve:
        asyncio.run(fleet_system.serve(options.serve))
        os._exit(0)
    found: dict[str, Any] = {}
    if options.only != "system":
        found["watch"] = asyncio.run(watch_alone(options.alerts, options.symbols, options.bars))
    if options.only != "watch":
        found["system"] = asyncio.run(fleet_system.compare(options.system_alerts, options.system_bars))
    if options.json:
        print(json.dumps(found, indent=2), flush=True)
    else:
        for part, figures in found.items():
            print(part, flush=True)
            fleet_system.show(figures)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

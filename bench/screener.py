"""A screener over 3,000 tickers from stored bars while 300 alerts tick every ten seconds: ``python -m bench.screener [--json]``.

One run on one machine: how long the screener takes, and how late ticks are while it runs against how late they are without it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from activities.market_data.vendors.errors import ProviderRefused
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import BarRequest, FetchedBars, Hours, Provider
from bench.ticks import RULE, SYMBOLS, Tick, free_port, polling, ticks_of
from domain.run import Run, RunStatus
from storage.database import Database
from storage.tables import BarRow

DAY = timedelta(days=1)
BARS = 320
IDLE = 40  # seconds
CONDITIONS = ["rsi(14) < 60", "close > sma(50)", "close > ema(20)[3]"]


class Stored(Provider):
    """A vendor whose bars are all in the database."""

    name = "stored"
    hours = Hours.ALWAYS
    durable = True

    async def fetch(self, request: BarRequest) -> FetchedBars:
        raise ProviderRefused(self.name, "has nothing that is not stored")


def tickers(count: int) -> list[str]:
    return [f"T{number:04d}" for number in range(count)]


async def fill(database: Database, count: int) -> int:
    """Daily bars up to the last midnight."""
    last = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = 0
    for number, symbol in enumerate(tickers(count)):
        made = []
        for at in range(BARS):
            close = 100 + 10 * math.sin(at / 9 + number) + 3 * math.sin(at * 1.7 + number) + at * 0.01
            opened = last - (BARS - at) * DAY
            prices = {"open": close - 0.3, "high": close + 1, "low": close - 1, "close": close, "volume": 1e6 + at}
            made.append({"symbol": symbol, "timeframe": "1d", "adjustment": "stored/raw", "open_time": opened,
                         "close_time": opened + DAY, "source": "stored", **prices})  # fmt: skip
        async with database.transaction() as work:
            await work.session.execute(insert(BarRow), made)
        rows += len(made)
    return rows


async def serve() -> None:
    """The worker process: alerts on a simulated market, jobs on stored bars."""
    from worker.client import connect
    from worker.runner import build_workers
    from worker.settings import load_settings
    from worker.wiring import build_services

    settings = load_settings()
    client = await connect(settings, 30)
    services = build_services(settings, [SimulatedMarket(), Stored()])

    async def no_sweep() -> None:
        """Nothing to reconcile here."""

    from temporalio import activity

    workers = build_workers(client, services, sweeps=[activity.defn(name="bench.no_sweep")(no_sweep)])
    await polling(workers)
    await services.close()


async def screened(database: Database, client: Any, symbols: Sequence[str], run_id: str) -> dict[str, Any]:
    """Orders a run, waits for its end; its result with ``seconds`` from the order to the end."""
    from starter.reconciler.runs import run_workflow_id, start_run

    params = {"symbols": list(symbols), "filter_criteria": {"conditions": CONDITIONS}, "rank_by": "rsi(14)"}
    now, kept = datetime.now(UTC), {"task_params": params, "workflow_id": run_workflow_id(run_id)}
    run = Run(run_id, "screener", None, "bench", RunStatus.PENDING, now, now, job_snapshot=kept)
    async with database.transaction() as work:
        await work.runs.add([run])
    began = time.perf_counter()
    await start_run(client, run)
    while True:
        await asyncio.sleep(0.1)
        async with database.transaction() as work:
            found = await work.runs.get(run_id)
        if found is not None and found.finished_at is not None:
            assert found.status is RunStatus.COMPLETED, found.error
            return {**(found.result or {}), "seconds": time.perf_counter() - began}


async def start(client: Any, number: int) -> Any:
    """An alert with a second of its own in each ten."""
    from domain.alert import Alert
    from domain.definition import read_definition
    from starter.alert_workflows import ensure_running

    definition = read_definition(
        {
            "symbol": f"SYM{number % SYMBOLS}",
            "timeframe": "10s",
            "rule": RULE,
            "cron": f"{number % 10}/10 * * * * *",
            "notification_channels": [],
        }
    )
    return await ensure_running(client, Alert(id=f"alert-{number}", definition=definition))


def lateness(ticks: list[Tick]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    late = sorted(max((tick.ended - tick.due) / timedelta(milliseconds=1), 0.0) for tick in ticks)
    cuts = statistics.quantiles(late, n=100)
    return cuts[49], cuts[98]


async def measure(count: int, alerts: int, runs: int) -> dict[str, float]:
    from worker.client import connect
    from worker.settings import load_settings
    from worker.temporal_server import EmbeddedServer

    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        os.environ |= {"ALERTS_HOME": home, "TEMPORAL_ADDRESS": "", "LOG_LEVEL": "ERROR"}
        os.environ |= {"ALERTS_TEMPORAL_PORT": str(free_port()), "ALERTS_UI_PORT": str(free_port())}
        settings = load_settings()
        database, server = Database(settings.database), EmbeddedServer(settings)
        await database.upgrade()
        stored = await fill(database, count)
        await server.start()
        worker = subprocess.Popen([sys.executable, "-m", "bench.screener", "--serve"], stdout=subprocess.PIPE)
        try:
            client = await connect(settings)
            assert worker.stdout is not None
            await asyncio.to_thread(worker.stdout.readline)
            warm = await screened(database, client, tickers(10), "00000000-0000-0000-0000-000000000000")
            handles = await asyncio.gather(*(start(client, number) for number in range(alerts)))
            await asyncio.sleep(25)
            idle = datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=IDLE)
            await asyncio.sleep(IDLE)
            busy, took, found = [], [], {}
            for number in range(runs):
                begin = datetime.now(UTC)
                found = await screened(database, client, tickers(count), f"00000000-0000-0000-0000-{number + 1:012d}")
                busy.append((begin, datetime.now(UTC)))
                took.append(found["seconds"])
            worker.terminate()
            await asyncio.to_thread(worker.wait, 40)
            histories = [list((await handle.fetch_history()).events) for handle in handles]
            alone = lateness([tick for events in histories for tick in ticks_of(events, *idle)])
            beside = lateness([tick for events in histories for span in busy for tick in ticks_of(events, *span)])
        finally:
            if worker.poll() is None:
                worker.kill()
            await server.stop()
            await database.close()
    assert found["total_tickers"] == count
    assert not found["failed"]
    assert warm["total_tickers"] == 10
    return {
        "tickers": count,
        "stored_bars": stored,
        "matches": found["filtered_count"],
        "seconds": statistics.median(took),
        "lateness_p50_ms": alone[0],
        "lateness_p99_ms": alone[1],
        "lateness_p50_ms_beside": beside[0],
        "lateness_p99_ms_beside": beside[1],
        "p99_ratio": beside[1] / alone[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tickers", type=int, default=3000)
    parser.add_argument("--alerts", type=int, default=300)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        os._exit(0)
    found = asyncio.run(measure(options.tickers, options.alerts, options.runs))
    if options.json:
        print(json.dumps({"screener": found}, indent=2), flush=True)
    else:
        for name, value in found.items():
            print(f"{name:<24}{value:>12.1f}", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()

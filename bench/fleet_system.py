"""The whole system of ``bench.fleet``: the same alerts and bars with own ticks and watched, on the real server."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import select

from bench.plain_market import PlainMarket, close
from domain.alert import Alert, AlertState, EventKind
from domain.bar import BarSnapshot
from domain.definition import read_definition
from domain.rearm import step
from storage.tables import EventRow

MINUTE = timedelta(minutes=1)
TICKERS = 500
AT_ONCE = 50
SETTLE = 3  # bars that are not counted: the fleet comes in, and is handed to the watch


def alert(number: int) -> Alert:
    """Each is true on one bar in a hundred; those of a ticker on different ones."""
    low = 100 + (number // TICKERS % 100) / 100
    body = {
        "symbol": f"T{number % TICKERS}",
        "timeframe": "1m",
        "rule": f"close >= {low:.2f} and close < {low + 0.01:.2f}",
        "rearm": "simple",
        "notification_channels": [],
    }
    return Alert(id=f"fleet-{number}", definition=read_definition(body))


async def serve(way: str) -> None:
    """The worker process."""
    from bench.ticks import polling
    from worker.client import connect
    from worker.runner import build_workers
    from worker.settings import load_settings
    from worker.wiring import build_services

    settings = load_settings()
    client = await connect(settings, 30)
    services = build_services(settings, [PlainMarket()])
    looking = asyncio.create_task(services.looks.keep_writing())
    await polling(build_workers(client, services))
    looking.cancel()


def cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def compare(count: int, bars: int) -> dict[str, Any]:
    """Both ways, one after the other."""
    own, watched = await measure("own", count, bars), await measure("watched", count, bars)
    used = [way["server_cpu_ms_per_bar"] + way["worker_cpu_ms_per_bar"] for way in (own, watched)]
    return {"alerts": count, "fires": watched["fires"], "own": own, "watched": watched, "cpu_ratio": used[0] / used[1]}


async def measure(way: str, count: int, bars: int) -> dict[str, Any]:
    """CPU of an alert's bar, how late fires are recorded, and whether each is there once."""
    from storage.database import Database
    from worker.client import connect
    from worker.settings import load_settings
    from worker.temporal_server import EmbeddedServer, ensure_search_attributes

    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        from bench.ticks import free_port

        os.environ |= {"ALERTS_HOME": home, "TEMPORAL_ADDRESS": "", "LOG_LEVEL": "ERROR"}
        os.environ |= {"ALERTS_TEMPORAL_PORT": str(free_port()), "ALERTS_UI_PORT": str(free_port())}
        os.environ["ALERTS_WATCH"] = "on" if way == "watched" else "off"
        settings = load_settings()
        database, server = Database(settings.database), EmbeddedServer(settings)
        await database.upgrade()
        await server.start()
        assert server.process is not None
        pid = server.process.pid
        words = [sys.executable, "-m", "bench.fleet", "--serve", way]
        worker = subprocess.Popen(words, stdout=subprocess.PIPE)
        try:
            client = await connect(settings)
            await ensure_search_attributes(client)
            assert worker.stdout is not None
            await asyncio.to_thread(worker.stdout.readline)
            if way == "watched":
                from starter.watches import ensure_watches

                await ensure_watches(client, 1)
                await asyncio.sleep(5)
            fleet = [alert(number) for number in range(count)]
            brought = await bring(client, database, fleet, (pid, worker.pid), Path(home))
            begin = (datetime.now(UTC) + SETTLE * MINUTE).replace(second=30, microsecond=0)
            await until(begin)
            before = cpu(pid), cpu(worker.pid)
            end = begin + bars * MINUTE
            await until(end)
            server_cpu, worker_cpu = cpu(pid) - before[0], cpu(worker.pid) - before[1]
            await asyncio.sleep(20)
            found = await checked(database, fleet, begin, end)
        finally:
            worker.kill()
            await server.stop()
            await database.close()
    return {
        "server_cpu_ms_per_bar": server_cpu * 1000 / (count * bars),
        "worker_cpu_ms_per_bar": worker_cpu * 1000 / (count * bars),
        **found,
        **brought,
    }


async def until(at: datetime) -> None:
    """Real time, since the server's timers are."""
    await asyncio.sleep(max((at - datetime.now(UTC)).total_seconds(), 0))


async def bring(
    client: Any, database: Any, fleet: Sequence[Alert], pids: tuple[int, int], home: Path
) -> dict[str, float]:
    """All at once, as a sweep after an import does; what an alert costs."""
    from starter.alert_workflows import ensure_running

    async with database.transaction() as work:
        await work.schedules.add_all(fleet, datetime.now(UTC))
    slots = asyncio.Semaphore(AT_ONCE)
    used, size, began = sum(map(cpu, pids)), disk(home), time.perf_counter()

    async def one(made: Alert) -> None:
        async with slots:
            await ensure_running(client, made)

    await asyncio.gather(*map(one, fleet))
    ids = len(fleet)
    while not await asyncio.to_thread(_all_seen, home, ids):
        await asyncio.sleep(1)
    return {
        "brought_in_s": time.perf_counter() - began,
        "brought_cpu_ms_per_alert": (sum(map(cpu, pids)) - used) * 1000 / ids,
        "brought_bytes_per_alert": (disk(home) - size) / ids,
    }


def _all_seen(home: Path, count: int) -> bool:
    """Whether each has looked once."""
    with sqlite3.connect(home / "alerts.db") as found:
        (seen,) = found.execute("SELECT count(*) FROM job_schedules WHERE state IS NOT NULL").fetchone()
    return int(seen) >= count


def disk(home: Path) -> int:
    """Bytes of the server's files."""
    return sum(path.stat().st_size for path in home.rglob("temporal.db*"))


async def checked(database: Any, fleet: Sequence[Alert], begin: datetime, end: datetime) -> dict[str, Any]:
    """Fires of the bars in between against ``step`` over the same bars."""
    async with database.transaction() as work:
        rows = (
            await work.session.execute(
                select(EventRow.alert_id, EventRow.bar_close, EventRow.recorded_at).where(
                    EventRow.kind == EventKind.TRIGGERED.value, EventRow.bar_close > begin, EventRow.bar_close <= end
                )
            )
        ).all()
    have = Counter((row[0], row[1]) for row in rows)
    want = set()
    for one in fleet:
        state, at = AlertState(), begin.replace(second=0) + MINUTE
        while at <= end:
            state, events = step(one, state, BarSnapshot(at - MINUTE, at, {"close": close(one.definition.symbol, at)}))
            want |= {(one.id, at) for _ in events}
            at += MINUTE
    late = sorted((row[2] - row[1]) / timedelta(milliseconds=1) for row in rows)
    cuts = statistics.quantiles(late, n=100) if len(late) > 1 else [0.0] * 99
    return {
        "fires": len(want),
        "fire_lateness_p50_ms": cuts[49],
        "fire_lateness_p99_ms": cuts[98],
        "missed": len(want - set(have)),
        "doubled": sum(have.values()) - len(have),
        "made_up": len(set(have) - want),
    }


def show(figures: dict[str, Any], margin: str = "  ") -> None:
    """A table for people."""
    for name, value in figures.items():
        if isinstance(value, dict):
            print(f"{margin}{name}", flush=True)
            show(value, margin + "  ")
        else:
            print(f"{margin}{name:<28}{value:>14,.1f}", flush=True)

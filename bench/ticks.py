"""Ticks of 300 alerts, every second, in three shapes against one server: ``python -m bench.ticks [--json]``.

Compares in one run on one machine; only the ratios mean anything elsewhere. Everything but the CPU times is read from the
histories the server kept: a tick ends when its next timer is started, and is late by that minus the time it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle

SHAPES = ("timer", "ours", "plain")
SYMBOLS = 30
RULE = "rsi(14) > 99.9 and close > sma(50)"


@dataclass(frozen=True)
class Tick:
    """One tick of one workflow. ``ended`` is when all its work was in the history."""

    due: datetime
    ended: datetime
    events: int
    size: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def serve(shape: str) -> None:
    """The worker process of one shape."""
    from temporalio.worker import UnsandboxedWorkflowRunner, Worker
    from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

    from activities.market_data.vendors.local.simulated import SimulatedMarket
    from bench import shapes
    from worker.client import connect
    from worker.runner import CACHED_WORKFLOWS, build_workers
    from worker.settings import load_settings
    from worker.wiring import build_services

    settings = load_settings()
    client = await connect(settings, 30)
    if shape in ("ours", "sandboxed"):
        services = build_services(settings, [SimulatedMarket()])
        await services.database.upgrade()
        runner = SandboxedWorkflowRunner() if shape == "sandboxed" else None
        workers = build_workers(client, services, runner)
    else:
        workers = [
            Worker(
                client,
                task_queue=shape,
                workflows=[shapes.TimerOnly, shapes.Plain],
                activities=[shapes.plain_fetch, shapes.plain_indicator, shapes.plain_check],
                workflow_runner=UnsandboxedWorkflowRunner(),
                max_cached_workflows=CACHED_WORKFLOWS,
            )
        ]
    await polling(workers)


async def polling(workers: Sequence[Any]) -> None:
    """Says ``ready`` once they poll, and lets them until the process is told to stop."""
    from worker.runner import settle_memory, stop_on_signal

    async with AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        settle_memory()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        with stop_on_signal() as stop:
            await stop.wait()


async def start(client: Client, shape: str, count: int) -> list[WorkflowHandle[Any, Any]]:
    from bench import shapes
    from domain.alert import Alert
    from domain.definition import read_definition
    from starter.alert_workflows import ensure_running

    async def one(number: int) -> WorkflowHandle[Any, Any]:
        symbol = f"SYM{number % SYMBOLS}"
        name = f"{shape}-{number}-{uuid.uuid4().hex[:6]}"
        if shape in ("ours", "sandboxed"):
            definition = read_definition(
                {"symbol": symbol, "timeframe": "1s", "rule": RULE, "notification_channels": []}
            )
            return await ensure_running(client, Alert(id=name, definition=definition))
        run = shapes.TimerOnly.run if shape == "timer" else shapes.Plain.run
        return await client.start_workflow(run, symbol, id=name, task_queue=shape)

    return await asyncio.gather(*(one(number) for number in range(count)))


def ticks_of(events: list[HistoryEvent], start: datetime, end: datetime) -> list[Tick]:
    """The ticks that ended in [start, end)."""
    by_id = {event.event_id: event for event in events}
    found: list[Tick] = []
    due: datetime | None = None
    count = size = 0
    for event in events:
        count, size = count + 1, size + event.ByteSize()
        if not event.HasField("timer_started_event_attributes"):
            continue
        timer = event.timer_started_event_attributes
        at = event.event_time.ToDatetime(tzinfo=UTC)
        if due is not None and start <= at < end:
            found.append(Tick(due, at, count, size))
        completed = by_id[timer.workflow_task_completed_event_id].workflow_task_completed_event_attributes
        began = by_id[completed.started_event_id].event_time.ToDatetime(tzinfo=UTC)
        due = began + timer.start_to_fire_timeout.ToTimedelta()
        count = size = 0
    return found


def cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def until_idle(pid: int) -> None:
    """Until the server has done with what the shape before left behind: under 5 % of a core for two seconds."""
    for _ in range(60):
        before = cpu(pid)
        await asyncio.sleep(2)
        if cpu(pid) - before < 0.1:
            return


async def measure(client: Client, server: int, shape: str, count: int, seconds: float) -> dict[str, float]:
    await until_idle(server)
    environment = {**os.environ, "LOG_LEVEL": "ERROR"}
    worker = subprocess.Popen(
        [sys.executable, "-m", "bench.ticks", "--serve", shape], env=environment, stdout=subprocess.PIPE
    )
    try:
        assert worker.stdout is not None
        await asyncio.to_thread(worker.stdout.readline)
        handles = await start(client, shape, count)
        await asyncio.sleep(5)  # the window begins when all of them tick
        begin, server_cpu, worker_cpu = datetime.now(UTC), cpu(server), cpu(worker.pid)
        await asyncio.sleep(seconds)
        end, server_cpu, worker_cpu = (
            datetime.now(UTC),
            cpu(server) - server_cpu,
            cpu(worker.pid) - worker_cpu,
        )
        worker.terminate()
        await asyncio.to_thread(worker.wait, 40)
        ticks: list[Tick] = []
        for handle in handles:
            ticks += ticks_of(list((await handle.fetch_history()).events), begin, end)
        await asyncio.gather(*(handle.terminate() for handle in handles))
    finally:
        if worker.poll() is None:
            worker.kill()
    late = sorted(max((tick.ended - tick.due) / timedelta(milliseconds=1), 0.0) for tick in ticks)
    cuts = statistics.quantiles(late, n=100)
    return {
        "ticks_per_s": len(ticks) / seconds,
        "worker_cpu_ms": worker_cpu * 1000 / len(ticks),
        "server_cpu_ms": server_cpu * 1000 / len(ticks),
        "events_per_tick": sum(tick.events for tick in ticks) / len(ticks),
        "bytes_per_tick": sum(tick.size for tick in ticks) / len(ticks),
        "lateness_p50_ms": cuts[49],
        "lateness_p99_ms": cuts[98],
    }


async def compare(shapes: list[str], count: int, seconds: float) -> dict[str, dict[str, float]]:
    from worker.client import connect
    from worker.settings import load_settings
    from worker.temporal_server import EmbeddedServer

    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        os.environ |= {"ALERTS_HOME": home, "TEMPORAL_ADDRESS": ""}
        os.environ |= {"ALERTS_TEMPORAL_PORT": str(free_port()), "ALERTS_UI_PORT": str(free_port())}
        settings = load_settings()
        server = EmbeddedServer(settings)
        await server.start()
        try:
            assert server.process is not None
            client = await connect(settings)
            results = {}
            for shape in shapes:
                results[shape] = await measure(client, server.process.pid, shape, count, seconds)
            return results
        finally:
            await server.stop()
            assert Path(home).exists()


def table(results: dict[str, dict[str, float]]) -> str:
    names = list(next(iter(results.values())))
    lines = [f"{'':<18}" + "".join(f"{shape:>12}" for shape in results)]
    lines += [f"{name:<18}" + "".join(f"{one[name]:>12.1f}" for one in results.values()) for name in names]
    ours = results["ours"]["ticks_per_s"]
    for other in ("timer", "plain"):
        if other in results:
            lines.append(f"ours / {other}: {ours / results[other]['ticks_per_s']:.2f}")
    if "sandboxed" in results:
        saved = 1 - results["ours"]["worker_cpu_ms"] / results["sandboxed"]["worker_cpu_ms"]
        lines.append(f"worker CPU per tick saved by running without the sandbox: {saved:.0%}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--alerts", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--sandbox", action="store_true", help="also measure ours with the workflow sandbox on")
    parser.add_argument("--shapes", help="only these, separated by commas: to compare two versions of ours in turn")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        os._exit(0)
    began = time.monotonic()
    shapes = [*SHAPES, "sandboxed"] if options.sandbox else list(SHAPES)
    shapes = options.shapes.split(",") if options.shapes else shapes
    results = asyncio.run(compare(shapes, options.alerts, options.seconds))
    if options.json:
        print(json.dumps({"shapes": results}, indent=2), flush=True)
    else:
        print(table(results), flush=True)
        print(
            f"{options.alerts} alerts, {options.seconds:g} s a shape, {time.monotonic() - began:.0f} s in all",
            flush=True,
        )
    os._exit(0)


if __name__ == "__main__":
    main()

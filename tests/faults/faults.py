"""What may go wrong, each for a while: killed, stopped, slow, lying, late, full."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from tests.faults.actions import TRUE
from tests.faults.stack import API, SERVER, WORKERS, Stack

LIES = ("error_500", "html_200", "half_json", "cut_off", "reset", "slow_drip", "empty", "nulls", "error_200")
Fault = Callable[[Stack, random.Random], Awaitable[None]]


async def worker_killed(stack: Stack, rng: random.Random) -> None:
    """-9, and another in its place; sometimes with a clock that is off."""
    await _worker_ends(stack, rng, signal.SIGKILL)


async def worker_stopped(stack: Stack, rng: random.Random) -> None:
    """SIGTERM, as a roll-out does."""
    await _worker_ends(stack, rng, signal.SIGTERM)


async def _worker_ends(stack: Stack, rng: random.Random, how: signal.Signals) -> None:
    number = rng.randrange(WORKERS)
    old = stack.workers[number]
    with held(stack, number):
        was_there = old.poll() is None
        old.send_signal(how)
        if how is signal.SIGKILL:
            await asyncio.to_thread(old.wait)
            await asyncio.sleep(rng.uniform(0, 1.5))
        stack.start_worker(number)
    if how is signal.SIGTERM and was_there:
        code = await asyncio.to_thread(old.wait, 35)
        if code not in (0, -signal.SIGTERM):  # the signal itself, when it came before the worker was up
            raise AssertionError(f"a worker that was told to stop ended with {code}")


@contextmanager
def held(stack: Stack, number: int) -> Iterator[None]:
    """Nobody else starts it meanwhile."""
    stack.held.add(number)
    try:
        yield
    finally:
        stack.held.discard(number)


async def clock_off(stack: Stack, rng: random.Random) -> None:
    """A worker on a machine whose clock is up to two seconds off, until it is killed in turn."""
    number = rng.randrange(WORKERS)
    with held(stack, number):
        stack.workers[number].kill()
        await asyncio.to_thread(stack.workers[number].wait)
        stack.start_worker(number, rng.choice((-2.0, -1.0, 1.0, 2.0)))


async def server_killed(stack: Stack, rng: random.Random) -> None:
    """Temporal."""
    assert stack.server is not None
    with held(stack, SERVER):
        stack.server.kill()
        await asyncio.to_thread(stack.server.wait)
        await asyncio.sleep(rng.uniform(0, 2))
        stack.start_server()


async def api_killed(stack: Stack, rng: random.Random) -> None:
    """The REST API."""
    assert stack.api is not None
    with held(stack, API):
        stack.api.kill()
        await asyncio.to_thread(stack.api.wait)
        stack.start_api()


async def receiver_away(stack: Stack, rng: random.Random) -> None:
    """Who takes the notices hangs up on everybody."""
    stack.receiver.away = True
    await asyncio.sleep(rng.uniform(0.5, 3))
    stack.receiver.away = False


async def vendor_lies(stack: Stack, rng: random.Random) -> None:
    """Errors, halves, nothing, nonsense; not of tickers whose bars the checker takes from the true market."""
    lie = rng.choice(LIES)
    stack.vendor.fault = lambda asked: None if TRUE in asked.query.get("symbol", "") else lie
    await asyncio.sleep(rng.uniform(1, 4))
    stack.vendor.fault = None


async def database_slow(stack: Stack, rng: random.Random) -> None:
    """Somebody holds the lock that everybody needs."""
    seconds = stack.away or rng.uniform(1, 6)
    if stack.store.kind == "sqlite":
        await asyncio.to_thread(_hold_file, stack.store.path, seconds)
        return
    connection = await _raw(stack)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE job_schedules, alert_events, deliveries IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(seconds)
    finally:
        await connection.close()


def _hold_file(path: Path, seconds: float) -> None:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    finally:
        connection.close()


async def database_killed(stack: Stack, rng: random.Random) -> None:
    """PostgreSQL with -9; every connection of a file's users is what dies with a file."""
    await asyncio.to_thread(stack.store.kill)
    await asyncio.sleep(stack.away or rng.uniform(0, 3))
    await asyncio.to_thread(stack.store.start)


async def disk_full(stack: Stack, rng: random.Random) -> None:
    """No file of a worker may grow beyond what the database has now."""
    wal = Path(f"{stack.store.path}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    limit = max(size, 4096)
    bounded = [one.pid for one in stack.workers.values() if one.poll() is None]
    for pid in bounded:
        _bound(pid, limit)
    await asyncio.sleep(rng.uniform(0.5, 3))
    for pid in bounded:
        _bound(pid, resource.RLIM_INFINITY)


def _bound(pid: int, size: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it was killed meanwhile
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def _raw(stack: Stack) -> asyncpg.Connection:
    url = make_url(stack.store.url)
    return await asyncpg.connect(
        user=url.username, password=url.password or None, database=url.database, host=url.query.get("host") or url.host, port=url.port
    )  # fmt: skip


@dataclass(frozen=True)
class Possible:
    """A fault that may happen to a ``part``, one at a time, so often; ``only`` on one kind of database."""

    happens: Fault
    part: str
    weight: float = 1
    only: str = ""


ALL = {
    "kill -9 worker": Possible(worker_killed, "worker", 2),
    "SIGTERM worker": Possible(worker_stopped, "worker"),
    "worker's clock off": Possible(clock_off, "worker"),
    "kill -9 Temporal": Possible(server_killed, "Temporal"),
    "kill -9 API": Possible(api_killed, "API"),
    "receiver away": Possible(receiver_away, "receiver", 2),
    "vendor lies": Possible(vendor_lies, "vendor", 3),
    "database slow": Possible(database_slow, "database", 3),
    "disk full": Possible(disk_full, "worker", 3, only="sqlite"),
    "kill -9 database": Possible(database_killed, "database", 2, only="postgresql"),
}


async def play(stack: Stack, rng: random.Random, count: int) -> None:
    """So many faults, some of them at once, each counted once it is over."""
    possible = {name: one for name, one in ALL.items() if one.only in ("", stack.store.kind)}
    busy = {one.part: asyncio.Lock() for one in possible.values()}
    running: list[asyncio.Task[None]] = []

    async def one(name: str, seed: int) -> None:
        async with busy[possible[name].part]:
            try:
                await possible[name].happens(stack, random.Random(seed))
            except (OSError, sqlite3.OperationalError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return  # what it needed was away itself
        stack.done[name] += 1

    for name in rng.choices(list(possible), [one.weight for one in possible.values()], k=count):
        await asyncio.sleep(rng.uniform(0.1, 1.2))
        running.append(asyncio.create_task(one(name, rng.randrange(1 << 30))))
    await asyncio.gather(*running)

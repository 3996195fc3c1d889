"""A process says that it lives: every ten seconds into ``msg_system_health``, and once more when it ends."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import structlog

from storage.database import Database
from storage.heartbeats import STOPPED, Heartbeat

EVERY = timedelta(seconds=10)
KEPT = timedelta(days=1)  # of a process that was not heard of
MOST_INSTANCE = 120
GOODBYE_SECONDS = 2.0
log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """Real time."""
    return datetime.now(UTC)


@asynccontextmanager
async def beating(
    database: Database,
    system: str,
    metrics: Callable[[], dict[str, Any]] = dict,
    clock: Callable[[], datetime] = utc_now,
) -> AsyncIterator[None]:
    """Beats inside the block. A database that is away costs a beat, and nothing else.

    Whoever begins removes what was left of processes that were not heard of for a day.
    """
    instance, began = f"{socket.gethostname()}-{os.getpid()}"[-MOST_INSTANCE:], clock()

    async def beat(status: str, *, first: bool = False) -> None:
        now = clock()
        one = Heartbeat(system, instance, status, began, now, version("market-alerts"), (), metrics())
        try:
            async with database.transaction() as work:
                await work.heartbeats.put(one)
                if first:
                    await work.heartbeats.forget(now - KEPT)
        except Exception as error:
            log.debug("heartbeat not written", action="heartbeat", error=type(error).__name__)

    async def go_on() -> None:
        await beat("healthy", first=True)
        while True:
            await asyncio.sleep(EVERY.total_seconds())
            await beat("healthy")

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            await asyncio.wait_for(beat(STOPPED), GOODBYE_SECONDS)
        except TimeoutError:
            log.debug("goodbye not written", action="heartbeat")

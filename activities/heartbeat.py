"""Long activities tell Temporal that their worker is alive, which is also how a cancellation arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity


@asynccontextmanager
async def heartbeats(timeout: timedelta, *, at_once: bool = True) -> AsyncIterator[None]:
    """Three times within the heartbeat timeout, as long as the block runs.

    Not ``at_once``: what is done soon costs no call to the server.
    """
    pause = timeout.total_seconds() / 3

    async def beat() -> None:
        if not at_once:
            await asyncio.sleep(pause)
        while True:
            activity.heartbeat()
            await asyncio.sleep(pause)

    if not activity.in_activity():
        yield
        return
    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()

"""How far a run has come, written into its row at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from storage.database import Database

EVERY = 1.0  # seconds
Progress = Callable[[int, int, str], None]
log = structlog.get_logger(__name__)


def untold(_done: int, _total: int, _what: str) -> None:
    """Nobody looks."""


@asynccontextmanager
async def told(database: Database, run_id: str) -> AsyncIterator[Progress]:
    """Inside the block ``(done, total, what)`` may be said as often as one likes; the newest is written.

    A database that is away costs the progress alone.
    """
    newest: list[tuple[int, int, str]] = []

    def tell(done: int, total: int, what: str) -> None:
        newest[:] = [(done, total, what)]

    async def write() -> None:
        while True:
            await asyncio.sleep(EVERY)
            if newest:
                said = newest.pop()
                try:
                    async with database.transaction() as work:
                        await work.runs.progress(run_id, *said)
                except Exception as error:
                    log.debug("progress not written", action="progress", error=type(error).__name__)

    writing = asyncio.create_task(write())
    try:
        yield tell
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

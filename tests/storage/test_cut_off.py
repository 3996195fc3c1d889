"""A transaction that is cut off in the middle gives its lock back at once: everybody else waits for it."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest
from sqlalchemy import text

from domain.alert import AlertState
from storage.database import Database
from tests.conftest import START, make_alert

LONG = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) "
    "SELECT begun() UNION ALL SELECT count(*) FROM n"
)


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancelled_transaction_gives_the_lock_back(database: Database, tmp_path: Path, times: int) -> None:
    """As a local activity is that took longer than its limit; no garbage collection helps out."""
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    async def long() -> None:
        async with database.transaction() as work:
            await work.schedules.project("a1", 1, AlertState(), None, None, "x")
            raw = await (await work.session.connection()).get_raw_connection()
            assert raw.driver_connection is not None
            await raw.driver_connection.create_function("begun", 0, lambda: loop.call_soon_threadsafe(begun.set))
            await work.session.execute(text(LONG))

    other = Database(f"sqlite:///{tmp_path / 'alerts.db'}")
    async with database.transaction() as work:
        await work.schedules.add(make_alert(), START)
    gc.disable()
    try:
        task = asyncio.create_task(long())
        await begun.wait()
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        ended = await asyncio.gather(
            task, return_exceptions=True
        )  # its traceback refers to the cursor, as a log's would
        assert isinstance(ended[0], asyncio.CancelledError)
        async with other.transaction() as work:  # would fail with "database is locked" after ten seconds
            await work.schedules.add(make_alert(id="a2"), START)
    finally:
        gc.enable()
        await other.close()

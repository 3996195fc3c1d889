"""Ten thousand rows that another program wrote: they are read while others write, and nobody waits for long."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from starter.reconciler.sweep import Reconciler
from storage.database import Database
from tests.conftest import START, make_alert

ROWS = 10_000


class Nobody:
    """A Temporal client nothing is asked of."""


@pytest.mark.parametrize("writers", [1])
async def test_nobody_waits_while_ten_thousand_rows_are_read(tmp_path: Path, writers: int) -> None:
    """Every transaction of the sweep that writes is watched: none holds the lock over more than so many rows."""
    database = Database(f"sqlite:///{tmp_path / 'alerts.db'}")
    other = Database(f"sqlite:///{tmp_path / 'alerts.db'}")
    await database.upgrade()
    params = json.dumps({"symbol": "X", "rule": "close > 1"})
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO job_schedules (key, task_params) SELECT 'row-' || i, ? FROM n",
            (ROWS, params),
        )
    client: Any = Nobody()
    reconciler = Reconciler(client, database, "mark")
    done, waits = asyncio.Event(), list[float]()

    async def writer(number: int) -> None:
        while not done.is_set():
            began = time.monotonic()
            async with other.transaction() as work:
                await work.schedules.add(make_alert(id=f"w{number}-{len(waits)}"), START)
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0)

    writing = [asyncio.create_task(writer(number)) for number in range(writers)]
    read = await reconciler._read(None, write=True)
    done.set()
    await asyncio.gather(*writing)
    assert len(read.hashes) == ROWS
    async with database.transaction() as work:
        assert await work.schedules.unread_ids() == []
    assert len(waits) >= 20  # the writer had its turn again and again
    await other.close()
    await database.close()

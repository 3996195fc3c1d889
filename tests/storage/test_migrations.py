"""Migrations that are killed in the middle, and several at once: a database is migrated, or it is as it was."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.database import HEAD, Database, migrate
from tests import postgres
from tests.conftest import START, make_alert
from tests.mortal import with_us

DIES = """
import os, signal, sys
from sqlalchemy import Engine, event
left = int(sys.argv[2])
@event.listens_for(Engine, "after_cursor_execute")
def count(*_arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
from storage.database import async_url, migrate
migrate(async_url(sys.argv[1]), "head")
"""
UPGRADES = "import asyncio, sys; from storage.database import Database; asyncio.run(Database(sys.argv[1]).upgrade())"


def spawn(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, preexec_fn=with_us, start_new_session=True
    )


async def works(url: str) -> None:
    """The database can be migrated, and used."""
    database = Database(url)
    try:
        await database.upgrade()
        assert await database.revision() == HEAD
        async with database.transaction() as work:
            await work.schedules.add(make_alert(id="first"), START)
            assert list((await work.schedules.changes()).values()) == ["first"]
    finally:
        await database.close()


@pytest.mark.parametrize("statement", [3, 12, 40, 75])
async def test_a_kill_in_the_first_migration_leaves_what_can_be_started(tmp_path: Path, statement: int) -> None:
    url = f"sqlite:///{tmp_path / 'alerts.db'}"
    killed = spawn(DIES, url, str(statement))
    assert await asyncio.to_thread(killed.wait) == -signal.SIGKILL
    await works(url)


async def test_the_same_on_postgresql(cluster: postgres.Cluster) -> None:
    url = await cluster.new(migrated=False)
    killed = spawn(DIES, url, "40")
    assert await asyncio.to_thread(killed.wait) == -signal.SIGKILL
    await works(url)
    await cluster.drop(url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_first_starts_at_once_take_turns(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    cluster = request.getfixturevalue("cluster") if kind == "postgresql" else None
    url = await cluster.new(migrated=False) if cluster else f"sqlite:///{tmp_path / 'home' / 'alerts.db'}"
    started = [spawn(UPGRADES, url) for _ in range(5)]
    ends = await asyncio.gather(*(asyncio.to_thread(one.communicate) for one in started))
    assert [one.returncode for one in started] == [0] * 5, [error.decode()[-300:] for _, error in ends]
    await works(url)
    if cluster:
        await cluster.drop(url)


async def test_numbers_of_changes_are_never_used_again(any_database: Database) -> None:
    """Two sweeps at once: one forgets what the other has read; what comes then must have another number."""
    async with any_database.transaction() as work:
        await work.schedules.add(make_alert(id="one"), START)
        first = await work.schedules.changes()
    async with any_database.transaction() as work:
        await work.schedules.forget_changes(first)
    async with any_database.transaction() as work:
        await work.schedules.add(make_alert(id="two"), START)
    async with any_database.transaction() as work:
        await work.schedules.forget_changes(first)
        assert list((await work.schedules.changes()).values()) == ["two"]


async def test_changes_that_wait_survive_the_migration(tmp_path: Path) -> None:
    """From the version before, with a note that nobody has looked at and the triggers that write them."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'alerts.db'}"
    await asyncio.to_thread(migrate, url, "0004")
    async with (database := Database(url)).engine.begin() as connection:
        await connection.exec_driver_sql("INSERT INTO job_schedules (id, task_params) VALUES ('old', '\"AAPL > 1\"')")
    await asyncio.to_thread(migrate, url, "head")
    async with database.transaction() as work:
        await work.schedules.add(make_alert(id="new"), START)
        assert list((await work.schedules.changes()).values()) == ["old", "new"]
    await database.close()


async def test_bars_that_earlier_versions_stored_wrongly_are_fetched_anew(tmp_path: Path) -> None:
    """Weeks that began on any day, and volumes in hundreds; everything else stays."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'alerts.db'}"
    await asyncio.to_thread(migrate, url, "0005")
    rows = [
        ("1w", "yahoo/split"), ("1w", "polygon/split"), ("1w", "finnhub/split"), ("1d", "interactive_brokers/split"),
        ("1d", "yahoo/split"), ("1w", "binance/raw"), ("1w", "alpha_vantage/raw"), ("1w", "csv/file"),
    ]  # fmt: skip
    async with (database := Database(url)).engine.begin() as connection:
        for frame, key in rows:
            await connection.exec_driver_sql(
                "INSERT INTO bars (symbol, timeframe, adjustment, open_time, close_time, close, source) "
                f"VALUES ('X', '{frame}', '{key}', '2026-01-05 14:30:00.000000', '2026-01-09 21:00:00.000000', 1.0, 'v')"
            )
    await asyncio.to_thread(migrate, url, "head")
    async with database.engine.begin() as connection:
        left = await connection.exec_driver_sql("SELECT timeframe, adjustment FROM bars")
        assert {tuple(row) for row in left} == set(rows[4:])
    await database.close()

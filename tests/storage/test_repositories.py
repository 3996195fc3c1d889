"""Repositories and migrations on a real SQLite file."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from domain.alert import Alert, AlertState, Status
from domain.bar import Bar
from domain.rearm import step
from storage.database import HEAD, MIGRATIONS, Database, async_url, migrate
from storage.definitions import DefinitionConflict, DuplicateAlert
from storage.tables import Base
from tests.conftest import START, closes, make_alert


def test_migrations_go_up_and_down_and_are_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    url = async_url(f"sqlite:///{path}")
    migrate(url, "head")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    migrate(url, "base")
    with sqlite3.connect(path) as raw:
        assert [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type='table'")] == [
            "alembic_version"
        ]
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    assert max(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py")) == HEAD


async def test_definitions_check_versions(database: Database) -> None:
    alert = make_alert()
    async with database.transaction() as work:
        await work.definitions.add(alert, START)
    with pytest.raises(DuplicateAlert):
        async with database.transaction() as work:
            await work.definitions.add(alert, START)
    newer = Alert(id=alert.id, version=2, definition=make_alert("X > 7").definition)
    async with database.transaction() as work:
        await work.definitions.replace(newer, 1, START)
    with pytest.raises(DefinitionConflict, match="expected version 1, it is at version 2"):
        async with database.transaction() as work:
            await work.definitions.replace(newer, 1, START)
    async with database.transaction() as work:
        stored = await work.definitions.get(alert.id)
        assert stored is not None
        assert (stored.alert, stored.created_at) == (newer, START)
        assert [one.alert.id for one in await work.definitions.list()] == [alert.id]
        assert await work.definitions.delete(alert.id)
        assert not await work.definitions.delete(alert.id)


async def test_a_row_that_cannot_be_read_hides_no_other(database: Database) -> None:
    async with database.transaction() as work:
        await work.definitions.add(make_alert(id="good"), START)
        await work.definitions.add(make_alert(id="bad"), START)
    with sqlite3.connect(database.engine.url.database or "") as raw:
        raw.execute('UPDATE job_schedules SET task_params = \'{"symbol": "X", "rule": 7}\' WHERE id = \'bad\'')
    async with database.transaction() as work:
        assert [one.alert.id for one in await work.definitions.list()] == ["good"]


async def test_events_are_written_once_and_read_back_whole(database: Database) -> None:
    alert = make_alert()
    state, events = step(alert, AlertState(), closes(101)[0])
    async with database.transaction() as work:
        await work.definitions.add(alert, START)
        await work.events.record(events, START)
        await work.events.record([replace(events[0], reason="other")], START)
        await work.definitions.project(alert.id, 1, state, START)
    async with database.transaction() as work:
        assert await work.events.of_alert(alert.id) == events
        assert await work.events.of_alert(alert.id, kinds=["rearmed"]) == []
        stored = await work.definitions.get(alert.id)
    assert stored is not None
    assert (stored.status, stored.state_version, stored.last_values) == (Status.TRIGGERED, 1, {"close": 101})


async def test_bars_are_replaced_and_missing_prices_stay_missing(database: Database) -> None:
    length = timedelta(minutes=1)
    bars = [Bar(START + i * length, START + (i + 1) * length, 1, 2, 0.5, 1.5 + i, 9) for i in range(3)]
    forming = Bar(START + 3 * length, START + 4 * length, 1, 2, 0.5, 1, 1, final=False)
    async with database.transaction() as work:
        await work.bars.save("X", "1m", "raw", [*bars, forming], "test")
        await work.bars.save("X", "1m", "raw", [replace(bars[1], close=math.nan)], "test")
    async with database.transaction() as work:
        found = await work.bars.newest("X", "1m", "raw", 2, START + 9 * length)
        assert await work.bars.newest("X", "1m", "split", 2, START + 9 * length) == []
    assert [bar.open_time for bar in found] == [bars[1].open_time, bars[2].open_time]
    assert math.isnan(found[0].close)
    assert found[1] == bars[2]


async def test_naive_times_are_refused(database: Database) -> None:
    with pytest.raises(Exception, match="must carry its zone"):
        async with database.transaction() as work:
            await work.definitions.add(make_alert(), datetime(2026, 1, 1))


def test_urls_get_their_async_driver() -> None:
    assert async_url("postgres://u@h/d") == "postgresql+asyncpg://u@h/d"
    with pytest.raises(ValueError, match="expected a database URL"):
        async_url("mysql://h/d")

"""Repositories of events and bars, on both databases."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from domain.alert import AlertState, Status
from domain.bar import Bar
from domain.rearm import step
from storage.database import HEAD, MIGRATIONS, Database, async_url
from storage.stored_schedule import Filter
from storage.tables import ScheduleRow
from tests.conftest import START, closes, make_alert


def test_head_is_the_newest_migration() -> None:
    assert max(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py")) == HEAD


async def test_a_row_that_cannot_be_read_hides_no_other(database: Database) -> None:
    async with database.transaction() as work:
        await work.schedules.add(make_alert(id="good"), START)
        await work.schedules.add(make_alert(id="bad"), START)
    with sqlite3.connect(database.engine.url.database or "") as raw:
        raw.execute('UPDATE job_schedules SET task_params = \'{"symbol": "X", "rule": 7}\' WHERE key = \'bad\'')
    async with database.transaction() as work:
        found = {one.id: one.status for one in await work.schedules.alerts()}
        assert found == {"good": "ARMED", "bad": "INVALID"}


async def test_rows_that_cannot_be_read_are_counted_and_found_as_such(any_database: Database) -> None:
    async with any_database.transaction() as work:
        for name in ("good", "bad", "worse"):
            await work.schedules.add(make_alert(id=name), START)
        marked = update(ScheduleRow).where(ScheduleRow.id != "good").values(errors=[{"path": "$.rule", "message": "x"}])
        await work.session.execute(marked)
    async with any_database.transaction() as work:
        counted = {status: count for _, _, status, count in await work.schedules.counts()}
        found = [one.id for one in await work.schedules.page(Filter(status="INVALID"), None, 10)]
        armed = [one.id for one in await work.schedules.page(Filter(status="ARMED"), None, 10)]
    assert counted == {"ARMED": 1, "INVALID": 2}
    assert (found, armed) == (["bad", "worse"], ["good"])


async def test_events_are_written_once_and_read_back_whole(any_database: Database) -> None:
    alert = make_alert()
    state, events = step(alert, AlertState(), closes(101)[0])
    async with any_database.transaction() as work:
        await work.schedules.add(alert, START)
        await work.events.record(events, START)
        await work.events.record([replace(events[0], reason="other")], START)
        await work.schedules.project(alert.id, 1, state, START)
    async with any_database.transaction() as work:
        assert await work.events.of_alert(alert.id) == events
        assert await work.events.of_alert(alert.id, kinds=["rearmed"]) == []
        stored = await work.schedules.get(alert.id)
    assert stored is not None
    assert (stored.status, stored.state_version, stored.last_values) == (Status.TRIGGERED, 1, {"close": 101})


async def test_bars_are_replaced_and_missing_prices_stay_missing(any_database: Database) -> None:
    length = timedelta(minutes=1)
    bars = [Bar(START + i * length, START + (i + 1) * length, 1, 2, 0.5, 1.5 + i, 9) for i in range(3)]
    forming = Bar(START + 3 * length, START + 4 * length, 1, 2, 0.5, 1, 1, final=False)
    async with any_database.transaction() as work:
        await work.bars.save("X", "1m", "raw", [bars[0], replace(bars[1], close=math.nan), forming], "test")
        await work.bars.save("X", "1m", "raw", [bars[2]], "test")
        await work.bars.save("X", "1m", "raw", [replace(bars[2], close=math.nan)], "test")
    async with any_database.transaction() as work:
        found = await work.bars.newest("X", "1m", "raw", 2, START + 9 * length)
        assert await work.bars.newest("X", "1m", "split", 2, START + 9 * length) == []
    assert [bar.open_time for bar in found] == [bars[1].open_time, bars[2].open_time]
    assert math.isnan(found[0].close)
    assert found[1] == bars[2], "what was known stays known"


async def test_naive_times_are_refused(any_database: Database) -> None:
    with pytest.raises(Exception, match="must carry its zone"):
        async with any_database.transaction() as work:
            await work.schedules.add(make_alert(), datetime(2026, 1, 1))


def test_urls_get_their_async_driver() -> None:
    assert async_url("postgres://u@h/d") == "postgresql+asyncpg://u@h/d"
    with pytest.raises(ValueError, match="expected a database URL"):
        async_url("mysql://h/d")

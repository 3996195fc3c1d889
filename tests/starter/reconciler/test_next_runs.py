"""``next_run_at`` in the table is never long past for what runs, however quiet it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.market_data.calendars.calendars import Calendars
from domain.alert import AlertState, Status
from domain.job import Job, read_job
from starter.reconciler.next_runs import NextRuns
from storage.database import Database
from tests.conftest import make_alert
from tests.storage.test_contract import sql

FRIDAY = datetime(2026, 1, 9, 20, 0, 30, tzinfo=UTC)  # New York is open for another hour
NIGHT = datetime(2026, 1, 10, 3, 0, 30, tzinfo=UTC)
PAST = FRIDAY - timedelta(hours=3)


async def put(
    database: Database, id: str, *, next_run_at: datetime | None = PAST, snoozed: datetime | None = None, **fields: Any
) -> None:
    alert = make_alert({"symbol": "AAPL", "rule": "close > 1", "timeframe": "1m", **fields}, id=id)
    async with database.transaction() as work:
        await work.schedules.add(alert, PAST)
        state = AlertState(status=Status.ARMED)
        await work.schedules.project(id, 1, state, next_run_at, snoozed, alert.definition.memory_key)


async def next_of(database: Database, id: str) -> datetime | None:
    async with database.transaction() as work:
        stored = await work.schedules.get(id)
        assert stored is not None
        found: datetime | None = stored.next_run_at
        return found


@pytest.mark.parametrize(
    ("fields", "now", "expected"),
    [
        ({}, FRIDAY, datetime(2026, 1, 9, 20, 1, tzinfo=UTC)),
        ({"timeframe": "1h"}, FRIDAY, datetime(2026, 1, 9, 20, 30, tzinfo=UTC)),
        ({}, NIGHT, datetime(2026, 1, 12, 14, 31, tzinfo=UTC)),
        ({"symbol": "BTC-USD"}, NIGHT, datetime(2026, 1, 10, 3, 1, tzinfo=UTC)),
        ({"cron": "0 0 9 1 * *", "timezone": "Europe/Berlin"}, NIGHT, datetime(2026, 2, 1, 8, tzinfo=UTC)),
    ],
)  # fmt: skip
async def test_a_quiet_alert_shows_its_next_tick(
    any_database: Database, fields: dict[str, Any], now: datetime, expected: datetime
) -> None:
    await put(any_database, "quiet", **fields)
    next_runs = NextRuns(any_database, Calendars(lambda: now), lambda: now)
    assert await next_runs.move() == 1
    assert (await next_of(any_database, "quiet")) == expected
    assert await next_runs.move() == 0, "until it has passed"


async def test_what_does_not_run_and_what_has_just_ticked_stay(any_database: Database) -> None:
    await put(any_database, "just-now", next_run_at=FRIDAY - timedelta(seconds=5))
    await put(any_database, "off")
    await put(any_database, "over")
    await put(any_database, "broken")
    await put(any_database, "unread")
    await put(any_database, "snoozed", snoozed=FRIDAY + timedelta(minutes=10))
    await sql(any_database, "UPDATE job_schedules SET enabled = false WHERE key = 'off'")
    await sql(any_database, "UPDATE job_schedules SET status = 'INACTIVE' WHERE key = 'over'")
    await sql(any_database, "UPDATE job_schedules SET errors = '[]' WHERE key = 'broken'")
    await sql(any_database, "UPDATE job_schedules SET task_params = '{}' WHERE key = 'unread'")
    job = Job(id="nightly", definition=read_job("backup", {}, name="b", cron="0 3 * * *"))
    async with any_database.transaction() as work:
        await work.schedules.add(job, PAST)
    assert await NextRuns(any_database, Calendars(lambda: FRIDAY), lambda: FRIDAY).move() == 2
    assert await next_of(any_database, "nightly") == datetime(2026, 1, 10, 3, tzinfo=UTC)
    assert await next_of(any_database, "snoozed") == datetime(2026, 1, 9, 20, 11, tzinfo=UTC)
    assert {await next_of(any_database, id) for id in ("off", "over", "broken", "unread")} == {PAST}


async def test_the_workflows_own_word_counts(any_database: Database) -> None:
    """Between the look and the write the tick came: what it wrote stays."""
    await put(any_database, "a")
    async with any_database.transaction() as work:
        (one,) = await work.schedules.overdue(FRIDAY, "", 10)
    own = FRIDAY + timedelta(seconds=7)
    await put_next(any_database, own)
    async with any_database.transaction() as work:
        await work.schedules.move_next_runs([(one, FRIDAY + timedelta(minutes=1))])
    assert await next_of(any_database, "a") == own


async def put_next(database: Database, at: datetime) -> None:
    async with database.transaction() as work:
        await work.schedules.schedule_next("a", at)


async def test_thousands_are_moved_page_by_page(any_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("starter.reconciler.next_runs.AT_ONCE", 10)
    alerts = [make_alert({"symbol": f"X{n}-USD", "rule": "close > 1"}, id=f"a{n:02}") for n in range(25)]
    async with any_database.transaction() as work:
        await work.schedules.add_all(alerts, PAST)
    assert await NextRuns(any_database, Calendars(lambda: FRIDAY), lambda: FRIDAY).move() == 25

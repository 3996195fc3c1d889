"""Every table that grows has a rule; what is old goes in steps, what is new, open or kept for ever stays."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, inspect, select

from activities import retention
from activities.retention import Retention
from storage.data_tables import CoverageRow, EarningsDateRow, QuoteRow
from storage.database import Database
from storage.retention import RULES
from storage.tables import BarRow, Base, EventRow, RunRow
from worker.settings import load_settings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEPT = {  # tables that do not grow with time: a row an object, or swept by those who write them
    "job_schedules", "job_schedule_changes", "bar_coverage", "api_keys", "idempotency_keys", "system_notes", "company_profiles", "earnings",
    "destinations", "quiet_hours", "notice_turns", "telegram_chats", "telegram_codes", "msg_system_health", "ticker_sets",
    "holdings",
}  # fmt: skip


def test_every_table_that_grows_has_a_rule() -> None:
    every = {mapper.local_table.name for mapper in Base.registry.mappers}
    ruled = {inspect(part.table).local_table.name for rule in RULES for part in rule.parts}
    assert every - ruled == KEPT
    assert load_settings({"retention_news": 5}).retention["news"] == 5
    assert set(load_settings().retention) == {rule.name for rule in RULES}


def bar(frame: str, days: float) -> BarRow:
    opened = NOW - timedelta(days=days)
    return BarRow(
        symbol="X", timeframe=frame, adjustment="v/raw", open_time=opened, close_time=opened, close=1.0, source="v"
    )


def event(days: float) -> EventRow:
    at = NOW - timedelta(days=days)
    return EventRow(
        id=f"{days}", alert_id="a", version=1, kind="triggered", at=at, status="ARMED", reason="fired", values={}, ordinal=0,
        trigger_count=1, late=False, count=1, detail="", source="", recorded_at=at,
    )  # fmt: skip


def run(days: float, status: str) -> RunRow:
    return RunRow(
        run_id=str(uuid.uuid4()), job_type="report", user_id="u", status=status,
        scheduled_for=NOW - timedelta(days=days), job_snapshot={},
    )  # fmt: skip


def quote(days: float) -> QuoteRow:
    return QuoteRow(symbol="X", at=NOW - timedelta(days=days), price=1.0, source="v", stored_at=NOW)


def covered(frame: str, days: float) -> CoverageRow:
    end = NOW - timedelta(days=days)
    return CoverageRow(
        symbol="X", timeframe=frame, adjustment="v/raw", start=end - timedelta(days=1), end=end, bars=1, fetched_at=end
    )


def earnings(days: int) -> EarningsDateRow:
    return EarningsDateRow(
        symbol="X", day=NOW.date() - timedelta(days=days), hour="", currency="", source="v", stored_at=NOW
    )


async def left(database: Database, table: type[Base]) -> int:
    async with database.transaction() as work:
        return int(await work.session.scalar(select(func.count()).select_from(table)) or 0)


@pytest.mark.parametrize(
    ("rows", "stay", "name"),
    [
        (lambda: [bar("1s", 61), bar("1s", 59), bar("1m", 61), bar("1h", 61), bar("1d", 9000)], 4, "second_bars"),
        (lambda: [bar("5m", 731), bar("5m", 729), bar("15m", 900), bar("1h", 7000), bar("1w", 9000)], 4, "minute_bars"),
        (lambda: [event(731), event(729), event(0)], 2, "events"),
        (lambda: [run(91, "COMPLETED"), run(92, "MISSED"), run(93, "RUNNING"), run(94, "PENDING"), run(89, "FAILED")], 3, "runs"),
        (lambda: [quote(31), quote(29)], 1, "quotes"),
        (lambda: [earnings(401), earnings(399), earnings(-90)], 2, "earnings_dates"),
    ],
)  # fmt: skip
async def test_what_is_old_goes_and_nothing_else(
    any_database: Database, rows: Callable[[], list[Any]], stay: int, name: str
) -> None:
    made = rows()
    async with any_database.transaction() as work:
        work.session.add_all(made)
    pruning = Retention(any_database, load_settings().retention, lambda: NOW)
    gone = len(made) - stay
    assert await pruning.due() == {name: gone}
    assert await pruning.run() == {name: gone}
    assert await left(any_database, type(made[0])) == stay
    assert await pruning.run() == {}


async def test_what_a_backfill_fetched_stays(any_database: Database) -> None:
    inside, outside = bar("1m", 800), bar("1m", 810)
    async with any_database.transaction() as work:
        work.session.add_all([inside, outside, covered("1m", 799.5), covered("5m", 809.5)])
    assert await Retention(any_database, {}, lambda: NOW).run() == {"minute_bars": 1}
    async with any_database.transaction() as work:
        assert await work.session.scalar(select(BarRow.open_time)) == NOW - timedelta(days=800)
    assert await left(any_database, CoverageRow) == 2


async def test_much_goes_in_steps_that_others_can_come_between(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with any_database.transaction() as work:
        work.session.add_all([quote(100 + number / 100) for number in range(25)])
    monkeypatch.setattr(retention, "BATCH", 10)
    sizes: list[int] = []
    taken = retention.remove_some

    async def some(database: Database, part: Any, before: datetime) -> int:
        rows = await taken(database, part, before, 10)
        sizes.append(rows)
        return rows

    monkeypatch.setattr(retention, "remove_some", some)
    assert await Retention(any_database, {"quotes": 90}, lambda: NOW).run() == {"quotes": 25}
    assert [size for size in sizes if size] == [10, 10, 5]


async def test_for_ever_is_for_ever(any_database: Database) -> None:
    async with any_database.transaction() as work:
        work.session.add_all([quote(4000), bar("1m", 4000)])
    assert await Retention(any_database, {"quotes": 0, "minute_bars": 0}, lambda: NOW).run() == {}
    assert await left(any_database, QuoteRow) == 1

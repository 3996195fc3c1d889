"""Bars, corrections, holes, coverage and staged steps behave alike on both databases."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from activities.market_data.quality.adjustment import is_readjusted
from domain.bar import Bar
from storage.bars import Gap, Saved
from storage.database import Database, async_url, migrate
from storage.vendor_data import Staged

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = ("X", "1m", "alpha_vantage/split")


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    cluster = request.getfixturevalue("cluster") if request.param == "postgresql" else None
    url = await cluster.new() if cluster else f"sqlite:///{tmp_path / 'bars.db'}"
    database = Database(url)
    await database.upgrade()
    yield database
    await database.close()
    if cluster:
        await cluster.drop(url)


def bars(count: int, price: float = 10.0) -> list[Bar]:
    return [
        Bar(
            NOON + n * MINUTE,
            NOON + (n + 1) * MINUTE,
            price,
            price + 1,
            price - 1,
            price + n * 0.001,
            math.nan if n == 3 else n,
        )
        for n in range(count)
    ]


async def test_a_batch_larger_than_any_statement_is_written_once_and_corrected(store: Database) -> None:
    many = bars(5_000)
    async with store.transaction() as work:
        assert await work.bars.save(*KEY, many, "alpha_vantage", seen_at=NOON) == Saved()
    async with store.transaction() as work:
        assert await work.bars.save(*KEY, many, "alpha_vantage", seen_at=NOON) == Saved(), (
            "the same again is no correction"
        )
    changed = [*many[:10], Bar(many[10].open_time, many[10].close_time, 20, 21, 19, 20, 7), *many[11:20]]
    async with store.transaction() as work:
        assert (await work.bars.save(*KEY, changed, "alpha_vantage", seen_at=NOON + MINUTE)).corrected == 1
    async with store.transaction() as work:
        (one,) = await work.bars.corrections("X", "1m")
        found = await work.bars.newest(*KEY, 10_000, NOON + timedelta(days=9))
        some = await work.bars.between(*KEY, many[5].open_time, many[8].close_time)
    assert (one.open_time, one.before["close"], one.after["close"], one.seen_at) == (
        many[10].open_time,
        10.01,
        20,
        NOON + MINUTE,
    )
    assert (len(found), found[10].close, found[11]) == (5_000, 20, many[11])
    assert math.isnan(found[3].volume)
    assert [bar.open_time for bar in some] == [bar.open_time for bar in many[6:9]]


async def test_holes_and_coverage_are_remembered(store: Database) -> None:
    async with store.transaction() as work:
        for filled in (0, 4):
            await work.bars.note_gaps([Gap(*KEY, NOON + filled * MINUTE, NOON + (filled + 2) * MINUTE, NOON, filled)])
        await work.bars.note_gaps([Gap(*KEY, NOON, NOON + 3 * MINUTE, NOON + MINUTE, 0)])
        await work.bars.cover(*KEY, (NOON, NOON + MINUTE), 1, NOON)
        await work.bars.cover(*KEY, (NOON, NOON + 2 * MINUTE), 2, NOON)
        await work.bars.cover(*KEY, (NOON - MINUTE, NOON), 1, NOON)
    async with store.transaction() as work:
        assert await work.bars.empty_gaps(*KEY, since=NOON) == [NOON]
        assert await work.bars.covered(*KEY) == [(NOON - MINUTE, NOON), (NOON, NOON + 2 * MINUTE)]


async def test_what_is_staged_is_found_replaced_and_cleared(store: Database) -> None:
    async with store.transaction() as work:
        await work.records.stage("run", "fetch", Staged("A", "v", {"rows": [1, None, "ä"]}), NOON)
        await work.records.stage("run", "fetch", Staged("B", error="no answer"), NOON)
        await work.records.stage("run", "fetch", Staged("B", "v", []), NOON)
        await work.records.stage("old", "fetch", Staged("A", "v", 1), NOON - timedelta(days=3))
    async with store.transaction() as work:
        assert await work.records.staged_symbols("run", "fetch") == {"A": "", "B": ""}
        assert await work.records.staged("run", "fetch", "A") == Staged("A", "v", {"rows": [1, None, "ä"]})
        assert await work.records.staged("run", "cache", "A") is None
        await work.records.clear_stage("run", NOON - timedelta(days=2))
    async with store.transaction() as work:
        assert (
            await work.records.staged_symbols("run", "fetch") == await work.records.staged_symbols("old", "fetch") == {}
        )


async def test_notes_are_found_by_their_beginning_and_forgotten(store: Database) -> None:
    async with store.transaction() as work:
        await work.reports.put("providers:1", NOON, {"n": 1})
        await work.reports.put("providers:2", NOON - timedelta(days=2), {"n": 2})
        await work.reports.put("providers_3", NOON, {"n": 3})
        assert list(await work.reports.under("providers:", NOON - MINUTE)) == ["providers:1"]
        await work.reports.forget("providers:", NOON - timedelta(days=1))
    async with store.transaction() as work:
        assert await work.reports.get("providers:2") is None
        assert await work.reports.get("providers_3") is not None


@pytest.mark.parametrize(
    ("factors", "is_split"),
    [
        ([2 / 3] * 20, True),
        ([2 / 3] * 3, True),
        ([2 / 3] * 12 + [1] * 3, True),  # the newest were stored after the split
        ([1] * 18 + [1.006, 0.98], False),
        ([1.006, 0.98] + [1] * 18, False),
        ([1.006, 1.006] + [1] * 18, False),  # two mended bars
        ([2 / 3] * 5 + [1] + [2 / 3] * 5, False),
        ([1.0001] * 20, False),
    ],
)
async def test_a_split_is_told_from_mended_bars(store: Database, factors: list[float], is_split: bool) -> None:
    minute = timedelta(minutes=1)
    old = [Bar(NOON + n * minute, NOON + (n + 1) * minute, 100, 101, 99, 100 + n / 7, 5) for n in range(len(factors))]
    new = [replace(bar, close=round(bar.close * factor, 4)) for bar, factor in zip(old, factors, strict=True)]
    async with store.transaction() as work:
        assert not is_readjusted((await work.bars.save(*KEY, old, "v")).closes, old)
        assert is_readjusted((await work.bars.save(*KEY, new, "v")).closes, new) is is_split


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_hours_counted_by_the_clock_go_and_others_stay(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    cluster = request.getfixturevalue("cluster") if kind == "postgresql" else None
    url = await cluster.new(migrated=False) if cluster else async_url(f"sqlite:///{tmp_path / 'm.db'}")
    await asyncio.to_thread(migrate, url, "0003")
    database = Database(url)
    row = "INSERT INTO bars (symbol, timeframe, adjustment, open_time, close_time, source) VALUES ('X', '{}', '{}', '{}', '{}', 's')"
    times = "2026-11-19 15:00:00.000000", "2026-11-19 16:00:00.000000"
    async with database.engine.begin() as connection:
        for frame, key in (
            ("1h", "polygon/split"),
            ("5m", "polygon/split"),
            ("1h", "yahoo/split"),
            ("4h", "alpha_vantage/raw"),
        ):
            await connection.execute(text(row.format(frame, key, *times)))
    await database.upgrade()
    async with database.engine.connect() as connection:
        left = (await connection.execute(text("SELECT timeframe, adjustment FROM bars ORDER BY 1"))).all()
    assert left == [("1h", "yahoo/split"), ("5m", "polygon/split")]
    await database.close()
    if cluster:
        await cluster.drop(url)

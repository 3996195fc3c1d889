"""Feeds that are behind: when their bars are final, and what costs no more requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, Freshness
from activities.market_data.failover import MarketData
from activities.market_data.vendors.local.csv_file import CsvFolder
from domain.timeframe import Timeframe
from storage.database import Database
from tests.activities.market_data.feeds.test_honest_bars import Sessions, split
from tests.activities.test_evaluation import NOON, Clock, Vendor, rising, wanted
from tests.stand_ins.server import StandIn
from tests.stand_ins.yahoo import YahooStandIn
from worker.provider_settings import VENDORS


class Delayed(YahooStandIn):
    """A feed that is twenty minutes behind: no row of a later trade, and it says so."""

    behind = timedelta(minutes=20)

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(lambda: clock() - self.behind)


async def test_a_delayed_feeds_bars_are_final_when_the_feed_has_passed_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [datetime(2026, 11, 19, 16, 0, 6, tzinfo=UTC)]
    vendor = Delayed(lambda: now[0])
    async with StandIn(vendor) as server:
        provider = VENDORS["yahoo"](server.settings(), lambda: now[0])
        monkeypatch.setattr("activities.market_data.vendors.http_provider.AT_ONCE", ())  # as on an exchange abroad
        evaluation = Evaluation(MarketData([provider], clock=lambda: now[0]))
        ask = EvaluateInput("AAPL", Timeframe("5m"), ("close",), now[0])
        result = await evaluation.evaluate(ask)
        (snapshot,) = result.snapshots
        seen = now[0] - Delayed.behind
        assert (snapshot.bar_close, result.as_of) == (datetime(2026, 11, 19, 15, 40, tzinfo=UTC), seen)
        assert result.next_close == datetime(2026, 11, 19, 16, 5, tzinfo=UTC), (
            "when the feed will have the bar of 15:45"
        )
        row = vendor.market.rows("AAPL", "5m", snapshot.bar_open, snapshot.bar_close, seen)[0]
        assert snapshot.values["close"] == row.prices[3]
        now[0] = datetime(2026, 11, 19, 16, 5, 6, tzinfo=UTC)
        later = await evaluation.evaluate(
            EvaluateInput("AAPL", Timeframe("5m"), ("close",), now[0], after=snapshot.bar_close)
        )
        assert [one.bar_close for one in later.snapshots] == [datetime(2026, 11, 19, 15, 45, tzinfo=UTC)]
        await provider.close()


async def test_a_true_crash_that_is_believed_costs_no_more_requests() -> None:
    day = datetime(2026, 11, 25, 22, 0, tzinfo=UTC)
    clock, vendor = Clock(day), Sessions(price=split(2))
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    ask = EvaluateInput("X", Timeframe("1d"), ("sma(20)",), now=clock.now)
    for _ in range(60):
        result = await evaluation.evaluate(ask)
        clock.now += timedelta(minutes=1)
    assert result.freshness is Freshness.FRESH
    assert len(vendor.requests) <= 6


async def test_one_corrected_bar_wipes_no_history(database: Database) -> None:
    clock, vendor = Clock(), Vendor()
    vendor.durable = True
    vendor.adjustment = lambda frame: "split"  # type: ignore[method-assign]
    evaluation = Evaluation(MarketData([vendor], database, clock))
    await evaluation.evaluate(wanted(clock, "sma(200)"))
    vendor.price = lambda at: rising(at) * (1.02 if at == NOON - timedelta(minutes=1) else 1)
    clock.now += timedelta(minutes=1)
    await evaluation.evaluate(wanted(clock, "sma(200)", after=NOON))
    async with database.transaction() as work:
        assert len(await work.bars.newest("X", "1m", "vendor/split", 1000, clock.now)) > 200


async def test_a_late_feed_is_known_after_the_close_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day is not judged by the price of twenty minutes before its close, though nobody asked while the market was open."""
    now = [datetime(2026, 11, 19, 21, 15, tzinfo=UTC)]
    vendor = Delayed(lambda: now[0])
    monkeypatch.setattr("activities.market_data.vendors.http_provider.AT_ONCE", ())
    async with StandIn(vendor) as server:
        provider = VENDORS["yahoo"](server.settings(), lambda: now[0])
        evaluation = Evaluation(MarketData([provider], clock=lambda: now[0]))
        first = await evaluation.evaluate(EvaluateInput("AAPL", Timeframe("1d"), ("close",), now[0]))
        assert [one.bar_close.day for one in first.snapshots] == [18]
        for minutes in (5, 10, 20):
            now[0] = datetime(2026, 11, 19, 21, 15, tzinfo=UTC) + timedelta(minutes=minutes)
            ask = EvaluateInput("AAPL", Timeframe("1d"), ("close",), now[0], after=first.snapshots[0].bar_close)
            result = await evaluation.evaluate(ask)
        (snapshot,) = result.snapshots
        row = vendor.market.rows("AAPL", "1d", snapshot.bar_open, snapshot.bar_close, now[0])[0]
        assert (snapshot.bar_close, snapshot.values["close"]) == (datetime(2026, 11, 19, 21, tzinfo=UTC), row.prices[3])
        await provider.close()


async def test_a_file_nobody_keeps_up_to_date_is_no_news(tmp_path: Path) -> None:
    """It may lack the newest bar; an old one is stale, and the next provider is asked."""
    days = [datetime(2026, 11, 2, tzinfo=UTC) + timedelta(days=n) for n in range(18)]
    rows = [f"{day:%Y-%m-%d},100,101,99,100,5" for day in days if day.isoweekday() <= 5]
    (tmp_path / "X.csv").write_text("date,open,high,low,close,volume\n" + "\n".join(rows) + "\n")  # to Thursday 19th
    clock, other = Clock(datetime(2026, 11, 20, 22, 0, tzinfo=UTC)), Sessions()
    evaluation = Evaluation(MarketData([CsvFolder(tmp_path), other], clock=clock))
    ask = EvaluateInput("X", Timeframe("1d"), ("close",), clock.now)
    assert (await evaluation.evaluate(ask)).source == "csv"
    clock.now = datetime(2026, 11, 23, 21, 30, tzinfo=UTC)  # Monday's session is over, Friday's is lacking still
    assert (await evaluation.evaluate(replace(ask, now=clock.now))).source == "sessions"
    alone = await Evaluation(MarketData([CsvFolder(tmp_path)], clock=clock)).evaluate(ask)
    assert (alone.freshness, alone.problem) == (
        Freshness.UNAVAILABLE,
        "csv: its newest bar is of 2026-11-20 00:00 UTC",
    )


async def test_eight_looks_at_a_late_bar_span_ten_minutes() -> None:
    """As many as an alert takes before it waits for its cron."""
    clock, vendor = Clock(NOON + timedelta(hours=1, seconds=1)), Vendor()
    vendor.until = NOON
    evaluation, looks = Evaluation(MarketData([vendor], clock=clock)), 0
    while looks < 8:
        result = await evaluation.evaluate(EvaluateInput("X", Timeframe("1h"), ("close",), clock.now, after=NOON))
        assert result.freshness is Freshness.SETTLING
        assert result.ready_at is not None
        clock.now, looks = result.ready_at, looks + 1
    late = clock.now - NOON - timedelta(hours=1)
    assert timedelta(minutes=9) < late < timedelta(minutes=12)

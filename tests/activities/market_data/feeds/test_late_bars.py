"""Bars that are late, unfinished or nowhere: what is asked for again, and what is joined to what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, Freshness
from activities.market_data.failover import MarketData
from activities.market_data.vendors.errors import ProviderUnavailable
from activities.market_data.vendors.provider import BarRequest, FetchedBars
from domain.bar import Bar
from domain.timeframe import Timeframe
from storage.database import Database
from tests.activities.market_data.feeds.test_split_and_spike import FIVE, HOUR, MINUTE, Hourly
from tests.activities.test_evaluation import NOON, Clock, Vendor, rising, wanted


async def test_a_vendor_that_died_days_ago_is_passed_over_at_the_weekend() -> None:
    """A thin ticker's five minutes; the market is shut, so that nothing is overdue by the clock."""
    died = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)
    clock, first, second = Clock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC)), Hourly("first"), Hourly("second")
    each = [datetime(2026, 11, 9, tzinfo=UTC) + n * timedelta(minutes=5) for n in range(5000)]
    quiet = frozenset(close for n, close in enumerate(each) if n % 5 == 0)
    first.late, second.late = quiet | {close for close in each if close > died}, quiet
    evaluation = Evaluation(MarketData([first, second], clock=clock))
    result = await evaluation.evaluate(EvaluateInput("X", Timeframe("5m"), ("sma(300)",), clock.now))
    assert (result.source, result.snapshots[0].bar_close.day) == ("second", 20)


async def test_nobody_has_it_is_said_when_everybody_answered() -> None:
    """The second vendor is down while the first lacks the bar; it is asked as soon as it is back."""
    clock, first, second = Clock(FIVE - HOUR + timedelta(seconds=10)), Hourly("first"), Hourly("second")
    evaluation = Evaluation(MarketData([first, second], clock=clock))
    await evaluation.evaluate(EvaluateInput("X", Timeframe("1h"), ("close",), clock.now))
    first.late, second.error = frozenset({FIVE}), ProviderUnavailable("second", "down")
    for minutes in range(1, 40):
        clock.now = FIVE + timedelta(minutes=minutes)
        second.error = None if minutes >= 35 else second.error
        ask = EvaluateInput("X", Timeframe("1h"), ("close",), clock.now, after=FIVE - HOUR)
        if (result := await evaluation.evaluate(ask)).snapshots:
            break
    assert (minutes, result.source) == (35, "second")


async def test_while_a_closed_bar_is_late_the_forming_one_is_not_joined_to_the_one_before_it() -> None:
    clock, vendor = Clock(datetime(2026, 11, 18, 16, 0, 20, tzinfo=UTC)), Hourly()
    whole, late = vendor.fetch, [False]

    async def with_forming(request: BarRequest) -> FetchedBars:
        found = [bar for bar in (await whole(request)).bars if not (late[0] and bar.close_time.minute == 1)]
        opened = clock.now.replace(second=0)
        return FetchedBars((*found, Bar(opened, opened + MINUTE, 100, 101, 99, 100, 1, final=False)))

    vendor.fetch = with_forming  # type: ignore[method-assign]
    evaluation = Evaluation(MarketData([vendor], clock=clock))

    def ask() -> EvaluateInput:
        return EvaluateInput("X", Timeframe("1m"), ("close[1]", "sma(100)"), clock.now, forming=True)

    assert (await evaluation.evaluate(ask())).forming is not None
    late[0] = True
    for second in (2, 20, 40, 59):
        clock.now = datetime(2026, 11, 18, 16, 1, second, tzinfo=UTC)
        assert (await evaluation.evaluate(ask())).forming is None, second


async def test_fresh_holes_are_looked_at_twice_however_many(database: Database) -> None:
    """The worker was away for twelve minutes, and the vendor lacks five of them for a moment."""
    opened = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    clock, vendor = Clock(opened + timedelta(seconds=10)), Hourly()
    vendor.durable = True
    evaluation = Evaluation(MarketData([vendor], database, clock))
    await evaluation.evaluate(EvaluateInput("X", Timeframe("1m"), ("sma(100)",), clock.now))
    vendor.late = frozenset(opened + minutes * MINUTE for minutes in (2, 4, 6, 8, 10))
    clock.now = opened + timedelta(minutes=12, seconds=10)
    ask = EvaluateInput("X", Timeframe("1m"), ("close",), clock.now, after=opened)
    held = await evaluation.evaluate(ask)
    assert (held.freshness, [one.bar_close for one in held.snapshots]) == (Freshness.SETTLING, [opened + MINUTE])
    vendor.late = frozenset()
    clock.now += timedelta(seconds=20)
    found = await evaluation.evaluate(replace(ask, now=clock.now))
    assert [one.bar_close for one in found.snapshots] == [opened + n * MINUTE for n in range(1, 13)]
    async with database.transaction() as work:
        assert await work.bars.empty_gaps("X", "1m", "vendor/raw", since=opened - HOUR) == []


async def test_a_vendor_of_two_minds_about_one_bar_costs_no_history() -> None:
    clock, vendor = Clock(datetime(2026, 11, 18, 16, 0, 10, tzinfo=UTC)), Hourly()
    vendor.adjusted = "split"
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    await evaluation.evaluate(EvaluateInput("X", Timeframe("1m"), ("sma(100)",), clock.now))
    vendor.requests.clear()
    for minute in range(1, 20):
        odd = clock.now.replace(second=0, microsecond=0) - timedelta(minutes=2)
        vendor.price = lambda at, minute=minute, odd=odd: rising(at) * (1.06 if minute % 2 and at == odd else 1)
        clock.now += MINUTE
        await evaluation.evaluate(EvaluateInput("X", Timeframe("1m"), ("sma(100)",), clock.now))
    assert len(vendor.requests) == 19


async def test_the_forming_bar_is_not_joined_to_the_bar_before_the_last() -> None:
    clock, vendor = Clock(NOON + timedelta(seconds=20)), Vendor(grace=5)
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    forming = (await evaluation.evaluate(wanted(clock, "close[1]", forming=True))).forming
    assert forming is not None
    assert forming.values["close[1]"] == rising(NOON - MINUTE)
    clock.now = NOON + timedelta(seconds=63)
    assert (await evaluation.evaluate(wanted(clock, "close[1]", after=NOON, forming=True))).forming is None
    clock.now = NOON + timedelta(seconds=66)
    forming = (await evaluation.evaluate(wanted(clock, "close[1]", after=NOON, forming=True))).forming
    assert forming is not None
    assert forming.values["close[1]"] == rising(NOON)


async def test_a_ticker_without_bars_is_asked_for_no_more_than_once_a_minute() -> None:
    clock, vendor = Clock(), Hourly()

    async def nothing(request: BarRequest) -> FetchedBars:
        vendor.requests.append(request)
        return FetchedBars(())

    vendor.fetch = nothing  # type: ignore[method-assign]
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    for _ in range(60):
        assert (await evaluation.evaluate(wanted(clock))).freshness is Freshness.UNAVAILABLE
        clock.now += timedelta(seconds=2)
    assert len(vendor.requests) <= 3


async def test_series_nobody_asks_for_are_let_go() -> None:
    clock, vendor = Clock(), Vendor()
    market = MarketData([vendor], clock=clock)
    evaluation = Evaluation(market)
    for n in range(30):
        await evaluation.evaluate(EvaluateInput(f"S{n}", Timeframe("1m"), ("close",), clock.now))
    for _ in range(20):
        clock.now += timedelta(minutes=10)
        await evaluation.evaluate(EvaluateInput("S0", Timeframe("1m"), ("close",), clock.now))
    assert [symbol for symbol, _ in market.groups] == ["S0"]

"""Splits, spikes, lost and late bars, over several ticks, vendors and processes: what a rule sees stays on one price level."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isnan, nan

import pytest

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, Freshness
from activities.market_data.failover import MarketData
from activities.market_data.vendors.errors import ProviderUnavailable
from activities.market_data.vendors.provider import BarRequest, FetchedBars
from domain.bar import Bar
from domain.timeframe import Timeframe
from storage.database import Database
from tests.activities.market_data.feeds.test_honest_bars import OnExchange, Sessions
from tests.activities.test_evaluation import NOON, Clock, Price, Vendor, rising, wanted

MONDAY = datetime(2026, 11, 16, 21, 30, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def daily_vendor(price: Price = rising) -> Sessions:
    vendor = Sessions(price=price)
    vendor.durable, vendor.adjusted = True, "split"
    return vendor


def average(clock: Clock, key: str = "sma(20)", **more: object) -> EvaluateInput:
    return EvaluateInput("X", Timeframe("1d"), (key,), clock.now, newest_only=True, **more)  # type: ignore[arg-type]


async def value(evaluation: Evaluation, ask: EvaluateInput) -> float | None:
    (snapshot,) = (await evaluation.evaluate(ask)).snapshots
    return snapshot.values[ask.keys[0]]


@pytest.mark.parametrize("factor", [1.5, 1.281, 1.1, 4])
@pytest.mark.parametrize("held_until", [MONDAY, MONDAY + DAY])
async def test_a_split_of_any_ratio_begins_the_series_anew(
    database: Database, factor: float, held_until: datetime
) -> None:
    """On the day after a weekend only one held bar lies within two days: the overlap is counted in bars."""
    clock, vendor = Clock(held_until), daily_vendor()
    evaluation = Evaluation(MarketData([vendor], database, clock))
    await evaluation.evaluate(average(clock))
    vendor.price = lambda at: rising(at) / factor
    clock.now += DAY
    truth = Evaluation(MarketData([daily_vendor(vendor.price)], clock=clock))
    assert await value(evaluation, average(clock)) == await value(truth, average(clock))
    restarted = Evaluation(MarketData([daily_vendor(vendor.price)], database, clock))
    assert await value(restarted, average(clock)) == await value(truth, average(clock))


async def test_a_split_that_another_process_has_met_is_met_here_too(database: Database) -> None:
    clock, one, two = Clock(MONDAY), daily_vendor(), daily_vendor()
    first, second = (Evaluation(MarketData([vendor], database, clock)) for vendor in (one, two))
    for evaluation in (first, second):
        await evaluation.evaluate(average(clock))
    one.price = two.price = lambda at: rising(at) / 1.5
    clock.now += DAY
    assert await value(first, average(clock)) == await value(second, average(clock))
    assert await value(second, average(clock)) == pytest.approx(rising(clock.now) / 1.5, rel=0.1)


def old_split(at: datetime) -> float:
    """Divided by four from a day in October on."""
    return rising(at) / (4 if at >= datetime(2026, 10, 5, tzinfo=UTC) else 1)


async def test_a_raw_vendor_that_helps_out_compares_nothing_across_a_split() -> None:
    """Where the first vendor fails for a bar, the raw one's average over an old split is missing; its newest price is not."""
    clock, first, raw = Clock(MONDAY), daily_vendor(lambda at: rising(at) / 4), Sessions("raw", old_split)
    evaluation = Evaluation(MarketData([first, raw], clock=clock))
    values = []
    for _ in range(3):
        asked = EvaluateInput("X", Timeframe("1d"), ("sma(100)", "close[40]", "sma(20)"), clock.now, newest_only=True)
        result = await evaluation.evaluate(asked)
        values.append((result.source, result.snapshots[0].values))
        first.error = None if first.error else ProviderUnavailable("sessions", "down")
        clock.now += DAY
    assert [source for source, _ in values] == ["sessions", "raw", "sessions"]
    assert (values[1][1]["sma(100)"], values[1][1]["close[40]"]) == (None, None)
    assert values[1][1]["sma(20)"] == pytest.approx(values[0][1]["sma(20)"], rel=0.1)
    assert values[1][1]["close"] == pytest.approx(values[0][1]["close"], rel=0.1)
    first.error = None
    other = Evaluation(MarketData([raw, first], clock=clock))
    assert (await other.evaluate(average(clock, "sma(100)"))).source == "sessions", "who works splits in is preferred"


async def test_a_spike_that_later_bars_disprove_is_never_a_price(database: Database) -> None:
    """The vendor keeps its slipped decimal point for ever; after two minutes the bars around it say what it is."""
    clock, vendor = Clock(NOON + timedelta(seconds=1)), Vendor()
    vendor.durable = True
    evaluation = Evaluation(MarketData([vendor], database, clock))
    await evaluation.evaluate(wanted(clock))
    vendor.price = lambda at: rising(at) * (100 if at == NOON else 1)
    seen: dict[datetime, float | None] = {}
    after = NOON
    for _ in range(40):
        clock.now += timedelta(seconds=10)
        for one in (await evaluation.evaluate(wanted(clock, "close", after=after))).snapshots:
            seen[one.bar_close], after = one.values["close"], one.bar_close
    assert seen.pop(NOON + MINUTE) is None, "missing, not guessed"
    assert seen == {NOON + n * MINUTE: rising(NOON + (n - 1) * MINUTE) for n in range(2, 7)}
    async with database.transaction() as work:
        bars = await work.bars.newest("X", "1m", "vendor/raw", 10, clock.now)
    assert all(isnan(bar.close) or bar.close < 1000 for bar in bars)


class Breaking(Vendor):
    """Sends a bar that contradicts itself, for a while."""

    broken: frozenset[datetime] = frozenset()

    async def fetch(self, request: BarRequest) -> FetchedBars:
        found = (await super().fetch(request)).bars
        return FetchedBars(
            tuple(
                replace(bar, open=nan, high=nan, low=nan, close=nan) if bar.open_time in self.broken else bar
                for bar in found
            )
        )


async def test_what_was_known_of_a_bar_stays_known(database: Database) -> None:
    clock, vendor = Clock(), Breaking()
    vendor.durable = True
    evaluation = Evaluation(MarketData([vendor], database, clock))
    await evaluation.evaluate(wanted(clock, "rsi(14)"))
    vendor.broken = frozenset({NOON - MINUTE})
    clock.now += MINUTE
    (snapshot,) = (await evaluation.evaluate(wanted(clock, "rsi(14)", after=NOON))).snapshots
    assert snapshot.values["rsi(14)"] is not None
    async with database.transaction() as work:
        assert all(not isnan(bar.close) for bar in await work.bars.newest("X", "1m", "vendor/raw", 5, clock.now))


async def test_a_bar_that_was_never_sound_is_asked_for_again_for_as_long_as_it_counts() -> None:
    clock, vendor = Clock(), Breaking()
    vendor.broken = frozenset({NOON})
    evaluation, last = Evaluation(MarketData([vendor], clock=clock)), NOON
    await evaluation.evaluate(wanted(clock, "sma(200)"))
    values = {}
    for minute in range(1, 190):
        clock.now += MINUTE
        if minute == 90:
            vendor.broken = frozenset()
        for one in (await evaluation.evaluate(wanted(clock, "sma(200)", after=last))).snapshots:
            values[minute], last = one.values["sma(200)"], one.bar_close
    assert values[80] is None
    assert values[160] is not None, "mended an hour and a half later, noticed within the hour"


class Hourly(OnExchange):
    """Hours of a session, some of which come late or never."""

    late: frozenset[datetime] = frozenset()

    async def fetch(self, request: BarRequest) -> FetchedBars:
        self.requests.append(request)
        if self.error:
            raise self.error
        found, close = [], request.market.next_close(request.timeframe, request.start - timedelta(hours=8))
        while close is not None and close <= request.now:
            span = request.market.bar(request.timeframe, close - timedelta(seconds=1))
            assert span is not None
            if request.start <= span[0] < request.end and close not in self.late:
                price = self.price(span[0])
                found.append(Bar(*span, price, price + 1, price - 1, price, 10))
            close = request.market.next_close(request.timeframe, close)
        return FetchedBars(tuple(found))


HOUR = timedelta(hours=1)
FIVE = datetime(2026, 11, 18, 17, 30, tzinfo=UTC)


async def test_a_lost_hour_is_a_hole_and_is_asked_for_again() -> None:
    clock, vendor = Clock(FIVE - HOUR + timedelta(seconds=10)), Hourly()
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    ask = EvaluateInput("X", Timeframe("1h"), ("close[1]",), clock.now)
    (first,) = (await evaluation.evaluate(ask)).snapshots
    vendor.late = frozenset({FIVE})
    clock.now = FIVE + HOUR + timedelta(seconds=10)
    ask = EvaluateInput("X", Timeframe("1h"), ("close[1]",), clock.now, after=first.bar_close)
    held = await evaluation.evaluate(ask)
    assert (held.snapshots, held.freshness) == ((), Freshness.SETTLING)
    vendor.late = frozenset()
    clock.now += timedelta(seconds=15)
    found = await evaluation.evaluate(ask)
    assert [one.bar_close for one in found.snapshots] == [FIVE, FIVE + HOUR], "the late one is judged too"


@pytest.mark.parametrize("behind", [timedelta(minutes=1), timedelta(minutes=20), timedelta(minutes=50)])
async def test_a_bar_the_first_vendor_lacks_comes_from_the_next(behind: timedelta) -> None:
    """However long it has been lacking; when both lack it, it is waited for."""
    clock, first, second = Clock(FIVE - HOUR + timedelta(seconds=10)), Hourly("first"), Hourly("second")
    evaluation = Evaluation(MarketData([first, second], clock=clock))
    (seen,) = (await evaluation.evaluate(EvaluateInput("X", Timeframe("1h"), ("close",), clock.now))).snapshots
    first.late = frozenset({FIVE})
    clock.now = FIVE + behind
    ask = EvaluateInput("X", Timeframe("1h"), ("close",), clock.now, after=seen.bar_close)
    result = await evaluation.evaluate(ask)
    assert ([one.bar_close for one in result.snapshots], result.source) == ([FIVE], "second")


async def test_a_bar_nobody_has_is_not_asked_for_at_every_tick() -> None:
    """The day's last hour had no trade: the other vendors are asked again now and then, not all night."""
    clock, first, second = Clock(FIVE - HOUR + timedelta(seconds=10)), Hourly("first"), Hourly("second")
    evaluation = Evaluation(MarketData([first, second], clock=clock))
    await evaluation.evaluate(EvaluateInput("X", Timeframe("1h"), ("close",), clock.now))
    first.late = second.late = frozenset({datetime(2026, 11, 18, 21, 0, tzinfo=UTC)})
    clock.now = datetime(2026, 11, 18, 21, 0, 10, tzinfo=UTC)
    before = len(second.requests)
    for _ in range(600):
        await evaluation.evaluate(EvaluateInput("X", Timeframe("1h"), ("close",), clock.now, after=FIVE))
        clock.now += MINUTE
    assert len(second.requests) - before < 30


@pytest.mark.parametrize("behind", [3, 30])
async def test_a_quiet_minute_does_not_hide_the_next_while_it_forms(behind: int) -> None:
    clock, vendor = Clock(NOON), Vendor()

    async def thin(request: BarRequest) -> FetchedBars:
        found = await Vendor.fetch(vendor, request)
        open_bars = [bar for bar in found.bars if request.market.is_open(bar.open_time, bar.close_time)]
        kept = [bar for bar in open_bars if bar.open_time.minute % 3 == 0]
        return FetchedBars(tuple(kept) + tuple(bar for bar in found.bars[-1:] if not bar.final and bar not in kept))

    vendor.fetch, vendor.hours = thin, OnExchange.hours  # type: ignore[method-assign, misc]
    clock.now = datetime(2026, 11, 25, 16, 2, behind, tzinfo=UTC)
    result = await Evaluation(MarketData([vendor], clock=clock)).evaluate(wanted(clock, "close", forming=True))
    assert result.forming is not None


async def test_a_split_that_is_worked_in_hours_later_is_met() -> None:
    """The vendor adjusts its history when Monday has bars already; older prices have changed, Monday's have not."""
    monday = datetime(2026, 11, 16, 14, 30, tzinfo=UTC)
    clock, vendor = Clock(monday - timedelta(days=2)), Hourly()
    vendor.adjusted = "split"
    vendor.price = lambda at: 400 + at.hour / 10 if at < monday else 100 + at.hour / 10
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    ask = EvaluateInput("X", Timeframe("1h"), ("sma(20)",), clock.now, newest_only=True)
    await evaluation.evaluate(ask)
    clock.now = monday
    for step in range(1, 30 * 7):
        clock.now = monday + step * timedelta(minutes=10, seconds=1)
        if clock.now >= monday + 3 * HOUR + timedelta(minutes=30):
            vendor.price = lambda at: 100 + at.hour / 10
        result = await evaluation.evaluate(replace(ask, now=clock.now))
    (snapshot,) = result.snapshots
    assert snapshot.values["sma(20)"] == pytest.approx(101.7, abs=0.5)


async def test_the_forming_bar_of_a_raw_vendor_is_compared_with_nothing_before_a_split() -> None:
    opened = datetime(2026, 11, 16, 14, 30, tzinfo=UTC)
    clock, vendor = Clock(opened + timedelta(minutes=40)), Hourly()
    vendor.price = lambda at: 400.0 if at < opened else 100.0
    whole = vendor.fetch

    async def with_forming(request: BarRequest) -> FetchedBars:
        found = (await whole(request)).bars
        at = found[-1].close_time
        return FetchedBars((*found, Bar(at, at + timedelta(minutes=5), 100, 101, 99, 100, 1, final=False)))

    vendor.fetch = with_forming  # type: ignore[method-assign]
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    ask = EvaluateInput("X", Timeframe("5m"), ("sma(40)", "close[30]", "sma(3)"), clock.now, forming=True)
    await evaluation.evaluate(ask)
    clock.now += timedelta(minutes=3)
    forming = (await evaluation.evaluate(replace(ask, now=clock.now))).forming
    assert forming is not None
    assert forming.values == {"close": 100, "sma(40)": None, "close[30]": None, "sma(3)": 100}


async def test_a_thin_tickers_hours_come_from_sql_after_a_restart(database: Database) -> None:
    clock, vendor = Clock(FIVE + timedelta(seconds=10)), Hourly()
    vendor.durable = True
    span = [FIVE - n * timedelta(minutes=30) for n in range(3, 3000)]
    vendor.late = frozenset(close for n, close in enumerate(span) if n % 7 == 0)
    ask = EvaluateInput("X", Timeframe("1h"), ("sma(100)",), clock.now)
    (seen,) = (await Evaluation(MarketData([vendor], database, clock)).evaluate(ask)).snapshots
    assert seen.values["sma(100)"] is not None
    assert len(vendor.requests) <= 8, "the window, wider once it proves thin, and the newest holes of each"
    vendor.requests.clear()
    (again,) = (await Evaluation(MarketData([vendor], database, clock)).evaluate(ask)).snapshots
    assert (again.values, vendor.requests) == (seen.values, [])


async def test_history_from_sql_lacks_no_bar_after_the_last_that_was_judged(database: Database) -> None:
    """Another alert stored bars while this one was paused; then the worker was restarted."""
    clock, vendor = Clock(datetime(2026, 11, 18, 16, 10, 5, tzinfo=UTC)), Hourly()
    vendor.durable = True
    await Evaluation(MarketData([vendor], database, clock)).evaluate(
        EvaluateInput("X", Timeframe("1m"), ("sma(50)",), clock.now, after=clock.now - timedelta(minutes=30))
    )
    vendor.requests.clear()
    after = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    found = await Evaluation(MarketData([vendor], database, clock)).evaluate(
        EvaluateInput("X", Timeframe("1m"), ("close",), clock.now, after=after)
    )
    assert [one.bar_close for one in found.snapshots] == [after + n * MINUTE for n in range(1, 11)]
    assert vendor.requests == []

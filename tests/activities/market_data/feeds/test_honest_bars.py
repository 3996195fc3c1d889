"""What stands between a vendor's bars and a rule: sessions, holes, lost values, jumps, corrections, the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, Freshness
from activities.market_data.failover import MarketData
from activities.market_data.vendors.provider import BarRequest, FetchedBars, Hours
from domain.bar import Bar
from domain.timeframe import Timeframe
from storage.database import Database
from tests.activities.test_evaluation import NOON, Clock, Price, Vendor, rising, wanted


class OnExchange(Vendor):
    hours = Hours.EXCHANGE


async def test_a_closed_market_is_not_asked_and_says_when_it_opens() -> None:
    """From Friday's early close after Thanksgiving to Monday's first minute, vendor's grace included."""
    closed, opens = datetime(2026, 11, 27, 18, 0, tzinfo=UTC), datetime(2026, 11, 30, 14, 31, tzinfo=UTC)
    clock, vendor = Clock(closed), OnExchange()
    vendor.until = closed
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    for hour in range(60):
        clock.now = closed + timedelta(hours=hour)
        result = await evaluation.evaluate(wanted(clock, "sma(5)", after=closed))
        assert (result.snapshots, result.freshness, result.next_close) == ((), Freshness.FRESH, opens)
    assert len(vendor.requests) == 1


async def test_an_open_market_that_is_silent_is_asked_ever_less_often_and_then_stale() -> None:
    began = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
    clock, vendor = Clock(began), OnExchange()
    vendor.until = began
    evaluation, found = Evaluation(MarketData([vendor], clock=clock)), []
    for second in range(0, 1800, 5):
        clock.now = began + timedelta(seconds=second)
        found.append((await evaluation.evaluate(wanted(clock, "sma(5)", after=began))).freshness)
    assert found[0] is Freshness.FRESH
    assert found[-1] is Freshness.UNAVAILABLE
    assert 15 < len(vendor.requests) < 120


async def test_market_hours_only_leaves_out_bars_of_other_hours() -> None:
    clock = Clock(datetime(2026, 11, 25, 14, 40, tzinfo=UTC))
    evaluation = Evaluation(MarketData([OnExchange()], clock=clock))
    after = datetime(2026, 11, 25, 14, 20, tzinfo=UTC)
    every = await evaluation.evaluate(wanted(clock, after=after))
    regular = await evaluation.evaluate(wanted(clock, after=after, market_hours_only=True))
    assert len(every.snapshots) == 20
    assert [s.bar_close.minute for s in regular.snapshots] == list(range(31, 41))


def daily(opened: datetime, closed: datetime, price: float) -> Bar:
    return Bar(opened, closed, price, price + 1, price - 1, price, 10)


class Sessions(OnExchange):
    """Daily bars of an exchange; ``left_out`` are sessions the vendor does not give until it is asked for them alone."""

    def __init__(self, name: str = "sessions", price: Price = rising) -> None:
        super().__init__(name, price)
        self.left_out: set[datetime] = set()
        self.never: set[datetime] = set()

    async def fetch(self, request: BarRequest) -> FetchedBars:
        self.requests.append(request)
        if self.error:
            raise self.error
        close, found = request.market.next_close(Timeframe("1d"), request.start - timedelta(days=2)), []
        while close is not None and close <= request.now:
            span = request.market.bar(Timeframe("1d"), close)
            assert span is not None
            alone = request.end - request.start < timedelta(days=10)
            if (
                request.start <= span[0] < request.end
                and close not in self.never
                and (alone or close not in self.left_out)
            ):
                found.append(daily(*span, self.price(span[0])))
            close = request.market.next_close(Timeframe("1d"), close)
        return FetchedBars(tuple(found))


async def test_a_hole_is_asked_for_again_and_what_never_traded_is_believed(database: Database) -> None:
    clock, vendor = Clock(datetime(2026, 11, 25, 22, 0, tzinfo=UTC)), Sessions()
    vendor.durable = True
    vendor.left_out = {datetime(2026, 11, 17, 21, 0, tzinfo=UTC)}
    vendor.never = {datetime(2026, 11, 12, 21, 0, tzinfo=UTC)}
    evaluation = Evaluation(MarketData([vendor], database, clock))
    ask = EvaluateInput("X", Timeframe("1d"), ("sma(20)",), now=clock.now)
    first = await evaluation.evaluate(ask)
    assert first.snapshots[0].values["sma(20)"] is not None
    assert len(vendor.requests) == 3, "the window, and each hole once: what is long past was not lost a moment ago"
    async with database.transaction() as work:
        bars = await work.bars.newest("X", "1d", "sessions/raw", 30, clock.now)
        assert await work.bars.empty_gaps("X", "1d", "sessions/raw", since=clock.now - timedelta(days=30)) == [
            datetime(2026, 11, 12, 14, 30, tzinfo=UTC)
        ]
    assert datetime(2026, 11, 17, 21, 0, tzinfo=UTC) in [bar.close_time for bar in bars]
    again = Sessions()
    again.durable, again.never = True, vendor.never
    found = await Evaluation(MarketData([again], database, clock)).evaluate(ask)
    assert found.snapshots[0].values["sma(20)"] is not None
    assert again.requests == [], "a restart has it all from SQL, the known hole too"


async def test_what_another_process_stored_is_not_asked_for_again(database: Database) -> None:
    clock, first, second = Clock(), Vendor(), Vendor()
    first.durable = second.durable = True
    one, two = (Evaluation(MarketData([vendor], database, clock)) for vendor in (first, second))
    await one.evaluate(wanted(clock, "sma(20)"))
    await two.evaluate(wanted(clock, "sma(20)"))
    for _ in range(5):
        clock.now += timedelta(minutes=1)
        await one.evaluate(wanted(clock, "sma(20)"))
        assert len((await two.evaluate(wanted(clock, "sma(20)"))).snapshots) == 1
    assert (len(first.requests), len(second.requests)) == (6, 0)


async def test_corrections_of_past_bars_are_recorded(database: Database) -> None:
    clock, vendor = Clock(), Vendor()
    vendor.durable = True
    evaluation = Evaluation(MarketData([vendor], database, clock))
    await evaluation.evaluate(wanted(clock, "sma(20)"))
    vendor.price = lambda at: rising(at) + (0.1 if at == NOON - timedelta(minutes=2) else 0)
    clock.now += timedelta(minutes=1)
    await evaluation.evaluate(wanted(clock, "sma(20)", after=NOON))
    async with database.transaction() as work:
        (one,) = await work.bars.corrections("X", "1m")
    was = rising(NOON - timedelta(minutes=2))
    assert (one.open_time, one.before["close"], one.after["close"]) == (NOON - timedelta(minutes=2), was, was + 0.1)


def split(ratio: float) -> Price:
    """The price is divided from 25 November's session on, as by an unadjusted split."""
    return lambda at: rising(at) / (ratio if at >= datetime(2026, 11, 25, tzinfo=UTC) else 1)


async def test_a_split_like_jump_waits_for_a_second_look() -> None:
    clock, vendor = Clock(datetime(2026, 11, 24, 22, 0, tzinfo=UTC)), Sessions(price=split(4))
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    ask = EvaluateInput("X", Timeframe("1d"), ("sma(20)",), now=clock.now)
    before = (await evaluation.evaluate(ask)).snapshots[0]
    clock.now += timedelta(days=1)
    later = EvaluateInput("X", Timeframe("1d"), ("sma(20)",), now=clock.now, after=before.bar_close)
    held = await evaluation.evaluate(later)
    assert (held.snapshots, held.freshness, held.ready_at) == ((), Freshness.SETTLING, clock.now + timedelta(minutes=2))
    vendor.price = lambda at: rising(at) / 4  # the vendor has adjusted its history
    clock.now += timedelta(minutes=1)
    for feed in evaluation.market.group("X", Timeframe("1d")).feeds.values():
        feed.series = None
    mended = await evaluation.evaluate(later)
    assert mended.snapshots[0].values["sma(20)"] == pytest.approx((before.values["sma(20)"] or 0) / 4, rel=0.1)


async def test_a_jump_that_stands_is_believed_after_two_minutes_and_one_that_two_vendors_see_at_once() -> None:
    day = datetime(2026, 11, 25, 22, 0, tzinfo=UTC)
    clock, vendor = Clock(day), Sessions(price=split(2))
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    ask = EvaluateInput("X", Timeframe("1d"), ("close",), now=clock.now)
    assert (await evaluation.evaluate(ask)).freshness is Freshness.SETTLING
    clock.now += timedelta(minutes=2)
    assert (await evaluation.evaluate(ask)).snapshots[0].bar_close == day - timedelta(hours=1)
    raw, other = Sessions("a", split(2)), Sessions("b", split(2))
    assert (await Evaluation(MarketData([raw, other], clock=Clock(day))).evaluate(ask)).snapshots == (), (
        "raw prices do jump"
    )
    raw.adjusted = other.adjusted = "split"
    both = Evaluation(MarketData([raw, other], clock=Clock(day)))
    assert (await both.evaluate(ask)).snapshots[0].bar_close == day - timedelta(hours=1)
    denied = Evaluation(MarketData([Sessions("a", split(2)), Sessions("b")], clock=Clock(day)))
    assert (await denied.evaluate(ask)).source == "b"


async def test_a_slipped_decimal_point_fires_nothing() -> None:
    clock = Clock()
    vendor = Vendor(price=lambda at: rising(at) * (100 if at == NOON - timedelta(minutes=1) else 1))
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    found = await evaluation.evaluate(wanted(clock, after=NOON - timedelta(minutes=3)))
    assert [s.bar_close for s in found.snapshots] == [NOON - timedelta(minutes=2), NOON - timedelta(minutes=1)]
    assert found.freshness is Freshness.SETTLING


class Blanking(Vendor):
    """A vendor that loses the values of some bars for a while."""

    lost: frozenset[datetime] = frozenset()

    async def fetch(self, request: BarRequest) -> FetchedBars:
        whole = (await super().fetch(request)).bars
        bars = tuple(bar for bar in whole if bar.open_time not in self.lost)
        blank = frozenset(bar.open_time for bar in whole if bar.open_time in self.lost)
        return FetchedBars(bars, blank=blank)


async def test_values_a_vendor_has_lost_are_waited_for() -> None:
    clock, vendor = Clock(), Blanking()
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    assert (await evaluation.evaluate(wanted(clock, "sma(20)"))).freshness is Freshness.FRESH
    clock.now += timedelta(minutes=2)
    vendor.lost = frozenset({NOON, NOON - timedelta(minutes=1)})  # a new bar, and one that is held already
    held = await evaluation.evaluate(wanted(clock, "sma(20)", after=NOON))
    assert (held.snapshots, held.freshness, held.ready_at) == (
        (),
        Freshness.SETTLING,
        clock.now + timedelta(seconds=15),
    )
    clock.now += timedelta(seconds=15)
    vendor.lost = frozenset()
    back = await evaluation.evaluate(wanted(clock, "sma(20)", after=NOON))
    assert [s.bar_close for s in back.snapshots] == [NOON + timedelta(minutes=m) for m in (1, 2)]
    closes = [rising(NOON + timedelta(minutes=m)) for m in range(-18, 2)]
    assert back.snapshots[-1].values["sma(20)"] == pytest.approx(sum(closes) / 20)


async def test_a_quiet_market_is_believed_with_the_second_look() -> None:
    clock, vendor = Clock(), Blanking()
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    await evaluation.evaluate(wanted(clock, "sma(20)"))
    clock.now += timedelta(minutes=2)
    vendor.lost = frozenset({NOON})
    assert (await evaluation.evaluate(wanted(clock, "sma(20)", after=NOON))).freshness is Freshness.SETTLING
    clock.now += timedelta(seconds=15)
    believed = await evaluation.evaluate(wanted(clock, "sma(20)", after=NOON))
    assert [s.bar_close for s in believed.snapshots] == [NOON + timedelta(minutes=2)]
    assert believed.freshness is Freshness.FRESH


async def test_a_new_alert_on_a_quiet_ticker_is_judged_on_its_newest_bar() -> None:
    clock, vendor = Clock(), Blanking()
    vendor.lost = frozenset(NOON - timedelta(minutes=m) for m in range(5, 60, 7))
    result = await Evaluation(MarketData([vendor], clock=clock)).evaluate(wanted(clock, "sma(20)"))
    assert ([s.bar_close for s in result.snapshots], result.freshness) == ([NOON], Freshness.FRESH)


async def test_bars_cut_by_a_sessions_end_keep_their_own_timeframes_values() -> None:
    """1h and 4h bars of New York both end at 21:00 with the same close: each has its own average."""

    class Both(OnExchange):
        async def fetch(self, request: BarRequest) -> FetchedBars:
            found, close = [], request.market.next_close(request.timeframe, request.start)
            while close is not None and close <= request.now:
                span = request.market.bar(request.timeframe, close - timedelta(seconds=1))
                assert span is not None
                if request.start <= span[0]:
                    found.append(daily(*span, self.price(span[1])))
                close = request.market.next_close(request.timeframe, close)
            return FetchedBars(tuple(found))

    clock = Clock(datetime(2026, 11, 25, 21, 0, 30, tzinfo=UTC))
    evaluation = Evaluation(MarketData([Both()], clock=clock))
    values = []
    for frame in ("1h", "4h"):
        result = await evaluation.evaluate(EvaluateInput("X", Timeframe(frame), ("sma(20)",), now=clock.now))
        assert result.snapshots[0].bar_close == datetime(2026, 11, 25, 21, 0, tzinfo=UTC)
        values.append(result.snapshots[0].values["sma(20)"])
    assert values[0] != values[1]


async def test_a_split_leaves_no_unadjusted_bars_in_sql(database: Database) -> None:
    clock, vendor = Clock(datetime(2026, 11, 20, 22, 0, tzinfo=UTC)), Sessions()
    vendor.durable = True
    vendor.adjustment = lambda frame: "split"  # type: ignore[method-assign]
    ask = EvaluateInput("X", Timeframe("1d"), ("sma(200)",), now=clock.now)
    await Evaluation(MarketData([vendor], database, clock)).evaluate(ask)
    vendor.price = lambda at: rising(at) / 4  # adjusted, all of it
    clock.now += timedelta(days=4)
    short = EvaluateInput("X", Timeframe("1d"), ("sma(5)",), now=clock.now)
    await Evaluation(MarketData([vendor], database, clock)).evaluate(short)
    long = EvaluateInput("X", Timeframe("1d"), ("sma(200)",), now=clock.now)
    found = await Evaluation(MarketData([vendor], database, clock)).evaluate(long)
    value = found.snapshots[0].values["sma(200)"]
    assert value is not None
    assert 25 < value < 40, "mixed with what was before the split it would be over 100"


async def test_a_slipped_decimal_is_not_believed_without_asking_again_nor_in_the_forming_bar() -> None:
    clock, vendor = Clock(NOON + timedelta(seconds=20)), Vendor()
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    await evaluation.evaluate(wanted(clock, "close", forming=True))
    vendor.price = lambda at: rising(at) * (100 if at == NOON else 1)
    clock.now += timedelta(seconds=5)
    assert (await evaluation.evaluate(wanted(clock, "close", after=NOON, forming=True))).forming is None
    clock.now = NOON + timedelta(seconds=61)
    later = wanted(clock, "close", after=NOON)
    assert (await evaluation.evaluate(later)).snapshots == ()
    vendor.price = rising
    clock.now += timedelta(minutes=3)
    seen = (await evaluation.evaluate(wanted(clock, "close", after=NOON))).snapshots
    assert [s.values["close"] for s in seen] == [rising(NOON + timedelta(minutes=m)) for m in range(4)]

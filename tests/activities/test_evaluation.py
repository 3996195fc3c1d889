"""The cheap path of a tick: every missed bar once and in order, nothing from short windows, one request for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, FetchInput, Freshness
from activities.market_data.failover import MarketData
from activities.market_data.vendors.errors import ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.provider import BarRequest, FetchedBars, Hours, Provider
from domain.bar import Bar
from domain.timeframe import Timeframe
from storage.database import Database

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
Price = Callable[[datetime], float]


def rising(at: datetime) -> float:
    """A price that goes up and down, different on each bar."""
    minutes = (at - datetime(2026, 1, 1, tzinfo=UTC)) / timedelta(minutes=1)
    return 100 + minutes % 7 + minutes / 10_000


class Vendor(Provider):
    """A market that never closes, with faults to order."""

    durable = False
    hours = Hours.ALWAYS

    def __init__(self, name: str = "vendor", price: Price = rising, grace: float = 0) -> None:
        self.name, self.price, self.grace = name, price, timedelta(seconds=grace)
        self.requests: list[BarRequest] = []
        self.error: Exception | None = None
        self.delay = 0.0
        self.adjusted = "raw"
        self.until: datetime | None = None

    def adjustment(self, frame: Timeframe) -> str:
        return self.adjusted

    async def fetch(self, request: BarRequest) -> FetchedBars:
        self.requests.append(request)
        await asyncio.sleep(self.delay)
        if self.error:
            raise self.error
        length = request.timeframe.length
        opened, bars = request.timeframe.floor(request.start), []
        while opened < min(request.end, self.until or request.end, request.now):
            if opened >= request.start:
                close = self.price(opened)
                final = opened + length + self.grace <= request.now
                bars.append(Bar(opened, opened + length, close, close + 1, close - 1, close, 10, final))
            opened += length
        return FetchedBars(tuple(bars))


class Clock:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def wanted(clock: Clock, *keys: str, after: datetime | None = None, **more: object) -> EvaluateInput:
    return EvaluateInput("X", Timeframe("1m"), keys or ("close",), now=clock.now, after=after, **more)  # type: ignore[arg-type]


async def test_the_first_look_sees_only_the_newest_closed_bar() -> None:
    clock = Clock()
    result = await Evaluation(MarketData([Vendor()], clock=clock)).evaluate(wanted(clock))
    assert [s.bar_close for s in result.snapshots] == [NOON]
    assert result.snapshots[0].values == {"close": rising(NOON - timedelta(minutes=1))}


async def test_every_missed_bar_comes_once_and_in_order_over_several_batches() -> None:
    clock, after, seen = Clock(), NOON - timedelta(minutes=650), []
    evaluation = Evaluation(MarketData([Vendor()], clock=clock))
    more = True
    while more:
        result = await evaluation.evaluate(wanted(clock, "close", "rsi(14)", "close@1h", after=after))
        seen += list(result.snapshots)
        after, more = seen[-1].bar_close, result.more
    closes = [s.bar_close for s in seen]
    assert closes == [NOON - timedelta(minutes=m) for m in range(649, -1, -1)]
    assert all(None not in s.values.values() for s in seen), "each with its whole window, higher timeframe included"


async def test_a_flight_begun_for_less_does_not_shorten_the_others() -> None:
    clock, vendor = Clock(), Vendor()
    vendor.delay = 0.05
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    small = evaluation.evaluate(wanted(clock))
    large = evaluation.evaluate(wanted(clock, "close", "rsi(14)", after=NOON - timedelta(minutes=65)))
    one, many = await asyncio.gather(small, large)
    assert (len(one.snapshots), len(many.snapshots)) == (1, 65)
    assert all(s.values["rsi(14)"] is not None for s in many.snapshots)


async def test_many_alerts_on_one_symbol_cost_one_request_a_bar() -> None:
    clock, vendor = Clock(), Vendor()
    vendor.delay = 0.01
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    await asyncio.gather(*(evaluation.evaluate(wanted(clock, "rsi(14)")) for _ in range(100)))
    assert len(vendor.requests) == 1
    clock.now += timedelta(minutes=1)
    await asyncio.gather(*(evaluation.evaluate(wanted(clock, "rsi(14)", after=NOON)) for _ in range(100)))
    assert len(vendor.requests) == 2
    assert vendor.requests[1].end - vendor.requests[1].start < timedelta(minutes=6), "only what is new"


async def test_live_values_are_those_of_the_whole_series() -> None:
    from activities.bar_table import BarTable
    from activities.preview import operand_columns
    from tests.conftest import make_alert

    clock, vendor = Clock(), Vendor()
    keys = ("rsi(14)", "macd(12, 26, 9).macdhist", "sma(50)", "ema(20)[2]", "bbands(20, 2, 2, 0)", "atr(14)")
    rule = " and ".join(f"{key} > 0" for key in keys)
    request = BarRequest("X", Timeframe("1m"), NOON - timedelta(minutes=3000), NOON, NOON)
    bars = (await vendor.fetch(request)).bars
    import numpy as np

    columns = {
        n: np.array([getattr(b, n) for b in bars], dtype=float) for n in ("open", "high", "low", "close", "volume")
    }
    table = BarTable(np.array([int(b.open_time.timestamp()) for b in bars]), columns, timedelta(minutes=1))
    whole = operand_columns(make_alert({"symbol": "X", "rule": rule}), table)
    result = await Evaluation(MarketData([vendor], clock=clock)).evaluate(wanted(clock, *keys))
    for key in keys:
        assert result.snapshots[0].values[key] == pytest.approx(whole[key][-1], rel=1e-6)


async def test_a_bar_within_its_grace_is_settling_not_missing() -> None:
    clock, vendor = Clock(NOON + timedelta(seconds=1)), Vendor(grace=5)
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    result = await evaluation.evaluate(wanted(clock, after=NOON - timedelta(minutes=1)))
    assert (result.freshness, result.snapshots) == (Freshness.SETTLING, ())
    assert result.ready_at == NOON + timedelta(seconds=5)
    clock.now = NOON + timedelta(seconds=5)
    result = await evaluation.evaluate(wanted(clock, after=NOON - timedelta(minutes=1)))
    assert [s.bar_close for s in result.snapshots] == [NOON]


async def test_a_bar_waits_for_the_higher_bar_that_closes_with_it() -> None:
    clock, vendor = Clock(NOON + timedelta(seconds=2)), Vendor()
    slow = Vendor(grace=5)

    class Split(Vendor):
        async def fetch(self, request: BarRequest) -> FetchedBars:
            return await (slow if request.timeframe == "1h" else vendor).fetch(request)

    evaluation = Evaluation(MarketData([Split()], clock=clock))
    ask = wanted(clock, "close@1h", after=NOON - timedelta(minutes=2))
    result = await evaluation.evaluate(ask)
    assert result.freshness is Freshness.SETTLING
    assert [s.bar_close for s in result.snapshots] == [NOON - timedelta(minutes=1)]
    clock.now = NOON + timedelta(seconds=6)
    result = await evaluation.evaluate(wanted(clock, "close@1h", after=NOON - timedelta(minutes=1)))
    assert result.snapshots[0].values["close@1h"] == rising(NOON - timedelta(hours=1))


async def test_the_next_provider_serves_when_the_first_fails() -> None:
    clock, first, second = Clock(), Vendor("first"), Vendor("second")
    evaluation = Evaluation(MarketData([first, second], clock=clock))
    for error in (
        ProviderUnavailable("first", "down"),
        ProviderRefused("first", "no"),
        ValueError("odd"),
        RecursionError(),
    ):
        first.error = error
        result = await evaluation.evaluate(wanted(clock))
        assert (result.source, result.freshness) == ("second", Freshness.FRESH)


async def test_trouble_is_told_apart() -> None:
    clock, vendor = Clock(), Vendor()
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    vendor.error = ProviderUnavailable("vendor", "asks to wait", timedelta(seconds=40))
    assert (await evaluation.evaluate(wanted(clock))).freshness is Freshness.UNAVAILABLE
    fetch = FetchInput("X", Timeframe("1m"), ("close",), clock.now)
    with pytest.raises(ApplicationError) as later:
        await evaluation.fetch(fetch)
    assert (later.value.next_retry_delay, later.value.non_retryable) == (timedelta(seconds=40), False)
    vendor.error = ProviderRefused("vendor", "no such symbol")
    assert (await evaluation.evaluate(wanted(clock))).freshness is Freshness.REFUSED
    with pytest.raises(ApplicationError) as never:
        await evaluation.fetch(fetch)
    assert never.value.non_retryable


async def test_a_frozen_feed_is_no_fresh_data() -> None:
    clock, vendor = Clock(), Vendor()
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    vendor.until = NOON - timedelta(minutes=10)
    result = await evaluation.evaluate(wanted(clock))
    assert result.freshness is Freshness.UNAVAILABLE
    assert "no recent 1m bars of X" in result.problem
    result = await evaluation.evaluate(wanted(clock, "sma(50)"))
    assert (result.freshness, "newest bar is 600 s old" in result.problem) == (Freshness.UNAVAILABLE, True)


async def test_a_readjusted_series_is_begun_anew() -> None:
    clock, vendor = Clock(), Vendor()
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    await evaluation.evaluate(wanted(clock, "sma(20)"))
    vendor.price = lambda at: rising(at) / 10
    clock.now += timedelta(minutes=1)
    result = await evaluation.evaluate(wanted(clock, "sma(20)", after=NOON))
    value = result.snapshots[0].values["sma(20)"]
    assert value is not None
    assert value < 20


async def test_stored_bars_spare_the_vendor_but_a_hole_does_not_count(database: Database) -> None:
    clock, vendor = Clock(), Vendor()
    vendor.durable = True
    await Evaluation(MarketData([vendor], database, clock)).evaluate(wanted(clock, "sma(100)"))
    again = Vendor()
    again.durable = True
    clock.now += timedelta(minutes=2)
    await Evaluation(MarketData([again], database, clock)).evaluate(wanted(clock, "sma(100)"))
    assert again.requests[0].start > NOON - timedelta(minutes=5)
    third = Vendor()
    third.durable = True
    clock.now += timedelta(hours=9)
    async with database.transaction() as work:
        lone = Bar(clock.now - timedelta(minutes=1), clock.now, 1, 1, 1, 1, 1)
        await work.bars.save("X", "1m", "vendor/raw", [lone], "vendor")
    await Evaluation(MarketData([third], database, clock)).evaluate(wanted(clock, "sma(100)"))
    assert third.requests[0].start <= clock.now - timedelta(minutes=100)


async def test_the_forming_bar_is_seen_when_asked_for() -> None:
    clock = Clock(NOON + timedelta(seconds=20))
    evaluation = Evaluation(MarketData([Vendor()], clock=clock))
    result = await evaluation.evaluate(wanted(clock, "close", "sma(5)", forming=True))
    assert result.forming is not None
    assert (result.forming.final, result.forming.bar_close) == (False, NOON + timedelta(minutes=1))
    assert result.forming.values["close"] == rising(NOON)


@pytest.mark.parametrize("missed", [2_100, 5_000, 9_999])
async def test_long_catch_ups_lose_no_bar_and_ask_once(missed: int) -> None:
    clock, vendor = Clock(), Vendor()
    evaluation, after, seen = Evaluation(MarketData([vendor], clock=clock)), NOON - timedelta(minutes=missed), 0
    more = True
    while more:
        result = await evaluation.evaluate(wanted(clock, "close", "rsi(14)", after=after))
        assert result.snapshots[0].bar_close == after + timedelta(minutes=1)
        seen, after, more = seen + len(result.snapshots), result.snapshots[-1].bar_close, result.more
    assert (seen, after) == (missed, NOON)
    assert len(vendor.requests) == 1


async def test_an_outage_too_long_to_catch_up_with_is_told() -> None:
    clock = Clock()
    evaluation = Evaluation(MarketData([Vendor()], clock=clock))
    result = await evaluation.evaluate(wanted(clock, after=NOON - timedelta(minutes=12_000)))
    assert result.skipped_until == NOON - timedelta(minutes=10_000)
    assert result.snapshots[0].bar_close == NOON - timedelta(minutes=9_999)
    short = await evaluation.evaluate(wanted(clock, after=NOON - timedelta(minutes=5)))
    assert short.skipped_until is None
    assert (await evaluation.evaluate(wanted(clock))).skipped_until is None


class TwoTickers(Vendor):
    """Y has another price, comes later, and lacks what it is told to."""

    def __init__(self, late: float = 0, lacking: frozenset[datetime] = frozenset()) -> None:
        super().__init__()
        self.late, self.lacking = timedelta(seconds=late), lacking

    async def fetch(self, request: BarRequest) -> FetchedBars:
        found = await super().fetch(request)
        if request.symbol != "Y":
            return found
        kept = [
            bar for bar in found.bars if bar.open_time not in self.lacking and bar.close_time + self.late <= request.now
        ]
        return FetchedBars(tuple(replace(bar, close=50.0, open=50.0, high=51.0, low=49.0) for bar in kept))


async def test_another_tickers_value_is_that_of_the_bar_with_the_same_close() -> None:
    clock, vendor = Clock(), TwoTickers()
    evaluation = Evaluation(MarketData([vendor], clock=clock))
    result = await evaluation.evaluate(
        wanted(clock, "close", "Y:close", "Y:sma(2)[1]", after=NOON - timedelta(minutes=2))
    )
    assert [s.values["Y:close"] for s in result.snapshots] == [50.0, 50.0]
    assert [s.values["Y:sma(2)[1]"] for s in result.snapshots] == [50.0, 50.0]
    assert {request.symbol for request in vendor.requests} == {"X", "Y"}


async def test_where_another_ticker_lacks_a_bar_its_value_is_missing() -> None:
    clock = Clock()
    gone = NOON - timedelta(minutes=2)  # opens then, closes a minute before noon
    evaluation = Evaluation(MarketData([TwoTickers(lacking=frozenset({gone}))], clock=clock))
    result = await evaluation.evaluate(wanted(clock, "close", "Y:close", after=NOON - timedelta(minutes=3)))
    assert [s.values["Y:close"] for s in result.snapshots] == [50.0, None]
    assert result.freshness is Freshness.SETTLING, "what comes after a hole is looked at twice"


async def test_a_bar_waits_for_another_tickers_that_is_late() -> None:
    clock = Clock()
    evaluation = Evaluation(MarketData([TwoTickers(late=5)], clock=clock))
    first = await evaluation.evaluate(wanted(clock, "close", "Y:close", after=NOON - timedelta(minutes=2)))
    assert [s.bar_close for s in first.snapshots] == [NOON - timedelta(minutes=1)]
    assert first.freshness is Freshness.SETTLING
    clock.now = NOON + timedelta(seconds=6)
    then = await evaluation.evaluate(wanted(clock, "close", "Y:close", after=NOON - timedelta(minutes=1)))
    assert [s.values["Y:close"] for s in then.snapshots] == [50.0]

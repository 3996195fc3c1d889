"""Values by columns from stored bars are those that alerts see ticker by ticker, and what is not whole is looked at one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from activities.evaluation import Evaluation
from activities.jobs.columns import ByColumns, is_whole
from activities.jobs.executor import JobFailed, JobRefused
from activities.jobs.on_bars import OnBars
from activities.jobs.stored_values import Window
from activities.market_data.calendars.calendars import Calendars
from activities.market_data.failover import MarketData
from activities.market_data.vendors.errors import ProviderRefused
from activities.market_data.vendors.provider import BarRequest, FetchedBars
from activities.side_process import SideProcess
from domain.timeframe import Timeframe
from storage.database import Database
from storage.tables import BarRow
from tests.activities.test_evaluation import Vendor
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.server import StandIn
from tests.stand_ins.vendor import KEY
from worker.provider_settings import VENDORS

NOW = datetime(2026, 11, 19, 21, 47, 20, tzinfo=UTC)  # New York has closed
KEYS = ("close", "volume", "rsi(14)", "sma(50)", "close[5]", "macd(12,26,9).macdsignal", "ema(20)@1w")
TICKERS = ("AAPL", "MSFT", "NVDA", "BTC-USD")


@pytest.fixture(scope="module")
async def side() -> AsyncIterator[SideProcess]:
    made = SideProcess()
    yield made
    made.close()


class Counting(OnBars):
    """Which tickers are looked at one by one."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: list[str] = []

    async def each(self, symbols: Any, *given: Any) -> Any:
        self.asked += symbols
        return await super().each(symbols, *given)


class Always(Vendor):
    """Its bars are kept; one ticker is unknown to it."""

    durable = True

    async def fetch(self, request: BarRequest) -> FetchedBars:
        if request.symbol == "NONE":
            raise ProviderRefused(self.name, "no such ticker")
        shift = sum(map(ord, request.symbol)) % 50
        found = await super().fetch(request)
        return FetchedBars(tuple(replace(bar, close=bar.close + shift, volume=10.0 + shift) for bar in found.bars))


def on_bars(database: Database | None, provider: Any, now: datetime = NOW) -> Counting:
    return Counting(Evaluation(MarketData([provider], database, lambda: now)), lambda: now)


@pytest.mark.parametrize("frame", ["1d", "1h"])
async def test_an_exchanges_bars(any_database: Database, side: SideProcess, frame: str) -> None:
    """From a vendor's true format, with a higher timeframe beside its own."""
    tickers, keys, length = TICKERS[:3], KEYS, Timeframe(frame)
    async with StandIn(PolygonStandIn(lambda: NOW)) as server:
        provider = VENDORS["polygon"](server.settings(KEY), lambda: NOW)
        alone, failed = await on_bars(any_database, provider).each(tickers, length, keys)
        assert failed == {}
        reader = on_bars(any_database, provider)
        found, failed = await ByColumns(reader, any_database, side).each(tickers, length, keys)
        await provider.close()
    assert reader.asked == [], "all of them are stored, new and whole"
    assert failed == {}
    assert list(found) == list(alone)
    for symbol, values in alone.items():
        assert found[symbol] == pytest.approx(values), symbol
    assert all(value is not None for values in found.values() for value in values.values())


async def test_what_is_old_or_has_a_hole_or_jumps_is_looked_at_one_by_one(
    any_database: Database, side: SideProcess
) -> None:
    vendor, frame = Always(), Timeframe("1h")
    tickers, keys = ("OLD", "HOLE", "JUMP", "SHORT", "GOOD"), ("close", "rsi(14)")
    alone, _ = await on_bars(any_database, vendor).each(tickers, frame, keys)
    at = NOW.replace(minute=0, second=0)
    async with any_database.transaction() as work:
        for symbol, first, last in (("OLD", 1, 0), ("HOLE", 30, 29), ("SHORT", 9999, 50)):
            await work.session.execute(
                delete(BarRow).where(
                    BarRow.symbol == symbol,
                    BarRow.open_time >= at - timedelta(hours=first),
                    BarRow.open_time < at - timedelta(hours=last),
                )
            )
        row = await work.session.scalar(select(BarRow).where(BarRow.symbol == "JUMP", BarRow.close_time == at))
        assert row is not None
        assert row.close is not None
        row.close *= 3
    reader = on_bars(any_database, vendor)
    found, failed = await ByColumns(reader, any_database, side).each((*tickers, "NONE"), frame, keys)
    assert reader.asked == ["OLD", "HOLE", "JUMP", "SHORT", "NONE"]
    assert found["GOOD"] == pytest.approx(alone["GOOD"])
    assert list(found) == ["OLD", "HOLE", "JUMP", "SHORT", "GOOD"]
    assert failed == {"NONE": "vendor: no such ticker"}


async def test_two_vendors_the_first_ones_bars_are_taken(any_database: Database, side: SideProcess) -> None:
    first, second, frame = (
        Always("first", lambda at: 100 + at.hour),
        Always("second", lambda at: 200 + at.hour),
        Timeframe("1h"),
    )
    for vendor in (second, first):
        await on_bars(any_database, vendor).each(["X"], frame, ("close",))
    both = Counting(Evaluation(MarketData([first, second], any_database, lambda: NOW)), lambda: NOW)
    found, _ = await ByColumns(both, any_database, side).each(["X"], frame, ("close",))
    assert both.asked == []
    assert found["X"]["close"] == 100 + NOW.hour - 1 + sum(map(ord, "X")) % 50


async def test_without_a_database_or_kept_bars_all_are_looked_at_one_by_one(
    any_database: Database, side: SideProcess
) -> None:
    away = on_bars(None, Always())
    assert list((await ByColumns(away, None, side).each(["X"], Timeframe("1h"), ("close",)))[0]) == ["X"]
    made_anew = on_bars(any_database, Vendor())
    assert list((await ByColumns(made_anew, any_database, side).each(["X"], Timeframe("1h"), ("close",)))[0]) == ["X"]
    assert (away.asked, made_anew.asked) == (["X"], ["X"])
    with pytest.raises(JobFailed, match="no such ticker"):
        await ByColumns(on_bars(any_database, Always()), any_database, side).each(["NONE"], Timeframe("1h"), ("close",))
    with pytest.raises(JobRefused, match="nonsense"):
        await ByColumns(away, any_database, side).each(["X"], Timeframe("1h"), ("nonsense(",))


async def test_it_tells_how_far_it_is(any_database: Database, side: SideProcess) -> None:
    told: list[tuple[int, int, str]] = []
    reader = on_bars(any_database, Always())
    await reader.each(["A", "B"], Timeframe("1h"), ("close",))
    columns = ByColumns(reader, any_database, side)
    await columns.each(["A", "B", "C"], Timeframe("1h"), ("close",), lambda *said: told.append(said))
    assert told[0] == (3, 3, "stored bars")
    assert told[-1] == (3, 3, "C")


@pytest.mark.parametrize(
    ("frame", "lacking", "whole"),
    [("1h", 0, True), ("1h", 1, False), ("4h", 1, False), ("5m", 1, True), ("5m", 12, False)],
)
def test_a_sessions_last_bar_is_cut_and_hides_no_hole(frame: str, lacking: int, whole: bool) -> None:
    """New York's 6.5 hours are seven bars of an hour and two of four; of minutes some may be quiet."""
    market, length = Calendars(lambda: NOW).market("XNYS"), Timeframe(frame)
    sessions = market.days(NOW - timedelta(days=9), NOW)
    count = sum(-((start - end) // length.length) for start, end in sessions)
    closed = market.last_close(length, NOW)
    assert closed is not None
    first, last = (
        sessions[0][0],
        sessions[-1][0] + ((closed - sessions[-1][0] - timedelta(seconds=1)) // length.length) * length.length,
    )
    assert is_whole(Window("v", count - lacking, first, last, closed), length, market, NOW) is whole


async def test_a_jump_is_seen_by_a_rule_that_needs_one_bar(any_database: Database, side: SideProcess) -> None:
    reader, frame = on_bars(any_database, Always()), Timeframe("1h")
    await reader.each(["X"], frame, ("close",))
    async with any_database.transaction() as work:
        row = await work.session.scalar(select(BarRow).where(BarRow.close_time == NOW.replace(minute=0, second=0)))
        assert row is not None
        assert row.close is not None
        row.close *= 10
    fresh = on_bars(any_database, Always())
    await ByColumns(fresh, any_database, side).each(["X"], frame, ("close",))
    assert fresh.asked == ["X"], "looked at as alerts see it"


async def test_one_tickers_odd_data_fails_no_other(any_database: Database, side: SideProcess) -> None:
    class Odd(Always):
        async def fetch(self, request: BarRequest) -> FetchedBars:
            found = await super().fetch(request)
            return FetchedBars(found.bars[:3]) if request.symbol == "ODD" else found

    reader = on_bars(any_database, Odd())
    values = reader._values

    async def sometimes(symbol: str, *given: Any) -> Any:
        if symbol == "ODD":
            raise KeyError("bars")
        return await values(symbol, *given)

    reader._values = sometimes  # type: ignore[method-assign]
    found, failed = await ByColumns(reader, any_database, side).each(["ODD", "X"], Timeframe("1h"), ("close",))
    assert (list(found), failed) == (["X"], {"ODD": "KeyError in its bars"})

"""Weeks are those of the market's days, whatever a vendor calls a week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.market_data.calendars.market import Continuous
from activities.market_data.vendors.provider import BarRequest, FetchedBars
from activities.market_data.vendors.resample import merged
from domain.bar import Bar
from domain.timeframe import Timeframe
from tests.stand_ins.market import NEW_YORK, Market, Row
from tests.stand_ins.server import Asked, Reply, StandIn
from tests.stand_ins.vendor import KEY
from tests.stand_ins.vendors import ALL
from tests.stand_ins.yahoo import YahooStandIn
from worker.provider_settings import VENDORS

WEEK, DAY = Timeframe("1w"), Timeframe("1d")
NOW = datetime(2026, 11, 19, 15, 47, 20, tzinfo=UTC)  # a Thursday, the market is open
FIRST, LAST = date(2018, 1, 2), date(2026, 11, 18)
Prices = tuple[float, float, float, float]


def weeks_of(days: Sequence[Row]) -> dict[date, Prices]:
    """Open, high, low and close by Monday: worked out here from the days, with nothing of the product's."""
    found = {}
    for monday, rows in _by_week(days):
        prices = [row.prices for row in rows]
        found[monday] = (prices[0][0], max(one[1] for one in prices), min(one[2] for one in prices), prices[-1][3])
    return found


def _by_week(days: Sequence[Row]) -> list[tuple[date, list[Row]]]:
    return [
        (monday, list(rows))
        for monday, rows in groupby(days, key=lambda row: row.day - timedelta(days=row.day.weekday()))
    ]


def told(bars: Sequence[Bar]) -> dict[date, Prices]:
    found = {}
    for bar in bars:
        day = bar.open_time.astimezone(NEW_YORK).date()
        found[day - timedelta(days=day.weekday())] = (bar.open, bar.high, bar.low, bar.close)
    return found


async def fetched(start: datetime, end: datetime, now: datetime) -> FetchedBars:
    vendor = YahooStandIn(lambda: now)
    async with StandIn(vendor) as server:
        provider = VENDORS["yahoo"](server.settings(), lambda: now)
        try:
            return await provider.fetch(BarRequest("AAPL", WEEK, start, end, now, vendor.market.market))
        finally:
            await provider.close()


@pytest.mark.parametrize("weekday", range(7))
async def test_whatever_day_it_is_asked_from(weekday: int) -> None:
    """Every week of nine years, all holiday weeks among them, begun to be asked for on each day of the week."""
    start = datetime.combine(FIRST + timedelta(days=weekday), time(), UTC)
    bars = (await fetched(start, NOW + WEEK.length, NOW)).bars
    begun = {
        monday: rows[0].opened for monday, rows in _by_week(Market().rows("AAPL", "1d", start - WEEK.length, NOW, NOW))
    }
    true = weeks_of(Market().rows("AAPL", "1d", start - WEEK.length, NOW, NOW))
    assert told(bars) == {monday: prices for monday, prices in true.items() if begun[monday] >= start}
    assert len(bars) >= 463
    assert [bar.final for bar in bars[-2:]] == [True, False]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
async def test_any_window_at_any_time(data: st.DataObject) -> None:
    """A window that begins with a week's first session has just the true weeks; a live day counts once."""
    market = Market().market
    weeks = market.grid(WEEK)
    first = data.draw(st.integers(200, len(weeks) - 80))
    count = data.draw(st.integers(1, 30))
    start, end = weeks[first][0], weeks[first + count][0]
    seconds = data.draw(st.integers(0, 9 * 86_400))  # whole ones: rows carry no parts of seconds
    now = weeks[first + count - 1][0] + timedelta(seconds=seconds)
    bars = (await fetched(start, end, now)).bars
    assert told(bars) == weeks_of([row for row in Market().rows("AAPL", "1d", start, end, now) if row.opened < now])
    grace = timedelta(minutes=10)
    assert [bar.final for bar in bars] == [bar.close_time + grace <= now for bar in bars]


@pytest.mark.parametrize("name", ["yahoo", "polygon", "finnhub", "interactive_brokers"])
async def test_vendors_with_weeks_of_their_own_are_asked_for_days(name: str) -> None:
    vendor = next(one for one in ALL if one.name == name)(lambda: NOW)
    async with StandIn(vendor) as server:
        provider = VENDORS[name](server.settings(KEY), lambda: NOW)
        start = datetime(2026, 8, 31, 13, 30, tzinfo=UTC)
        bars = (
            await provider.fetch(BarRequest("AAPL", WEEK, start, NOW + WEEK.length, NOW, vendor.market.market))
        ).bars
        assert told(bars) == weeks_of(Market().rows("AAPL", "1d", start, NOW, NOW))
        sent = " ".join(f"{asked.path} {asked.query}" for asked in server.asked)
        assert not any(word in sent for word in ("1wk", "/week/", "'W'", "'1w'"))
        await provider.close()


def days_of(first: str, closes: Sequence[float], lost: Sequence[int] = ()) -> FetchedBars:
    market = Market().market
    at, found = datetime.fromisoformat(first).replace(tzinfo=UTC), []
    for close in closes:
        span = market.bar(DAY, at)
        found.append(Bar(*span, close, close + 1, close - 1, close, 100.0))
        at = market.bar(DAY, market.next_close(DAY, span[1]) - timedelta(minutes=1))[0]
    return FetchedBars(tuple(bar for index, bar in enumerate(found) if index not in lost))


def test_a_week_is_not_closed_before_its_last_day_is_there() -> None:
    """A vendor that lost Friday at its close would have the week close at Thursday's price."""
    market, grace = Market().market, timedelta(minutes=10)
    window = (datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC))
    friday = datetime(2026, 11, 13, 21, 0, tzinfo=UTC)
    lost = days_of("2026-11-09 15:00", [1.5, 2.0, 3.0, 4.0, 5.0], lost=[4])
    for waited, final in ((timedelta(minutes=11), False), (timedelta(hours=20), False), (timedelta(hours=25), True)):
        (week,) = merged(lost, WEEK, market, window, friday + waited, grace).bars
        assert (week.close, week.final) == (4.0, final), waited
    (week,) = merged(
        days_of("2026-11-09 15:00", [1.5, 2.0, 3.0, 4.0, 5.0]), WEEK, market, window, friday + grace, grace
    ).bars
    assert (week.open, week.high, week.low, week.close, week.volume, week.final) == (1.5, 6.0, 0.5, 5.0, 500.0, True)
    assert (week.open_time, week.close_time) == (datetime(2026, 11, 9, 14, 30, tzinfo=UTC), friday)


def test_a_blank_day_within_keeps_a_week_unfinished_for_a_day() -> None:
    market, friday = Market().market, datetime(2026, 11, 13, 21, 0, tzinfo=UTC)
    window = (datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC))
    whole = days_of("2026-11-09 15:00", [1.5, 2.0, 3.0, 4.0, 5.0])
    lost = replace(
        whole, bars=tuple(bar for bar in whole.bars if bar.close != 3.0), blank=frozenset({whole.bars[2].open_time})
    )
    for waited, final in ((timedelta(minutes=11), False), (timedelta(hours=25), True)):
        (week,) = merged(lost, WEEK, market, window, friday + waited, timedelta(minutes=10)).bars
        assert week.final == final
    (week,) = merged(whole, WEEK, market, window, friday + timedelta(minutes=11), timedelta(minutes=10)).bars
    assert week.final


async def test_the_week_in_which_a_reach_begins_is_none() -> None:
    """Its Monday was never asked for, so that its open and range would be another's."""
    vendor, start = YahooStandIn(lambda: NOW), NOW - timedelta(days=900)
    async with StandIn(vendor) as server:
        provider = VENDORS["yahoo"](server.settings(), lambda: NOW)
        provider.reach = lambda frame: timedelta(days=400)  # a Wednesday and a half
        bars = (await provider.fetch(BarRequest("AAPL", WEEK, start, NOW, NOW, vendor.market.market))).bars
        await provider.close()
    true = weeks_of(Market().rows("AAPL", "1d", start, NOW, NOW))
    monday = min(told(bars))
    assert monday.weekday() == 0
    assert timedelta() <= datetime.combine(monday, time(15), UTC) - (NOW - timedelta(days=400)) < timedelta(days=7)
    assert told(bars) == {day: prices for day, prices in true.items() if day >= monday}


async def test_weeks_of_crypto_begin_on_monday() -> None:
    market, days = Continuous(), []
    monday = datetime(2026, 11, 2, tzinfo=UTC)
    for number in range(10):
        opened = monday + timedelta(days=number)
        days.append(Bar(opened, opened + timedelta(days=1), 1.0 + number, 20.0, 0.5, 2.0 + number, 10.0))
    now = monday + timedelta(days=10)
    window = (monday, now)
    weeks = merged(FetchedBars(tuple(days)), WEEK, market, window, now, timedelta()).bars
    assert [(week.open_time, week.open, week.close, week.volume, week.final) for week in weeks] == [
        (monday, 1.0, 8.0, 70.0, True),
        (monday + timedelta(days=7), 8.0, 11.0, 30.0, False),
    ]


async def test_of_a_day_told_twice_the_last_counts_not_the_larger_volume() -> None:
    """The live row carries its last trade's time; what came before it is an older state, whatever its volume."""
    sent: list[int] = []

    class Twice(YahooStandIn):
        def well(self, asked: Asked) -> Reply:
            found = super().well(asked)
            sent.extend(found.body["chart"]["result"][0]["indicators"]["quote"][0]["volume"][-2:])
            return found

    vendor = Twice(lambda: NOW)
    async with StandIn(vendor) as server:
        provider = VENDORS["yahoo"](server.settings(), lambda: NOW)
        request = BarRequest("AAPL", DAY, NOW - timedelta(days=9), NOW + DAY.length, NOW, vendor.market.market)
        newest = (await provider.fetch(request)).bars[-1]
        await provider.close()
    (true,) = Market().rows("AAPL", "1d", NOW - timedelta(hours=3), NOW, NOW)
    assert sent[0] > sent[1] == newest.volume
    assert newest.close == true.prices[3]

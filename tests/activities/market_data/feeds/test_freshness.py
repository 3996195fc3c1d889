"""When a bar is expected, on its way, late or missing for good: tables, no clock, no vendor."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from activities.interface import Freshness
from activities.market_data.calendars.market import Continuous, Market
from activities.market_data.feeds.freshness import Times, assess, is_due, is_late, stale_file, with_usable_forming
from activities.market_data.feeds.series import BarSeries
from domain.bar import Bar
from domain.timeframe import DAILY, Timeframe
from tests.activities.market_data.bars import MINUTE, MONDAY, days, minutes, new_york

TTL = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def series(count: int = 60, market: Market | None = None, forming: Bar | None = None) -> BarSeries:
    """Minutes from Monday's open on; the last closes ``count`` minutes later."""
    bars = tuple(minutes([100.0] * count))
    kept = market or new_york()
    return BarSeries("v", Timeframe("1m"), bars, begins_history=False, reach=MONDAY, forming=forming, market=kept)


def at(after: timedelta, grace: timedelta = timedelta()) -> Times:
    """A time after the close of the 60th bar."""
    now = MONDAY + 60 * MINUTE + after
    return Times(now, now, grace)


@pytest.mark.parametrize(
    ("after", "freshness", "ready"),
    [
        (0 * SECOND, Freshness.FRESH, None),
        (59 * SECOND, Freshness.FRESH, None),
        (61 * SECOND, Freshness.SETTLING, 63 * SECOND),  # the next bar closed a second ago
        (120 * SECOND, Freshness.SETTLING, 122 * SECOND),  # and the one after it now
        (10 * MINUTE, Freshness.SETTLING, 602 * SECOND),
    ],
)
def test_a_bar_that_has_closed_settles(after: timedelta, freshness: Freshness, ready: timedelta | None) -> None:
    found = assess(series(), at(after))
    assert (found.freshness, found.stale) == (freshness, "")
    assert found.ready_at == (None if ready is None else MONDAY + 60 * MINUTE + ready)


def test_a_late_bar_is_waited_for_ten_minutes_ever_less_often() -> None:
    hourly = BarSeries(
        "v", Timeframe("1h"), tuple(minutes([100.0], step=timedelta(hours=1))), False, MONDAY, market=new_york()
    )
    closed, pauses = MONDAY + timedelta(hours=2), []
    now = closed + SECOND
    while (found := assess(hourly, Times(now, now, timedelta()))).freshness is Freshness.SETTLING:
        assert found.ready_at is not None
        pauses.append(found.ready_at - now)
        now = found.ready_at
    assert now - closed >= timedelta(minutes=10)
    assert pauses == sorted(pauses)
    assert found.stale == "", "late, or without a trade: asked for at every tick"


@pytest.mark.parametrize(
    ("market", "missed", "stale"),
    [
        (Continuous(), timedelta(minutes=4), False),
        (Continuous(), timedelta(minutes=6), True),
        (None, timedelta(minutes=14), False),  # an exchange's thin ticker
        (None, timedelta(minutes=16), True),
        (None, timedelta(hours=20), False),  # at night an old bar is no news
        (None, timedelta(days=19), True),  # of so much trading it is, at any hour
    ],
)
def test_when_a_series_is_too_old(market: Market | None, missed: timedelta, stale: bool) -> None:
    assert bool(assess(series(market=market), at(missed)).stale) is stale


@pytest.mark.parametrize(("sessions", "stale"), [(0, False), (1, False), (2, True)])
def test_when_daily_bars_are_too_old(sessions: int, stale: bool) -> None:
    market = new_york()
    bars = days([100, 101, 102, 103], market)
    held = BarSeries("v", DAILY, tuple(bars[:2]), False, bars[0].open_time, market=market)
    now = bars[1 + sessions].close_time + timedelta(hours=1)
    assert bool(assess(held, Times(now, now, timedelta())).stale) is stale


def test_a_file_and_a_replay_have_what_they_have() -> None:
    of_a_file = BarSeries("csv", Timeframe("1m"), tuple(minutes([100.0])), True, MONDAY)
    assert assess(of_a_file, at(timedelta(days=9))).freshness is Freshness.FRESH
    replayed = Times(MONDAY + timedelta(days=9), MONDAY + 61 * MINUTE, timedelta())
    assert assess(series(), replayed).stale == ""


@pytest.mark.parametrize(
    ("after", "age", "due"),
    [
        (30 * SECOND, 5 * MINUTE, False),  # nothing new can be there
        (61 * SECOND, SECOND, True),
        (61 * SECOND, 0 * SECOND, False),
        (10 * MINUTE, 30 * SECOND, False),  # overdue for nine minutes: after another eighth of that, at most a minute
        (10 * MINUTE, 60 * SECOND, True),
    ],
)
def test_when_the_vendor_may_have_something_newer(after: timedelta, age: timedelta, due: bool) -> None:
    assert is_due(series(), at(after), age, TTL, forming=False, suspect=False) is due


def test_what_is_suspect_blank_or_forming_is_asked_for_sooner() -> None:
    held, soon = series(), at(30 * SECOND)
    assert is_due(held, soon, SECOND, TTL, forming=True, suspect=False)
    assert is_due(held, soon, 15 * SECOND, TTL, forming=False, suspect=True)
    assert not is_due(held, soon, 14 * SECOND, TTL, forming=False, suspect=True)


def test_the_grace_is_waited_for() -> None:
    assert not is_due(series(), at(69 * SECOND, 10 * SECOND), 9 * MINUTE, TTL, forming=False, suspect=False)
    assert is_due(series(), at(70 * SECOND, 10 * SECOND), 9 * MINUTE, TTL, forming=False, suspect=False)
    closed = MONDAY + 60 * MINUTE
    assert not is_late(closed + 24 * SECOND, closed, 10 * SECOND)
    assert is_late(closed + 26 * SECOND, closed, 10 * SECOND)


def forming(opened: datetime, price: float = 100.0) -> Bar:
    return Bar(opened, opened + MINUTE, price, price, price, price, 1.0, final=False)


def test_a_forming_bar_is_used_beside_the_bar_before_it_alone() -> None:
    closed = MONDAY + 60 * MINUTE
    beside = with_usable_forming(series(market=Continuous(), forming=forming(closed)), at(30 * SECOND))
    assert beside.forming is not None
    apart = with_usable_forming(series(market=Continuous(), forming=forming(closed + MINUTE)), at(90 * SECOND))
    assert apart.forming is None, "the bar between them has closed and is on its way"
    jumps = with_usable_forming(series(market=Continuous(), forming=forming(closed, 1600.0)), at(30 * SECOND))
    assert jumps.forming is None, "there is no time to look twice"


@pytest.mark.parametrize(
    ("frame", "later", "stale"),
    [("1m", timedelta(hours=3), False), ("1m", timedelta(hours=5), True), ("1d", timedelta(days=1), False), ("1d", timedelta(days=3), True)],
)  # fmt: skip
def test_a_file_that_nobody_keeps_up_to_date(frame: str, later: timedelta, stale: bool) -> None:
    newest = MONDAY + timedelta(minutes=1) if frame == "1m" else MONDAY + timedelta(hours=6, minutes=30)
    assert bool(stale_file(newest, Timeframe(frame), new_york(), newest + later)) is stale

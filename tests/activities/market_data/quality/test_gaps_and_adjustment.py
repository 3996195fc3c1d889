"""Bars that are missing, and history that a vendor has adjusted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.market_data.calendars.market import Continuous
from activities.market_data.quality.adjustment import is_readjusted
from activities.market_data.quality.gaps import after_last_gap, gaps, is_liquid
from activities.market_data.quality.splits import split_places
from domain.timeframe import Timeframe
from tests.activities.market_data.bars import days, minutes, new_york

A_MINUTE = Timeframe("1m")


@pytest.mark.parametrize(
    ("left_out", "liquid", "found"),
    [
        (range(0), True, []),
        (range(100, 101), True, [(100, 101)]),
        (range(100, 101), False, []),  # a quiet minute of a thin ticker
        (range(100, 150), False, [(100, 150)]),  # three quarters of an hour are no quiet minute
    ],
)
def test_missing_minutes(left_out: range, liquid: bool, found: list[tuple[int, int]]) -> None:
    whole = minutes([100.0] * 200)
    bars = [bar for at, bar in enumerate(whole) if at not in left_out]
    spans = [(whole[first].open_time, whole[last].open_time) for first, last in found]
    assert gaps(bars, A_MINUTE, new_york(), liquid=liquid) == spans
    assert gaps(bars, A_MINUTE, None) == [], "a file has what it has"


def test_a_ticker_is_liquid_when_nearly_every_minute_is_there() -> None:
    whole = minutes([100.0] * 200)
    assert is_liquid(whole, A_MINUTE, new_york())
    assert not is_liquid(whole[:59], A_MINUTE, new_york()), "too few to say"
    assert not is_liquid([bar for at, bar in enumerate(whole) if at % 10], A_MINUTE, new_york())


def test_only_what_follows_the_last_gap_is_whole() -> None:
    bars = minutes([100.0] * 6)
    assert after_last_gap(bars, lambda earlier, later: later in (bars[2], bars[4])) == bars[4:]
    assert after_last_gap(bars, lambda *_: False) == bars
    assert after_last_gap([], lambda *_: True) == []


@pytest.mark.parametrize(
    ("factors", "readjusted"),
    [
        ([1, 1, 1], False),
        ([0.5, 0.5, 0.5], True),
        ([0.5], False),  # one bar was corrected
        ([0.5, 0.5, 1, 1], True),  # worked in after bars of its day had come
        ([0.5, 1, 0.5], False),
        ([0.5, 0.4], False),  # of no one factor
        ([0.98, 0.98, 1, 1], False),  # two mended bars
        ([0.98] * 10 + [1], True),  # a dividend
        ([1.0001] * 5, False),  # rounded
        ([float("nan"), 0.5, 0.5], True),
        ([0.5, 15, *[0.5] * 16], True),  # a spike among them
    ],
)
def test_whether_history_was_readjusted(factors: list[float], readjusted: bool) -> None:
    bars = days([100.0 + at for at in range(len(factors))], new_york())
    known = {bar.open_time: bar.close / factor for bar, factor in zip(bars, factors, strict=True)}
    assert is_readjusted(known, bars) is readjusted
    assert not is_readjusted({}, bars), "nothing to compare with"


def test_a_change_within_a_session_is_no_split() -> None:
    bars = minutes([50.0, 50.0, 100.0, 100.0])
    known = dict(zip([bar.open_time for bar in bars], [100.0] * 4, strict=True))
    assert not is_readjusted(known, bars)


def test_where_raw_prices_were_split() -> None:
    market = new_york()
    assert split_places(days([100, 101, 50.5, 51], market), market) == [2]
    assert split_places(days([100, 101, 50.5, 51], market), Continuous()) == []
    assert split_places(minutes([100, 50], step=timedelta(hours=1)), market) == [], "no night lies between"

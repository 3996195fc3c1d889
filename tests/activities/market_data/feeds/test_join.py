"""Held bars with fetched ones over them: property against the plain way of doing it."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from activities.market_data.calendars.market import Continuous
from activities.market_data.feeds.join import SLACK, is_another, joined
from activities.market_data.feeds.series import BarSeries, columns_of
from activities.market_data.vendors.provider import FetchedBars
from domain.timeframe import Timeframe
from tests.activities.market_data.bars import MINUTE, MONDAY, minutes


def empty(reach: timedelta = timedelta()) -> BarSeries:
    return BarSeries("v", Timeframe("1m"), (), begins_history=False, reach=MONDAY + reach, market=Continuous())


def held(count: int, price: float = 100.0) -> BarSeries:
    return joined(None, FetchedBars(tuple(minutes([price] * count))), empty(), MONDAY, 50, lambda *_: False)


@given(
    st.integers(20, 60), st.integers(0, 25), st.lists(st.sampled_from([100.0, 101.0, 1600.0, None]), min_size=1, max_size=12)
)  # fmt: skip
def test_only_the_overlap_is_worked_on_and_the_result_is_as_though_all_were(
    count: int, back: int, closes: list[float | None]
) -> None:
    one = held(count)
    assert one.columns["close"].shape == (count,)
    start = MONDAY + (count - min(back, count)) * MINUTE
    new = minutes(closes, start)
    found = joined(one, FetchedBars(tuple(new)), empty(start - MONDAY), MONDAY, 500, lambda *_: False)
    assume(not is_another(one, new))  # a split begins the series anew
    sound = {bar.open_time: bar for bar in one.bars}
    expected = sound | {bar.open_time: bar for bar in new if not (math.isnan(bar.close) and bar.open_time in sound)}
    whole = joined(
        None, FetchedBars(tuple(expected[at] for at in sorted(expected))), empty(), MONDAY, 500, lambda *_: False
    )
    assert [bar.open_time for bar in found.bars] == [bar.open_time for bar in whole.bars]
    np.testing.assert_array_equal(found.columns["close"], whole.columns["close"])
    np.testing.assert_array_equal(found.columns["close"], columns_of(found.bars)["close"])
    assert (found.reach, found.begins_history) == (one.reach, one.begins_history)


def test_held_bars_go_when_a_gap_lies_between() -> None:
    one, new = held(30), minutes([100.0] * 3, MONDAY + 40 * MINUTE)
    found = joined(one, FetchedBars(tuple(new)), empty(40 * MINUTE), MONDAY, 50, lambda *_: True)
    assert found.bars == tuple(new)
    assert found.reach == MONDAY + 40 * MINUTE, "older bars are not known any more"


def test_held_bars_go_when_all_prices_have_changed_by_one_factor() -> None:
    one = held(30)
    new = minutes([50.0] * 4, MONDAY + 27 * MINUTE)
    found = joined(one, FetchedBars(tuple(new)), empty(27 * MINUTE), MONDAY, 50, lambda *_: False)
    assert found.bars == tuple(new)


def test_a_long_series_is_cut_to_what_is_needed() -> None:
    keep = 10
    one = held(2 * keep + SLACK)
    needed = MONDAY + (2 * keep + SLACK - keep) * MINUTE
    new = minutes([100.0], MONDAY + (2 * keep + SLACK) * MINUTE)
    found = joined(one, FetchedBars(tuple(new)), empty((2 * keep + SLACK) * MINUTE), needed, keep, lambda *_: False)
    assert len(found.bars) == keep + 1
    assert found.bars[0].open_time == needed == found.reach
    assert not found.begins_history

"""Jumps, spikes and what they are told from."""

from __future__ import annotations

import math

import pytest

from activities.market_data.calendars.market import Continuous
from activities.market_data.quality.outliers import suspect_after_blank, suspect_bar, without_spikes
from tests.activities.market_data.bars import days, minutes, new_york


@pytest.mark.parametrize(
    ("closes", "suspect"),
    [
        ([100, 101, 102], None),
        ([100, 200, 210], None),  # doubled within a day: news
        ([100, 1500], 1),
        ([1500, 100], 1),
        ([100, None, None, 1500], 3),  # what is broken in between says nothing
        ([100, 1500, 1510, 1520, 1530], None),  # too old to be looked at each time
        ([None, 100], None),
        ([], None),
    ],
)
def test_a_price_that_cannot_follow(closes: list[float | None], suspect: int | None) -> None:
    bars = minutes(closes)
    found = suspect_bar(bars, Continuous())
    assert (found and found.bar) == (None if suspect is None else bars[suspect])
    assert suspect_bar(bars, None) is None, "of a file nobody says what can follow"


@pytest.mark.parametrize(
    ("ratio", "suspected"), [(1 / 2, True), (1 / 4, True), (3, True), (2.5, True), (1 / 1.7, False), (1.5, False)]
)
def test_a_night_after_which_prices_are_as_after_a_split(ratio: float, suspected: bool) -> None:
    found = suspect_bar(days([100, 100 * ratio], new_york()), new_york())
    assert (found is not None and found.is_split_like) is suspected
    assert suspect_bar(days([100, 100 * ratio], new_york()), Continuous()) is None, "crypto is never split"


@pytest.mark.parametrize(
    ("closes", "missing"),
    [
        ([100, 1600, 101], [1]),
        ([100, 6, 6.1, 102], [1, 2]),
        ([100, 1600], []),  # no later bar disproves it
        ([100, 1600, 1601, 1602, 1603, 1604, 1605, 100], []),  # too long for a spike
        ([100, 101, 102], []),
        ([None, 1600, 100], []),
    ],
)
def test_what_later_bars_disprove_is_missing(closes: list[float | None], missing: list[int]) -> None:
    before, cleaned = minutes(closes), without_spikes(minutes(closes))
    gone = [at for at, bar in enumerate(cleaned) if math.isnan(bar.close) and not math.isnan(before[at].close)]
    assert gone == missing
    assert [bar.open_time for bar in cleaned] == [bar.open_time for bar in before]


def test_the_bar_after_a_place_without_values_waits() -> None:
    bars = minutes([100, 101, 102])
    found = suspect_after_blank(bars, {bars[1].open_time})
    assert (found and found.bar) == bars[1]
    assert suspect_after_blank(bars, ()) is None
    assert suspect_after_blank(bars, {bars[2].close_time}) is None

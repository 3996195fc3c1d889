"""Prices as after a split: a night lies between two bars, and those after it are those before it by a split's ratio."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from activities.market_data.calendars.market import Market
from domain.bar import Bar

SMALLEST = 1.85  # a 2:1 split on a day that moves by a few per cent
NEAR = 0.06  # how far an open may be from the ratio; a close three times as far
OVERNIGHT = timedelta(hours=1)  # splits are worked in between two sessions
ODD_RATIO = 2.5  # 5:2, the one common ratio that is no whole number


def split_places(bars: Sequence[Bar], market: Market | None) -> list[int]:
    """Indices of the bars before which prices look as after a split: for a vendor that does not work splits in."""
    if market is None or market.continuous or len(bars) < 2:
        return []
    return [index for index in jumps([bar.close for bar in bars], SMALLEST) if is_split(bars[index - 1], bars[index])]


def is_split(earlier: Bar, later: Bar) -> bool:
    """Whether one lies between two bars."""
    if later.open_time - earlier.close_time < OVERNIGHT:
        return False
    return _is_a_ratio(later.open / earlier.close, NEAR) and _is_a_ratio(later.close / earlier.close, 3 * NEAR)


def _is_a_ratio(ratio: float, near: float) -> bool:
    """Near a whole number to one, either way: 2:1 … 100:1 and their reverses; or 5:2."""
    factor = max(ratio, 1 / ratio)
    if factor < SMALLEST:
        return False
    return any(abs(factor / whole - 1) <= near for whole in (round(factor), ODD_RATIO))


def jumps(closes: Sequence[float], least: float) -> list[int]:
    """Indices of prices that are so many times the one before, or so small a part of it."""
    values = np.array(closes, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = values[1:] / values[:-1]
    found: list[int] = (np.flatnonzero((ratios >= least) | (ratios <= 1 / least)) + 1).tolist()
    return found

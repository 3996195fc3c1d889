"""Whether a vendor has readjusted its history since it was last asked: a split or a dividend was worked in."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite

from activities.market_data.quality.splits import OVERNIGHT
from domain.bar import Bar

CORRECTION = 0.005  # what changes by less was corrected or rounded
ALIKE = 0.02  # factors of one split differ by so much at the most, by rounding
FEWEST = 2  # a single bar that has changed was corrected
RECENT = 16  # bars at the end that say so, whatever was corrected before them
MANY = 10  # so many in a row by one factor are no corrections, whatever the factor
LARGE = 0.05  # nor are fewer, by as much as this, when they end with a session


def is_readjusted(known: Mapping[datetime, float], bars: Sequence[Bar]) -> bool:
    """Whether bars that were known have other closes now: all up to some time by one factor, none after it.

    ``known`` are closes by open time; ``bars`` the vendor's as they are now, ascending.
    """
    both = [(bar, bar.close / known[bar.open_time]) for bar in bars if known.get(bar.open_time) and isfinite(bar.close)]
    both = [one for one in both if isfinite(one[1])]
    if _by_one_factor([factor for _, factor in both[-RECENT:]]):
        return True
    changed = list(itertools.takewhile(lambda one: abs(one[1] - 1) > CORRECTION, both))
    same = both[len(changed) :]
    if any(abs(factor - 1) > CORRECTION for _, factor in same) or not _by_one_factor([factor for _, factor in changed]):
        return False
    if len(changed) >= MANY:
        return True
    is_large = all(abs(factor - 1) > LARGE for _, factor in changed)
    return is_large and same[0][0].open_time - changed[-1][0].close_time >= OVERNIGHT


def _by_one_factor(factors: Sequence[float]) -> bool:
    """Whether so many closes have changed, and all alike."""
    if len(factors) < FEWEST or any(abs(factor - 1) <= CORRECTION for factor in factors):
        return False
    return max(factors) <= min(factors) * (1 + ALIKE)

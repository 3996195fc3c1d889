"""Bars that are missing between others: gaps, told from minutes in which nothing traded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from activities.market_data.calendars.market import Interval, Market
from domain.bar import Bar
from domain.timeframe import Timeframe

LIQUID = 0.98  # of all bars there could be; a ticker with fewer trades now and then
FEWEST_LIQUID = 60  # bars that say so
IsGap = Callable[[Bar, Bar], bool]


def is_liquid(bars: Sequence[Bar], frame: Timeframe, market: Market) -> bool:
    """Whether nearly every bar there could be is there, so that a missing one is a fault rather than a quiet minute."""
    if len(bars) < FEWEST_LIQUID:
        return False
    return len(bars) * frame.length >= LIQUID * market.trading(bars[0].open_time, bars[-1].close_time)


def gaps(bars: Sequence[Bar], frame: Timeframe, market: Market | None, *, liquid: bool | None = None) -> list[Interval]:
    """Where bars are missing between others: (open time of the first missing, open time of the next there is)."""
    if market is None:
        return []
    liquid = is_liquid(bars, frame, market) if liquid is None else liquid
    found = []
    for earlier, later in itertools.pairwise(bars):
        if later.open_time - earlier.open_time > frame.length:
            gap = market.missing(frame, earlier.open_time, later.open_time, liquid=liquid)
            if gap is not None:
                found.append(gap)
    return found


def after_last_gap(bars: Sequence[Bar], is_gap: IsGap) -> list[Bar]:
    """The bars from which on there is no gap."""
    for index in range(len(bars) - 1, 0, -1):
        if is_gap(bars[index - 1], bars[index]):
            return list(bars[index:])
    return list(bars)

"""Prices that cannot follow from the ones before: a jump waits for a second look, what later bars disprove is missing."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.market_data.calendars.market import Market
from activities.market_data.quality.splits import is_split, jumps
from domain.bar import Bar, by_open

SUSPECTED_FOR = timedelta(minutes=2)  # who stands by a price so long means it
SECOND_LOOK = timedelta(seconds=15)  # in which vendors mend what they have lost
SLIPPED = 15.0  # a slipped decimal point makes a tenth or ten times; real markets have halved or doubled
LONGEST_SPIKE = 5  # bars at a wrong price, before the way back
SAME_PRICE = 2.0  # a price within this factor of the one before the spike is the way back
NEWEST = 3  # bars that are looked at each time


@dataclass(frozen=True)
class Suspect:
    """The bar that is not believed yet, why, and for how long when nobody can say more."""

    bar: Bar
    why: str
    wait: timedelta = SUSPECTED_FOR
    is_split_like: bool = False


def suspect_after_blank(bars: Sequence[Bar], blank: Collection[datetime]) -> Suspect | None:
    """The bar after a place where values are lacking: what is computed on it would leave them out."""
    if not blank:
        return None
    index = bisect_left(bars, min(blank), key=by_open)
    return Suspect(bars[index], "rows before it came without values", SECOND_LOOK) if index < len(bars) else None


def suspect_bar(bars: Sequence[Bar], market: Market | None, newest: int = NEWEST) -> Suspect | None:
    """The first of the newest bars whose price cannot follow from the one before; None when all is well.

    A real market falls by half in a night now and then, so that this is a question, never a verdict: who asks looks at the
    vendor's history once more, then at another vendor, then believes after :data:`SUSPECTED_FOR`.
    """
    if market is None:
        return None
    for index in range(max(1, len(bars) - newest), len(bars)):
        earlier, later = _sound_before(bars, index), bars[index]
        if earlier is None or not math.isfinite(later.close):
            continue
        closed = later.close / earlier.close
        if max(closed, 1 / closed) >= SLIPPED:
            return Suspect(later, f"its price is {closed:.4g} times that of the bar before")
        if not market.continuous and is_split(earlier, later):
            opened = later.open / earlier.close
            why = f"it opens at {opened:.4g} times the close before, as after a split"
            return Suspect(later, why, is_split_like=True)
    return None


def _sound_before(bars: Sequence[Bar], index: int) -> Bar | None:
    """The last bar with prices before one: what is broken in between says nothing."""
    return next(
        (bars[at] for at in range(index - 1, max(index - 1 - LONGEST_SPIKE, -1), -1) if math.isfinite(bars[at].close)),
        None,
    )


def without_spikes(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """The same, with missing values in place of prices that later bars disprove.

    A few bars at fifteen times the price, or a fifteenth, between others that agree with each other were never traded.
    """
    closes = [bar.close for bar in bars]
    cleaned = list(bars)
    for index in jumps(_filled(closes), SLIPPED):
        earlier = _sound_before(cleaned, index)
        if earlier is None or not math.isfinite(cleaned[index].close):
            continue
        before = earlier.close
        if 1 / SLIPPED < closes[index] / before < SLIPPED:  # it is the way back
            continue
        for at in range(index, _way_back(closes, index, before) or index):
            cleaned[at] = Bar.missing(bars[at].open_time, bars[at].close_time, final=bars[at].final)
    return tuple(cleaned)


def _way_back(closes: Sequence[float], index: int, before: float) -> int | None:
    """Where prices are again what they were before a jump."""
    soon = range(index + 1, min(index + 1 + LONGEST_SPIKE, len(closes)))
    return next((at for at in soon if 1 / SAME_PRICE < closes[at] / before < SAME_PRICE), None)


def _filled(closes: Sequence[float]) -> Sequence[float]:
    """The last price there was, where there is none."""
    if all(map(math.isfinite, closes)):
        return closes
    found, last = [], math.nan
    for close in closes:
        last = close if math.isfinite(close) else last
        found.append(last)
    return found

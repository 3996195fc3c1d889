"""The sanity gate: a jump that looks like an unadjusted split or a slipped decimal point waits for a second look (R-303)."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from activities.market_data.market import Market
from domain.bar import Bar, by_open

DOUBTED_FOR = timedelta(minutes=2)
SECOND_LOOK = timedelta(seconds=15)
SLIPPED = 15.0
SMALLEST_SPLIT = 1.85
NEAR = 0.06
OVERNIGHT = timedelta(hours=1)
LONGEST_SPIKE = 5


@dataclass(frozen=True)
class Doubt:
    """The bar that is not believed yet, why, and for how long when nobody can say more."""

    bar: Bar
    why: str
    wait: timedelta = DOUBTED_FOR
    is_split_like: bool = False


def blank_doubt(bars: Sequence[Bar], blank: Collection[datetime]) -> Doubt | None:
    """The bar after a place where values are lacking: what is computed on it would leave them out."""
    if not blank:
        return None
    index = bisect_left(bars, min(blank), key=by_open)
    return Doubt(bars[index], "rows before it came without values", SECOND_LOOK) if index < len(bars) else None


def doubt(bars: Sequence[Bar], market: Market | None, newest: int = 3) -> Doubt | None:
    """The first of the newest bars whose price cannot follow from the one before; None when all is well.

    A real market falls by half in a night now and then, so that this is a question, never a verdict: who asks looks at the
    vendor's history once more, then at another vendor, then believes after :data:`DOUBTED_FOR`.
    """
    if market is None:
        return None
    for index in range(max(1, len(bars) - newest), len(bars)):
        earlier, later = _sound_before(bars, index), bars[index]
        if earlier is None or not math.isfinite(later.close):
            continue
        closed = later.close / earlier.close
        if max(closed, 1 / closed) >= SLIPPED:
            return Doubt(later, f"its price is {closed:.4g} times that of the bar before")
        if not market.continuous and _is_split(earlier, later):
            opened = later.open / earlier.close
            why = f"it opens at {opened:.4g} times the close before, as after a split"
            return Doubt(later, why, is_split_like=True)
    return None


def _sound_before(bars: Sequence[Bar], index: int) -> Bar | None:
    """The last bar with prices before one: what is broken in between says nothing."""
    return next(
        (bars[at] for at in range(index - 1, max(index - 1 - LONGEST_SPIKE, -1), -1) if math.isfinite(bars[at].close)),
        None,
    )


def splits(bars: Sequence[Bar], market: Market | None) -> list[int]:
    """Indices of the bars before which prices look as after a split: for a vendor that does not work splits in."""
    if market is None or market.continuous or len(bars) < 2:
        return []
    jumps = _jumps([bar.close for bar in bars], SMALLEST_SPLIT)
    return [index for index in jumps if _is_split(bars[index - 1], bars[index])]


def without_spikes(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """The same, with missing values in place of prices that later bars disprove.

    A few bars at fifteen times the price, or a fifteenth, between others that agree with each other were never traded.
    """
    closes = [bar.close for bar in bars]
    cleaned = list(bars)
    for index in _jumps(_filled(closes), SLIPPED):
        earlier = _sound_before(cleaned, index)
        if earlier is None or not math.isfinite(cleaned[index].close):
            continue
        before = earlier.close
        if 1 / SLIPPED < closes[index] / before < SLIPPED:  # it is the way back
            continue
        back = next(
            (at for at in range(index + 1, min(index + 1 + LONGEST_SPIKE, len(bars))) if 0.5 < closes[at] / before < 2),
            None,
        )
        for at in range(index, back) if back is not None else ():
            cleaned[at] = Bar.missing(bars[at].open_time, bars[at].close_time, final=bars[at].final)
    return tuple(cleaned)


def _filled(closes: Sequence[float]) -> Sequence[float]:
    """The last price there was, where there is none."""
    if all(map(math.isfinite, closes)):
        return closes
    found, last = [], math.nan
    for close in closes:
        last = close if math.isfinite(close) else last
        found.append(last)
    return found


def _jumps(closes: Sequence[float], least: float) -> list[int]:
    """Indices of prices that are so many times the one before, or so small a part of it."""
    values = np.array(closes, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = values[1:] / values[:-1]
    found: list[int] = (np.flatnonzero((ratios >= least) | (ratios <= 1 / least)) + 1).tolist()
    return found


def _is_split(earlier: Bar, later: Bar) -> bool:
    """A night lies between two bars, and prices after it are those before it by a split's ratio."""
    if later.open_time - earlier.close_time < OVERNIGHT:
        return False
    return _is_split_like(later.open / earlier.close) and _is_split_like(later.close / earlier.close, 3 * NEAR)


def _is_split_like(ratio: float, near: float = NEAR) -> bool:
    """Near a whole number to one, either way: 2:1 … 100:1 and their reverses; or 5:2."""
    factor = max(ratio, 1 / ratio)
    if factor < SMALLEST_SPLIT:
        return False
    return any(abs(factor / whole - 1) <= near for whole in (round(factor), 2.5))

"""The sanity gate: a jump that looks like an unadjusted split or a slipped decimal point waits for a second look (R-303)."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.market_data.market import Market
from domain.bar import Bar

DOUBTED_FOR = timedelta(minutes=2)
SECOND_LOOK = timedelta(seconds=15)
SLIPPED = 15.0
SMALLEST_SPLIT = 1.85
NEAR = 0.06
OVERNIGHT = timedelta(hours=1)


@dataclass(frozen=True)
class Doubt:
    """The bar that is not believed yet, why, and for how long when nobody can say more."""

    bar: Bar
    why: str
    wait: timedelta = DOUBTED_FOR


def blank_doubt(bars: Sequence[Bar], blank: Collection[datetime]) -> Doubt | None:
    """The bar after a place where values are lacking: what is computed on it would leave them out."""
    if not blank:
        return None
    index = bisect_left(bars, min(blank), key=lambda bar: bar.open_time)
    return Doubt(bars[index], "rows before it came without values", SECOND_LOOK) if index < len(bars) else None


def doubt(bars: Sequence[Bar], market: Market | None, newest: int = 3) -> Doubt | None:
    """The first of the newest bars whose price cannot follow from the one before; None when all is well.

    A real market falls by half in a night now and then, so that this is a question, never a verdict: who asks looks at the
    vendor's history once more, then at another vendor, then believes after :data:`DOUBTED_FOR`.
    """
    if market is None:
        return None
    for index in range(max(1, len(bars) - newest), len(bars)):
        earlier, later = bars[index - 1], bars[index]
        if not (math.isfinite(earlier.close) and math.isfinite(later.close)):
            continue
        opened, closed = later.open / earlier.close, later.close / earlier.close
        factor = max(closed, 1 / closed)
        if factor >= SLIPPED:
            return Doubt(later, f"its price is {closed:.4g} times that of the bar before")
        overnight = not market.continuous and later.open_time - earlier.close_time >= OVERNIGHT
        if overnight and _is_split_like(opened) and _is_split_like(closed, 3 * NEAR):
            return Doubt(later, f"it opens at {opened:.4g} times the close before, as after a split")
    return None


def _is_split_like(ratio: float, near: float = NEAR) -> bool:
    """Near a whole number to one, either way: 2:1 … 100:1 and their reverses; or 5:2."""
    factor = max(ratio, 1 / ratio)
    if factor < SMALLEST_SPLIT:
        return False
    return any(abs(factor / whole - 1) <= near for whole in (round(factor), 2.5))

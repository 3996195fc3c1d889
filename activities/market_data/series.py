"""Closed bars of one provider as they grow: joined with what is fetched, cut when long, begun anew when readjusted."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from activities.market_data.doubt import OVERNIGHT, splits
from activities.market_data.market import NEVER_QUIET, Interval, Market
from activities.market_data.provider import FetchedBars
from domain.bar import FIELDS, Bar, by_close, by_open
from domain.timeframe import Timeframe

READJUSTED = 0.005
FEWEST_READJUSTED = 2
ALIKE = 0.02
SHIFTED = 0.05
SLACK = 2_000
LIQUID, FEWEST_LIQUID = 0.98, 60
IsHole = Callable[[Bar, Bar], bool]


@dataclass(frozen=True)
class Series:
    """Closed bars, ascending, and the forming bar if there is one.

    ``reach`` is the earliest open time ever asked for: older bars are not known, later ones are all there. ``market`` is None
    where bars come as a file has them. ``blank`` are places where the vendor sent no values, until a second look confirms it.
    ``is_raw``: the vendor does not work splits into its prices.
    """

    provider: str
    bars: tuple[Bar, ...]
    begins_history: bool
    reach: datetime
    forming: Bar | None = None
    market: Market | None = None
    blank: frozenset[datetime] = frozenset()
    is_raw: bool = False

    @cached_property
    def splits(self) -> list[int]:
        """Indices of bars before which raw prices look as after a split; none where the vendor works splits in."""
        return splits(self.bars, self.market) if self.is_raw else []

    def is_broken(self, first: int, last: int) -> bool:
        """Whether a split lies between two bars, so that their prices cannot be compared."""
        return any(first < index <= last for index in self.splits)

    @cached_property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The closed bars by field."""
        return {name: np.array([getattr(bar, name) for bar in self.bars], dtype=np.float64) for name in FIELDS}

    @property
    def newest_close(self) -> datetime | None:
        """Close of the newest closed bar."""
        return self.bars[-1].close_time if self.bars else None

    def count_until(self, since: datetime | None) -> int:
        """Closed bars up to a close; all of them for None."""
        return len(self.bars) if since is None else bisect_right(self.bars, since, key=by_close)

    def last_close(self, frame: Timeframe, at: datetime) -> datetime | None:
        """The close that should have come last at ``at``, on this vendor's own grid (14:30, 15:30 …)."""
        if self.market is None:
            return self.newest_close
        return self.market.last_close(frame, at, self._phase(frame))

    def next_close(self, frame: Timeframe, after: datetime) -> datetime | None:
        """The close that comes first after a time; None where nobody knows."""
        return None if self.market is None else self.market.next_close(frame, after, self._phase(frame))

    def misses_none(self, frame: Timeframe) -> bool:
        """Whether every bar of its market ought to be there: those of half an hour or more, or of a liquid ticker."""
        if self.market is None or self.market.continuous or frame.length >= NEVER_QUIET:
            return True
        return is_liquid(self.bars, frame, self.market)

    def before(self, bar: Bar) -> Series:
        """The same without that bar and what follows."""
        return replace(self, bars=self.bars[: bisect_left(self.bars, bar.open_time, key=by_open)], forming=None)

    def _phase(self, frame: Timeframe) -> timedelta | None:
        if self.market is None or not self.bars or not frame.is_intraday:
            return None
        return self.market.phase_of(frame, self.bars[-1].open_time)


def is_liquid(bars: Sequence[Bar], frame: Timeframe, market: Market) -> bool:
    """Whether nearly every bar there could be is there, so that a missing one is a fault rather than a quiet minute."""
    if len(bars) < FEWEST_LIQUID:
        return False
    traded = market.trading(bars[0].open_time, bars[-1].close_time)
    return len(bars) * frame.length >= LIQUID * traded


def holes(
    bars: Sequence[Bar], frame: Timeframe, market: Market | None, *, liquid: bool | None = None
) -> list[Interval]:
    """Where bars are missing between others: (open time of the first missing, open time of the next there is)."""
    if market is None:
        return []
    length = frame.length
    liquid = is_liquid(bars, frame, market) if liquid is None else liquid
    found = []
    for earlier, later in itertools.pairwise(bars):
        if later.open_time - earlier.open_time > length:
            hole = market.missing(frame, earlier.open_time, later.open_time, liquid=liquid)
            if hole is not None:
                found.append(hole)
    return found


def unbroken(bars: Sequence[Bar], is_hole: IsHole) -> list[Bar]:
    """The bars after the last hole."""
    for index in range(len(bars) - 1, 0, -1):
        if is_hole(bars[index - 1], bars[index]):
            return list(bars[index:])
    return list(bars)


def joined(
    name: str,
    held: Series | None,
    fetched: FetchedBars,
    start: datetime,
    needed: datetime,
    keep: int,
    is_hole: IsHole,
    market: Market | None,
) -> Series:
    """Held bars with the fetched ones over them; when they have grown long, those older than ``needed`` go.

    Held bars are dropped when a hole lies between, or when the vendor's prices for the same bars have changed (a split).
    """
    closed = [bar for bar in fetched.bars if bar.final]
    forming = fetched.bars[-1] if fetched.bars and not fetched.bars[-1].final else None
    begins, reach = fetched.begins_history, start
    older: list[Bar] = []
    is_another = held is not None and (readjusted(held, closed) or shifted(held, closed))
    if held is not None and held.bars and start >= held.reach and not is_another:
        sound = {bar.open_time for bar in held.bars if isfinite(bar.close)}
        closed = [
            bar for bar in closed if isfinite(bar.close) or bar.open_time not in sound
        ]  # what was known stays known
        given = {bar.open_time for bar in closed}
        # what a vendor leaves out now was there before
        older = [bar for bar in held.bars if bar.open_time not in given]
        before = [bar for bar in older if not closed or bar.open_time < closed[0].open_time]
        if before and closed and is_hole(before[-1], closed[0]):
            older = []
    if older and held is not None:
        begins, reach = held.begins_history, held.reach
    bars = sorted([*older, *closed], key=by_open)
    surplus = bisect_left(bars, needed, key=by_open) if len(bars) > 2 * keep + SLACK else 0
    surplus = min(surplus, len(bars) - keep)
    if surplus > 0:
        bars, begins = bars[surplus:], False
        reach = min(bars[0].open_time, max(needed, reach))
    return Series(name, tuple(bars), begins, reach, forming, market)


def readjusted(held: Series, closed: Sequence[Bar]) -> bool:
    """Whether all bars that are in both have changed by one and the same factor; a single one was corrected."""
    known = {bar.open_time: bar.close for bar in held.bars[-16:]}
    factors = [bar.close / known[bar.open_time] for bar in closed if known.get(bar.open_time)]
    factors = [factor for factor in factors if isfinite(factor)]
    if len(factors) < FEWEST_READJUSTED or any(abs(factor - 1) <= READJUSTED for factor in factors):
        return False
    return max(factors) - min(factors) <= ALIKE * abs(factors[0])


def shifted(held: Series, closed: Sequence[Bar]) -> bool:
    """Whether a split was worked in after bars of its day had come: all before that night have changed, none after it."""
    known = {bar.open_time: bar.close for bar in held.bars}
    both = [(bar, bar.close / known[bar.open_time]) for bar in closed if known.get(bar.open_time)]
    changed = list(itertools.takewhile(lambda one: abs(one[1] - 1) > SHIFTED, both))
    if len(changed) < FEWEST_READJUSTED or len(changed) == len(both):
        return False
    factors = [factor for _, factor in changed]
    if max(factors) > min(factors) * (1 + ALIKE) or any(
        abs(factor - 1) > READJUSTED for _, factor in both[len(changed) :]
    ):
        return False
    return both[len(changed)][0].open_time - changed[-1][0].close_time >= OVERNIGHT

"""Closed bars of one provider as they grow: joined with what is fetched, cut when long, begun anew when readjusted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from activities.market_data.provider import BarProvider, FetchedBars
from domain import timeframe
from domain.bar import FIELDS, Bar

READJUSTED = 0.005
CLOSED_HOURS = timedelta(days=5)
SLACK = 2_000


@dataclass(frozen=True)
class Series:
    """Closed bars, ascending, and the forming bar if there is one.

    ``reach`` is the earliest open time ever asked for: older bars are not known, later ones are all there.
    """

    provider: str
    bars: tuple[Bar, ...]
    begins_history: bool
    reach: datetime
    forming: Bar | None = None

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
        return len(self.bars) if since is None else bisect_right(self.bars, since, key=_close)

    def last_close(self, frame: str, at: datetime) -> datetime:
        """The close that should have come last at ``at``, on this exchange's own grid (14:30, 15:30 …)."""
        if not self.bars:
            return timeframe.last_close(frame, at)
        phase = self.bars[-1].open_time - timeframe.floor(frame, self.bars[-1].open_time)
        return timeframe.last_close(frame, at - phase) + phase


def _close(bar: Bar) -> datetime:
    return bar.close_time


def _open(bar: Bar) -> datetime:
    return bar.open_time


def longest_gap(provider: BarProvider, frame: str) -> timedelta:
    """The longest time between two bars that is no hole: a bar's length, or a long weekend where markets close."""
    length = timeframe.duration(frame)
    return length if provider.span(frame, 1) <= length else max(CLOSED_HOURS, length * 2)


def unbroken(bars: Sequence[Bar], gap: timedelta) -> list[Bar]:
    """The bars after the last hole."""
    first = 0
    for index in range(1, len(bars)):
        if bars[index].open_time - bars[index - 1].open_time > gap:
            first = index
    return list(bars[first:])


def joined(
    name: str,
    held: Series | None,
    fetched: FetchedBars,
    start: datetime,
    needed: datetime,
    keep: int,
    gap: timedelta,
) -> Series:
    """Held bars with the fetched ones over them; when they have grown long, those older than ``needed`` go.

    Held bars are dropped when a hole lies between, or when the vendor's prices for the same bars have changed (a split).
    """
    closed = [bar for bar in fetched.bars if bar.final]
    forming = fetched.bars[-1] if fetched.bars and not fetched.bars[-1].final else None
    begins, reach = fetched.begins_history, start
    older: list[Bar] = []
    if held is not None and held.bars and start >= held.reach and not _readjusted(held, closed):
        older = [bar for bar in held.bars if not closed or bar.open_time < closed[0].open_time]
        if older and closed and closed[0].open_time - older[-1].open_time > gap:
            older = []
    if older and held is not None:
        begins, reach = held.begins_history, held.reach
    bars = [*older, *closed]
    surplus = bisect_left(bars, needed, key=_open) if len(bars) > 2 * keep + SLACK else 0
    surplus = min(surplus, len(bars) - keep)
    if surplus > 0:
        bars, begins = bars[surplus:], False
        reach = min(bars[0].open_time, max(needed, reach))
    return Series(name, tuple(bars), begins, reach, forming)


def _readjusted(held: Series, closed: Sequence[Bar]) -> bool:
    """Whether bars that are in both have other prices now."""
    known = {bar.open_time: bar.close for bar in held.bars[-16:]}
    pairs = [(known[bar.open_time], bar.close) for bar in closed if bar.open_time in known]
    return any(abs(new - old) > READJUSTED * abs(old) for old, new in pairs)

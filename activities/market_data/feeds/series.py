"""Closed bars of one provider, as they are at one moment."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from activities.market_data.calendars.exchange import NEVER_QUIET
from activities.market_data.calendars.market import Market
from activities.market_data.quality.gaps import is_liquid
from activities.market_data.quality.outliers import Suspect, suspect_bar
from activities.market_data.quality.splits import split_places
from domain.bar import FIELDS, Bar, by_close, by_open
from domain.timeframe import Timeframe

BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)  # before any bar
Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class BarSeries:
    """Closed bars, ascending, and the forming bar if there is one.

    ``reach`` is the earliest open time ever asked for: older bars are not known, later ones are all there. ``market`` is None
    where bars come as a file has them. ``blank`` are places where the vendor sent no values, until a second look confirms it.
    ``is_raw``: the vendor does not work splits into its prices.
    """

    provider: str
    timeframe: Timeframe
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
        return split_places(self.bars, self.market) if self.is_raw else []

    def is_broken(self, first: int, last: int) -> bool:
        """Whether a split lies between two bars, so that their prices cannot be compared."""
        return any(first < index <= last for index in self.splits)

    @cached_property
    def suspect(self) -> Suspect | None:
        """Which of the newest bars cannot follow from the one before, believed or not."""
        return suspect_bar(self.bars, self.market)

    @cached_property
    def columns(self) -> Columns:
        """The closed bars by field."""
        return columns_of(self.bars)

    @property
    def newest_close(self) -> datetime | None:
        """Close of the newest closed bar."""
        return self.bars[-1].close_time if self.bars else None

    def count_until(self, since: datetime | None) -> int:
        """Closed bars up to a close; all of them for None."""
        return len(self.bars) if since is None else bisect_right(self.bars, since, key=by_close)

    def closes_from(self, first: datetime) -> dict[datetime, float]:
        """Closes by open time, from a time on."""
        return {bar.open_time: bar.close for bar in self.bars[bisect_left(self.bars, first, key=by_open) :]}

    def last_close(self, at: datetime) -> datetime | None:
        """The close that should have come last at ``at``, on this vendor's own grid (14:30, 15:30 …)."""
        if self.market is None:
            return self.newest_close
        return self.market.last_close(self.timeframe, at, self._phase)

    def next_close(self, after: datetime) -> datetime | None:
        """The close that comes first after a time; None where nobody knows."""
        return None if self.market is None else self.market.next_close(self.timeframe, after, self._phase)

    @property
    def misses_none(self) -> bool:
        """Whether every bar of its market ought to be there: those of half an hour or more, or of a liquid ticker."""
        if self.market is None or self.market.continuous or self.timeframe.length >= NEVER_QUIET:
            return True
        return is_liquid(self.bars, self.timeframe, self.market)

    def with_blank(self, blank: frozenset[datetime]) -> BarSeries:
        """The same with other blank places; what was worked out of its bars stays."""
        if blank == self.blank:
            return self
        changed = replace(self, blank=blank)
        if (columns := vars(self).get("columns")) is not None:
            vars(changed)["columns"] = columns
        return changed

    def before(self, bar: Bar) -> BarSeries:
        """The same without that bar and what follows."""
        return replace(self, bars=self.bars[: bisect_left(self.bars, bar.open_time, key=by_open)], forming=None)

    @property
    def _phase(self) -> timedelta | None:
        if self.market is None or not self.bars or not self.timeframe.is_intraday:
            return None
        return self.market.phase_of(self.timeframe, self.bars[-1].open_time)


def columns_of(bars: Sequence[Bar]) -> Columns:
    """Bars by field (shape: bars)."""
    return {name: np.array([getattr(bar, name) for bar in bars], dtype=np.float64) for name in FIELDS}

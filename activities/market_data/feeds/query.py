"""What is asked of feeds, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from activities.interface import Freshness
from activities.market_data.feeds.series import BEGINNING, BarSeries
from activities.market_data.quality.outliers import Suspect
from domain.timeframe import Timeframe


@dataclass(frozen=True)
class BarsQuery:
    """``window`` closed bars up to ``since`` and all after it (None: up to the newest).

    ``forming`` wants the unfinished bar as it is now.
    """

    symbol: str
    timeframe: Timeframe
    window: int
    since: datetime | None = None
    forming: bool = False


@dataclass(frozen=True)
class BarsAnswer:
    """A series with how much it can be relied on. ``as_of`` is the market's time, ``expected`` the close that should be there.

    ``next_close`` is when the market's next bar closes. ``suspect`` is a bar that nobody has confirmed.
    """

    freshness: Freshness
    as_of: datetime
    series: BarSeries | None = None
    ready_at: datetime | None = None
    problem: str = ""
    expected: datetime | None = None
    next_close: datetime | None = None
    suspect: Suspect | None = None

    @property
    def newest(self) -> datetime:
        """Close of its newest bar."""
        return (self.series and self.series.newest_close) or BEGINNING

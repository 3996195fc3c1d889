"""What every source of bars is, with what most of them have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from activities.market_data.calendars.calendars import Calendars
from activities.market_data.calendars.market import CRYPTO, FOREX, Continuous, Market
from activities.market_data.vendors.circuit_breaker import CircuitBreaker
from activities.market_data.vendors.errors import ProviderRefused
from activities.market_data.vendors.rate_limit import PATIENCE
from domain.bar import Bar
from domain.timeframe import Timeframe
from domain.vendor_data import Kind, Record

AUCTION = timedelta(minutes=10)  # a day's close comes out of the closing auction
LONDON_MIDNIGHT = timedelta(hours=3)  # vendors' days of currencies end so long after 17:00 in New York at the most
RAW = "raw"


class Hours(StrEnum):
    """Whose clock a source of bars keeps."""

    EXCHANGE = "exchange"  # that of the market the ticker trades on
    ALWAYS = "always"  # never closed
    FILE = "file"  # whatever the file holds


@dataclass(frozen=True)
class BarRequest:
    """Bars of ``symbol`` whose open time lies in [start, end), both aware UTC; ``now`` decides which are final.

    ``market`` maps the vendor's labels to bars and says when they close. ``patience`` is how long the vendor's rate may
    keep the caller waiting: jobs and backfills have time, alerts have not.
    """

    symbol: str
    timeframe: Timeframe
    start: datetime
    end: datetime
    now: datetime
    market: Market = field(default_factory=Continuous)
    patience: timedelta = PATIENCE


@dataclass(frozen=True)
class DataRequest:
    """What is asked of a kind: of a ticker (none for economic events), from ``start`` to ``end`` where it is a list of days."""

    kind: Kind
    symbol: str
    start: date
    end: date
    now: datetime
    patience: timedelta = PATIENCE


@dataclass(frozen=True)
class FetchedBars:
    """Normalised bars, ascending by open time, at most the last one not final.

    ``begins_history`` says that the vendor has nothing older than the first of them. ``blank`` are open times of rows without any
    value that lie between others. ``outside`` are times of rows with trades where the market knows no session. ``since`` is where
    the window was cut to what the vendor, or the key's plan, reaches back to.
    """

    bars: tuple[Bar, ...]
    begins_history: bool = False
    blank: frozenset[datetime] = frozenset()
    outside: frozenset[datetime] = frozenset()
    since: datetime | None = None


class Provider:
    """A source of bars. Subclasses give ``fetch``, and override what is different with them.

    ``grace`` is how long after its close a bar may still change. ``durable`` providers are worth a row in SQL; the others can
    make the same bar again. ``breaker`` stands before a vendor that can be asked too much. ``intervals`` are its timeframes, as
    it writes them; none where any can be had.
    """

    name = ""
    grace = timedelta(0)
    durable = False
    hours = Hours.EXCHANGE
    breaker: CircuitBreaker | None = None
    needs_key = False
    has_key = False
    intervals: Mapping[str, Any] = {}

    @property
    def unknown_sessions(self) -> Sequence[Mapping[str, Any]]:
        """Markets whose calendar lacks times at which this vendor has trades: how many, the newest, and of which ticker."""
        return ()

    @property
    def shortfall(self) -> str:
        """What the key's plan was found to lack, in words for its owner."""
        return ""

    @property
    def kinds(self) -> Collection[Kind]:
        """The data it has beside bars."""
        return ()

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """The bars asked for, as many requests as that takes.

        Raises:
            ProviderError: one of its kinds.
        """
        raise NotImplementedError

    def adjustment(self, frame: Timeframe) -> str:
        """``raw``, ``split`` or ``total`` (splits and dividends): part of the stored key."""
        return RAW

    def market_time(self, now: datetime) -> datetime:
        """The market's own time at ``now``: the same, but for replays."""
        return now

    def reach(self, frame: Timeframe) -> timedelta | None:
        """How far back from now the vendor has bars; None where there is no bound."""
        return None

    def window_end(self, frame: Timeframe, start: datetime, end: datetime) -> datetime:
        """Where the window of one request that begins at ``start`` ends."""
        return end

    def feed_delay(self, market: Market) -> timedelta:
        """How far the feed of a market is behind."""
        return timedelta()

    def market_of(self, symbol: str, calendars: Calendars, since: date | None = None) -> Market | None:
        """The clock its bars of a ticker keep; None for those of a file."""
        if self.hours is Hours.FILE:
            return None
        return calendars.market(CRYPTO) if self.hours is Hours.ALWAYS else calendars.of(symbol, since)

    def grace_of(self, frame: Timeframe, market: Market | None) -> timedelta:
        """How long after its close a bar is waited for: longer for a day's, which comes out of an auction or at midnight."""
        if market is None or market.continuous or frame.is_intraday:
            return self.grace
        return max(self.grace, LONDON_MIDNIGHT if market.code == FOREX else AUCTION)

    async def data(self, request: DataRequest) -> Any:
        """The vendor's answer for a kind of data beside bars, unread.

        Raises:
            ProviderError: one of its kinds; ``ProviderRefused`` where it has none of that kind.
        """
        raise ProviderRefused(self.name, f"has no {request.kind.value.replace('_', ' ')}")

    def read(self, answer: Any, request: DataRequest) -> Sequence[Record]:
        """Records of an answer that :meth:`data` gave."""
        return ()

    async def close(self) -> None:
        """Gives connections back."""

"""One provider's bars of one ticker and timeframe: all that is known of them, in one object, kept as fresh as is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from activities.market_data.calendars.calendars import Calendars
from activities.market_data.calendars.market import Market
from activities.market_data.feeds.freshness import Times
from activities.market_data.feeds.jumps import Jumps
from activities.market_data.feeds.query import BarsQuery
from activities.market_data.feeds.series import BEGINNING, BarSeries
from activities.market_data.feeds.store import BarStore, SeriesKey
from activities.market_data.quality.outliers import Suspect
from activities.market_data.vendors.errors import ProviderRefused
from activities.market_data.vendors.provider import RAW, Provider
from domain.timeframe import Timeframe

REFUSED_FOR = timedelta(minutes=30)  # what a vendor does not have it will not have in a moment
SPARE = 2  # bars more than the window, for the one that forms and the one that is late
Listener = Callable[[BarSeries], None]


@dataclass(frozen=True)
class FeedContext:
    """What all feeds of a process share."""

    calendars: Calendars
    store: BarStore
    clock: Callable[[], datetime]
    ttl: timedelta


@dataclass(eq=False)
class Feed:
    """``series`` is what is held of it, ``widest`` the widest window anybody needs. To forget a feed is to drop this object.

    ``untraded`` are places where, so the vendor, nothing traded; ``blank_since`` when places without values were seen first;
    ``unstored`` is where a suspect bar begins that is not in SQL. Whoever is in ``listeners`` is handed each new series.
    """

    provider: Provider
    symbol: str
    timeframe: Timeframe
    context: FeedContext
    jumps: Jumps
    series: BarSeries | None = None
    fetched_at: datetime = BEGINNING
    used_at: datetime = BEGINNING
    widest: int = 0
    untraded: set[datetime] = field(default_factory=set)
    blank_since: dict[datetime, datetime] = field(default_factory=dict)
    unstored: datetime | None = None
    widened_at: datetime = BEGINNING
    mended_at: datetime = BEGINNING
    refused_until: datetime = BEGINNING
    refusal: str = ""
    flight: asyncio.Task[BarSeries] | None = None
    listeners: list[Listener] = field(default_factory=list)

    @property
    def market(self) -> Market | None:
        """The clock its bars keep; None for those of a file."""
        return self.provider.market_of(self.symbol, self.context.calendars)

    @property
    def adjusts(self) -> bool:
        """Whether the vendor works splits into its prices."""
        return self.provider.adjustment(self.timeframe) != RAW

    @property
    def key(self) -> SeriesKey:
        """Under which it is stored."""
        return SeriesKey.of(self.provider, self.symbol, self.timeframe)

    def now(self) -> datetime:
        """Real time."""
        return self.context.clock()

    def times(self) -> Times:
        """By which its series is judged now."""
        real, market = self.now(), self.market
        delay = timedelta() if market is None else self.provider.feed_delay(market)
        grace = self.provider.grace_of(self.timeframe, market)
        return Times(real - delay, self.provider.market_time(real) - delay, grace, delay, self.provider.grace)

    def start(self, query: BarsQuery) -> datetime:
        """Open time from which on a fetch surely has the whole window."""
        market, as_of = self.market, self.provider.market_time(self.now())
        if market is None:
            return BEGINNING
        return market.start_of(self.timeframe, min(query.since or as_of, as_of), query.window + SPARE)

    def reaches(self, held: BarSeries, query: BarsQuery) -> bool:
        """Whether the held bars go back far enough, or were asked for and are all there is."""
        if held.begins_history or held.reach <= self.start(query):
            return True
        return held.count_until(query.since) >= query.window

    def keep(self, series: BarSeries) -> BarSeries:
        """From now on this is the series."""
        self.series, self.fetched_at = series, self.now()
        for listener in self.listeners:
            listener(series)
        return series

    def suspect(self, series: BarSeries) -> Suspect | None:
        """What cannot be believed of the newest bars, and is not believed yet."""
        found = series.suspect
        return None if found is None or self.jumps.is_believed(found) else found

    def check_refusal(self) -> None:
        """A vendor is not asked again at once for what it said it does not have.

        Raises:
            ProviderRefused: it said so a moment ago.
        """
        if self.now() < self.refused_until and self.provider.breaker is not None:
            raise ProviderRefused(self.provider.name, self.refusal)

    def refused(self, error: ProviderRefused) -> None:
        """The vendor does not have it."""
        self.refused_until = self.now() + REFUSED_FOR
        self.refusal = str(error).removeprefix(f"{self.provider.name}: ")

"""The feeds of one ticker and timeframe, one a provider, with what is known of the bar whoever brings it."""

from __future__ import annotations

from datetime import datetime, timedelta

from activities.market_data.feeds.feed import SPARE, Feed, FeedContext
from activities.market_data.feeds.jumps import Jumps
from activities.market_data.feeds.query import BarsQuery
from activities.market_data.feeds.series import BEGINNING
from activities.market_data.vendors.provider import Provider
from domain.timeframe import Timeframe

UNUSED_FOR = timedelta(hours=2)  # longer than most ticks are apart; SQL still has it then
JUMPS_KEPT = timedelta(days=7)  # who asks once a day need not hear of the same jump again
ASKED_AGAIN, MOST_ASKED = timedelta(minutes=15), 3  # of a bar that no vendor has


class FeedGroup:
    """To forget a ticker's timeframe is to drop this object."""

    def __init__(self, symbol: str, frame: Timeframe, context: FeedContext) -> None:
        self.symbol, self.timeframe = symbol, frame
        self.context = context
        self.jumps = Jumps()
        self.feeds: dict[str, Feed] = {}
        self._code = context.calendars.code_of(symbol)
        self._prepared = 0  # the widest window for which the market's sessions are known
        self._left_at = BEGINNING
        self._absent: datetime | None = None  # the close of a bar that no vendor has
        self._absent_looks = 0
        self._absent_until = BEGINNING

    def feed(self, provider: Provider) -> Feed:
        """The provider's feed, made when it is first asked for."""
        found = self.feeds.get(provider.name)
        if found is None:
            found = Feed(provider, self.symbol, self.timeframe, self.context, self.jumps)
            self.feeds[provider.name] = found
        return found

    async def prepare(self, query: BarsQuery) -> None:
        """Sees that the market's sessions are known from before the window on; building them may take a while."""
        calendars, window = self.context.calendars, query.window
        await calendars.prepare(self._code)
        if window > self._prepared:
            now = self.context.clock()
            until = now if query.since is None else min(query.since, now)
            first = calendars.market(self._code).start_of(self.timeframe, until, window + SPARE)
            await calendars.prepare(self._code, first.date())
            self._prepared = window

    def drop_unused(self, now: datetime) -> bool:
        """Forgets feeds that nobody has asked for in hours: a screener's tickers, deleted alerts. Whether none is left."""
        for name, feed in list(self.feeds.items()):
            if now - feed.used_at > UNUSED_FOR and feed.flight is None and not feed.listeners:
                del self.feeds[name]
                self._left_at = now
        return not self.feeds and (self.jumps.is_empty or now - self._left_at > JUMPS_KEPT)

    def nobody_has(self, expected: datetime) -> None:
        """Every vendor lacks a bar: the others are asked again in a quarter of an hour, then ever later, then no more."""
        looks = self._absent_looks if self._absent == expected else 0
        self._absent, self._absent_looks = expected, looks + 1
        self._absent_until = self.context.clock() + ASKED_AGAIN * 2**looks

    def is_known_absent(self, expected: datetime) -> bool:
        """Whether it is known for now that no vendor has that bar."""
        if self._absent != expected:
            return False
        return self._absent_looks >= MOST_ASKED or self.context.clock() < self._absent_until

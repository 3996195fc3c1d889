"""Bars for alerts and jobs: providers in order of priority, the next one where the first has no bar that can be relied on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import structlog
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from activities.interface import Freshness
from activities.market_data.calendars.calendars import Calendars
from activities.market_data.calendars.market import Market
from activities.market_data.feeds.answer import answer
from activities.market_data.feeds.feed import Feed, FeedContext
from activities.market_data.feeds.freshness import SETTLE_STEP, is_late, was_quiet_for_hours
from activities.market_data.feeds.group import FeedGroup
from activities.market_data.feeds.query import BarsAnswer, BarsQuery
from activities.market_data.feeds.series import BEGINNING
from activities.market_data.feeds.store import BarStore
from activities.market_data.quality.outliers import Suspect
from activities.market_data.vendors.errors import ProviderMisconfigured, ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.provider import Provider
from domain.timeframe import Timeframe
from storage.database import Database

RETRY_SECONDS = 0.5  # doubled with each try: a hiccup is over within a second
CACHE_TTL = timedelta(minutes=1)  # a late bar is worth a request a minute
SWEPT_EVERY = timedelta(minutes=10)  # looking through all groups costs some milliseconds
SAME_JUMP = 1.25  # two vendors that differ by more have a fault of their own each
MOST_TOLD = 300  # characters in a log line
log = structlog.get_logger(__name__)


@dataclass
class _Round:
    """What came of asking one provider after the other."""

    as_of: datetime
    refusals: list[str] = field(default_factory=list)
    problem: str = ""
    ready_at: datetime | None = None
    suspected: list[tuple[Feed, BarsAnswer]] = field(default_factory=list)
    late: BarsAnswer | None = None
    unadjusted: BarsAnswer | None = None


class MarketData:
    """The feeds of all providers. ``ttl`` bounds how long a late bar goes without being asked for."""

    def __init__(
        self,
        providers: Sequence[Provider],
        database: Database | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        retries: int = 0,
        calendars: Calendars | None = None,
        ttl: timedelta = CACHE_TTL,
    ) -> None:
        if not providers:
            raise ValueError("at least one market data provider is needed")
        self.retries = retries
        self.providers = list(providers)
        self.clock = clock
        self.calendars = calendars or Calendars(clock)
        self.context = FeedContext(self.calendars, BarStore(database, clock), clock, ttl)
        self.groups: dict[tuple[str, Timeframe], FeedGroup] = {}
        self._swept = BEGINNING

    def group(self, symbol: str, frame: Timeframe) -> FeedGroup:
        """The feeds of a ticker and timeframe."""
        found = self.groups.get((symbol, frame))
        if found is None:
            found = FeedGroup(symbol, frame, self.context)
            self.groups[symbol, frame] = found
        return found

    def market(self, provider: Provider, symbol: str, since: date | None = None) -> Market | None:
        """The clock a provider's bars of a ticker keep; None for those of a file."""
        return provider.market_of(symbol, self.calendars, since)

    async def bars(self, query: BarsQuery, *, limit: float | None) -> BarsAnswer:
        """The bars needed, where there are so many; a vendor gets at most ``limit`` seconds.

        A provider whose circuit is open costs nothing. Never raises a provider's error.
        """
        self._sweep()
        group, asked = self.group(query.symbol, query.timeframe), _Round(self.clock())
        await self._prepare(group, query)
        for provider in self.providers:
            asked.as_of = provider.market_time(self.clock())
            feed = group.feed(provider)
            found = await self._asked(feed, query, limit, asked)
            if found is not None and self._is_good(group, feed, query, found, asked):
                return found
        return self._second_best(group, asked)

    async def _prepare(self, group: FeedGroup, query: BarsQuery) -> None:
        """A calendar that cannot be built so far back is used as far as it is known."""
        try:
            await group.prepare(query)
        except Exception as error:
            said = repr(error)[:MOST_TOLD]
            log.error("calendar failed", action="build_calendar", symbol=group.symbol, error=said)

    async def _asked(self, feed: Feed, query: BarsQuery, limit: float | None, asked: _Round) -> BarsAnswer | None:
        try:
            return await self._with_retries(feed, query, limit)
        except ProviderRefused as error:
            asked.refusals.append(str(error))
        except ProviderUnavailable as error:
            asked.problem = str(error)
            if error.retry_after:
                ready = self.clock() + error.retry_after
                asked.ready_at = ready if asked.ready_at is None else min(asked.ready_at, ready)
        except Exception as error:  # a vendor's answer we did not foresee must not stop the others
            name = feed.provider.name
            log.error("provider failed", action="fetch_bars", provider=name, error=repr(error)[:MOST_TOLD])
            asked.problem = f"{name}: sent something unreadable ({type(error).__name__})"
        return None

    async def _with_retries(self, feed: Feed, query: BarsQuery, limit: float | None) -> BarsAnswer:
        """Some tries at once where there is time for them; a vendor that says when to come back is left alone until then."""
        feed.check_refusal()
        try:
            if limit is not None:
                return await answer(feed, query, limit)
            return await self._retrying()(answer, feed, query, limit)
        except ProviderMisconfigured:
            raise  # the circuit breaker remembers it, for every ticker
        except ProviderRefused as error:
            feed.refused(error)
            raise

    def _retrying(self) -> AsyncRetrying:
        return AsyncRetrying(
            stop=stop_after_attempt(1 + self.retries),
            retry=retry_if_exception(
                lambda error: isinstance(error, ProviderUnavailable) and error.retry_after is None
            ),
            wait=wait_exponential(RETRY_SECONDS),
            reraise=True,
        )

    def _is_good(self, group: FeedGroup, feed: Feed, query: BarsQuery, found: BarsAnswer, asked: _Round) -> bool:
        """Whether no other provider need be asked; what is doubtful is kept for the case that none has better."""
        if found.suspect is not None and not self._is_believed(feed, found.suspect):
            if not any(_agree(found, other) for _, other in asked.suspected):
                asked.suspected.append((feed, found))
                return False
            log.warning("jump confirmed", action="suspect_bar", symbol=feed.symbol, why=found.suspect.why)
            group.jumps.believe(found.suspect)
        if _lags(group, feed, query, found):  # another vendor may have the bar already
            asked.late = found if asked.late is None or found.newest > asked.late.newest else asked.late
            return False
        if _is_unadjusted(query, found):  # another vendor may have worked the split in
            asked.unadjusted = asked.unadjusted or found
            return False
        return True

    def _second_best(self, group: FeedGroup, asked: _Round) -> BarsAnswer:
        late = asked.late
        if late is not None:
            everyone_answered = not asked.problem and not asked.suspected
            if late.freshness is not Freshness.SETTLING and late.expected is not None and everyone_answered:
                group.nobody_has(late.expected)
            return late
        if asked.suspected:
            return self._held_back(*asked.suspected[0])
        if asked.unadjusted is not None:
            return asked.unadjusted
        if not asked.problem:
            return BarsAnswer(Freshness.REFUSED, asked.as_of, problem="; ".join(asked.refusals))
        problem = "; ".join([asked.problem, *asked.refusals])
        return BarsAnswer(Freshness.UNAVAILABLE, asked.as_of, ready_at=asked.ready_at, problem=problem)

    def _is_believed(self, feed: Feed, suspect: Suspect) -> bool:
        """Whether a jump has stood for long enough to be true, and was still there when the vendor was asked once more."""
        if feed.jumps.is_believed(suspect):
            return True
        first = feed.jumps.seen(suspect, self.clock())
        if feed.fetched_at > first and self.clock() - first >= suspect.wait:
            feed.jumps.believe(suspect)
            return True
        return False

    def _held_back(self, feed: Feed, found: BarsAnswer) -> BarsAnswer:
        """The bars before a jump that no other vendor could confirm or deny."""
        assert found.suspect is not None
        assert found.series is not None
        why, first = found.suspect.why, feed.jumps.seen(found.suspect, self.clock())
        log.warning("bar held back", action="suspect_bar", provider=feed.provider.name, symbol=feed.symbol, why=why)
        ready = max(first + found.suspect.wait, self.clock() + SETTLE_STEP)
        series = found.series.before(found.suspect.bar)
        return replace(found, freshness=Freshness.SETTLING, series=series, ready_at=ready, problem=why)

    def _sweep(self) -> None:
        now = self.clock()
        if now - self._swept >= SWEPT_EVERY:
            self._swept = now
            self.groups = {key: group for key, group in self.groups.items() if not group.drop_unused(now)}

    async def close(self) -> None:
        """Ends what is under way and closes every provider."""
        feeds = [feed for group in self.groups.values() for feed in group.feeds.values()]
        flights = [feed.flight for feed in feeds if feed.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        for provider in self.providers:
            await provider.close()


def _lags(group: FeedGroup, feed: Feed, query: BarsQuery, found: BarsAnswer) -> bool:
    """Whether the newest bar has been expected of a vendor for longer than it usually takes.

    Of what trades now and then, a minute without a bar is none that another vendor would have.
    """
    series = found.series
    if series is None or found.expected is None or (series.newest_close or found.expected) >= found.expected:
        return False
    if found.freshness is not Freshness.SETTLING:
        if query.forming or group.is_known_absent(found.expected):
            return False
        if not series.misses_none and not was_quiet_for_hours(series, found.as_of):
            return False
    return is_late(found.as_of, found.expected, feed.provider.grace_of(query.timeframe, series.market))


def _agree(one: BarsAnswer, other: BarsAnswer) -> bool:
    """Two vendors saw the same jump on the same bar. That raw prices jump at a split says nothing of adjusted ones."""
    if one.suspect is None or other.suspect is None or one.suspect.bar.close_time != other.suspect.bar.close_time:
        return False
    if not 1 / SAME_JUMP < one.suspect.bar.close / other.suspect.bar.close < SAME_JUMP:
        return False
    is_raw = any(found.series is not None and found.series.is_raw for found in (one, other))
    return not (is_raw and one.suspect.is_split_like)


def _is_unadjusted(query: BarsQuery, found: BarsAnswer) -> bool:
    """A split lies in the window, and the vendor does not work splits in."""
    series = found.series
    if series is None or not series.splits:
        return False
    return series.is_broken(series.count_until(query.since) - query.window, len(series.bars) - 1)

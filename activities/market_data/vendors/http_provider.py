"""What all vendors behind HTTP share: a gate, a client, windows cut into pages, and readers for other kinds of data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.market_data.calendars.market import Market
from activities.market_data.vendors.circuit_breaker import CircuitBreaker
from activities.market_data.vendors.errors import ProviderMisconfigured, ProviderRefused
from activities.market_data.vendors.http import VendorClient, VendorSettings
from activities.market_data.vendors.normalize import RawBar, normalize
from activities.market_data.vendors.outside import OutsideSessions
from activities.market_data.vendors.provider import BarRequest, DataRequest, FetchedBars, Provider
from activities.market_data.vendors.rate_limit import RateLimiter, parse_rates
from activities.market_data.vendors.resample import end_of_parts, merged, part_of
from domain.timeframe import DAILY, Timeframe
from domain.vendor_data import OF_A_SYMBOL, Kind, Record

Clock = Callable[[], datetime]
MINUTE = timedelta(minutes=1)
NO_DELAY = timedelta(minutes=3)  # a live feed's newest trade may be as old, of a thin ticker
LONGEST_DELAY = timedelta(minutes=30)  # older than that is a ticker that did not trade
AT_ONCE = ("XNYS", "XNAS", "24/5")  # markets whose prices vendors give without delay
DELAYED = timedelta(minutes=15)  # exchanges' common rule for free data


@dataclass(frozen=True)
class Source:
    """How one kind is asked for, and how the answer is read: two steps, so that the raw answer can be kept between them."""

    ask: Callable[[DataRequest], Awaitable[Any]]
    read: Callable[[Any, DataRequest], Sequence[Record]]


@dataclass(frozen=True)
class Page:
    """One request's readable rows. ``following`` is where the next page begins when the vendor cut this one short."""

    rows: Sequence[RawBar]
    following: datetime | None = None
    begins_history: bool = False
    vendor_time: datetime | None = None  # of its newest trade, where it says
    delay: timedelta | None = None  # of its feed, where it says
    since: datetime | None = None  # where it was cut to what the key's plan reaches back to


class HttpProvider(Provider):
    """A vendor. Subclasses give ``_page`` for bars and ``sources`` for the rest."""

    durable = True
    grace = timedelta(seconds=5)
    clock_hours = False  # whether its hours begin with the clock's rather than with the session
    extended_hours = False  # whether rows from before and after the session are among its minutes
    own_weeks = False  # whether its weeks begin on any day but the market's first
    needs_key = True
    base_url = ""
    rates = ""
    own_settings: Mapping[str, Any] = {}  # beside those that all have: (type, default) by name

    def __init__(self, settings: VendorSettings | None = None, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.settings = settings or VendorSettings(self.base_url, rates=self.rates)
        self.clock = clock
        limiter = RateLimiter(self.name, parse_rates(self.settings.rates), clock)
        self.breaker: CircuitBreaker = CircuitBreaker(self.name, limiter, clock)
        self.client = VendorClient(self.name, self.settings, limiter, self.headers())
        self.sources: dict[Kind, Source] = {}
        self.outside = OutsideSessions()
        self._behind: dict[str, timedelta] = {}

    @property
    def unknown_sessions(self) -> Sequence[Mapping[str, Any]]:
        """As met in this process."""
        return self.outside.as_json()

    def feed_delay(self, market: Market) -> timedelta:
        """The shortest the vendor has been behind on that market: feeds of some exchanges come a quarter of an hour late."""
        behind = self._behind.get(market.code, timedelta())
        return behind if behind > NO_DELAY else timedelta()

    def _note_delay(self, request: BarRequest, page: Page) -> None:
        """By the vendor's word, or the shortest time a trade of this session has ever been old on an exchange abroad.

        Vendors give prices of the home market, of crypto and of currencies at once; there, an old trade is a thin ticker's.
        """
        now, market = request.now, request.market
        if page.delay is not None:
            self._behind[market.code] = page.delay
            return
        at = page.vendor_time
        if at is None or market.continuous or market.code in AT_ONCE:
            return
        behind = now - at
        if not timedelta() <= behind <= LONGEST_DELAY:
            return
        if market.is_open(now - MINUTE, now):
            is_of_the_feed = market.trading(at, now) >= behind - MINUTE
        else:  # after the close it tells until the last trade has come through
            closed = market.last_close(DAILY, now)
            is_of_the_feed = closed is not None and at < closed - MINUTE
        if is_of_the_feed:
            self._behind[market.code] = min(behind, self._behind.get(market.code, behind))

    @property
    def has_key(self) -> bool:  # type: ignore[override]
        """Whether one is set."""
        return bool(self.settings.key)

    @property
    def kinds(self) -> Collection[Kind]:
        """Those it can be asked for."""
        return self.sources.keys()

    def headers(self) -> dict[str, str]:
        """Of every request, the key among them where the vendor takes it there."""
        return {}

    def page(self, frame: Timeframe) -> timedelta | None:
        """No bound."""
        return None

    def window_end(self, frame: Timeframe, start: datetime, end: datetime) -> datetime:
        """Where the window of one request that begins at ``start`` ends."""
        longest = self.page(frame)
        return end if longest is None else min(end, start + longest)

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """Bars, page after page. A window that reaches further back than the vendor does is cut.

        Raises:
            ProviderError: one of its kinds.
        """
        self._offered(request.timeframe)
        self._named(request.symbol)
        part = part_of(request.timeframe, request.market, clock_hours=self.clock_hours, own_weeks=self.own_weeks)
        if part is None:
            return await self._fetch(request)
        end = end_of_parts(request.timeframe, request.market, request.end)
        parts = await self._fetch(replace(request, timeframe=part, end=end))
        window, seen = (request.start, request.end), request.now - self.feed_delay(request.market)
        grace = self.grace_of(request.timeframe, request.market)
        return merged(parts, request.timeframe, request.market, window, seen, grace)

    async def _fetch(self, request: BarRequest) -> FetchedBars:
        async with self.breaker.call():
            self._keyed()
            start, begins, since = request.start, False, None
            reach = self.reach(request.timeframe)
            if reach is not None and start < request.now - reach:
                start = since = request.now - reach
            first, rows = start, list[RawBar]()
            while start < request.end:
                end = self.window_end(request.timeframe, start, request.end)
                page = await self._page(request, start, end)
                rows += page.rows
                self._note_delay(request, page)
                begins = begins or (start == first and page.begins_history)
                since = page.since or since
                following = end if page.following is None else page.following
                if following <= start:
                    break
                start = following
        grace = self.grace_of(request.timeframe, request.market)
        seen = replace(request, now=request.now - self.feed_delay(request.market))
        fetched = normalize(rows, seen, grace, begins_history=begins)
        self.outside.note(request.market, request.symbol, fetched.outside, extended_hours=self.extended_hours)
        return replace(fetched, since=since)

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        raise NotImplementedError

    async def data(self, request: DataRequest) -> Any:
        """The vendor's answer for a kind, unread.

        Raises:
            ProviderError: one of its kinds.
        """
        source = self.sources.get(request.kind)
        if source is None:
            return await super().data(request)
        if request.kind in OF_A_SYMBOL:
            self._named(request.symbol)
        async with self.breaker_of(request.kind).call():
            self._keyed()
            return await source.ask(request)

    def breaker_of(self, kind: Kind) -> CircuitBreaker:
        """Whose circuit a kind of data opens: that of bars, unless the vendor keeps it apart."""
        return self.breaker

    def read(self, answer: Any, request: DataRequest) -> Sequence[Record]:
        """Records of an answer that :meth:`data` gave."""
        return self.sources[request.kind].read(answer, request)

    def _offered(self, frame: Timeframe) -> None:
        if frame not in self.intervals:
            raise ProviderRefused(self.name, f"has no {frame} bars; it has {', '.join(self.intervals) or 'none'}")

    def _named(self, symbol: str) -> None:
        if not symbol.strip():
            raise ProviderRefused(self.name, "was asked for no ticker")

    def _keyed(self) -> None:
        if self.needs_key and not self.has_key:
            raise ProviderMisconfigured(self.name, f"has no key; set {self.name.upper()}_API_KEY")

    async def close(self) -> None:
        """Closes the connections."""
        await self.client.close()

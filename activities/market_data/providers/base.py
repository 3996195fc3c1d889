"""What all vendors behind HTTP share: a gate, a client, windows cut into pages, and readers for other kinds of data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from activities.market_data.gate import Gate, buckets
from activities.market_data.http import VendorClient, VendorSettings
from activities.market_data.market import Market
from activities.market_data.merge import end_of_parts, merged, part_of
from activities.market_data.normalize import RawBar, normalize
from activities.market_data.provider import (
    BarRequest,
    FetchedBars,
    Hours,
    ProviderMisconfigured,
    ProviderRefused,
    grace_of,
)
from domain.records import Kind, Record
from domain.timeframe import DAILY, Timeframe

Clock = Callable[[], datetime]
MINUTE = timedelta(minutes=1)
NO_DELAY = timedelta(minutes=3)
LONGEST_DELAY = timedelta(minutes=30)
AT_ONCE = ("XNYS", "XNAS", "24/5")
DELAYED = timedelta(minutes=15)


@dataclass(frozen=True)
class DataRequest:
    """What is asked of a kind: of a ticker (none for economic events), from ``start`` to ``end`` where it is a list of days."""

    kind: Kind
    symbol: str
    start: date
    end: date
    now: datetime


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


class HttpProvider:
    """A vendor. Subclasses give ``_page`` for bars and ``sources`` for the rest."""

    name = ""
    hours = Hours.EXCHANGE
    durable = True
    grace = timedelta(seconds=5)
    intervals: Mapping[str, Any] = {}
    clock_hours = False  # whether its hours begin with the clock's rather than with the session
    needs_key = True
    base_url = ""
    rates = ""

    def __init__(self, settings: VendorSettings | None = None, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.settings = settings or VendorSettings(self.base_url, rates=self.rates)
        self.clock = clock
        self.gate: Gate = Gate(self.name, buckets(self.settings.rates), clock)
        self.client = VendorClient(self.name, self.settings, self.gate, self.headers())
        self.sources: dict[Kind, Source] = {}
        self._behind: dict[str, timedelta] = {}

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

    def headers(self) -> dict[str, str]:
        """Of every request, the key among them where the vendor takes it there."""
        return {}

    def adjustment(self, frame: Timeframe) -> str:
        """As the vendor gives prices."""
        return "raw"

    def market_time(self, now: datetime) -> datetime:
        """Real time."""
        return now

    def page(self, frame: Timeframe) -> timedelta | None:
        """No bound."""
        return None

    def reach(self, frame: Timeframe) -> timedelta | None:
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
        part = part_of(request.timeframe, request.market) if self.clock_hours else None
        if part is None:
            return await self._fetch(request)
        end = end_of_parts(request.timeframe, request.market, request.end)
        parts = await self._fetch(replace(request, timeframe=part, end=end))
        window, seen = (request.start, request.end), request.now - self.feed_delay(request.market)
        grace = grace_of(self, request.timeframe, request.market)
        return merged(parts, request.timeframe, request.market, window, seen, grace)

    async def _fetch(self, request: BarRequest) -> FetchedBars:
        async with self.gate.watching():
            self._keyed()
            start, begins = request.start, False
            reach = self.reach(request.timeframe)
            if reach is not None and start < request.now - reach:
                start = request.now - reach
            first, rows = start, list[RawBar]()
            while start < request.end:
                end = self.window_end(request.timeframe, start, request.end)
                page = await self._page(request, start, end)
                rows += page.rows
                self._note_delay(request, page)
                begins = begins or (start == first and page.begins_history)
                following = end if page.following is None else page.following
                if following <= start:
                    break
                start = following
        grace = grace_of(self, request.timeframe, request.market)
        seen = replace(request, now=request.now - self.feed_delay(request.market))
        return normalize(rows, seen, grace, begins_history=begins)

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        raise NotImplementedError

    async def data(self, request: DataRequest) -> Any:
        """The vendor's answer for a kind, unread.

        Raises:
            ProviderError: one of its kinds.
        """
        source = self.sources.get(request.kind)
        if source is None:
            raise ProviderRefused(self.name, f"has no {request.kind.value.replace('_', ' ')}")
        async with self.gate_of(request.kind).watching():
            self._keyed()
            return await source.ask(request)

    def gate_of(self, kind: Kind) -> Gate:
        """Whose circuit a kind of data opens: that of bars, unless the vendor keeps it apart."""
        return self.gate

    def read(self, answer: Any, request: DataRequest) -> Sequence[Record]:
        """Records of an answer that :meth:`data` gave."""
        return self.sources[request.kind].read(answer, request)

    def _offered(self, frame: Timeframe) -> None:
        if frame not in self.intervals:
            raise ProviderRefused(self.name, f"has no {frame} bars; it has {', '.join(self.intervals) or 'none'}")

    def _keyed(self) -> None:
        if self.needs_key and not self.settings.key:
            raise ProviderMisconfigured(self.name, f"has no key; set {self.name.upper()}_API_KEY")

    async def close(self) -> None:
        """Closes the connections."""
        await self.client.close()

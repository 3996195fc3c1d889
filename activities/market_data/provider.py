"""The protocol every source of bars implements, and how it may fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from activities.market_data.market import FOREX, Continuous, Market
from domain.bar import Bar
from domain.text import MOST_SAID, printable, said
from domain.timeframe import Timeframe

if TYPE_CHECKING:
    from activities.market_data.gate import Gate


AUCTION = timedelta(minutes=10)
LONDON_MIDNIGHT = timedelta(hours=3)  # vendors' days of currencies end so long after 17:00 in New York at the most


class Hours(StrEnum):
    """Whose clock a source of bars keeps."""

    EXCHANGE = "exchange"  # that of the market the ticker trades on
    ALWAYS = "always"  # never closed
    FILE = "file"  # whatever the file holds


@dataclass(frozen=True)
class BarRequest:
    """Bars of ``symbol`` whose open time lies in [start, end), both aware UTC; ``now`` decides which are final.

    ``market`` maps the vendor's labels to bars and says when they close.
    """

    symbol: str
    timeframe: Timeframe
    start: datetime
    end: datetime
    now: datetime
    market: Market = field(default_factory=Continuous)


@dataclass(frozen=True)
class FetchedBars:
    """Normalised bars, ascending by open time, at most the last one not final.

    ``begins_history`` says that the vendor has nothing older than the first of them. ``blank`` are open times of rows without any
    value that lie between others.
    """

    bars: tuple[Bar, ...]
    begins_history: bool = False
    blank: frozenset[datetime] = frozenset()


class BarProvider(Protocol):
    """A source of bars.

    ``grace`` is how long after its close a bar may still change. ``durable`` providers are worth a row in SQL;
    the others can make the same bar again. ``gate`` stands before a vendor that can be asked too much.
    """

    name: str
    grace: timedelta
    durable: bool
    hours: Hours

    @property
    def gate(self) -> Gate | None:
        """None where nothing can be asked too much."""

    def adjustment(self, frame: Timeframe) -> str:
        """``raw``, ``split`` or ``total`` (splits and dividends): part of the stored key."""

    def market_time(self, now: datetime) -> datetime:
        """The market's own time at ``now``: the same, but for replays."""

    def page(self, frame: Timeframe) -> timedelta | None:
        """The longest window one request answers; None where there is no bound."""

    def reach(self, frame: Timeframe) -> timedelta | None:
        """How far back from now the vendor has bars; None where there is no bound."""

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """The bars asked for, as many requests as that takes.

        Raises:
            ProviderError: one of its kinds below.
        """

    async def close(self) -> None:
        """Gives connections back."""


def delay_of(provider: BarProvider, market: Market | None) -> timedelta:
    """How far a provider's feed of a market is behind; nothing for those that do not say."""
    told = getattr(provider, "feed_delay", None)
    delay: timedelta = timedelta() if told is None or market is None else told(market)
    return delay


def grace_of(provider: BarProvider, frame: Timeframe, market: Market | None) -> timedelta:
    """How long after its close a bar is waited for: a day's close comes out of the closing auction, or at London's midnight."""
    if market is None or market.continuous or frame.is_intraday:
        return provider.grace
    return max(provider.grace, LONDON_MIDNIGHT if market.code == FOREX else AUCTION)


class ProviderError(Exception):
    """A provider did not give what was asked. Its text is safe to show: one short line, no URL, no key."""

    def __init__(self, provider: str, message: str) -> None:
        self.provider = provider
        super().__init__(said(printable(f"{provider}: {message[:MOST_SAID]}")))


class ProviderUnavailable(ProviderError):
    """May go well later; ``retry_after`` is what the vendor asked for, if it did."""

    def __init__(self, provider: str, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(provider, message)


class ProviderQuota(ProviderUnavailable):
    """No more calls until a time: the plan's quota is spent, or the vendor has banned us for a while."""


class RateUsedUp(ProviderQuota):
    """Our own rate for the vendor is used up for longer than the caller waits: the vendor has done nothing wrong."""


class ProviderRefused(ProviderError):
    """Will not go well however often it is asked: unknown symbol, interval not offered."""


class ProviderNoPlan(ProviderRefused):
    """The key is good, but its plan does not hold this kind of data or this interval, whatever the ticker."""


class ProviderMisconfigured(ProviderRefused):
    """Nothing goes well with this vendor until the settings change: no key, or a wrong one."""

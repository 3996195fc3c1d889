"""The protocol every source of bars implements, and how it may fail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from domain import timeframe
from domain.bar import Bar


@dataclass(frozen=True)
class BarRequest:
    """Bars of ``symbol`` whose open time lies in [start, end), both aware UTC; ``now`` decides which are final."""

    symbol: str
    timeframe: str
    start: datetime
    end: datetime
    now: datetime


@dataclass(frozen=True)
class FetchedBars:
    """Normalised bars, ascending by open time, at most the last one not final.

    ``begins_history`` says that the vendor has nothing older than the first of them.
    """

    bars: tuple[Bar, ...]
    begins_history: bool = False


class BarProvider(Protocol):
    """A source of bars.

    ``grace`` is how long after its close a bar may still change. ``durable`` providers are worth a row in SQL;
    the others can make the same bar again. ``adjustment`` is part of the stored key.
    """

    name: str
    grace: timedelta
    durable: bool
    adjustment: str

    def market_time(self, now: datetime) -> datetime:
        """The market's own time at ``now``: the same, but for replays."""

    def span(self, frame: str, count: int) -> timedelta:
        """Calendar time that surely holds ``count`` bars."""

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """The bars asked for.

        Raises:
            ProviderError: one of its kinds below.
        """

    async def close(self) -> None:
        """Gives connections back."""


def continuous_span(frame: str, count: int) -> timedelta:
    """Span of a market that never closes."""
    return timeframe.duration(frame) * count


def session_span(frame: str, count: int) -> timedelta:
    """Span of a market open 6.5 hours on weekdays, holidays allowed for."""
    length = timeframe.duration(frame)
    if length >= timedelta(weeks=1):
        return length * (count + 2)
    days = count if length >= timedelta(days=1) else count * length.total_seconds() / (6.5 * 3600)
    return timedelta(days=days * 7 / 5 * 1.05 + 5)


class ProviderError(Exception):
    """A provider did not give bars. Its text is safe to show: no URL, no key."""

    def __init__(self, provider: str, message: str) -> None:
        self.provider = provider
        super().__init__(f"{provider}: {message}")


class ProviderUnavailable(ProviderError):
    """May go well later; ``retry_after`` is what the vendor asked for, if it did."""

    def __init__(self, provider: str, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(provider, message)


class ProviderRefused(ProviderError):
    """Will not go well however often it is asked: unknown symbol, interval not offered, no plan."""

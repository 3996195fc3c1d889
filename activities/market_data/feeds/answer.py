"""Answers a question from a feed: from what is held, or after a fetch that all who ask at the same time share."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from activities.market_data.feeds import freshness
from activities.market_data.feeds.feed import Feed
from activities.market_data.feeds.query import BarsAnswer, BarsQuery
from activities.market_data.feeds.refresh import refresh
from activities.market_data.feeds.series import BarSeries
from activities.market_data.quality.outliers import suspect_after_blank
from activities.market_data.vendors.errors import ProviderError, ProviderUnavailable

MOST_FLIGHTS = 3  # for one question: a flight that others began may fall short, a readjusted series is begun anew
MOST_TOLD = 300  # characters in a log line
log = structlog.get_logger(__name__)


async def answer(feed: Feed, query: BarsQuery, limit: float | None) -> BarsAnswer:
    """The bars asked for, fetched where they are due; the vendor gets at most ``limit`` seconds.

    Raises:
        ProviderError: it has none that can be used.
    """
    feed.used_at, feed.widest = feed.now(), max(query.window, feed.widest)
    held = feed.series
    for _ in range(MOST_FLIGHTS):
        if held is not None and feed.reaches(held, query) and not _is_due(feed, held, query):
            break
        if feed.provider.breaker is not None and feed.flight is None:  # a flight under way is joined
            feed.provider.breaker.check()
        held = await _fly(feed, query, limit)
        if query.forming and feed.reaches(held, query):
            break
    assert held is not None
    return _assessed(feed, held)


def _is_due(feed: Feed, held: BarSeries, query: BarsQuery) -> bool:
    age, suspect = feed.now() - feed.fetched_at, feed.suspect(held) is not None
    return freshness.is_due(held, feed.times(), age, feed.context.ttl, forming=query.forming, suspect=suspect)


async def _fly(feed: Feed, query: BarsQuery, limit: float | None) -> BarSeries:
    """One fetch for all who wait; one that gives up leaves it running for the others."""
    flight = feed.flight
    if flight is None:
        flight = feed.flight = asyncio.create_task(refresh(feed, query))
        flight.add_done_callback(partial(_landed, feed))
    try:
        return await asyncio.wait_for(asyncio.shield(flight), limit)
    except TimeoutError:
        raise ProviderUnavailable(feed.provider.name, "did not answer in time") from None


def _landed(feed: Feed, flight: asyncio.Task[BarSeries]) -> None:
    feed.flight = None
    if flight.cancelled():
        return
    error = flight.exception()
    if error is not None and not isinstance(error, ProviderError | TimeoutError):
        told = {"provider": feed.provider.name, "symbol": feed.symbol, "error": repr(error)[:MOST_TOLD]}
        log.error("fetch failed", action="fetch_bars", **told)


def _assessed(feed: Feed, held: BarSeries) -> BarsAnswer:
    times, name = feed.times(), feed.provider.name
    found = freshness.assess(held, times)
    if found.stale:
        said = f"has no recent {feed.timeframe} bars of {feed.symbol}" if not held.bars else found.stale
        raise ProviderUnavailable(name, said)
    if held.market is None and times.is_real and held.newest_close is not None:
        market = feed.context.calendars.of(feed.symbol)
        if stale := freshness.stale_file(held.newest_close, feed.timeframe, market, times.now):
            raise ProviderUnavailable(name, stale)
    is_judged = held.market is not None and times.is_real
    suspect = held.suspect or suspect_after_blank(held.bars, held.blank)
    return BarsAnswer(
        found.freshness,
        times.as_of,
        freshness.with_usable_forming(held, times),
        found.ready_at,
        expected=found.expected,
        next_close=found.next_close,
        suspect=suspect if is_judged else None,
    )

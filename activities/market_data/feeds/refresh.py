"""Brings a feed up to date: from SQL when another process has the new bars already, else from the vendor."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from activities.market_data.calendars.market import Market
from activities.market_data.feeds.feed import Feed
from activities.market_data.feeds.join import is_another, joined
from activities.market_data.feeds.query import BarsQuery
from activities.market_data.feeds.refill import gap_test, refilled, unconfirmed
from activities.market_data.feeds.series import BEGINNING, BarSeries
from activities.market_data.quality.adjustment import is_readjusted
from activities.market_data.quality.gaps import after_last_gap
from activities.market_data.quality.outliers import without_spikes
from activities.market_data.quality.splits import split_places
from activities.market_data.vendors.errors import ProviderError
from activities.market_data.vendors.provider import BarRequest, FetchedBars
from domain.bar import Bar, by_close, by_open

LONGEST_FETCH_SECONDS = 25.0  # below the 30 that an attempt of the fetching activity has
OVERLAP = 3  # held bars that are asked for again with the new one: what changed in all of them was readjusted
MENDED_FOR = timedelta(hours=1)  # broken bars as young as this are asked for each time, older ones so often
THIN = 4  # times the window is asked for of a ticker that trades now and then
WIDENED_FOR = timedelta(minutes=30)  # a wider window is one more request for each ticker


async def refresh(feed: Feed, query: BarsQuery) -> BarSeries:
    """The feed's series with what is new.

    Raises:
        ProviderError: one of its kinds; TimeoutError: it took too long altogether.
    """
    as_of, held = feed.times().as_of, feed.series
    if feed.provider.durable and (held is None or held.bars):
        held = await _with_stored(feed, query, held, as_of)
    if held is not None and _has_newest(feed, held, query, as_of):
        return feed.keep(held)
    needed = start = feed.start(query)
    overlaps = held is not None and bool(held.bars) and feed.reaches(held, query)
    if overlaps and held is not None:
        start = _overlap(feed, held, as_of)
    async with asyncio.timeout(LONGEST_FETCH_SECONDS):
        series, fetched = await _fetched(feed, query, held, start, needed)
        further = _further(feed, query, series, overlaps=overlaps)
        if further is not None:
            with suppress(ProviderError):  # what was fetched stays
                series, fetched = await _fetched(feed, query, None, further, needed)
    anew = feed.adjusts and held is not None and is_another(held, [bar for bar in fetched.bars if bar.final])
    feed.keep(series)
    if feed.provider.durable:  # what waits for the answer need not wait for SQL's errors
        await feed.context.store.save(feed.key, _storable(feed, series, fetched), feed.provider.name, anew=anew)
    return series


def _has_newest(feed: Feed, held: BarSeries, query: BarsQuery, as_of: datetime) -> bool:
    """Whether what SQL had is all there can be now; a forming bar is never in SQL."""
    if query.forming or held.market is None or not held.bars or not feed.reaches(held, query):
        return False
    expected, known = held.last_close(as_of), feed.series
    news = known is None or not known.bars or held.bars[-1].close_time > known.bars[-1].close_time
    return news and expected is not None and held.bars[-1].close_time >= expected


def _overlap(feed: Feed, held: BarSeries, as_of: datetime) -> datetime:
    """From when on to ask again: a few bars, further back where some of those held may be mended by now."""
    overlap = held.bars[-OVERLAP:][0].open_time
    unstored = () if feed.unstored is None else (feed.unstored,)
    again = min([overlap, *held.blank, *_mendable(feed, held, as_of), *unstored])
    if again >= overlap:
        return overlap
    return held.bars[max(0, bisect_left(held.bars, again, key=by_open) - 1)].open_time


def _mendable(feed: Feed, held: BarSeries, as_of: datetime) -> list[datetime]:
    """Bars without sound values: the vendor may have mended them. Those of the last hour each time, older ones every hour."""
    oldest = as_of - MENDED_FOR
    if as_of - feed.mended_at > MENDED_FOR:
        feed.mended_at, oldest = as_of, BEGINNING
    first = bisect_left(held.bars, oldest, key=by_close)
    found = [bar.open_time for bar in held.bars[first:] if math.isnan(bar.close)]
    if oldest is BEGINNING and not held.is_raw:  # a vendor may work a split in days after it
        found += [held.bars[max(index - 2, 0)].open_time for index in split_places(held.bars, held.market)]
    return found


async def _fetched(
    feed: Feed, query: BarsQuery, held: BarSeries | None, start: datetime, needed: datetime
) -> tuple[BarSeries, FetchedBars]:
    now, market = feed.now(), feed.market
    end = feed.provider.market_time(now) + feed.timeframe.length
    request = BarRequest(feed.symbol, feed.timeframe, start, end, now)
    request = request if market is None else replace(request, market=market)
    fetched = await refilled(feed, request, await feed.provider.fetch(request), held)
    fresh = _empty_series(feed, market, start)
    keep = max(feed.widest, query.window)
    series = joined(held, fetched, fresh, needed, keep, gap_test(feed))
    return series.with_blank(unconfirmed(feed, fetched, series)), fetched


def _empty_series(feed: Feed, market: Market | None, reach: datetime) -> BarSeries:
    name = feed.provider.name
    return BarSeries(
        name, feed.timeframe, (), begins_history=False, reach=reach, market=market, is_raw=not feed.adjusts
    )


def _further(feed: Feed, query: BarsQuery, series: BarSeries, *, overlaps: bool) -> datetime | None:
    """From when on to fetch once more: a jump may be gone from an adjusted history, a thin ticker has bars further back."""
    if overlaps:
        return None if feed.suspect(series) is None else feed.start(query)
    if not _is_thin(series, query) or feed.now() - feed.widened_at < WIDENED_FOR:
        return None
    feed.widened_at = feed.now()
    return feed.start(replace(query, window=query.window * THIN))


def _is_thin(series: BarSeries, query: BarsQuery) -> bool:
    """A window asked for as of a market that trades every minute, of one that does not."""
    if series.market is None or series.market.continuous or not series.timeframe.is_intraday or series.begins_history:
        return False
    return series.count_until(query.since) < query.window


def _storable(feed: Feed, series: BarSeries, fetched: FetchedBars) -> list[Bar]:
    """What was fetched, as it stands in the series; not what is suspected, which is asked for again."""
    first = fetched.bars[0].open_time if fetched.bars else BEGINNING
    given = {bar.open_time for bar in fetched.bars if bar.final}
    bars = [bar for bar in series.bars[bisect_left(series.bars, first, key=by_open) :] if bar.open_time in given]
    suspect = feed.suspect(series)
    feed.unstored = None if suspect is None else suspect.bar.open_time
    return bars if suspect is None else bars[: bisect_left(bars, suspect.bar.open_time, key=by_open)]


async def _with_stored(feed: Feed, query: BarsQuery, held: BarSeries | None, as_of: datetime) -> BarSeries | None:
    """What SQL holds without a gap, when that is enough; or what it has beyond what is held."""
    if held is None:
        return await _stored_window(feed, query, as_of)
    expected = held.last_close(as_of)
    if expected is None or held.market is None or held.bars[-1].close_time >= expected:
        return held  # nothing newer can be anywhere
    newer = await feed.context.store.newer(feed.key, held.bars[-OVERLAP - 1 :][0].open_time, as_of)
    if newer is None:
        return held
    if feed.adjusts and newer and is_readjusted(held.closes_from(newer[0].open_time), newer):
        return await _stored_window(feed, query, as_of)  # another process has met a split
    return _grown(held, newer, feed)


def _grown(held: BarSeries, newer: Sequence[Bar], feed: Feed) -> BarSeries:
    """With the bars that another process has stored, where no gap lies between."""
    coming = [held.bars[-1], *(bar for bar in newer if bar.open_time > held.bars[-1].open_time)]
    if len(coming) == 1:
        return held
    if len(after_last_gap(coming, gap_test(feed))) < len(coming):
        return held
    return replace(held, bars=without_spikes([*held.bars[:-1], *coming]), forming=None)


async def _stored_window(feed: Feed, query: BarsQuery, as_of: datetime) -> BarSeries | None:
    until = query.since or as_of
    found = await feed.context.store.newest(feed.key, query.window, until, as_of)
    if found is None:
        return None
    feed.untraded.update(found[1])
    kept = after_last_gap(found[0], gap_test(feed))
    if sum(bar.close_time <= until for bar in kept) < query.window:
        return None
    return replace(_empty_series(feed, feed.market, kept[0].open_time), bars=without_spikes(kept))

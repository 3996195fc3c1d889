"""Gaps in what a vendor sent: asked for again, then believed to be minutes in which nothing traded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from activities.market_data.calendars.market import Interval
from activities.market_data.feeds.feed import Feed
from activities.market_data.feeds.series import BarSeries
from activities.market_data.quality.gaps import IsGap, gaps, is_liquid
from activities.market_data.quality.outliers import SECOND_LOOK
from activities.market_data.vendors.errors import ProviderError
from activities.market_data.vendors.provider import BarRequest, FetchedBars, Hours
from domain.bar import Bar

MOST_GAPS = 3  # that are asked for, one request each; more lie in one window, or are of a thin ticker
QUIET_FOR = timedelta(minutes=2)  # what has been lacking for so long was not lost a moment ago
RECENT = timedelta(hours=1)  # a vendor mends what it has lost within this
log = structlog.get_logger(__name__)


def gap_test(feed: Feed) -> IsGap:
    """Whether bars are missing between two neighbours, of which nobody has said that nothing traded."""
    market, frame, untraded = feed.market, feed.timeframe, feed.untraded

    def is_gap(earlier: Bar, later: Bar) -> bool:
        if market is None or later.open_time - earlier.open_time <= frame.length:
            return False
        gap = market.missing(frame, earlier.open_time, later.open_time)
        return gap is not None and gap[0] not in untraded

    return is_gap


@dataclass
class _Refill:
    """``recent`` gaps are looked at twice, ``past`` ones asked for once, ``given_up`` ones not at all: there are too many."""

    recent: list[Interval]
    past: list[Interval]
    given_up: list[Interval]
    bars: dict[datetime, Bar]
    lacking: set[datetime]
    noted: list[tuple[Interval, int]] = field(default_factory=list)


async def refilled(feed: Feed, request: BarRequest, fetched: FetchedBars, held: BarSeries | None) -> FetchedBars:
    """Each gap is asked for at once, and again with the second look: what is still missing then was never traded.

    In a series that is seen for the first time, what has been blank for minutes is asked for once.
    """
    if feed.provider.hours is Hours.FILE:
        return fetched
    refill = _found(feed, request, fetched, held)
    if not (refill.recent or refill.past or refill.given_up or fetched.blank):
        return fetched
    await _ask_again(feed, request, refill, fetched if held is None else None)
    _judge(feed, refill, fetched, first=held is None)
    await feed.context.store.note_gaps(feed.key, refill.noted if feed.provider.durable else ())
    ordered = tuple(refill.bars[opened] for opened in sorted(refill.bars))
    return FetchedBars(ordered, fetched.begins_history, frozenset(refill.lacking - refill.bars.keys()))


def _found(feed: Feed, request: BarRequest, fetched: FetchedBars, held: BarSeries | None) -> _Refill:
    known: Sequence[Bar] = held.bars if held is not None and len(held.bars) > len(fetched.bars) else fetched.bars
    liquid = is_liquid(known, feed.timeframe, request.market)
    found = gaps(fetched.bars, feed.timeframe, request.market, liquid=liquid)
    if found:
        there = {bar.open_time for bar in held.bars} if held is not None else set()
        accounted = feed.untraded | there | fetched.blank
        found = [gap for gap in found if gap[0] not in accounted]
    past = [gap for gap in found if feed.now() - gap[1] > RECENT]
    bars = {bar.open_time: bar for bar in fetched.bars}
    return _Refill(found[len(past) :], past[-MOST_GAPS:], past[:-MOST_GAPS], bars, set(fetched.blank))


async def _ask_again(feed: Feed, request: BarRequest, refill: _Refill, first: FetchedBars | None) -> None:
    recent = refill.recent
    asked = refill.past + (recent if len(recent) <= MOST_GAPS else [(recent[0][0], recent[-1][1])])
    if first is not None and first.blank:
        asked.append((min(first.blank), max(first.blank) + feed.timeframe.length))
    for gap in asked:
        try:
            again = await feed.provider.fetch(replace(request, start=gap[0], end=gap[1]))
        except ProviderError as error:
            log.warning("gap not filled", action="refill", symbol=feed.symbol, error=str(error)[:200])
            break
        refill.bars |= {bar.open_time: bar for bar in again.bars}


def _judge(feed: Feed, refill: _Refill, fetched: FetchedBars, *, first: bool) -> None:
    """What was filled, what is lacking until the second look, and what was never traded."""
    now, seen = feed.now(), feed.blank_since
    older = [gap for gap in refill.given_up if gap[0] not in refill.bars]
    feed.untraded.update(gap[0] for gap in older)
    refill.noted = [(gap, 0) for gap in older]
    if first:  # what is long past was not lost a moment ago: a quiet market, so the vendor twice
        every = [*refill.given_up, *refill.past, *refill.recent, *((opened, opened) for opened in fetched.blank)]
        seen |= {opened: now - SECOND_LOOK for opened, until in every if now - until > QUIET_FOR}
    for gap in refill.past + refill.recent:
        filled = sum(gap[0] <= opened < gap[1] for opened in refill.bars)
        if not filled and now - seen.setdefault(gap[0], now) < SECOND_LOOK:
            refill.lacking.add(gap[0])
            continue
        if not filled:
            feed.untraded.add(gap[0])
        refill.noted.append((gap, filled))


def unconfirmed(feed: Feed, fetched: FetchedBars, series: BarSeries) -> frozenset[datetime]:
    """Places without values that were seen for the first time a moment ago; what stays so is a quiet market."""
    if not fetched.blank and not feed.blank_since:
        return frozenset()
    now, seen = feed.now(), feed.blank_since
    known = {bar.open_time for bar in series.bars}  # what was held before goes on
    for opened in fetched.blank:
        seen.setdefault(opened, now)
    young = {opened for opened in fetched.blank - known if now - seen[opened] < SECOND_LOOK}
    oldest = series.bars[0].open_time if series.bars else now
    feed.blank_since = {opened: at for opened, at in seen.items() if opened >= oldest}
    return frozenset(young)

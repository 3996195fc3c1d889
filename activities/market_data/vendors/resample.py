"""Bars of a market's own grid (14:30, 15:30 …; its weeks) from shorter ones, for vendors that have grids of their own.

An hour that a vendor counts from 14:00 holds half an hour from before the open, and two vendors on two grids would have an alert
judge the same trades twice. A week that a vendor counts from the day it was asked from is no week at all.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from itertools import groupby

from activities.market_data.calendars.market import Interval, Market
from activities.market_data.vendors.provider import FetchedBars
from domain.bar import Bar
from domain.timeframe import DAILY, Timeframe

LONGEST_UNMERGED = timedelta(minutes=30)  # sessions begin on the half hour: shorter bars lie on both grids
TAIL_FOR = timedelta(minutes=2)  # so long may the last part of a bar come after its close
LAST_DAY_FOR = timedelta(days=1)  # a day that a vendor has lost at its close is mended within this
PARTS = (Timeframe("30m"), Timeframe("15m"))  # the longest first: fewer rows
MOMENT = timedelta(microseconds=1)


def part_of(frame: Timeframe, market: Market, *, clock_hours: bool, own_weeks: bool) -> Timeframe | None:
    """The frame from which bars are built; None where the vendor's are taken as they are.

    ``clock_hours``: its bars longer than half an hour begin with the clock's hour. ``own_weeks``: its weeks begin on any day.
    """
    if frame.is_weekly:
        return DAILY if own_weeks else None
    return _part_of_an_hour(frame, market) if clock_hours else None


def _part_of_an_hour(frame: Timeframe, market: Market) -> Timeframe | None:
    if market.continuous or not frame.is_intraday or frame.length <= LONGEST_UNMERGED:
        return None
    return next((part for part in PARTS if market.opens_on(part)), None)


def end_of_parts(frame: Timeframe, market: Market, end: datetime) -> datetime:
    """Where to end so that the last bar that opens before ``end`` has all its parts."""
    slot = market.slot(frame, end - MOMENT)
    return end if slot is None else max(end, slot[1])


def merged(
    parts: FetchedBars, frame: Timeframe, market: Market, window: Interval, now: datetime, grace: timedelta
) -> FetchedBars:
    """Bars of the frame that open in the window. The newest is not final before its last part is there, for a while.

    A week whose last day is lacking would close at another day's price, one whose Tuesday is blank has another high: both are
    waited for longer. A bar that begins before the parts were cut to what can be reached is none.
    """
    found, tail = [], LAST_DAY_FOR if frame.is_weekly else TAIL_FOR
    slots = [(market.slot(frame, bar.open_time), bar) for bar in parts.bars]
    for slot, group in groupby(slots, key=lambda one: one[0]):
        if slot is None or not window[0] <= slot[0] < window[1] or (parts.since is not None and slot[0] < parts.since):
            continue
        bars = [bar for _, bar in group]
        lost = frame.is_weekly and any(slot[0] <= opened < slot[1] for opened in parts.blank)
        whole = bars[-1].close_time >= slot[1] and bars[-1].final and not lost
        final = slot[1] + grace <= now and (whole or slot[1] + max(grace, tail) <= now)
        found.append(_joined(bars, slot, final=final))
    unfinished = next((index for index, bar in enumerate(found) if not bar.final), len(found))
    found = found[: unfinished + 1]  # the next has begun already, and must not be joined to the one before
    blank = set()
    there = {bar.open_time for bar in found}
    for opened in parts.blank:
        slot = market.slot(frame, opened)
        if slot is not None and slot[0] not in there and window[0] <= slot[0] < window[1]:
            blank.add(slot[0])
    return FetchedBars(tuple(found), parts.begins_history, frozenset(blank))


def _joined(bars: list[Bar], slot: Interval, *, final: bool) -> Bar:
    if any(math.isnan(bar.close) for bar in bars):
        return Bar.missing(*slot, final=final)
    high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
    return Bar(*slot, bars[0].open, high, low, bars[-1].close, math.fsum(bar.volume for bar in bars), final=final)

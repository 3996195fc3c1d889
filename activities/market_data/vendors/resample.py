"""Bars of a market's own grid (14:30, 15:30 …) from shorter ones: for vendors whose hours are the clock's, and for previews.

An hour that a vendor counts from 14:00 holds half an hour from before the open, and two vendors on two grids would have an alert
judge the same trades twice.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from activities.bar_table import BarTable
from activities.market_data.calendars.market import Interval, Market
from activities.market_data.vendors.provider import FetchedBars
from domain.bar import FIELDS, Bar
from domain.timeframe import Timeframe

LONGEST_UNMERGED = timedelta(minutes=30)  # sessions begin on the half hour: shorter bars lie on both grids
TAIL_FOR = timedelta(minutes=2)  # so long may the last part of a bar come after its close
PARTS = (Timeframe("30m"), Timeframe("15m"))
MOMENT = timedelta(microseconds=1)
Seconds = NDArray[np.int64]


def part_of(frame: Timeframe, market: Market) -> Timeframe | None:
    """The frame from which bars longer than half an hour are built on an exchange; None where they are taken as they are."""
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
    """Bars of the frame that open in the window. The newest is not final before its last part is there, for two minutes."""
    found = []
    slots = [(market.slot(frame, bar.open_time), bar) for bar in parts.bars]
    for slot, group in groupby(slots, key=lambda one: one[0]):
        if slot is None or not window[0] <= slot[0] < window[1]:
            continue
        bars = [bar for _, bar in group]
        whole = bars[-1].close_time >= slot[1] and bars[-1].final
        final = slot[1] + grace <= now and (whole or slot[1] + max(grace, TAIL_FOR) <= now)
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


def resample(table: BarTable, frame: Timeframe, market: Market | None = None) -> BarTable:
    """A whole table in bars of a higher timeframe: on the market's own grid where all bars lie in its sessions, else the clock's.

    A bar with a part whose values are missing is missing, as live. The last one counts as closed only when its time has come.
    """
    opened, closes = _session_grid(table, frame, market) or _clock_grid(table, frame)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(opened) > 0]))
    columns = {
        "open": table.columns["open"][starts],
        "high": np.maximum.reduceat(table.columns["high"], starts),
        "low": np.minimum.reduceat(table.columns["low"], starts),
        "close": table.columns["close"][np.append(starts[1:], len(opened)) - 1],
        "volume": np.add.reduceat(table.columns["volume"], starts),
    }
    missing = np.logical_or.reduceat(np.isnan(table.columns["close"]), starts)
    columns = {name: np.where(missing, np.nan, columns[name]) for name in FIELDS}
    return BarTable(opened[starts], columns, frame.length, closes[starts])


def _clock_grid(table: BarTable, frame: Timeframe) -> tuple[Seconds, Seconds]:
    length, origin = frame.seconds, frame.origin
    opened = (table.open_time - origin) // length * length + origin
    return opened, opened + length


def _session_grid(table: BarTable, frame: Timeframe, market: Market | None) -> tuple[Seconds, Seconds] | None:
    """Open and close of the market's bar that each row belongs to; None when a row belongs to none."""
    spans = market.grid(frame) if market is not None else ()
    if not spans:
        return None
    begin, end = (np.array([int(at.timestamp()) for at in side], dtype=np.int64) for side in zip(*spans, strict=True))
    at = np.searchsorted(end, table.open_time, side="right")
    if at.max(initial=0) >= len(end) or (begin[at] > table.open_time).any():
        return None
    if not frame.is_intraday:
        return begin[at], end[at]
    opened = begin[at] + (table.open_time - begin[at]) // frame.seconds * frame.seconds
    return opened, np.minimum(opened + frame.seconds, end[at])

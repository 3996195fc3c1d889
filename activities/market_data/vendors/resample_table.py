"""A whole table of bars in a higher timeframe, on the same grid as live: that of the market's sessions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from activities.bar_table import BarTable
from activities.market_data.calendars.market import Market
from domain.bar import FIELDS
from domain.timeframe import Timeframe

Seconds = NDArray[np.int64]


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

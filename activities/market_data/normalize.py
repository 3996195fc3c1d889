"""Vendors' rows to bars: sorted, without duplicates, validated, marked final by close time plus grace (R-303)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.market_data.provider import BarRequest
from domain import timeframe
from domain.bar import Bar

MISSING = math.nan


@dataclass(frozen=True)
class RawBar:
    """A row as the vendor gave it; ``None`` where it gave nothing."""

    open_time: datetime
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None

    @property
    def is_empty(self) -> bool:
        """No trade at all in the interval, rather than a hole in the data."""
        prices = (self.open, self.high, self.low, self.close)
        return all(price is None for price in prices) and not self.volume


def number(value: Any) -> float | None:
    """A finite float from what a vendor sends (number or decimal string); anything else is missing."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def from_seconds(value: Any) -> datetime | None:
    """An aware UTC time from Unix seconds; None for anything that is none."""
    found = number(value)
    try:
        return None if found is None else datetime.fromtimestamp(found, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def normalize(rows: Iterable[RawBar], request: BarRequest, grace: timedelta) -> tuple[Bar, ...]:
    """Bars in the request's window. A row that contradicts itself keeps its place with missing values.

    Of rows with one open time the last wins: vendors append corrections. A last row that opens within the bar before it
    is that bar's live state, stamped with its last trade. Interior rows without any trade are left out.
    """
    length = timeframe.duration(request.timeframe)
    by_open = {row.open_time: row for row in rows if request.start <= row.open_time < request.end}
    ordered = _merged([by_open[opened] for opened in sorted(by_open)], length)
    bars = []
    for row in ordered:
        if row.is_empty and row is not ordered[-1]:
            continue
        closes = row.open_time + length
        bars.append(_bar(row, closes, final=closes + grace <= request.now))
    return tuple(bars)


def _merged(rows: list[RawBar], length: timedelta) -> list[RawBar]:
    """The last row under the time of the bar it is the live state of; a daily bar may be an hour short (clock change)."""
    if len(rows) < 2 or rows[-1].open_time - rows[-2].open_time >= length * 0.9:
        return rows
    return [*rows[:-2], replace(rows[-1], open_time=rows[-2].open_time)]


def _bar(row: RawBar, closes: datetime, *, final: bool) -> Bar:
    prices = [MISSING if value is None else value for value in (row.open, row.high, row.low, row.close)]
    volume = MISSING if row.volume is None else row.volume
    bar = Bar(row.open_time, closes, prices[0], prices[1], prices[2], prices[3], volume, final)
    complete = replace(bar, volume=0.0) if math.isnan(volume) else bar
    if complete.is_sound:
        return bar
    return Bar(row.open_time, closes, MISSING, MISSING, MISSING, MISSING, MISSING, final)

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
    except (TypeError, ValueError):
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

    Of rows with one open time the last wins: vendors append corrections. Off-grid open times of intraday bars (a live
    row stamped with its last trade) fall on their bar. Interior rows without any trade are left out.
    """
    intraday = timeframe.is_intraday(request.timeframe)
    length = timeframe.duration(request.timeframe)
    by_open: dict[datetime, RawBar] = {}
    for row in rows:
        opened = timeframe.floor(request.timeframe, row.open_time) if intraday else row.open_time
        if request.start <= opened < request.end:
            by_open[opened] = replace(row, open_time=opened)
    ordered = [by_open[opened] for opened in sorted(by_open)]
    if not intraday:
        ordered = _one_per_day(ordered)
    bars = []
    for row in ordered:
        if row.is_empty and row is not ordered[-1]:
            continue
        closes = row.open_time + length
        bars.append(_bar(row, closes, final=closes + grace <= request.now))
    return tuple(bars)


def _one_per_day(rows: list[RawBar]) -> list[RawBar]:
    """A live daily row comes beside the session's own row: the later one wins under the earlier one's time."""
    kept: list[RawBar] = []
    for row in rows:
        if kept and row.open_time - kept[-1].open_time < timedelta(hours=12):
            kept[-1] = replace(row, open_time=kept[-1].open_time)
        else:
            kept.append(row)
    return kept


def _bar(row: RawBar, closes: datetime, *, final: bool) -> Bar:
    prices = [MISSING if value is None else value for value in (row.open, row.high, row.low, row.close)]
    volume = MISSING if row.volume is None else row.volume
    bar = Bar(row.open_time, closes, prices[0], prices[1], prices[2], prices[3], volume, final)
    complete = replace(bar, volume=0.0) if math.isnan(volume) else bar
    if complete.is_sound:
        return bar
    return Bar(row.open_time, closes, MISSING, MISSING, MISSING, MISSING, MISSING, final)

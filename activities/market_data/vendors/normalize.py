"""Vendors' rows to bars: mapped to sessions, sorted, without duplicates, validated, marked final.

The result does not depend on the order in which a vendor sends its rows, nor on how often it sends one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from activities.market_data.vendors.provider import BarRequest, FetchedBars
from domain.bar import Bar

MISSING = math.nan
ROUNDED = 1e-4  # vendors round prices to four places or more
MENDED_WITHIN = timedelta(seconds=60)  # a newest bar that contradicts itself is waited for so long


@dataclass(frozen=True)
class RawBar:
    """A row as the vendor gave it; ``None`` where it gave nothing. ``day`` is the local date of a daily label."""

    open_time: datetime
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    day: date | None = None

    @classmethod
    def of(cls, open_time: datetime, cells: Sequence[Any], day: date | None = None) -> RawBar:
        """From the five cells open, high, low, close, volume as the vendor wrote them."""
        first, high, low, close, volume = (number(cell) for cell in cells)
        return cls(open_time, first, high, low, close, volume, day)

    @property
    def prices(self) -> tuple[float | None, float | None, float | None, float | None]:
        """Open, high, low, close."""
        return self.open, self.high, self.low, self.close

    @property
    def is_empty(self) -> bool:
        """No trade at all in the interval, rather than a hole in the data."""
        return all(price is None for price in self.prices) and not self.volume


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


def normalize(
    rows: Iterable[RawBar], request: BarRequest, grace: timedelta, *, begins_history: bool = False
) -> FetchedBars:
    """Bars in the request's window. A row that contradicts itself keeps its place with missing values.

    A row where the market knows no session is left out, and named as ``outside`` when it has trades. One without any value is
    left out and named as ``blank``: nothing traded, or the vendor has lost it for a moment. Of several rows of one bar (a vendor
    adds the live state, or a correction) a sound one stays: of a day the one with the latest time, since the live state carries
    that of its last trade; else the one with the largest volume. At most one bar is open: what follows it has not begun.
    """
    best: dict[datetime, tuple[tuple[Any, ...], Bar]] = {}
    empty: set[datetime] = set()
    outside: set[datetime] = set()
    for row in rows:
        span = request.market.bar(request.timeframe, row.open_time, row.day)
        if span is None and row.volume and row.close is not None and request.start <= row.open_time < request.end:
            outside.add(row.open_time)
        if span is None or not request.start <= span[0] < request.end:
            continue
        if row.is_empty:
            empty.add(span[0])
            continue
        bar = _bar(row, *span)
        kept, rank = best.get(bar.open_time), _rank(bar, None if request.timeframe.is_intraday else row.open_time)
        if kept is None or rank > kept[0]:
            best[bar.open_time] = rank, bar
    bars = _to_the_open_one(_marked(best[opened][1], request.now, grace) for opened in sorted(best))
    newest = max((bar.open_time for bar in bars if bar.final), default=None)
    blank = frozenset(opened for opened in empty if opened not in best and newest is not None and opened < newest)
    return FetchedBars(bars, begins_history, blank, frozenset(outside))


def _bar(row: RawBar, opened: datetime, closes: datetime) -> Bar:
    prices = [MISSING if value is None else value for value in row.prices]
    first, high, low, last = prices
    # vendors round: an open or close a hair outside the range widens it
    if max(first, last) <= high * (1 + ROUNDED) and min(first, last) >= low * (1 - ROUNDED):
        prices[1], prices[2] = max(high, first, last), min(low, first, last)
    volume = MISSING if row.volume is None else row.volume
    bar = Bar(opened, closes, prices[0], prices[1], prices[2], prices[3], volume, final=False)
    complete = Bar(opened, closes, prices[0], prices[1], prices[2], prices[3], 0.0) if math.isnan(volume) else bar
    return bar if complete.is_sound else Bar.missing(opened, closes, final=False)


def _rank(bar: Bar, label: datetime | None) -> tuple[Any, ...]:
    """Later states of one bar rank higher: a later label, more volume, a wider range."""
    if math.isnan(bar.close):
        return (False,)
    volume = -1.0 if math.isnan(bar.volume) else bar.volume
    return (True, label or bar.open_time, volume, bar.high - bar.low, bar.high, bar.close, bar.open)


def _to_the_open_one(bars: Iterable[Bar]) -> tuple[Bar, ...]:
    found: list[Bar] = []
    for bar in bars:
        found.append(bar)
        if not bar.final:
            break
    return tuple(found)


def _marked(bar: Bar, now: datetime, grace: timedelta) -> Bar:
    wait = max(grace, MENDED_WITHIN) if math.isnan(bar.close) else grace
    final = bar.close_time + wait <= now
    return Bar(bar.open_time, bar.close_time, bar.open, bar.high, bar.low, bar.close, bar.volume, final)

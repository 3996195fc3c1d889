"""Bars that are held with newly fetched ones over them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from math import isfinite

import numpy as np

from activities.market_data.feeds.series import BarSeries, columns_of
from activities.market_data.quality.adjustment import is_readjusted
from activities.market_data.quality.gaps import IsGap
from activities.market_data.quality.outliers import LONGEST_SPIKE, without_spikes
from activities.market_data.vendors.provider import FetchedBars
from domain.bar import Bar, by_open

SLACK = 2_000  # bars more than twice the widest window before the oldest go: cutting at each bar would cost more
DISPROVED = (
    2 * LONGEST_SPIKE + 2
)  # bars before new ones that these may show to be a spike, with the sound one before it


def joined(
    held: BarSeries | None, fetched: FetchedBars, fresh: BarSeries, needed: datetime, keep: int, is_gap: IsGap
) -> BarSeries:
    """``fresh``, which has been asked for from its ``reach`` on, with what was fetched and with the bars that are held.

    Held bars are dropped when a gap lies between, or when the vendor's prices for the same bars have changed (a split). When
    the series has grown long, bars older than ``needed`` go, but for ``keep``.
    """
    closed = [bar for bar in fetched.bars if bar.final]
    forming = fetched.bars[-1] if fetched.bars and not fetched.bars[-1].final else None
    fresh = replace(fresh, forming=forming, begins_history=fetched.begins_history)
    if held is None or not held.bars or fresh.reach < held.reach or is_another(held, closed):
        return _cut(replace(fresh, bars=without_spikes(closed)), needed, keep)
    first = bisect_left(held.bars, closed[0].open_time, key=by_open) if closed else len(held.bars)
    new = _over(held.bars[first:], closed)
    if first and closed and is_gap(held.bars[first - 1], closed[0]):
        return _cut(replace(fresh, bars=without_spikes(new)), needed, keep)
    same = max(0, first - DISPROVED)
    tail = without_spikes([*held.bars[same:first], *new])
    grown = replace(fresh, bars=held.bars[:same] + tail, begins_history=held.begins_history, reach=held.reach)
    _grow_columns(held, grown, same, tail)
    return _cut(grown, needed, keep)


def is_another(held: BarSeries, closed: Sequence[Bar]) -> bool:
    """Whether the vendor's prices are of another adjustment now than those that are held."""
    return bool(closed) and is_readjusted(held.closes_from(closed[0].open_time), closed)


def _over(held: Sequence[Bar], closed: Sequence[Bar]) -> list[Bar]:
    """The vendor's bars over those of the same time; what was known stays known, and what is left out now was there before."""
    if not held:
        return list(closed)
    sound = {bar.open_time for bar in held if isfinite(bar.close)}
    newer = [bar for bar in closed if isfinite(bar.close) or bar.open_time not in sound]
    given = {bar.open_time for bar in newer}
    return sorted([*(bar for bar in held if bar.open_time not in given), *newer], key=by_open)


def _grow_columns(held: BarSeries, grown: BarSeries, same: int, tail: Sequence[Bar]) -> None:
    """Columns that were worked out for the held bars need not be worked out again."""
    known = vars(held).get("columns")
    if known is not None:
        new = columns_of(tail)
        vars(grown)["columns"] = {name: np.concatenate((known[name][:same], new[name])) for name in known}


def _cut(series: BarSeries, needed: datetime, keep: int) -> BarSeries:
    if len(series.bars) <= 2 * keep + SLACK:
        return series
    surplus = min(bisect_left(series.bars, needed, key=by_open), len(series.bars) - keep)
    if surplus <= 0:
        return series
    bars = series.bars[surplus:]
    reach = min(bars[0].open_time, max(needed, series.reach))
    return replace(series, bars=bars, begins_history=False, reach=reach)

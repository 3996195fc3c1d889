"""The cheap path of a tick: cached bars, indicator values, one snapshot for each new closed bar."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from operator import itemgetter
from threading import Lock

from cachetools import LRUCache
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import indicators
from activities.interface import (
    EVALUATE,
    FETCH,
    MAX_SNAPSHOTS,
    RESULT_BYTES,
    ErrorType,
    EvaluateInput,
    EvaluateResult,
    FetchInput,
    FetchResult,
    Freshness,
)
from activities.looks import Looks
from activities.market_data.failover import MarketData
from activities.market_data.feeds.query import BarsAnswer, BarsQuery
from activities.market_data.feeds.series import BarSeries
from activities.watch.shards import Shards
from domain.alert import AlertState
from domain.bar import Bar, BarSnapshot, by_close, finite
from domain.definition import AlertDefinition
from domain.expression import operand_in
from domain.observing import Observed, observe
from domain.operand import FieldOperand, IndicatorOperand, SeriesOperand
from domain.timeframe import Timeframe

LOCAL_FETCH_SECONDS = 2.0
LONGEST_CATCH_UP = 10_000
MOST_VALUES = 40_000  # in one answer: two seconds' work, of the eight that there are
A_FEW_VALUES = 400  # each takes some 50 microseconds; more hold up every other alert, and go to a thread
KEPT_VALUES = 20_000
Bars = tuple[str, Timeframe]  # a ticker and the timeframe of its bars


class Evaluation:
    """The market data activities. ``evaluate`` runs locally and gives a vendor two seconds; ``fetch`` takes its time."""

    def __init__(
        self,
        market: MarketData,
        lookback: int = 1,
        *,
        record_all: bool = False,
        looks: Looks | None = None,
        shards: Shards | None = None,
    ) -> None:
        self.market, self.looks, self.shards = market, looks, shards
        self.record_all = record_all
        self.lookback = lookback
        self._values: LRUCache[tuple[str, str, str, str, str, datetime], dict[str, float]] = LRUCache(KEPT_VALUES)
        self._lock = Lock()  # many values are computed in threads

    @activity.defn(name=EVALUATE)
    async def evaluate(self, wanted: EvaluateInput) -> EvaluateResult:
        """Snapshots of the closed bars after ``wanted.after``; a missing value is None in them."""
        found = await self.values(wanted, LOCAL_FETCH_SECONDS)
        if self.looks is not None and activity.in_activity():
            self.looks.saw(str(activity.info().workflow_id), found)
        if self.shards is not None and await self.shards.lives(wanted.symbol):
            found = replace(found, watched=True)
        if wanted.checks and self.shards is not None:
            self.shards.check(wanted, found)
        return found

    async def prepare(self, wanted: EvaluateInput, limit: float | None = None) -> None:
        """Brings the bars, so that ``values`` has no more to do than to compute."""
        await self._answers(wanted, _operands(wanted.keys), limit)

    async def values(self, wanted: EvaluateInput, limit: float | None = None) -> EvaluateResult:
        """The same for other jobs, with the vendor's own time where there is no limit."""
        operands = _operands(wanted.keys)
        own, others = await self._answers(wanted, operands, limit)
        trouble = next((a for a in (own, *others.values()) if a.series is None), None)
        if trouble is not None or own.series is None:
            failed = trouble or own
            return EvaluateResult(
                failed.freshness,
                failed.as_of,
                ready_at=failed.ready_at,
                problem=failed.problem,
                clock=self.market.clock(),
            )
        series = own.series
        others_series = {of: answer.series for of, answer in others.items() if answer.series is not None}
        since = _since(wanted)
        new = [
            index
            for index in range(_first_new(series, wanted, since), self._until(series, others))
            if not wanted.market_hours_only or _in_session(series, series.bars[index])
        ]
        if since is None and own.suspect is not None and own.freshness is Freshness.SETTLING:
            new = []  # the newest bar is held back, and an older one is not what was asked for
        looked = len(new) if wanted.alert else MAX_SNAPSHOTS
        at_once = min(looked, max(MOST_VALUES // max(len(operands), 1), 1))
        each = (self._snapshot(wanted, operands, series, others_series, index) for index in new[:at_once])
        choose = partial(self._that_matter, wanted, each, is_all=len(new) <= at_once)
        many = min(len(new), at_once) * len(operands) > A_FEW_VALUES
        observed = await asyncio.to_thread(choose) if many else choose()
        forming = None
        if wanted.forming and series.forming is not None:
            forming = self._snapshot(wanted, operands, _with_forming(series), others_series, len(series.bars))
        settling = next((a for a in (own, *others.values()) if a.freshness is Freshness.SETTLING), own)
        return EvaluateResult(
            settling.freshness,
            own.as_of,
            observed.snapshots,
            forming,
            ready_at=settling.ready_at,
            more=observed.more,
            source=series.provider,
            problem=_short_of_history(operands, wanted, {_own(wanted): series, **others_series}),
            skipped_until=None if since == wanted.after else since,
            next_close=own.next_close,
            record_all=self.record_all,
            clock=self.market.clock(),
            before=observed.before if observed.quiet else None,
            quiet=observed.quiet,
            sides=observed.sides if observed.quiet else {},
        )

    def _that_matter(self, wanted: EvaluateInput, bars: Iterable[BarSnapshot], *, is_all: bool) -> Observed:
        """To an alert; where none is named, the first of these bars, at least one, as many as fit into one answer."""
        if wanted.alert is not None and wanted.state is not None:
            every = self.record_all or wanted.alert.definition.options.record == "all"
            return observe(wanted.alert, wanted.state, bars, every=every, is_all=is_all)
        found: list[BarSnapshot] = []
        room = RESULT_BYTES
        for bar in bars:
            room -= bar.size
            if found and room < 0:
                is_all = False
                break
            found.append(bar)
        return Observed(AlertState(), tuple(found), more=not is_all)

    def _until(self, series: BarSeries, others: Mapping[Bars, BarsAnswer]) -> int:
        """Bars before a higher bar that has closed but is not there yet; the later ones wait for it."""
        until = len(series.bars)
        for answer in others.values():
            if answer.freshness is Freshness.SETTLING and answer.series is not None:
                coming = answer.series.last_close(answer.as_of)
                if coming is not None:
                    until = min(until, bisect_left(series.bars, coming, key=by_close))
        return until

    @activity.defn(name=FETCH)
    async def fetch(self, wanted: FetchInput) -> FetchResult:
        """Brings the bars into the cache, with the vendor's own time.

        Raises:
            ApplicationError: ``ProviderUnavailable`` (retried, after the vendor's wait) or ``ProviderRefused`` (never).
        """
        asked = EvaluateInput(
            wanted.symbol, wanted.timeframe, wanted.keys, wanted.now, wanted.after, lookback=wanted.lookback
        )
        own, others = await self._answers(asked, _operands(wanted.keys), None)
        for answer in (own, *others.values()):
            if answer.freshness is Freshness.REFUSED:
                raise ApplicationError(answer.problem, type=ErrorType.PROVIDER_REFUSED, non_retryable=True)
            if answer.freshness is Freshness.UNAVAILABLE:
                delay = max(answer.ready_at - self.market.clock(), timedelta()) if answer.ready_at else None
                raise ApplicationError(answer.problem, type=ErrorType.PROVIDER_UNAVAILABLE, next_retry_delay=delay)
        assert own.series is not None
        return FetchResult(own.series.provider, own.series.newest_close)

    async def _answers(
        self, wanted: EvaluateInput, operands: Sequence[SeriesOperand], limit: float | None
    ) -> tuple[BarsAnswer, dict[Bars, BarsAnswer]]:
        """The alert's own series, and those of higher timeframes and other tickers that its rule names."""
        windows = {_own(wanted): wanted.lookback or self.lookback}
        for operand in operands:
            of = _bars_of(operand, wanted)
            windows[of] = max(windows.get(of, 1), bars_for(operand))
        since = _since(wanted)
        query = BarsQuery(*_own(wanted), windows.pop(_own(wanted)), since, forming=wanted.forming)
        own = await self.market.bars(query, limit=limit)
        asked = (self.market.bars(BarsQuery(*of, window, since), limit=limit) for of, window in windows.items())
        return own, dict(zip(windows, await asyncio.gather(*asked), strict=True))

    def _snapshot(
        self,
        wanted: EvaluateInput,
        operands: Sequence[SeriesOperand],
        series: BarSeries,
        others: Mapping[Bars, BarSeries],
        index: int,
    ) -> BarSnapshot:
        bar = series.bars[index]
        values: dict[str, float | None] = {"close": finite(bar.close)}
        for operand in operands:
            of = _bars_of(operand, wanted)
            chosen, at = series, index
            if of != _own(wanted):
                chosen = others[of]
                at = bisect_right(chosen.bars, bar.close_time, key=by_close) - 1
                if operand.symbol and not _is_level(chosen, at, bar.close_time):
                    values[operand.key] = None
                    continue
            values[operand.key] = self._value(of, operand, chosen, at)
        return BarSnapshot(bar.open_time, bar.close_time, values, final=bar.final)

    def _value(self, of: tuple[str, str], operand: SeriesOperand, series: BarSeries, at: int) -> float | None:
        """As of the bar ``at``; missing where a split lies between it and the oldest bar that counts."""
        index = at - operand.offset
        if index < 0 or series.is_broken(at + 1 - bars_for(operand), at):
            return None
        if isinstance(operand, FieldOperand):
            return finite(getattr(series.bars[index], operand.field))
        bar = series.bars[index]
        # the bar's own close is part of the name: a readjusted series has other values; bars cut by a session's end look alike
        name = (series.provider, *of, f"{bar.close}", operand.base, bar.close_time)
        with self._lock:
            kept = self._values.get(name) if bar.final else None
        if kept is None:
            kept = value_of(operand, series.columns, index, begins_history=series.begins_history)
            if bar.final and index + 1 >= indicators.bars_needed(operand):
                with self._lock:
                    self._values[name] = kept
        return finite(kept[operand.output or operand.definition.outputs[0]])


def value_of(
    operand: IndicatorOperand, columns: indicators.Columns, index: int, *, begins_history: bool
) -> dict[str, float]:
    """The indicator's outputs at one bar, from a window of always the same length; NaN where that is not there.

    ``begins_history``: the first bar is the first there ever was.
    """
    needed = indicators.bars_needed(operand)
    start = max(0, index + 1 - needed)
    if index + 1 < needed and not begins_history:
        return dict.fromkeys(operand.definition.outputs, math.nan)
    window = {name: column[start : index + 1] for name, column in columns.items()}
    outputs = indicators.compute(operand, window, whole_history=start == 0 and begins_history)
    return {name: float(values[-1]) for name, values in outputs.items()}


@lru_cache(maxsize=8192)
def _operands(keys: tuple[str, ...]) -> tuple[SeriesOperand, ...]:
    return tuple(operand_of(key) for key in keys)


def operand_of(key: str) -> SeriesOperand:
    """The operand that a key stands for."""
    operand = operand_in(key)
    assert isinstance(operand, FieldOperand | IndicatorOperand), key
    return operand


def windows_of(definition: AlertDefinition) -> dict[Bars, tuple[str, int]]:
    """Of each ticker and timeframe that a rule reads: the operand that needs most bars, and how many."""
    found: dict[Bars, tuple[str, int]] = {}
    for key, operand in definition.operands.items():
        of, count = _bars_of(operand, definition), bars_for(operand)
        if of not in found or count > found[of][1]:
            found[of] = key, count
    return found


def _own(wanted: EvaluateInput | AlertDefinition) -> Bars:
    return wanted.symbol, wanted.timeframe


def _bars_of(operand: SeriesOperand, wanted: EvaluateInput | AlertDefinition) -> Bars:
    """Of which ticker and timeframe an operand's bars are."""
    return operand.symbol or wanted.symbol, operand.timeframe or wanted.timeframe


def _is_level(series: BarSeries, at: int, close: datetime) -> bool:
    """Whether another ticker's bar is the one that should have closed last at a close: no older one stands in for it.

    Where nobody knows when it trades, it must not be older than one bar.
    """
    if at < 0:
        return False
    found = series.bars[at].close_time
    if series.market is None:
        return close - found < series.timeframe.length
    expected = series.last_close(close)
    return expected is not None and found >= expected


def bars_for(operand: SeriesOperand) -> int:
    """Closed bars with which it has a value, whatever the ticker."""
    window = 1 if isinstance(operand, FieldOperand) else indicators.bars_needed(operand)
    return window + operand.offset


def _short_of_history(
    operands: Sequence[SeriesOperand], wanted: EvaluateInput, series: Mapping[Bars, BarSeries]
) -> str:
    """Of the operand that lacks most bars of its window, how many there are; empty where every window is full."""
    lacking = []
    for operand in operands:
        held = series[_bars_of(operand, wanted)]
        needed = _fewest_for(operand, begins_history=held.begins_history)
        if len(held.bars) < needed:
            lacking.append((needed - len(held.bars), operand, needed, held))
    if not lacking:
        return ""
    _, operand, needed, held = max(lacking, key=itemgetter(0))
    since = f" since {held.bars[0].open_time:%Y-%m-%d}" if held.bars else ""
    kind = "all there are" if held.begins_history else "as many as can be had"
    return f"{operand.key} needs {needed:,} bars of {held.timeframe}; {held.provider} has {len(held.bars):,}{since}, {kind}"


def _fewest_for(operand: SeriesOperand, *, begins_history: bool) -> int:
    """Bars with which it has a value: of a ticker's whole history, a recursive indicator needs no more than its lookback."""
    if isinstance(operand, IndicatorOperand) and begins_history:
        return indicators.lookback(operand.indicator, tuple(operand.params.items())) + 1 + operand.offset
    return bars_for(operand)


def _since(wanted: EvaluateInput) -> datetime | None:
    """Close of the oldest bar that must have its whole window; the catch-up is bounded."""
    if wanted.after is None or wanted.newest_only:
        return None
    return max(wanted.after, wanted.now - LONGEST_CATCH_UP * wanted.timeframe.length)


def _first_new(series: BarSeries, wanted: EvaluateInput, since: datetime | None) -> int:
    size = len(series.bars)
    if since is None:
        newest = max(size - 1, 0)
        seen = wanted.after is not None and size > 0 and series.bars[-1].close_time <= wanted.after
        return size if seen else newest
    return bisect_right(series.bars, since, key=by_close)


def _with_forming(series: BarSeries) -> BarSeries:
    assert series.forming is not None
    return replace(series, bars=(*series.bars, series.forming), forming=None)


def _in_session(series: BarSeries, bar: Bar) -> bool:
    return series.market is None or series.market.is_open(bar.open_time, bar.close_time)

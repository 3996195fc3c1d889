"""A definition over historical bars through the same ``step`` as live, fast enough for a year of minutes.

The rule's truth is computed over whole columns. ``Observer`` passes over the bars that change nothing but counters, as it does
live; on all others the real ``step`` runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activities import indicators
from activities.bar_table import BarTable
from activities.market_data.calendars.calendars import Calendars
from activities.market_data.calendars.market import Market
from activities.market_data.vendors.resample_table import resample
from activities.outcomes import hopes_for_a_fall, moves_after, outcomes
from activities.vectorized_rule import FALSE, TRUE, UNKNOWN, VectorizedRule
from domain.alert import Alert, AlertEvent, AlertState, EventKind, Status
from domain.bar import BarSnapshot, finite
from domain.compiled_rule import Side
from domain.errors import Fault, InvalidInput
from domain.observing import Observer
from domain.operand import FieldOperand, IndicatorOperand, SeriesOperand
from domain.rearm import is_released, step
from domain.timeframe import Timeframe

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
TELL_EVERY = 50  # steps of the machine, of which each may take milliseconds
NO_OTHERS: Mapping[str, BarTable] = MappingProxyType({})
Computed = tuple[str | None, str, Timeframe | None]
Higher = Mapping[tuple[str | None, Timeframe], BarTable]
NO_HIGHER: Higher = MappingProxyType({})
_SIDES = {1: Side.ABOVE, -1: Side.BELOW}
TRUTHS = {TRUE: True, FALSE: False, UNKNOWN: None}


@dataclass(frozen=True)
class Preview:
    """Events with the row of the CSV each happened on, the final state, and the values of the rule's operands."""

    alert: Alert
    table: BarTable
    events: list[tuple[int, AlertEvent]]
    final: AlertState
    columns: dict[str, Array]

    @property
    def fires(self) -> list[int]:
        """Rows on which it fired."""
        return [row for row, event in self.events if event.kind is EventKind.TRIGGERED]


def preview(
    alert: Alert,
    table: BarTable,
    progress: Progress = lambda done, total: None,
    calendars: Calendars | None = None,
    others: Mapping[str, BarTable] = NO_OTHERS,
    begin: int = 0,
    higher: Higher = NO_HIGHER,
) -> Preview:
    """Runs the alert over the bars of the table from row ``begin`` on; those before it warm its indicators up.

    Rows are counted from there. ``progress`` is told (rows done, rows), and may raise to end it. Where indicators are not warm
    yet, which no live alert meets, an unknown bar is passed over and never counts as missing data.

    With ``calendars`` higher timeframes lie on the grid of the ticker's market, as live. ``others`` are the bars of other tickers
    that the rule reads; ``higher`` those of longer timeframes by ticker (None: its own), which are made of the table's where
    they are not there.

    Raises:
        InvalidInput: those of one are not there.
    """
    columns = operand_columns(alert, table, progress, calendars, others, higher)
    if begin:
        table, columns = table.since(begin), {key: column[begin:] for key, column in columns.items()}
    return _Run(alert, table, columns, progress).run()


def as_json(result: Preview) -> dict[str, Any]:
    """``{"bars", "outcomes", "events", "final"}``; times are datetimes, moves ``after`` a fire in per cent."""
    table, final = result.table, result.final
    return {
        "bars": len(table),
        "outcomes": outcomes(table.columns["close"], result.fires, falling=hopes_for_a_fall(result.alert.definition)),
        "events": [
            {
                "kind": event.kind.value,
                "bar": row,
                "bar_time": datetime.fromtimestamp(int(table.open_time[row]), UTC),
                "status": event.status.value,
                "reason": event.reason,
                "values": event.values,
                **({"after": moves_after(table.columns["close"], row)} if event.kind is EventKind.TRIGGERED else {}),
            }
            for row, event in result.events
        ],
        "final": {
            "status": final.status,
            "reason": final.reason,
            "trigger_count": final.trigger_count,
            "triggered_at": final.triggered_at,
            "cooldown_until": final.cooldown_until,
            "last_bar_close": final.last_bar_close,
            "values": final.last_snapshot.values if final.last_snapshot else {},
        },
    }


def operand_columns(
    alert: Alert,
    table: BarTable,
    progress: Progress = lambda done, total: None,
    calendars: Calendars | None = None,
    others: Mapping[str, BarTable] = NO_OTHERS,
    higher: Higher = NO_HIGHER,
) -> dict[str, Array]:
    """Each operand's value on each bar by key, NaN where it is missing; ``close`` always.

    Raises:
        InvalidInput: the rule reads another ticker whose bars are not there.
    """
    computed: dict[Computed, dict[str, Array]] = {}
    columns: dict[str, Array] = {"close": table.columns["close"]}
    for key, operand in alert.definition.operands.items():
        progress(0, len(table))
        own = table if operand.symbol is None else others.get(operand.symbol)
        if own is None:
            raise InvalidInput("bars", [Fault("$.rule", f"reads {operand.symbol}, whose bars are not given", key)])
        frame = operand.timeframe if operand.timeframe and operand.timeframe.length > own.interval else None
        market = calendars.of(operand.symbol or alert.definition.symbol, own.first_day) if calendars else None
        source = own
        if frame:
            given = higher.get((operand.symbol, frame))
            source = resample(own, frame, market) if given is None else given
        values = _shifted(_series(operand, source, computed, frame), operand.offset)
        if operand.symbol:
            columns[key] = _last_closed(values, source, table, level=partial(_is_level, market=market))
        else:
            columns[key] = _last_closed(values, source, table) if frame else values
    return columns


def _series(
    operand: SeriesOperand,
    table: BarTable,
    computed: dict[Computed, dict[str, Array]],
    frame: Timeframe | None,
) -> Array:
    if isinstance(operand, FieldOperand):
        return table.columns[operand.field]
    assert isinstance(operand, IndicatorOperand)
    name = (operand.symbol, operand.base, frame)
    if name not in computed:
        computed[name] = indicators.compute(operand, table.columns, whole_history=True)
    return computed[name][operand.output or operand.definition.outputs[0]]


def _shifted(values: Array, offset: int) -> Array:
    return values if offset == 0 else np.concatenate([np.full(min(offset, len(values)), np.nan), values[:-offset]])


def _last_closed(
    values: Array, source: BarTable, table: BarTable, level: Callable[[BarTable, int, int], bool] | None = None
) -> Array:
    """For each bar, the value of another series' newest bar that has closed at its close, where ``level`` finds it new enough."""
    if not len(source):
        return np.full(len(table), np.nan)
    at = np.searchsorted(source.close_time, table.close_time, side="right") - 1
    known = at >= 0
    if level is not None:
        found = source.close_time[np.maximum(at, 0)]
        for row in np.flatnonzero(known & (found != table.close_time)):
            known[row] = level(source, int(found[row]), int(table.close_time[row]))
    return np.where(known, values[np.maximum(at, 0)], np.nan)


def _is_level(source: BarTable, found: int, close: int, market: Market | None) -> bool:
    """Whether another ticker's bar is the one that should have closed last at a close, as live."""
    frame = Timeframe.of_length(source.interval)
    if market is None or frame is None:
        return close - found < source.interval.total_seconds()
    opened = datetime.fromtimestamp(int(source.open_time[-1]), UTC)
    phase = market.phase_of(frame, opened) if frame.is_intraday else None
    expected = market.last_close(frame, datetime.fromtimestamp(close, UTC), phase)
    return expected is not None and found >= expected.timestamp()


class _ByColumns(Observer):
    """Told the rule's truth from columns; a bar is the number of its row."""

    __slots__ = ("released",)
    released: list[bool]

    def releases(self, bar: int, truth: bool) -> bool:
        """As ``step`` says it bar by bar."""
        if self.alert.definition.rearm.policy.relaxed:
            return self.released[bar]
        return is_released(self.alert, self._base, {}, truth)


class _Run:
    """One preview. Most rows change nothing but counters, and are passed over as live; the others are stepped."""

    def __init__(self, alert: Alert, table: BarTable, columns: dict[str, Array], progress: Progress) -> None:
        self.alert, self.table, self.columns, self.progress = alert, table, columns, progress
        rule = VectorizedRule(alert.definition, columns)
        self.truth = rule.truth()
        self.sides = rule.sides
        self.warm = first_warm(columns)
        self.observer = _ByColumns(alert, AlertState())
        relaxed = rule.relaxed_truth() if alert.definition.rearm.policy.relaxed else self.truth
        self.observer.released = (relaxed == FALSE).tolist()
        self.close_time = table.close_time

    def run(self) -> Preview:
        observer, events, stepped = self.observer, list[tuple[int, AlertEvent]](), 0
        size, state = len(self.table), AlertState()
        closes = [datetime.fromtimestamp(at, UTC) for at in self.close_time.tolist()]
        truths = [TRUTHS[truth] for truth in self.truth.tolist()]
        for row, close in enumerate(closes):
            truth = truths[row]
            if truth is None and row < self.warm and not observer.ends(close):
                observer.passes_over(close, row)
            elif not observer.judged(close, truth, {}, row):
                state, happened = step(self.alert, self.state(row - 1), self.snapshot(row))
                events += [(row, event) for event in happened]
                observer.resume(state)
                stepped += 1
                if stepped % TELL_EVERY == 0:
                    self.progress(row, size)
                if state.status is Status.INACTIVE:
                    break
        final = state if state.status is Status.INACTIVE else self.state(size - 1)
        self.progress(size, size)
        return Preview(self.alert, self.table, events, final, self.columns)

    def state(self, row: int) -> AlertState:
        """After a row, with the bar that it saw last and the sides of its comparisons."""
        bar = self.observer.bar
        seen = self.snapshot(bar) if isinstance(bar, int) else bar
        sides = {name: _SIDES[int(side[row])] for name, side in self.sides.items() if row >= 0 and side[row]}
        return replace(self.observer.state, last_snapshot=seen, sides=sides)

    def snapshot(self, row: int) -> BarSnapshot:
        """What ``step`` sees of one row."""
        opened = datetime.fromtimestamp(int(self.table.open_time[row]), UTC)
        values = {key: finite(column[row]) for key, column in self.columns.items()}
        return BarSnapshot(opened, datetime.fromtimestamp(int(self.close_time[row]), UTC), values)


def first_warm(columns: Mapping[str, Array]) -> int:
    """The warm-up's length: the first row on which every operand has, or has had, a value; 0 where one never has any."""
    firsts = [np.flatnonzero(np.isfinite(column))[:1] for column in columns.values()]
    return max((int(found[0]) for found in firsts), default=0) if all(len(found) for found in firsts) else 0

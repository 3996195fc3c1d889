"""What a chart shows, whoever draws it: panes with their lines, thresholds, and marks where the rule's parts made it fire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from activities import indicators
from activities.bar_table import BarTable
from activities.vectorized_rule import TRUE, VectorizedRule
from domain.alert import Alert
from domain.operand import CalculatedOperand, FieldOperand, IndicatorOperand, Operand, operand_text
from domain.rule import And, Comparison, Node, Not, Or

Array = NDArray[np.float64]
OVERLAYS = {
    "sma", "ema", "wma", "dema", "tema", "trima", "kama", "mama", "t3", "bbands", "sar", "sarext", "midpoint", "midprice",
    "ht_trendline", "linearreg", "tsf", "max", "min", "donchian", "kc", "supertrend", "vwap", "accbands", "ma", "zlema", "rma",
}  # fmt: skip
PRICES = ("open", "high", "low", "close")
HISTOGRAMS = ("macdhist",)
PRICE, VOLUME = "price", "volume"
FIRED, REARMED = "triggered", "rearmed"


@dataclass(frozen=True)
class Line:
    """Values by row of the table, NaN where there are none. ``band`` lines have the space between them filled."""

    label: str
    values: Array
    histogram: bool = False
    band: bool = False


@dataclass(frozen=True)
class Mark:
    """Where something happened. ``value`` is the height in its pane."""

    row: int
    kind: str
    value: float


@dataclass
class Pane:
    """One scale."""

    title: str
    lines: list[Line] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def add(self, line: Line) -> None:
        """A line, once."""
        if all(one.label != line.label for one in self.lines):
            self.lines.append(line)


@dataclass(frozen=True)
class Chart:
    """``panes[0]`` has the candles; the one titled ``volume`` bars of volume."""

    title: str
    zone: str
    table: BarTable
    panes: list[Pane]


def chart_of(
    alert: Alert, table: BarTable, columns: Mapping[str, Array], happened: Iterable[tuple[int, str]], begin: int = 0
) -> Chart:
    """The chart from row ``begin`` on. ``happened`` are rows of ``table`` with ``triggered`` or ``rearmed``."""
    panes = _Panes(alert, table, columns)
    for leaf in alert.compiled.comparisons:
        panes.show(leaf)
    volume = table.columns["volume"]
    if np.nansum(volume[begin:]) > 0:
        panes.pane(VOLUME)
    for row, kind in happened:
        panes.mark(row, kind)
    return Chart(alert.definition.name, _zone(alert, table), table.since(begin), panes.from_row(begin))


def _zone(alert: Alert, table: BarTable) -> str:
    """That of its alert; days that are dates, and no times, are shown as they are."""
    dates = table.interval.days and not (table.open_time % 86_400).any()
    return "UTC" if dates else alert.definition.timezone


def is_panel(operand: object) -> bool:
    """Whether it has a scale of its own."""
    if isinstance(operand, IndicatorOperand):
        own_scale = operand.indicator not in OVERLAYS or operand.source not in (None, *PRICES)
        return own_scale or operand.symbol is not None
    return isinstance(operand, FieldOperand) and (operand.symbol is not None)


class _Panes:
    def __init__(self, alert: Alert, table: BarTable, columns: Mapping[str, Array]) -> None:
        self.alert, self.table, self.columns = alert, table, columns
        self.rule = VectorizedRule(alert.definition, dict(columns))
        self.truths = leaf_truths(self.rule)
        self.found: dict[str, Pane] = {PRICE: Pane(PRICE)}
        self.of_leaf: list[tuple[str, Array]] = []
        self.caused: list[int] = []
        self.marked: set[tuple[str, int, str]] = set()

    def pane(self, name: str) -> Pane:
        return self.found.setdefault(name, Pane(name))

    def show(self, leaf: Comparison) -> None:
        """Its sides as lines, numbers as thresholds, in the pane where they are compared."""
        left, *right = leaf.operands()
        if leaf.op == "change_pct":
            name = f"change_pct({operand_text(left)}, {leaf.bars})"
            values = self.rule.change(leaf)
            self.pane(name).add(Line(name, values))
            self._level(name, right)
            self.of_leaf.append((name, values))
            return
        sides = [one for one in (left, *right) if not isinstance(one, int | float)]
        name = self._home(sides)
        for one in sides:
            self._add(name, one)
        self._level(name, [one for one in (left, *right) if isinstance(one, int | float)])
        self.of_leaf.append((name, self.rule.values(sides[0])))

    def _home(self, sides: Sequence[Operand]) -> str:
        """The pane in which they are compared: the first that is no price has its own scale."""
        names = [self._name(one) for one in sides]
        return next((name for name in names if name != PRICE), PRICE)

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, CalculatedOperand):
            return PRICE if self._is_a_price(operand) else operand_text(operand)
        if isinstance(operand, FieldOperand) and operand.symbol is None:
            return VOLUME if operand.field == "volume" else PRICE
        if isinstance(operand, IndicatorOperand):
            if not is_panel(operand):
                return PRICE
            if operand.source == "volume" and operand.indicator in OVERLAYS and operand.symbol is None:
                return VOLUME
            frame = f"@{operand.timeframe}" if operand.timeframe else ""
            other = f"{operand.symbol}:" if operand.symbol else ""
            return f"{other}{operand.base}{frame}"
        return str(getattr(operand, "key", operand))

    def _is_a_price(self, operand: Operand) -> bool:
        """Whether a calculation gives a price of the ticker: sums, differences with numbers, extremes and multiples of prices."""
        if isinstance(operand, int | float):
            return True
        if not isinstance(operand, CalculatedOperand):
            return self._name(operand) == PRICE
        series = [one for one in operand.of if not isinstance(one, int | float)]
        if operand.calc == "/" and not isinstance(operand.of[1], int | float):
            return False
        if (operand.calc in ("-", "*", "abs") and len(series) > 1) or operand.calc == "abs":
            return False
        return all(self._is_a_price(one) for one in operand.of)

    def _add(self, name: str, operand: Operand) -> None:
        pane = self.pane(name)
        if (
            isinstance(operand, FieldOperand)
            and operand.symbol is None
            and not operand.offset
            and not operand.timeframe
        ):
            if operand.multiplier != 1 or name not in (PRICE, VOLUME):
                pane.add(Line(operand_text(operand), self.rule.values(operand)))
            return
        if isinstance(operand, IndicatorOperand) and self._add_outputs(pane, operand):
            return
        pane.add(Line(operand_text(operand), self.rule.values(operand)))

    def _add_outputs(self, pane: Pane, operand: IndicatorOperand) -> bool:
        """All outputs of one that has several: crosses and both sides of a band are seen. Whether its own is among them."""
        outputs = operand.definition.outputs
        if len(outputs) == 1 or operand.timeframe or operand.symbol:
            return False
        computed = indicators.compute(operand, self.table.columns, whole_history=True)
        for output in outputs:
            is_band = pane.title == PRICE and output != "middleband"
            pane.add(Line(_output(operand, output).key, computed[output], output in HISTOGRAMS, is_band))
        return not operand.offset and operand.multiplier == 1

    def _level(self, name: str, levels: Iterable[Operand]) -> None:
        pane = self.pane(name)
        pane.levels += [float(one) for one in levels if isinstance(one, int | float) and one not in pane.levels]

    def mark(self, row: int, kind: str) -> None:
        """In the panes of the comparisons that were true; a release in those of the fire before it."""
        if kind == FIRED:
            true = [at for at, truth in enumerate(self.truths) if truth[row] == TRUE]
            self.caused = true or list(range(len(self.of_leaf)))
        for at in self.caused:
            name, values = self.of_leaf[at]
            height = float(values[row])
            pane = self.found[name]
            if np.isfinite(height) and (name, row, kind) not in self.marked:
                self.marked.add((name, row, kind))
                pane.marks.append(Mark(row, kind, height))

    def from_row(self, begin: int) -> list[Pane]:
        """Price, volume, then the others; rows counted from there."""
        names = [
            PRICE,
            *([VOLUME] if VOLUME in self.found else []),
            *(n for n in self.found if n not in (PRICE, VOLUME)),
        ]
        return [
            Pane(
                pane.title,
                [Line(one.label, one.values[begin:], one.histogram, one.band) for one in pane.lines],
                pane.levels,
                [Mark(one.row - begin, one.kind, one.value) for one in pane.marks if one.row >= begin],
            )
            for pane in (self.found[name] for name in names)
        ]


def leaf_truths(rule: VectorizedRule) -> list[NDArray[np.int8]]:
    """Of each comparison, left to right, as it counts for the rule: under ``not`` its opposite."""
    found: list[NDArray[np.int8]] = []

    def walk(node: Node, *, negated: bool) -> None:
        if isinstance(node, Not):
            walk(node.not_, negated=not negated)
        elif isinstance(node, And | Or):
            for part in node.and_ if isinstance(node, And) else node.or_:
                walk(part, negated=negated)
        else:
            truth = rule.leaf(node, len(found))
            found.append(np.where(truth < 0, truth, 1 - truth).astype(np.int8) if negated else truth)

    walk(rule.definition.rule, negated=False)
    return found


def _output(operand: IndicatorOperand, output: str) -> IndicatorOperand:
    return IndicatorOperand.model_validate(operand.model_dump() | {"output": output, "offset": 0, "multiplier": 1.0})

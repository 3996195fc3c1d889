"""A picture of bars with a rule's indicators and the marks of its fires: plain matplotlib, no global state."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from activities.bar_table import BarTable
from activities.preview import Preview
from domain.alert import Alert, EventKind
from domain.operand import CalculatedOperand, IndicatorOperand
from domain.text import printable

MOST_CANDLES = 300
MOST_POINTS = 20_000
UP, DOWN, MARK, RELEASE = "#2a9d5c", "#c8403a", "#d98200", "#3b6fb6"
OVERLAYS = {
    "sma", "ema", "wma", "dema", "tema", "trima", "kama", "mama", "t3", "bbands", "sar", "sarext", "midpoint", "midprice",
    "ht_trendline", "linearreg", "tsf", "max", "min", "donchian", "kc", "supertrend", "vwap", "accbands", "ma", "zlema", "rma",
}  # fmt: skip


def draw(alert: Alert, result: Preview, path: Path) -> None:
    """Writes a PNG: candles (a line beyond 300 bars), overlays on the price, other indicators below, marks."""
    below = [key for key, operand in alert.definition.operands.items() if is_panel(operand)]
    below = [key for key in below if key != "volume"]
    figure = Figure(figsize=(12, 5 + 2 * len(below)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    ratios = [3.0] + [1.0] * len(below)
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    price: Axes = panels[0]
    _bars(price, result.table)
    for key, operand in alert.definition.operands.items():
        if isinstance(operand, IndicatorOperand) and not is_panel(operand):
            _line(price, result.columns[key], key)
    _levels(alert, price, dict(zip(below, panels[1:], strict=True)))
    _marks(price, result)
    for key, panel in zip(below, panels[1:], strict=True):
        _line(panel, result.columns[key], key)
        panel.legend(loc="upper left", fontsize=8)
        panel.grid(alpha=0.25)
    price.set_title(
        f"{printable(alert.definition.name)}  ({alert.definition.rearm.type})",
        loc="left",
        fontsize=11,
        parse_math=False,
    )
    price.grid(alpha=0.25)
    if price.get_legend_handles_labels()[0]:
        price.legend(loc="upper left", fontsize=8)
    _time_axis(panels[-1], result.table)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")


def is_panel(operand: object) -> bool:
    """Whether it has a scale of its own."""
    return isinstance(operand, IndicatorOperand) and (operand.indicator not in OVERLAYS or operand.source is not None)


def _bars(axes: Axes, table: BarTable) -> None:
    close = table.columns["close"]
    if len(table) > MOST_CANDLES:
        _line(axes, close, "close", color="#444444", width=0.9)
        return
    opened, high, low = (table.columns[name] for name in ("open", "high", "low"))
    index = np.arange(len(table))
    colors = np.where(close >= opened, UP, DOWN)
    wicks = [[(x, low[x]), (x, high[x])] for x in index]
    bodies = [[(x - 0.35, opened[x]), (x - 0.35, close[x]), (x + 0.35, close[x]), (x + 0.35, opened[x])] for x in index]
    axes.add_collection(LineCollection(wicks, colors=list(colors), linewidths=0.8))
    axes.add_collection(PolyCollection(bodies, facecolors=list(colors), edgecolors=list(colors), linewidths=0.6))
    axes.autoscale_view()
    axes.set_xlim(-1, len(table))


def _line(axes: Axes, values: np.ndarray, label: str, color: str | None = None, width: float = 1.2) -> None:
    """A line of at most 20,000 points; between them nothing would be seen."""
    step = max(1, len(values) // MOST_POINTS)
    index = np.arange(0, len(values), step)
    axes.plot(index, values[index], label=label, linewidth=width, color=color)


def _levels(alert: Alert, price: Axes, panels: dict[str, Axes]) -> None:
    """The numbers a rule compares with, as dashed lines where they belong."""
    for leaf in alert.compiled.comparisons:
        left, *right = leaf.operands()
        if isinstance(left, int | float | CalculatedOperand) or leaf.op == "change_pct":
            continue
        axes = panels.get(left.key, price if left.key in ("close", "open", "high", "low") else None)
        for level in right:
            if axes is not None and isinstance(level, int | float):
                axes.axhline(level, linestyle="--", linewidth=0.8, color="#888888")


def _marks(axes: Axes, result: Preview) -> None:
    close = result.table.columns["close"]
    styles = ((EventKind.TRIGGERED, "^", MARK, "triggered"), (EventKind.REARMED, "o", RELEASE, "rearmed"))
    for kind, marker, color, label in styles:
        rows = [row for row, event in result.events if event.kind is kind]
        if rows:
            axes.scatter(rows, close[rows], marker=marker, s=46, color=color, zorder=5, label=f"{label} ({len(rows)})")


def _time_axis(axes: Axes, table: BarTable) -> None:
    ticks = np.unique(np.linspace(0, len(table) - 1, 8).astype(int))
    pattern = "%Y-%m-%d" if table.interval.days else "%m-%d %H:%M"
    labels = [datetime.fromtimestamp(int(table.open_time[tick]), UTC).strftime(pattern) for tick in ticks]
    axes.set_xticks(ticks, labels, fontsize=8)
    axes.set_xlabel("UTC", fontsize=8)

"""The picture that goes with a notice: the last bars, the rule's indicators and thresholds, and where it fired; for a phone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from activities.bar_table import BarTable
from activities.notifications.charts import is_panel
from activities.preview import operand_columns
from domain.alert import Alert
from domain.bar import FIELDS, Bar
from domain.definition import read_definition
from domain.operand import CalculatedOperand, IndicatorOperand
from domain.text import printable

SHOWN = 80  # bars: more are no candles on a phone
WIDTH, HEIGHT, DPI = 8.0, 5.0, 100
LINES = ("#1f77b4", "#d98200", "#8e44ad", "#16a085", "#c0392b")


@dataclass(frozen=True)
class Theme:
    """Colours of one look."""

    paper: str
    ink: str
    faint: str
    up: str
    down: str
    mark: str


THEMES = {
    "light": Theme("#ffffff", "#20242a", "#c9ced6", "#2a9d5c", "#c8403a", "#d98200"),
    "dark": Theme("#14181f", "#e6e9ee", "#3a424e", "#3cc47c", "#f0625c", "#ffb020"),
}


def draw(definition: dict[str, Any], bars: Sequence[Bar], fired: datetime | None, theme: str = "light") -> bytes:
    """A PNG of 800 by 500 pixels and more, one panel for each indicator that is not a price.

    ``bars`` are ascending and end with the one whose close is ``fired``, where it is a fire that is shown; those before the
    last 80 warm the indicators up.
    """
    alert = Alert(id="picture", definition=read_definition(definition))
    table, look = table_of(bars, alert.definition.timeframe.length), THEMES[theme]
    columns = operand_columns(alert, table)
    begin = max(0, len(table) - SHOWN)
    operands = {key: one for key, one in alert.definition.operands.items() if key != "volume"}
    panel_of = {key: one.base for key, one in operands.items() if isinstance(one, IndicatorOperand) and is_panel(one)}
    below = list(dict.fromkeys(panel_of.values()))  # outputs of one indicator share a panel: their cross must be seen
    figure = Figure(figsize=(WIDTH, HEIGHT + 1.6 * len(below)), dpi=DPI, layout="constrained", facecolor=look.paper)
    FigureCanvasAgg(figure)
    panels = figure.subplots(1 + len(below), 1, sharex=True, height_ratios=[3.0] + [1.0] * len(below), squeeze=False)[
        :, 0
    ]
    price: Axes = panels[0]
    _candles(price, table, begin, look)
    colors = iter(LINES * 4)
    for key, one in operands.items():
        if isinstance(one, IndicatorOperand) and not is_panel(one):
            _line(price, columns[key][begin:], key, next(colors))
    of_base = dict(zip(below, panels[1:], strict=True))
    of_key = {key: of_base[base] for key, base in panel_of.items()}
    for key, axes in of_key.items():
        _line(axes, columns[key][begin:], key, next(colors))
        axes.margins(y=0.18)
    _thresholds(alert, price, of_key, look)
    for axes in panels:
        _dress(axes, look)
    if fired is not None:
        _mark(panels, int(np.searchsorted(table.close_time, int(fired.timestamp()), side="left")) - begin, look)
    price.set_title(printable(alert.definition.name)[:70], loc="left", fontsize=14, color=look.ink, parse_math=False)
    _times(panels[-1], table, begin, ZoneInfo(alert.definition.timezone), look)
    found = io.BytesIO()
    figure.savefig(found, format="png", facecolor=look.paper)
    return found.getvalue()


def _mark(panels: Any, at: int, look: Theme) -> None:
    """Where it fired."""
    for axes in panels:
        axes.axvline(at, color=look.mark, linewidth=1.2, alpha=0.7, zorder=1)
    panels[0].annotate(
        "fired", (at, 1.0), xycoords=("data", "axes fraction"), xytext=(-6, -6), textcoords="offset points", ha="right", va="top",
        fontsize=12, color=look.mark, fontweight="bold",
    )  # fmt: skip


def table_of(bars: Sequence[Bar], length: Any) -> BarTable:
    """The bars as columns."""
    opened = np.array([int(bar.open_time.timestamp()) for bar in bars], dtype=np.int64)
    closes = np.array([int(bar.close_time.timestamp()) for bar in bars], dtype=np.int64)
    columns = {name: np.array([getattr(bar, name) for bar in bars], dtype=np.float64) for name in FIELDS}
    return BarTable(opened, columns, length, closes)


def _candles(axes: Axes, table: BarTable, begin: int, look: Theme) -> None:
    opened, high, low, close = (table.columns[name][begin:] for name in ("open", "high", "low", "close"))
    index = np.arange(len(close))
    colors = list(np.where(close >= opened, look.up, look.down))
    wicks = [[(x, low[x]), (x, high[x])] for x in index]
    bodies = [[(x - 0.36, opened[x]), (x - 0.36, close[x]), (x + 0.36, close[x]), (x + 0.36, opened[x])] for x in index]
    axes.add_collection(LineCollection(wicks, colors=colors, linewidths=1.0))
    axes.add_collection(PolyCollection(bodies, facecolors=colors, edgecolors=colors, linewidths=0.8))
    axes.autoscale_view()
    axes.margins(y=0.14)
    axes.set_xlim(-1, len(close) + 1)
    last = close[-1]
    axes.annotate(
        f"{last:.6g}", (1.0, last), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center",
        fontsize=11, color=look.paper, bbox={"boxstyle": "round,pad=0.2", "fc": colors[-1], "ec": "none"}, annotation_clip=False,
    )  # fmt: skip


def _line(axes: Axes, values: np.ndarray, label: str, color: str) -> None:
    axes.plot(np.arange(len(values)), values, label=label, linewidth=1.8, color=color)


def _thresholds(alert: Alert, price: Axes, panels: dict[str, Axes], look: Theme) -> None:
    """The numbers that the rule compares with."""
    for leaf in alert.compiled.comparisons:
        left, *right = leaf.operands()
        if isinstance(left, int | float | CalculatedOperand) or leaf.op == "change_pct":
            continue
        axes = panels.get(left.key, price if left.key in ("close", "open", "high", "low") else None)
        for level in right:
            if axes is not None and isinstance(level, int | float) and _is_near(axes, level):
                axes.axhline(level, linestyle="--", linewidth=1.3, color=look.ink, alpha=0.65)


def _is_near(axes: Axes, level: float) -> bool:
    """Whether it may be shown without making the rest too small to be read."""
    low, high = axes.get_ylim()
    return bool(low - (high - low) <= level <= high + (high - low))


def _dress(axes: Axes, look: Theme) -> None:
    axes.set_facecolor(look.paper)
    axes.yaxis.tick_right()
    axes.tick_params(colors=look.ink, labelsize=11)
    axes.grid(color=look.faint, alpha=0.5, linewidth=0.6)
    for spine in axes.spines.values():
        spine.set_color(look.faint)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="upper left", fontsize=11, labelcolor=look.ink, facecolor=look.paper, edgecolor="none", framealpha=0.7
        )


def _times(axes: Axes, table: BarTable, begin: int, zone: ZoneInfo, look: Theme) -> None:
    shown = table.open_time[begin:]
    ticks = np.unique(np.linspace(0, len(shown) - 1, 5).astype(int))
    pattern = "%d %b %Y" if table.interval.days else "%d %b %H:%M"
    labels = [datetime.fromtimestamp(int(shown[tick]), UTC).astimezone(zone).strftime(pattern) for tick in ticks]
    axes.set_xticks(ticks, labels, fontsize=10)
    axes.set_xlabel(zone.key, fontsize=10, color=look.ink)

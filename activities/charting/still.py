"""A chart as a picture, PNG or SVG: plain matplotlib, no global state but the font of texts in an SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from activities.bar_table import BarTable
from activities.charting.dates import round_ticks
from activities.charting.model import FIRED, PRICE, VOLUME, Chart, Line, Mark, Pane
from activities.charting.theme import LINES, THEMES, Theme
from domain.text import cut, printable

DPI = 100
SIZE = (1000, 640)  # pixels, before panes below are added
PANE_HEIGHT = 130
LEAST_CANDLE = 3.0  # pixels; what is thinner becomes a line
MOST_POINTS = 20_000
MOST_GUIDES = 40
LABEL = 90  # pixels for a label of the time axis


def draw(chart: Chart, kind: str = "png", theme: str = "light", size: tuple[int, int] | None = None) -> bytes:
    """The picture. Without a size it is as high as its panes need; ``kind`` is ``png`` or ``svg``."""
    below = sum(pane.title != VOLUME for pane in chart.panes[1:])
    width, height = size or (SIZE[0], SIZE[1] + PANE_HEIGHT * below)
    look, letters = THEMES[theme], min(max(width / 80, 7.0), 11.0)  # points
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained", facecolor=look.paper)
    FigureCanvasAgg(figure)
    ratios = [3.2, *(0.7 if pane.title == VOLUME else 1.1 for pane in chart.panes[1:])]
    axes: list[Axes] = list(figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0])
    per_row = (width - 80) / max(len(chart.table), 1)
    colors = iter(LINES * 8)
    for pane, own in zip(chart.panes, axes, strict=True):
        _dress(own, look, letters)
        _fill(own, pane, chart.table, look, colors, per_row)
        _levels(own, pane, look)
        _marks(own, pane, chart.table, look, letters, per_row)
        _legend(own, pane, look, letters, width)
    title = cut(printable(chart.title), _fits(width, letters + 2))
    _guides(axes, chart, look, per_row, letters)
    axes[0].set_title(title, loc="left", fontsize=letters + 2, color=look.ink, parse_math=False)
    zone = ZoneInfo(chart.zone)
    ticks = round_ticks(chart.table.open_time.tolist(), zone, max(int((width - 80) / LABEL), 2))
    axes[-1].set_xticks([row for row, _ in ticks], [text for _, text in ticks], fontsize=letters)
    axes[-1].set_xlabel(zone.key, fontsize=letters, color=look.ink, loc="right")
    axes[0].set_xlim(-1, len(chart.table) + max(2, 0.02 * len(chart.table)))
    found = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):  # texts stay texts
        figure.savefig(found, format=kind, facecolor=look.paper)
    return found.getvalue()


def _fits(width: float, letters: float) -> int:
    """Characters of that size, in points, that a line has room for."""
    return max(int(width / (letters * DPI / 72 * 0.62)), 12)


def _guides(axes: Sequence[Axes], chart: Chart, look: Theme, per_row: float, letters: float) -> None:
    """A fine line through all panes where it fired, so that the price there is seen; none where there are too many."""
    fires = {mark.row: mark for pane in chart.panes for mark in pane.marks if mark.kind == FIRED}
    groups = _groups(list(fires.values()), per_row, letters)
    if len(groups) <= MOST_GUIDES:
        for own in axes:
            for group in groups:
                own.axvline(group[0].row, color=look.mark, linewidth=0.8, alpha=0.35, zorder=0)


def _fill(axes: Axes, pane: Pane, table: BarTable, look: Theme, colors: Any, per_row: float) -> None:
    if pane.title == PRICE:
        _bars(axes, table, look, per_row)
    if pane.title == VOLUME:
        _columns(axes, table, look, per_row)
    bands = [line for line in pane.lines if line.band]
    edge = str(next(colors)) if bands else ""
    for line in pane.lines:
        if line.histogram:
            _histogram(axes, line, look)
        else:
            _line(axes, line.values, line.label, edge if line.band else str(next(colors)))
    if len(bands) >= 2:
        rows = np.arange(len(table))
        axes.fill_between(rows, bands[0].values, bands[-1].values, color=edge, alpha=0.08, linewidth=0)
    axes.margins(y=0.14)


def _bars(axes: Axes, table: BarTable, look: Theme, per_row: float) -> None:
    close = table.columns["close"]
    if per_row < LEAST_CANDLE:
        _line(axes, close, "close", look.ink, 1.0)
        return
    opened, high, low = (table.columns[name] for name in ("open", "high", "low"))
    rows = np.arange(len(close))
    colors = list(np.where(close >= opened, look.up, look.down))
    wicks = [[(x, low[x]), (x, high[x])] for x in rows]
    bodies = [[(x - 0.36, opened[x]), (x - 0.36, close[x]), (x + 0.36, close[x]), (x + 0.36, opened[x])] for x in rows]
    axes.add_collection(LineCollection(wicks, colors=colors, linewidths=0.9))
    axes.add_collection(PolyCollection(bodies, facecolors=colors, edgecolors=colors, linewidths=0.6))
    axes.autoscale_view()
    last = close[-1]
    if np.isfinite(last):
        box = {"boxstyle": "round,pad=0.15", "fc": colors[-1], "ec": "none"}
        axes.annotate(
            f"{last:.6g}", (1.0, last), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=8, color=look.paper, bbox=box, annotation_clip=False, zorder=9,
        )  # fmt: skip


def _columns(axes: Axes, table: BarTable, look: Theme, per_row: float) -> None:
    opened, close, volume = (table.columns[name] for name in ("open", "close", "volume"))
    colors = list(np.where(close >= opened, look.up, look.down))
    if per_row < 1:
        axes.fill_between(np.arange(len(volume)), 0, np.nan_to_num(volume), color=look.faint, linewidth=0)
    else:
        axes.bar(np.arange(len(volume)), np.nan_to_num(volume), width=0.72, color=colors, alpha=0.55)
    axes.yaxis.set_major_formatter(lambda value, _place: _short(value))


def _short(value: float) -> str:
    for limit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{letter}"
    return f"{value:g}"


def _histogram(axes: Axes, line: Line, look: Theme) -> None:
    values = np.nan_to_num(line.values)
    colors = list(np.where(values >= 0, look.up, look.down))
    axes.bar(np.arange(len(values)), values, width=0.72, color=colors, alpha=0.45, label=line.label)


def _line(axes: Axes, values: np.ndarray, label: str, color: str, width: float = 1.4) -> None:
    """A line of at most 20,000 points; between them nothing would be seen."""
    step = max(1, len(values) // MOST_POINTS)
    rows = np.arange(0, len(values), step)
    axes.plot(rows, values[rows], label=label, linewidth=width, color=color)


def _levels(axes: Axes, pane: Pane, look: Theme) -> None:
    """The numbers that the rule compares with, where showing them leaves the rest readable."""
    low, high = axes.get_ylim()
    for level in pane.levels:
        if low - (high - low) <= level <= high + (high - low):
            axes.axhline(level, linestyle="--", linewidth=1.1, color=look.ink, alpha=0.6)
            axes.annotate(
                f"{level:g}", (0, level), xycoords=("axes fraction", "data"), xytext=(3, 2), textcoords="offset points",
                fontsize=7, color=look.ink, alpha=0.8,
            )  # fmt: skip


def _marks(axes: Axes, pane: Pane, table: BarTable, look: Theme, letters: float, per_row: float) -> None:
    """Fires below, releases above; those that would lie upon each other are one, with their number."""
    for kind, marker, color, side in ((FIRED, "^", look.mark, -1), ("rearmed", "o", look.release, 1)):
        groups = _groups([mark for mark in pane.marks if mark.kind == kind], per_row, letters)
        edge = table.columns["low" if side < 0 else "high"]
        for group in groups:
            row = group[0].row
            height = edge[row] if pane.title == PRICE and np.isfinite(edge[row]) else group[0].value
            moved = axes.transData + ScaledTranslation(0, side * letters * 0.9 / 72, axes.figure.dpi_scale_trans)
            axes.scatter(
                [row], [height], marker=marker, s=letters * 3.6, color=color, transform=moved, zorder=6, clip_on=False
            )
            if len(group) > 1:
                axes.annotate(
                    f"{len(group)}", (row, height), xytext=(0, side * letters * 2.1), textcoords="offset points", ha="center",
                    va="center", fontsize=letters - 2, color=color, zorder=7,
                )  # fmt: skip


def _groups(marks: list[Mark], per_row: float, letters: float) -> list[list[Mark]]:
    """Marks nearer to each other than their own width."""
    least, found = letters * 1.5 / max(per_row, 1e-6), list[list[Mark]]()
    for mark in sorted(marks, key=lambda one: one.row):
        if found and mark.row - found[-1][0].row < least:
            found[-1].append(mark)
        else:
            found.append([mark])
    return found


def _legend(axes: Axes, pane: Pane, look: Theme, letters: float, width: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    names = [cut(label, _fits(width - 60, letters)) for label in labels]
    columns = max(1, min(len(names), int(width / (letters * 0.9 * max(map(len, names)) + 50))))
    place = {"loc": "upper left"} if pane.title == PRICE else {"loc": "lower left", "bbox_to_anchor": (-0.005, 1.0)}
    axes.legend(
        handles, names, fontsize=letters - 1, labelcolor=look.ink, facecolor=look.paper, edgecolor="none", framealpha=0.7,
        ncols=columns, borderpad=0.1, handlelength=1.2, columnspacing=0.9, borderaxespad=0.2, **place,
    )  # fmt: skip


def _dress(axes: Axes, look: Theme, letters: float) -> None:
    axes.set_facecolor(look.paper)
    axes.yaxis.tick_right()
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(colors=look.ink, labelsize=letters - 1)
    axes.grid(color=look.faint, alpha=0.5, linewidth=0.6)
    for spine in axes.spines.values():
        spine.set_color(look.faint)

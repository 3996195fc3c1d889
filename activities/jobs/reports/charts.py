"""The charts of reports: SVG on a clear ground, so that they can be read in both themes."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

UP, DOWN, LINE, OTHER, INK = "#2a9d5c", "#c8403a", "#2f6fde", "#d98200", "#7d8590"
WIDTH = 8.6
Result = dict[str, Any]


def charts(result: Result) -> dict[str, bytes]:
    """Those of a report, by what they show."""
    kind = result["report_type"]
    if kind == "daily_summary":
        return {"Change of the session": _movers(result)}
    if kind == "portfolio_analysis":
        return {"Value and drawdown": _curve(result)}
    return {"Fires a day": _fires(result)}


def _movers(result: Result) -> bytes:
    rows = [*result["movers"]["up"], *reversed(result["movers"]["down"])]
    names, values = [one["symbol"] for one in rows], [one["change_1"] for one in rows]
    figure, (axes,) = _figure([max(1.2, 0.3 * len(rows) + 0.6)])
    axes.barh(range(len(rows)), values, color=[UP if value > 0 else DOWN for value in values], height=0.7)
    axes.set_yticks(range(len(rows)), names, parse_math=False)
    axes.invert_yaxis()
    axes.yaxis.tick_left()
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+.3g} %" if value else "0 %")
    axes.margins(x=0.18)
    for row, value in enumerate(values):
        axes.annotate(
            f"{value:+.2f} %", (value, row), xytext=(4 if value >= 0 else -4, 0), textcoords="offset points", va="center",
            ha="left" if value >= 0 else "right", fontsize=9, color=INK,
        )  # fmt: skip
    return _svg(figure)


def _curve(result: Result) -> bytes:
    curve = result["curve"]
    days = np.array(curve["days"], dtype="datetime64[D]")
    value = np.array(curve["value"], dtype=np.float64)
    figure, (above, below) = _figure([2.6, 1.1])
    above.plot(days, value, color=LINE, linewidth=1.8, label="portfolio")
    if curve["benchmark"]:
        other = np.array([day for day, _ in curve["benchmark"]], dtype="datetime64[D]")
        above.plot(
            other, [price for _, price in curve["benchmark"]], color=OTHER, linewidth=1.3, label=result["benchmark"]
        )
    above.legend(loc="upper left", fontsize=9, frameon=False, labelcolor=INK)
    above.yaxis.set_major_formatter(lambda price, _: f"{price:,.0f}")
    fall = 100 * (value / np.maximum.accumulate(value) - 1)
    below.fill_between(days, fall, 0, color=DOWN, alpha=0.45, linewidth=0)
    below.yaxis.set_major_formatter(lambda price, _: f"{price:.0f} %")
    below.margins(y=0.1)
    _dates(below)
    return _svg(figure)


def _fires(result: Result) -> bytes:
    days = [date.fromisoformat(day) for day, _ in result["by_day"]]
    figure, (axes,) = _figure([1.9])
    axes.bar(days, [count for _, count in result["by_day"]], color=LINE, width=0.8)  # type: ignore[arg-type]
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    _dates(axes)
    return _svg(figure)


def _figure(heights: list[float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    figure.patch.set_alpha(0)
    for axes in panels:
        axes.patch.set_alpha(0)
        axes.yaxis.tick_right()
        axes.tick_params(colors=INK, labelsize=9, length=0)
        axes.grid(color=INK, alpha=0.2, linewidth=0.6)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure, list(panels)


def _dates(axes: Axes) -> None:
    """At round days, each said once."""
    places = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(places)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(places))  # type: ignore[no-untyped-call]
    axes.xaxis.get_offset_text().set_color(INK)


def _svg(figure: Figure) -> bytes:
    found = io.BytesIO()
    figure.savefig(found, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return found.getvalue()

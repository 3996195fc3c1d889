"""A chart as a page that can be moved and zoomed, in one file that needs no network."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from activities.charting.model import FIRED, PRICE, VOLUME, Chart, Mark, Pane
from activities.charting.theme import LINES, THEMES
from activities.charting.vendored import script
from domain.text import printable

MOST_BARS = 20_000  # the newest; more would be slow to open
DIGITS = 10


def page(chart: Chart) -> str:
    """HTML, light or dark as the reader's system is, with a button for the other."""
    begin = max(0, len(chart.table) - MOST_BARS)
    times = chart.table.open_time[begin:].tolist()
    data = {
        "zone": chart.zone,
        "daily": bool(chart.table.interval.days),
        "bars": _bars(chart, begin),
        "panes": [_pane(pane, times, begin) for pane in chart.panes],
        "themes": {name: vars(theme) for name, theme in THEMES.items()},
        "lines": LINES,
    }
    environment = Environment(
        loader=PackageLoader("activities.charting"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
    )
    return environment.get_template("chart.html.j2").render(
        title=printable(chart.title), data=_safe(data), script=script(), left_off=begin, zone=chart.zone
    )


def _safe(data: Any) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _number(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None


def _bars(chart: Chart, begin: int) -> list[list[float | None]]:
    """Time, open, high, low, close, volume."""
    columns = [chart.table.columns[name][begin:] for name in ("open", "high", "low", "close", "volume")]
    return [
        [int(at), *(_number(value) for value in values)]
        for at, *values in zip(chart.table.open_time[begin:], *columns, strict=True)
    ]


def _pane(pane: Pane, times: list[int], begin: int) -> dict[str, Any]:
    marks = [mark for mark in pane.marks if mark.row >= begin]
    return {
        "title": pane.title,
        "kind": pane.title if pane.title in (PRICE, VOLUME) else "values",
        "levels": pane.levels,
        "lines": [
            {
                "label": line.label,
                "histogram": line.histogram,
                "values": [_number(value) for value in line.values[begin:]],
            }
            for line in pane.lines
        ],
        "marks": [{"time": times[mark.row - begin], "fired": mark.kind == FIRED} for mark in _in_order(marks)],
    }


def _in_order(marks: list[Mark]) -> list[Mark]:
    return sorted(marks, key=lambda mark: mark.row)

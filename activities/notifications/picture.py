"""The picture that goes with a notice: the last bars, the rule's indicators and thresholds, and where it fired; for a phone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from activities.bar_table import BarTable
from activities.charting.model import FIRED, PRICE, VOLUME, chart_of
from activities.charting.still import draw as drawn
from activities.preview import operand_columns
from domain.alert import Alert
from domain.bar import FIELDS, Bar
from domain.definition import read_definition

SHOWN = 80  # bars: more are no candles on a phone
WIDTH, HEIGHT, PANE = 800, 500, 160


def draw(definition: dict[str, Any], bars: Sequence[Bar], fired: datetime | None, theme: str = "light") -> bytes:
    """A PNG of 800 by 500 pixels and more, one panel for each indicator that is not a price.

    ``bars`` are ascending and end with the one whose close is ``fired``, where it is a fire that is shown; those before the
    last 80 warm the indicators up.
    """
    alert = Alert(id="picture", definition=read_definition(definition))
    table = table_of(bars, alert.definition.timeframe.length)
    others = {one.symbol: _nothing(table) for one in alert.definition.operands.values() if one.symbol}
    columns = operand_columns(alert, table, others=others)
    happened = []
    if fired is not None:
        row = int(np.searchsorted(table.close_time, int(fired.timestamp()), side="left"))
        happened = [(min(row, len(table) - 1), FIRED)]
    chart = chart_of(alert, table, columns, happened, begin=max(0, len(table) - SHOWN))
    below = sum(pane.title not in (PRICE, VOLUME) for pane in chart.panes)
    return drawn(chart, "png", theme, (WIDTH, HEIGHT + PANE * below))


def table_of(bars: Sequence[Bar], length: Any) -> BarTable:
    """The bars as columns."""
    opened = np.array([int(bar.open_time.timestamp()) for bar in bars], dtype=np.int64)
    closes = np.array([int(bar.close_time.timestamp()) for bar in bars], dtype=np.int64)
    columns = {name: np.array([getattr(bar, name) for bar in bars], dtype=np.float64) for name in FIELDS}
    return BarTable(opened, columns, length, closes)


def _nothing(table: BarTable) -> BarTable:
    """Of another ticker, whose bars a picture has not."""
    columns = {name: np.array([]) for name in table.columns}
    return BarTable(np.array([], dtype=np.int64), columns, table.interval)

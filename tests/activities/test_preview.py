"""Previews jump from one bar that matters to the next; stepping every bar must give the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.bar_table import BarTable
from activities.preview import _Run, operand_columns, preview
from domain.alert import Alert, AlertState
from domain.definition import read_definition
from domain.errors import InvalidInput
from domain.rearm import step

RULES = [
    "close > 100", "not close > 100", "close < 99 or close > 101", "close between 99 and 101", "close outside 99 and 101",
    "close crosses_above 100", "close crosses 100 and not close > 102", "close > 100 and close[1] > 100", "close == 100",
    "close != 100", "change_pct(close, 2) > 1", "change_pct(close, 1) <= -1", "close > sma(3)", "rsi(3) > 60",
    "close > high@5m", "not (close > 100 and close < 102)", "0.5 * close >= 50",
]  # fmt: skip
REARMS: list[dict[str, Any]] = [
    {"type": "edge"}, {"type": "simple"}, {"type": "once"}, {"type": "cooldown", "cooldown": 180},
    {"type": "edge", "cooldown": 240}, {"type": "persistence", "persistence": 3}, {"type": "crossing", "direction": "both"},
    {"type": "crossing", "cooldown": 120}, {"type": "hysteresis", "threshold": 0.01}, {"type": "hysteresis", "level": 100},
    {"type": "hysteresis", "threshold": 0.005, "persistence": 2, "cooldown": 120}, {"type": "simple", "persistence": 2},
]  # fmt: skip
OPTIONS: list[dict[str, Any]] = [
    {},
    {"skip_if_already_true": True},
    {"max_triggers": 2},
    {"expires_at": "2026-01-05T15:00:00Z"},
]


def table(prices: list[float | None]) -> BarTable:
    start = int(datetime(2026, 1, 5, 14, 30, tzinfo=UTC).timestamp())
    closes = np.array([np.nan if price is None else price for price in prices])
    columns = {
        "open": closes,
        "high": closes + 0.5,
        "low": closes - 0.5,
        "close": closes,
        "volume": np.ones(len(closes)),
    }
    return BarTable(start + 60 * np.arange(len(closes)), columns, timedelta(minutes=1))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(RULES),
    st.sampled_from(REARMS),
    st.sampled_from(OPTIONS),
    st.lists(
        st.one_of(st.sampled_from([98.0, 99.0, 99.5, 100.0, 100.5, 101.0, 102.5]), st.none()),
        min_size=1,
        max_size=60,
    ),
)
def test_jumping_equals_stepping(
    rule: str, rearm: dict[str, Any], options: dict[str, Any], prices: list[float | None]
) -> None:
    try:
        definition = read_definition({"symbol": "X", "rule": rule, "rearm": rearm, "options": options})
    except InvalidInput:
        return
    alert, bars = Alert(id="p", definition=definition), table(prices)
    run = _Run(alert, bars, operand_columns(alert, bars), lambda done, total: None)
    state, expected = AlertState(), []
    for row in range(len(prices)):
        state, events = step(alert, state, run.snapshot(row))
        expected += [(row, event) for event in events]
    found = preview(alert, bars)
    assert found.events == expected
    assert found.final == state

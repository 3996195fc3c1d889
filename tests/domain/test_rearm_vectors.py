"""The normative rearm vectors, stepped bar by bar."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.alert import Alert, AlertState, EventKind
from domain.bar import BarSnapshot
from domain.definition import read_definition
from domain.rearm import step

with (Path(__file__).parents[1] / "vectors" / "rearm.tsv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_every_vector(row: dict[str, str]) -> None:
    rule = f"close {row['operator']} {row['level']}"
    definition = read_definition({"symbol": "X", "rule": rule, "rearm": json.loads(row["rearm"])})
    alert, state, triggered = Alert(id="a", definition=definition), AlertState(), []
    for index, text in enumerate(row["closes (1-minute bars, _ = missing)"].split()):
        value = None if text == "_" else float(text)
        bar = BarSnapshot(START + index * MINUTE, START + (index + 1) * MINUTE, {"close": value})
        state, events = step(alert, state, bar)
        triggered += [index for event in events if event.kind is EventKind.TRIGGERED]
    expected = row["triggered at bars"]
    assert triggered == ([] if expected == "-" else [int(word) for word in expected.split()])
    assert state.status == row["final status"]

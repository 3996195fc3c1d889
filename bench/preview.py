"""A year of minutes read and previewed, against ``pandas.read_csv`` of the file: ``python -m bench.preview``.

The ratios are what counts; seconds and megabytes are of the machine it runs on.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from activities.bar_files.reading import read_bars_csv
from activities.bar_table import BarTable
from activities.preview import _Run, operand_columns, preview
from domain.alert import Alert, AlertState
from domain.definition import read_definition
from domain.rearm import step

YEAR = 525_600
STEPPED = 50_000
OFTEN = {"symbol": "X", "timeframe": "1m", "rule": "rsi(14) > 70 and close > sma(50)"}
RULES: dict[str, dict[str, Any]] = {
    "edge": OFTEN,
    "edge with a cooldown": {**OFTEN, "rearm": {"type": "edge", "cooldown": 3600}},
    "a rule that fires some times": {**OFTEN, "rule": "rsi(14) > 88 and close > sma(50)"},
}


def write_year(path: Path) -> None:
    rng = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.0005, YEAR)))
    times = pd.date_range("2025-01-01", periods=YEAR, freq="min").strftime("%Y-%m-%dT%H:%M:%SZ")
    opened = np.concatenate([[100.0], close[:-1]])
    frame = pd.DataFrame(
        {"time": times, "open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close)}
    )
    frame["close"], frame["volume"] = close, 100
    frame.round(4).to_csv(path, index=False)


def fastest(work: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest of some runs: what the machine does beside is in the others."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "year.csv"
        write_year(path)
        plain = fastest(lambda: pd.read_csv(path))
        read = fastest(lambda: read_bars_csv(path))
        table = read_bars_csv(path)
    print(f"{YEAR} bars; pandas.read_csv takes {plain:.2f} s, reading them as bars {read / plain:.1f} times as long")
    for name, rule in RULES.items():
        alert = Alert(id="bench", definition=read_definition(rule))
        result = preview(alert, table)
        whole = read + fastest(lambda alert=alert: preview(alert, table))
        print(f"{name}: {len(result.events)} events; read and previewed in {whole / plain:.1f} times read_csv")
    _stepping(table)


def _stepping(table: BarTable) -> None:
    """What stepping every bar would take, against looking for the bars that matter."""
    alert = Alert(id="bench", definition=read_definition(RULES["edge"]))
    jumped = fastest(lambda: preview(alert, table))
    run = _Run(alert, table, operand_columns(alert, table), lambda done, total: None)
    state = AlertState()
    began = time.perf_counter()
    for row in range(STEPPED):
        state, _ = step(alert, state, run.snapshot(row))
    stepped = (time.perf_counter() - began) * YEAR / STEPPED
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"stepping every bar would take {stepped / jumped:.0f} times as long as the preview; {memory:.0f} MB")


if __name__ == "__main__":
    main()

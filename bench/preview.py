"""A year of minutes through a preview, against stepping every bar: ``python -m bench.preview``.

The ratio is what counts; the seconds and megabytes are of the machine it runs on.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from activities.csv_bars import read_bars_csv
from activities.preview import _Run, operand_columns, preview
from domain.alert import Alert, AlertState
from domain.definition import read_definition
from domain.rearm import step

YEAR = 525_600
STEPPED = 50_000
RULE = {"symbol": "X", "timeframe": "1m", "rule": "rsi(14) > 70 and close > sma(50)"}


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


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "year.csv"
        write_year(path)
        began = time.perf_counter()
        table = read_bars_csv(path)
        read = time.perf_counter() - began
    alert = Alert(id="bench", definition=read_definition(RULE))
    began = time.perf_counter()
    result = preview(alert, table)
    jumped = time.perf_counter() - began
    run = _Run(alert, table, operand_columns(alert, table), lambda done, total: None)
    state = AlertState()
    began = time.perf_counter()
    for row in range(STEPPED):
        state, _ = step(alert, state, run.snapshot(row))
    stepped = (time.perf_counter() - began) * YEAR / STEPPED
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{YEAR} bars: read {read:.2f} s, preview {jumped:.2f} s, {len(result.events)} events, {memory:.0f} MB")
    print(f"stepping every bar would take {stepped:.1f} s: {stepped / jumped:.0f} times as long")
    print(f"one step: {stepped / YEAR * 1e6:.1f} µs, snapshot included")


if __name__ == "__main__":
    main()

"""What bars of a file must be: in order, above nothing, the prices within their range. Every fault by its line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activities.bar_files.numbers import shown
from domain.bar import PRICES
from domain.errors import Fault, MoreFaults, first

MOST_FAULTS = 20
ROUNDED = 1e-4  # exporters round prices to four places or more
Columns = dict[str, NDArray[np.float64]]


@dataclass
class LineFaults:
    """Those of the first lines, and how many more there are: a file may have millions. ``lines`` are the rows' line numbers."""

    lines: Sequence[int] | NDArray[np.int64]
    told: list[Fault] = field(default_factory=list)
    left: int = 0

    def add(self, where: Any, name: str, message: str, values: Any = None) -> None:
        """One for each row where something is true; ``name`` is the field's, empty for the row itself."""
        rows = np.flatnonzero(np.asarray(where))
        self.left += max(0, len(rows) - MOST_FAULTS)
        for at in rows[:MOST_FAULTS]:
            value = None if values is None else shown(values.iloc[at] if hasattr(values, "iloc") else values[at])
            self.told.append(Fault(f"line {self.lines[at]}{f'.{name}' if name else ''}", message, value))

    def first(self) -> tuple[Fault, ...]:
        """In the order of their lines."""
        told = sorted(self.told, key=lambda fault: int(fault.path.removeprefix("line ").partition(".")[0]))
        return first([*told, MoreFaults("$", "more faults", count=self.left)] if self.left else told, MOST_FAULTS)


def check_rows(seconds: NDArray[np.int64], columns: Columns, faults: LineFaults) -> None:
    """Times ascend, prices are above 0 and within their range."""
    steps = np.diff(seconds, prepend=seconds[0] - 1)
    faults.add(steps == 0, "time", "repeats the time of the line before; bars must ascend")
    faults.add(steps < 0, "time", "goes back in time; bars must ascend")
    for name in PRICES:
        faults.add(columns[name] <= 0, name, "expected a price above 0", columns[name])
    faults.add(columns["volume"] < 0, "volume", "expected 0 or more", columns["volume"])
    faults.add(columns["high"] < columns["low"], "high", "is below the low", columns["high"])
    sound = columns["high"] >= columns["low"]
    for name in ("open", "close"):
        price = columns[name]
        above, below = price > columns["high"] * (1 + ROUNDED), price < columns["low"] * (1 - ROUNDED)
        faults.add(sound & above, name, "is above the high", price)
        faults.add(sound & below, name, "is below the low", price)


def widen(columns: Columns) -> None:
    """A hair outside the range is a rounding: the range takes it in."""
    columns["high"] = np.fmax(columns["high"], np.fmax(columns["open"], columns["close"]))
    columns["low"] = np.fmin(columns["low"], np.fmin(columns["open"], columns["close"]))

"""Bars as columns, for work on many of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from domain.bar import FIELDS, Bar


@dataclass(frozen=True)
class BarTable:
    """Bars as columns. ``open_time`` is Unix seconds (int64, ascending); ``columns`` float64 with NaN for missing.

    ``interval`` is the length of one bar, taken from the most common distance of rows; ``closes`` are Unix seconds where bars
    are cut by a session's end.
    """

    open_time: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    interval: timedelta
    closes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.open_time)

    @property
    def first_day(self) -> date | None:
        """UTC date of the first bar; None where there is none."""
        return datetime.fromtimestamp(int(self.open_time[0]), UTC).date() if len(self) else None

    @property
    def close_time(self) -> NDArray[np.int64]:
        """Unix seconds at which each bar closes."""
        return self.open_time + int(self.interval.total_seconds()) if self.closes is None else self.closes

    def since(self, row: int) -> BarTable:
        """The rows from one on."""
        columns = {name: column[row:] for name, column in self.columns.items()}
        closes = None if self.closes is None else self.closes[row:]
        return BarTable(self.open_time[row:], columns, self.interval, closes)

    def bars(self) -> Iterator[Bar]:
        """The rows as bars, all final."""
        for index in range(len(self)):
            yield self.bar(index)

    def bar(self, index: int) -> Bar:
        """One row."""
        opened = datetime.fromtimestamp(int(self.open_time[index]), UTC)
        prices = {name: float(self.columns[name][index]) for name in FIELDS}
        closed = opened + self.interval if self.closes is None else datetime.fromtimestamp(int(self.closes[index]), UTC)
        return Bar(opened, closed, final=True, **prices)

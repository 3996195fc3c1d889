"""Reads a CSV of bars: ``time,open,high,low,close,volume``, or says all that is wrong with it.

Times are ISO: UTC, or in the zone given, unless they carry an offset; a bare date is a daily bar. An empty cell is a
missing value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from activities.bar_table import BarTable
from activities.files import read_at_most
from domain.bar import FIELDS
from domain.errors import Fault, InvalidInput, MoreFaults, first

TIME_NAMES = ("time", "date", "datetime", "timestamp")
MISSING_WORDS = {"", "nan", "null", "none", "na", "n/a"}
MOST_FAULTS = 20
MOST_BYTES = 512 << 20  # ten years of minutes, day and night
EARLIEST_YEAR, LATEST_YEAR = 1800, 2200


def read_bars_csv(path: Path, timezone: str = "UTC") -> BarTable:
    """The file's bars.

    Raises:
        InvalidInput: with every fault by line, at most 20 of them, and how many more there are.
    """
    return _table(_read(path), timezone, str(path))


@dataclass
class _Faults:
    """Those of the first lines, and how many more there are: a file may have millions."""

    told: list[Fault] = field(default_factory=list)
    left: int = 0

    def add(self, where: Any, name: str, message: str, values: Any = None) -> None:
        """One for each line where something is true."""
        lines = np.flatnonzero(np.asarray(where))
        self.left += max(0, len(lines) - MOST_FAULTS)
        self.told += [Fault(f"line {at + 2}.{name}", message, _shown(values, at)) for at in lines[:MOST_FAULTS]]

    def first(self) -> tuple[Fault, ...]:
        """In the order of their lines."""
        told = sorted(self.told, key=lambda fault: int(fault.path.removeprefix("line ").partition(".")[0]))
        return first([*told, MoreFaults("$", "more faults", count=self.left)] if self.left else told, MOST_FAULTS)


def _shown(values: Any, at: int) -> Any:
    if values is None:
        return None
    value = values[at] if isinstance(values, np.ndarray) else values.iloc[at]
    return None if pd.isna(value) else float(value) if isinstance(value, float) else str(value)


def bars_of(rows: Sequence[Mapping[str, Any]]) -> BarTable:
    """The same of rows with ``time``, ``open`` and the other fields, None for a missing value.

    Raises:
        InvalidInput: with every fault by JSON path, at most 20 of them.
    """
    frame = pd.DataFrame(list(rows), columns=["time", *FIELDS])
    frame[list(FIELDS)] = frame[list(FIELDS)].astype("float64")
    try:
        return _table(frame, "UTC", "bars")
    except InvalidInput as error:
        faults = [one.at(_json_path(one.path)) for one in error.faults]
        raise InvalidInput("bars", faults) from None


def _json_path(line: str) -> str:
    number, separator, name = line.removeprefix("line ").partition(".")
    return f"$.bars[{int(number) - 2}].{name}" if separator and number.isdigit() else "$.bars"


def _table(frame: pd.DataFrame, timezone: str, what: str) -> BarTable:
    faults = _Faults()
    times = _times(frame, timezone, faults)
    columns = {name: _numbers(frame, name, faults) for name in FIELDS}
    if not faults.told:
        _check_rows(times, columns, faults)
    if faults.told:
        raise InvalidInput(what, faults.first())
    seconds = times.to_numpy(dtype=np.int64)
    return BarTable(seconds, columns, _interval(frame["time"], seconds))


def _read(path: Path) -> pd.DataFrame:
    def refuse(message: str, value: Any = None) -> InvalidInput:
        return InvalidInput(str(path), [Fault("$", message, value)])

    try:
        frame = pd.read_csv(
            BytesIO(read_at_most(path, MOST_BYTES)),
            encoding="utf-8-sig",
            skipinitialspace=True,
            dtype={0: str},
            index_col=False,
            low_memory=False,
        )
    except FileNotFoundError:
        raise refuse("there is no such file") from None
    except IsADirectoryError:
        raise refuse("is a folder; expected a CSV file") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise refuse(f"cannot be read as CSV: {str(error).strip()}") from None
    frame.columns = pd.Index([str(name).strip().lower() for name in frame.columns])
    named = next((name for name in TIME_NAMES if name in frame.columns), None)
    missing = [name for name in ("open", "high", "low", "close") if name not in frame.columns]
    if named is None:
        missing.insert(0, "time")
    if missing:
        found = ", ".join(frame.columns[:12])
        raise refuse(f"lacks {', '.join(missing)}; expected time,open,high,low,close,volume", found)
    twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if twice:
        raise refuse(f"has more than one column {', '.join(twice)}")
    if frame.empty:
        raise refuse("has a header but no bars")
    return frame.rename(columns={named: "time"})


def _times(frame: pd.DataFrame, timezone: str, faults: _Faults) -> pd.Series:
    texts = frame["time"].astype("string").str.strip()
    parsed = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    faults.add(parsed.isna(), "time", "expected an ISO time such as 2026-01-05T14:30:00Z", texts)
    years = (parsed.dt.year < EARLIEST_YEAR) | (parsed.dt.year > LATEST_YEAR)
    faults.add(years, "time", f"expected a year from {EARLIEST_YEAR} to {LATEST_YEAR}", texts)
    if timezone != "UTC" and not faults.told:
        carries = texts.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True) & (texts.str.len() > 10)
        wall = parsed.dt.tz_localize(None)
        local = wall.dt.tz_localize(timezone, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="shift_forward")
        bare_dates = texts.str.len() == 10
        parsed = parsed.where(carries | bare_dates, local.dt.tz_convert("UTC"))
    return parsed.dt.tz_localize(None).astype("datetime64[s]").astype("int64")


def _numbers(frame: pd.DataFrame, name: str, faults: _Faults) -> NDArray[np.float64]:
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    column = frame[name]
    try:
        numbers = pd.to_numeric(column, errors="coerce")
    except OverflowError:  # an integer beyond all floats
        numbers = column.map(_as_float)
    if not pd.api.types.is_numeric_dtype(column):
        texts = column.astype("string").str.strip().str.lower().fillna("")
        faults.add(numbers.isna() & ~texts.isin(MISSING_WORDS), name, "expected a number or an empty cell", column)
    values: NDArray[np.float64] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    faults.add(np.isinf(values), name, "expected a finite number", column)
    return values


def _as_float(cell: Any) -> float:
    try:
        return float(cell)
    except OverflowError:
        return np.inf
    except (TypeError, ValueError):
        return np.nan


def _check_rows(times: pd.Series, columns: dict[str, NDArray[np.float64]], faults: _Faults) -> None:
    seconds = times.to_numpy(dtype=np.int64)
    steps = np.diff(seconds, prepend=seconds[0] - 1)
    faults.add(steps == 0, "time", "repeats the time of the line before; bars must ascend")
    faults.add(steps < 0, "time", "goes back in time; bars must ascend")
    for name in ("open", "high", "low", "close"):
        faults.add(columns[name] <= 0, name, "expected a price above 0", columns[name])
    faults.add(columns["volume"] < 0, "volume", "expected 0 or more", columns["volume"])
    faults.add(columns["high"] < columns["low"], "high", "is below the low", columns["high"])


def _interval(texts: pd.Series, seconds: NDArray[np.int64]) -> timedelta:
    if bool((texts.astype("string").str.strip().str.len() == 10).all()):
        return timedelta(days=1)
    if len(seconds) < 2:
        return timedelta(minutes=1)
    distances, counts = np.unique(np.diff(seconds), return_counts=True)
    return timedelta(seconds=int(distances[counts.argmax()]))

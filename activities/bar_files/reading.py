"""Reads a file of bars, whatever program wrote it, or says by line what is wrong with it or must be known of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from activities.bar_files import formats
from activities.bar_files.checks import LineFaults, check_rows, widen
from activities.bar_files.decoding import MOST_SHOWN, refused, text_of
from activities.bar_files.formats import Format, Places
from activities.bar_files.lengths import table_of
from activities.bar_files.levels import levels_of
from activities.bar_files.numbers import (
    NA_CELLS,
    AmbiguousDecimals,
    decimal_mark,
    mark_of_volumes,
    may_be_groups,
    parse_numbers,
)
from activities.bar_files.sheet import Sheet, read_sheet, widths
from activities.bar_files.tickers import one_of
from activities.bar_files.times import EXPECTED, AmbiguousDates, Dates, Times, parse_times
from activities.bar_table import BarTable
from domain.bar import FIELDS, PRICES
from domain.errors import Fault, InvalidInput

EARLIEST_YEAR, LATEST_YEAR = 1800, 2200
EARLIEST, LATEST = (int(pd.Timestamp(f"{year}-01-01").timestamp()) for year in (EARLIEST_YEAR, LATEST_YEAR + 1))
TOO_MANY = "a decimal comma, or a comma within a cell that needs quotes?"
TOO_FEW = "is the file cut off?"
EVENT = re.compile(r"dividend|stock split", re.IGNORECASE)


@dataclass(frozen=True)
class Options:
    """What a file does not say of itself. ``timezone`` is that of times without an offset; ``symbol`` a ticker among several."""

    timezone: str | None = None
    format: str | None = None
    dates: Dates | None = None
    decimal: str | None = None
    symbol: str | None = None


@dataclass(frozen=True)
class BarFile:
    """The bars, by which format they were read, and what there is to know of them."""

    table: BarTable
    format: Format
    notes: tuple[str, ...]


def read_bars_csv(path: Path, timezone: str | None = None) -> BarTable:
    """The file's bars.

    Raises:
        InvalidInput: with every fault by line, at most 20 of them, and how many more there are.
    """
    return read_bar_file(path, Options(timezone)).table


def read_bar_file(path: Path, options: Options) -> BarFile:
    """The file's bars, with how they were read.

    Raises:
        InvalidInput: with every fault by line, at most 20 of them, and how many more there are.
    """
    try:
        return _read(text_of(path), options)
    except InvalidInput as error:
        raise InvalidInput(str(path), error.faults) from None


def _read(text: str, options: Options) -> BarFile:
    sheet = read_sheet(text)
    leveled = levels_of(sheet)
    if leveled is not None:
        levels, sheet = leveled
        name = one_of(list(levels.by_ticker), options.symbol, "columns")
        kind = replace(_YFINANCE_LEVELS, places=lambda _: {"time": 0, **levels.by_ticker[name]})
    else:
        kind = _format_of(sheet, options)
    return _Reading(sheet, kind, options).whole()


_YFINANCE_LEVELS = replace(formats.named("yfinance"), title="yfinance, download")


def _format_of(sheet: Sheet, options: Options) -> Format:
    kind = formats.recognised(sheet)
    if options.format is not None:
        if options.format not in formats.NAMES:
            raise refused(f"there is no format {options.format}; known are {', '.join(formats.NAMES)}")
        wanted = formats.named(options.format)
        if not wanted.fits(sheet):
            known = f"it is {kind.title}" if kind is not None else "it is none that is known"
            raise refused(f"is not of the format {wanted.name} ({wanted.title}): {known}", _first_cells(sheet))
        return wanted
    if kind is None:
        found = _first_cells(sheet)
        raise refused(
            "has no header, and its rows are of no known format; expected time,open,high,low,close,volume"
            if not sheet.header
            else "lacks a time; expected time,open,high,low,close,volume",
            found,
        )
    if kind.ask:
        names = "|".join(one.name for one in formats.FORMATS if one is kind or (one.fits(sheet) and not one.ask))
        raise refused(f"may be of two formats: {kind.ask}; say which, --format {names.removesuffix('|csv')}")
    return kind


def _first_cells(sheet: Sheet) -> str:
    return ", ".join(sheet.header[:12] or sheet.sample[0][:12])[:MOST_SHOWN]


class _Reading:
    """One file on its way to a table."""

    def __init__(self, sheet: Sheet, kind: Format, options: Options) -> None:
        self.sheet, self.kind, self.options = sheet, kind, options
        self.places: Places = kind.places(sheet)
        self.notes: list[str] = [kind.note] if kind.note else []
        lacking = [name for name in ("time", *PRICES) if name not in self.places]
        if lacking:
            raise refused(f"lacks {', '.join(lacking)}; expected time,open,high,low,close,volume", _first_cells(sheet))
        self._check_names()
        if "volume" not in self.places:
            self.notes.append("it has no volume")

    def whole(self) -> BarFile:
        frame, lines = self._frame()
        frame, lines = self._of_one_ticker(frame, lines)
        faults = LineFaults(lines)
        times = self._times(frame, faults)
        columns = self._columns(frame, faults)
        if faults.told:
            raise InvalidInput("bars", faults.first())
        seconds, columns, faults.lines = self._in_order(times.seconds, columns, lines)
        check_rows(seconds, columns, faults)
        if faults.told:
            raise InvalidInput("bars", faults.first())
        widen(columns)
        table = table_of(seconds, columns, bare=times.bare, ends=self.kind.ends)
        return BarFile(table, self.kind, tuple(self.notes))

    def _check_names(self) -> None:
        """A field that two columns have: TradingView's own may be there as often as they like."""
        wanted = {self.sheet.header[at] for at in self.places.values()} if self.sheet.header else set()
        twice = sorted(name for name in wanted if self.sheet.header.count(name) > 1)
        if twice and self.kind.title != _YFINANCE_LEVELS.title:
            raise refused(f"has more than one column {', '.join(twice)}")

    def _frame(self) -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """The columns that count, by field: numbers where all cells are plain ones, else texts."""
        quick = self._quick_frame()
        if quick is not None:
            return quick
        rows, lines = self.sheet.rows
        if self.kind.drops:
            kept = [at for at, row in enumerate(rows) if not EVENT.search(row)]
            if len(kept) < len(rows):
                self.notes.append(f"{len(rows) - len(kept)} lines of dividends and splits were left out")
                rows, lines = [rows[at] for at in kept], lines[kept]
        found, faults, width = np.array(widths(rows, self.sheet.delimiter)), LineFaults(lines), self.sheet.width
        faults.add(found > width, "", f"has more than the {width} cells of the header; {TOO_MANY}", found)
        faults.add(found < width, "", f"has fewer than the {width} cells of the header; {TOO_FEW}", found)
        faults.add([row.count('"') % 2 for row in rows], "", "has a quote that is not closed on its line")
        if faults.told:
            raise InvalidInput("bars", faults.first())
        frame = self._frame_of("\n".join(rows))
        if len(frame) != len(rows):
            raise refused(f"its quotes join lines: {len(rows)} lines make {len(frame)} rows")
        return frame, lines

    def _frame_of(self, text: str) -> pd.DataFrame:
        try:
            if self._are_plain:
                return self._parsed(text, numbers=True)
        except (ValueError, OverflowError):  # some cell is no plain number
            pass
        try:
            return self._parsed(text, numbers=False)
        except (ValueError, OverflowError) as error:
            raise refused(f"is no table: {str(error)[:MOST_SHOWN]}") from None

    @cached_property
    def _are_plain(self) -> bool:
        """Whether a dot can be taken for the decimal mark, and commas for none."""
        return (self.options.decimal or self.kind.decimal or self._mark_of_sample()) == "."

    def _mark_of_sample(self) -> str:
        """Where the first rows leave it open (16.538 between semicolons), the whole file is looked at."""
        cells = [row[self.places[name]] for row in self.sheet.sample for name in PRICES if len(row) > self.places[name]]
        return "?" if self.sheet.delimiter == ";" and all(map(may_be_groups, cells)) else "."

    def _quick_frame(self) -> tuple[pd.DataFrame, NDArray[np.int64]] | None:
        """Without a look at each line: pandas refuses one with too many cells, and the sum tells of one with too few."""
        if not (self.sheet.is_even and self._are_plain):
            return None
        try:
            frame = self._parsed(self.sheet.body, numbers=True, widths_known=False)
        except (ValueError, OverflowError):
            return None
        if len(frame) != self.sheet.count:
            return None
        return frame, np.arange(len(frame), dtype=np.int64) + self.sheet.first_line

    def _parsed(self, text: str, *, numbers: bool, widths_known: bool = True) -> pd.DataFrame:
        """The columns that count, by field; all cells of fields must be ``numbers``, or come as texts.

        pandas refuses rows that are too wide only while it reads all columns.
        """
        kinds: dict[int, Any] = {} if widths_known else dict.fromkeys(range(self.sheet.width), str)
        kinds |= {at: np.float64 if numbers and name in FIELDS else str for name, at in self.places.items()}
        missing = {at: NA_CELLS for at, kind in kinds.items() if kind is np.float64}
        frame = pd.read_csv(
            BytesIO(text.encode()),
            sep=self.sheet.delimiter,
            header=None,
            names=range(self.sheet.width),
            usecols=sorted(kinds) if widths_known else None,
            dtype=kinds,
            na_values=missing,
            keep_default_na=False,
            skipinitialspace=True,
            skip_blank_lines=False,
            engine="c",
        )
        return pd.DataFrame({name: frame[at] for name, at in self.places.items()})

    def _of_one_ticker(self, frame: pd.DataFrame, lines: NDArray[np.int64]) -> tuple[pd.DataFrame, NDArray[np.int64]]:
        if "symbol" not in frame:
            return frame, lines
        names = [str(one) for one in frame["symbol"].unique()]
        name = one_of(names, self.options.symbol, "rows")
        if len(names) == 1:
            return frame, lines
        mine = (frame["symbol"] == name).to_numpy(dtype=bool)
        return frame[mine].reset_index(drop=True), lines[mine]

    def _times(self, frame: pd.DataFrame, faults: LineFaults) -> Times:
        texts = frame["time"]
        if "clock" in frame:
            texts = texts.astype("str").str.strip() + " " + frame["clock"].astype("str").str.strip()
        own = formats.zone_of(self.kind, self.sheet)
        stated = self.kind.is_sure_of_zone and bool(own)
        zone = own if stated else self.options.timezone or own
        try:
            times = parse_times(texts, zone or "UTC", self.options.dates or self.kind.dates)
        except AmbiguousDates as error:
            raise refused(f"{error}; say --dates {' or --dates '.join(error.ways)}", error.example) from None
        faults.add(times.bad, "time", EXPECTED, texts)
        years = (times.seconds < EARLIEST) | (times.seconds >= LATEST)
        if times.skipped is not None:
            faults.add(times.skipped, "time", f"is not in {zone}, where clocks were put forward over it", texts)
            years &= ~times.skipped
        faults.add(years & ~times.bad, "time", f"expected a year from {EARLIEST_YEAR} to {LATEST_YEAR}", texts)
        if times.naive:
            self._check_zone(times, own, str(texts.iloc[0]), stated=stated)
        return times

    def _check_zone(self, times: Times, own: str, example: str, *, stated: bool) -> None:
        """Of times without an offset: whose they are is known, said, or asked."""
        given = self.options.timezone
        if stated:
            if given and given != own:
                self.notes.append(f"times are {own}, as {self.kind.title} writes them, whatever zone was given")
            elif own != "UTC":
                self.notes.append(f"times are taken to be {own}, as {self.kind.title} writes them")
        elif not given and own and times.iso:
            self.notes.append(f"times without an offset are taken to be {own}")
        elif not given:
            hint = f" ({self.kind.zone_hint})" if self.kind.zone_hint else ""
            raise refused(
                f"read as {self.kind.title}, whose times carry no zone{hint}; say it, --timezone ZONE",
                example[:MOST_SHOWN],
            )

    def _columns(self, frame: pd.DataFrame, faults: LineFaults) -> dict[str, NDArray[np.float64]]:
        known = self.options.decimal or self.kind.decimal
        decimal = known or self._decimal([frame[name] for name in PRICES if _is_text(frame[name])])
        columns = {}
        for name in (name for name in FIELDS if name in frame):
            mark = mark_of_volumes(frame[name], decimal) if name == "volume" and _is_text(frame[name]) else decimal
            columns[name], bad = parse_numbers(frame[name], mark)
            expected = "a number or an empty cell" if _is_text(frame[name]) else "a finite number"
            faults.add(bad, name, f"expected {expected}", frame[name])
        if "volume" not in columns:
            columns["volume"] = np.full(len(frame), np.nan)
        elif self.kind.no_volume is not None:
            columns["volume"] = np.where(columns["volume"] == self.kind.no_volume, np.nan, columns["volume"])
        return columns

    def _decimal(self, texts: list[pd.Series]) -> str:
        try:
            return decimal_mark(texts, dots_may_group=self.sheet.delimiter == ";") if texts else "."
        except AmbiguousDecimals as error:
            what = "commas" if "," in error.example else "dots"
            raise refused(
                f"its {what} may part thousands or decimals; say --decimal . or --decimal ,", error.example[:MOST_SHOWN]
            ) from None

    def _in_order(
        self, seconds: NDArray[np.int64], columns: dict[str, NDArray[np.float64]], lines: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]], NDArray[np.int64]]:
        """Oldest first, without the rows of holidays where a format has such."""
        kept = (
            slice(None, None, -1)
            if len(seconds) > 1 and (np.diff(seconds) <= 0).all() and seconds[0] > seconds[-1]
            else slice(None)
        )
        seconds, lines = seconds[kept], lines[kept]
        columns = {name: column[kept] for name, column in columns.items()}
        if not self.kind.drops:
            return seconds, columns, lines
        there = ~np.all([np.isnan(columns[name]) for name in PRICES], axis=0)
        if not there.any():
            raise refused("has no bar with a price")
        if not there.all():
            self.notes.append(f"{int((~there).sum())} rows without prices were left out")
        return seconds[there], {name: column[there] for name, column in columns.items()}, lines[there]


def _is_text(column: pd.Series) -> bool:
    return bool(pd.api.types.is_string_dtype(column) or column.dtype == object)


def bars_of(rows: Sequence[Mapping[str, Any]]) -> BarTable:
    """The same of rows with ``time``, ``open`` and the other fields, None for a missing value.

    Raises:
        InvalidInput: with every fault by JSON path, at most 20 of them.
    """
    frame = pd.DataFrame(list(rows), columns=["time", *FIELDS])
    faults = LineFaults(range(len(frame)))
    try:
        times = parse_times(frame["time"].astype("str"), "UTC", None)
    except AmbiguousDates as error:
        raise InvalidInput("bars", [Fault("$.bars[0].time", EXPECTED, error.example)]) from None
    faults.add(times.bad, "time", EXPECTED, frame["time"])
    columns = {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in FIELDS}
    for name, column in columns.items():
        faults.add(np.isinf(column), name, "expected a finite number", column)
    if not faults.told:
        check_rows(times.seconds, columns, faults)
    if faults.told:
        raise InvalidInput("bars", [one.at(_json_path(one.path)) for one in faults.first()])
    return table_of(times.seconds, columns, bare=times.bare, ends=False)


def _json_path(line: str) -> str:
    number, separator, name = line.removeprefix("line ").partition(".")
    return f"$.bars[{int(number)}].{name}" if separator and number.isdigit() else "$.bars"

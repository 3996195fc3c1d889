"""Prices and volumes as files write them: marks of decimals and thousands, currencies, thousands of thousands."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING_WORDS = ("", "nan", "null", "none", "na", "n/a", "-", "--", "—", "#n/a")
NA_CELLS = sorted(
    {form for word in MISSING_WORDS for form in (word, word.upper(), word.title(), word.capitalize(), "NaN")}
)
MOST_SHOWN = 100  # characters of a cell in a fault
SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
CURRENCY = r"[$€£¥₹\s\u00a0\u202f']"
TORN = r"\d[\s\u00a0\u202f'](?!\d{3}(?!\d))\d"  # "1 2": spaces part thousands alone
GROUPED = re.compile(r"[+-]?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*")
MANY_GROUPS = re.compile(r"[+-]?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})+")


class AmbiguousDecimals(Exception):
    """A mark that may part decimals or thousands: somebody must say which."""

    def __init__(self, example: str) -> None:
        self.example = example
        super().__init__(example)


def may_be_groups(cell: str) -> bool:
    """Whether 16.538 may be sixteen thousand."""
    return not cell or GROUPED.fullmatch(cell) is not None


def decimal_mark(columns: list[pd.Series], *, dots_may_group: bool = False) -> str:
    """``.`` or ``,``, as all price cells show together. ``dots_may_group`` where no comma can be: between semicolons.

    Raises:
        AmbiguousDecimals: every mark is followed by three digits, so that 1,234 may be a thousand or one.
    """
    cells = pd.concat([_bare(column) for column in columns])
    commas, dots = (cells[cells.str.contains(mark, regex=False)] for mark in ",.")
    both = commas[commas.str.contains(".", regex=False)]
    if not both.empty:
        return "." if (both.str.rfind(".") > both.str.rfind(",")).all() else ","
    if commas.empty:
        return _mark_of_dots(dots) if dots_may_group and not dots.empty else "."
    if commas.str.fullmatch(MANY_GROUPS.pattern).any():
        return "."
    if not commas.str.fullmatch(GROUPED.pattern).all():
        return ","
    if not dots.empty:
        return "."
    raise AmbiguousDecimals(str(commas.iloc[0]))


def _mark_of_dots(dots: pd.Series) -> str:
    if dots.str.fullmatch(MANY_GROUPS.pattern).any():
        return ","
    if dots.str.fullmatch(GROUPED.pattern).all():
        raise AmbiguousDecimals(str(dots.iloc[0]))
    return "."


def mark_of_volumes(column: pd.Series, decimal: str) -> str:
    """Their own: the prices' unless a cell shows that it cannot be, as 18,86M does beside 115.5."""
    other = "," if decimal == "." else "."
    cells = _bare(column).str.lower()
    cells = cells[cells.str.contains(other, regex=False)]
    if cells.empty:
        return decimal
    first = str(cells.iloc[0])
    if decimal in first:
        return decimal if first.rfind(decimal) > first.rfind(other) else other
    return decimal if cells.str.fullmatch(_grouped(other)).all() else other


def _grouped(mark: str) -> str:
    """Thousands by three digits, or as in India the last three and then by two; before K, M or B, too."""
    return rf"[+-]?(?:[1-9]\d{{0,2}}(?:\{mark}\d{{3}})+|[1-9]\d?(?:\{mark}\d{{2}})+\{mark}\d{{3}})[kmbt]?"


def parse_numbers(column: pd.Series, decimal: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values, NaN for missing ones, and where a cell is no number at all."""
    if not (pd.api.types.is_string_dtype(column) or column.dtype == object):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values, np.isinf(values)
    torn = column.fillna("").astype("str").str.strip().str.contains(TORN, regex=True).to_numpy(dtype=bool)
    texts = _bare(column).str.lower()
    missing = texts.isin(MISSING_WORDS).to_numpy()
    ends = texts.str.extract(r"^[+-]?[\d.,]+([kmbt])$", expand=False)
    texts = texts.where(ends.isna(), texts.str.slice(0, -1))
    thousands = "," if decimal == "." else "."
    grouped = texts.str.contains(thousands, regex=False)
    wrong = grouped & ~texts.str.fullmatch(rf"{_grouped(thousands)}(?:\{decimal}\d*)?")
    plain = texts.str.replace(thousands, "", regex=False)
    if decimal == ",":
        plain = plain.str.replace(",", ".", regex=False)
    values = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    values = values * ends.map(SUFFIXES).fillna(1.0).to_numpy(dtype=np.float64)
    bad = (np.isnan(values) & ~missing) | np.isinf(values) | wrong.to_numpy(dtype=bool) | torn
    return np.where(bad | missing, np.nan, values), bad


def _bare(column: pd.Series) -> pd.Series:
    """Without currencies and spaces."""
    return column.fillna("").astype("str").str.replace(CURRENCY, "", regex=True)


def shown(value: Any) -> Any:
    """A cell as a fault tells it."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return float(value) if isinstance(value, float) else str(value)[:MOST_SHOWN]

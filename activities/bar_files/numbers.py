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
SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
CURRENCY = r"[$€£¥₹\s\u00a0\u202f']"
GROUPED = re.compile(r"[+-]?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*")
MANY_GROUPS = re.compile(r"[+-]?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})+")


class AmbiguousDecimals(Exception):
    """A mark that may part decimals or thousands: somebody must say which."""

    def __init__(self, example: str) -> None:
        self.example = example
        super().__init__(example)


def decimal_mark(columns: list[pd.Series]) -> str:
    """``.`` or ``,``, as all price cells show together.

    Raises:
        AmbiguousDecimals: every mark is followed by three digits, so that 1,234 may be a thousand or one.
    """
    cells = [_bare(column) for column in columns]
    commas = pd.concat([one[one.str.contains(",", regex=False)] for one in cells])
    if commas.empty:
        return "."
    both = commas[commas.str.contains(".", regex=False)]
    if not both.empty:
        return "." if (both.str.rfind(".") > both.str.rfind(",")).all() else ","
    if commas.str.fullmatch(MANY_GROUPS.pattern).any():
        return "."
    if not commas.str.fullmatch(GROUPED.pattern).all():
        return ","
    if any(one.str.contains(".", regex=False).any() for one in cells):
        return "."
    raise AmbiguousDecimals(str(commas.iloc[0]))


def parse_numbers(column: pd.Series, decimal: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values, NaN for missing ones, and where a cell is no number at all."""
    if not (pd.api.types.is_string_dtype(column) or column.dtype == object):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values, np.isinf(values)
    texts = _bare(column).str.lower()
    missing = texts.isin(MISSING_WORDS).to_numpy()
    ends = texts.str.extract(r"^[+-]?[\d.,]+([kmbt])$", expand=False)
    texts = texts.where(ends.isna(), texts.str.slice(0, -1))
    thousands = "," if decimal == "." else "."
    grouped = texts.str.contains(thousands, regex=False)
    wrong = grouped & ~texts.str.fullmatch(rf"[+-]?\d{{1,3}}(?:\{thousands}\d{{2,3}})+(?:\{decimal}\d*)?")
    plain = texts.str.replace(thousands, "", regex=False)
    if decimal == ",":
        plain = plain.str.replace(",", ".", regex=False)
    values = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    values = values * ends.map(SUFFIXES).fillna(1.0).to_numpy(dtype=np.float64)
    bad = (np.isnan(values) & ~missing) | np.isinf(values) | wrong.to_numpy(dtype=bool)
    return np.where(bad | missing, np.nan, values), bad


def _bare(column: pd.Series) -> pd.Series:
    """Without currencies and spaces."""
    return column.fillna("").astype("str").str.replace(CURRENCY, "", regex=True)


def shown(value: Any) -> Any:
    """A cell as a fault tells it."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return float(value) if isinstance(value, float) else str(value)

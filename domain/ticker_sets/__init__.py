"""Sets of tickers by name: what an index consists of, as of a day, and how a file of one is read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from domain.errors import Fault, InvalidInput
from domain.ticker import ticker

FOLDER = Path(__file__).parent
MOST = 5000
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
ALIASES = {"s&p500": "sp500", "s&p 500": "sp500", "sp_500": "sp500", "sp-500": "sp500", "spx": "sp500", "nasdaq": "nasdaq100",
           "nasdaq-100": "nasdaq100", "nasdaq_100": "nasdaq100", "nasdaq 100": "nasdaq100", "ndx": "nasdaq100"}  # fmt: skip
SHIPPED = ("nasdaq100", "sp500")
_AS_OF = re.compile(r"#.*\bas of (\d{4}-\d\d-\d\d)")


@dataclass(frozen=True)
class TickerSet:
    """Tickers in the order of their file. ``as_of`` is the day for which it holds, where that is known."""

    name: str
    symbols: tuple[str, ...]
    as_of: date | None = None


@dataclass(frozen=True)
class KnownSet:
    """A set, and where it is: a user's ``own``, a ``file`` of the operator's, or ``shipped`` with the product."""

    set: TickerSet
    where: str


def by_name(own: Iterable[TickerSet], files: Iterable[TickerSet]) -> dict[str, KnownSet]:
    """All that a user's screeners may name; of the same name the user's own is taken first, then a file."""
    found = {name: KnownSet(one, "shipped") for name in SHIPPED if (one := shipped(name)) is not None}
    found |= {one.name: KnownSet(one, "file") for one in files}
    return found | {one.name: KnownSet(one, "own") for one in own}


def plain_name(name: str) -> str:
    """How a set is called here: small letters, and one word for those with several."""
    low = name.strip().lower()
    return ALIASES.get(low, low)


def read_set(name: str, text: str) -> TickerSet:
    """A file: one ticker a line, or a CSV with a column ``symbol`` or ``ticker``; ``# … as of 2026-08-08`` says its day.

    Raises:
        InvalidInput: naming each line that is no ticker.
    """
    as_of = next((date.fromisoformat(found[1]) for line in text.splitlines() if (found := _AS_OF.match(line))), None)
    rows = [row for row in csv.reader(io.StringIO("\n".join(_lines(text)))) if row]
    place = 0
    heads = [cell.strip().lower() for cell in rows[0]] if rows else []
    for head in ("symbol", "ticker"):
        if head in heads:
            place, rows = heads.index(head), rows[1:]
            break
    symbols, faults = [], []
    for number, row in enumerate(rows, 1):
        cell = row[place] if place < len(row) else ""
        try:
            symbols.append(ticker(cell))
        except ValueError as error:
            faults.append(Fault(f"row {number}", str(error), cell[:40]))
    return checked(name, symbols, faults, as_of)


def checked(name: str, symbols: list[str], faults: list[Fault] | None = None, as_of: date | None = None) -> TickerSet:
    """The set of these tickers, each once.

    Raises:
        InvalidInput: with the faults found before, a name that is none, no tickers, or too many.
    """
    found = list(faults or [])
    unique = tuple(dict.fromkeys(symbols))
    if not NAME.fullmatch(name):
        found.append(Fault("$.name", "expected small letters, digits, '-' and '_', at most 64", name))
    if not unique and not found:
        found.append(Fault("$.symbols", "expected at least one ticker"))
    if len(unique) > MOST:
        found.append(Fault("$.symbols", f"expected at most {MOST:,} tickers", len(unique)))
    if found:
        raise InvalidInput("set of tickers", found)
    return TickerSet(name, unique, as_of)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@cache
def shipped(name: str) -> TickerSet | None:
    """The set of that name that comes with the product, if any."""
    if name not in SHIPPED:
        return None
    return read_set(name, (FOLDER / f"{name}.csv").read_text(encoding="utf-8"))

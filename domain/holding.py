"""What a user holds of a ticker, and how a broker's file of it is read."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping

from pydantic import Field, ValidationError, field_validator

from domain.definition import faults_of
from domain.errors import Fault, InvalidInput
from domain.operand import Model
from domain.ticker import Ticker

MOST = 5000
HEADS = {
    "symbol": ("symbol", "ticker", "instrument"),
    "quantity": ("quantity", "qty", "shares", "units", "position"),
    "cost": ("cost", "cost per share", "average cost", "average price", "avg price", "avg cost", "average cost basis",
             "purchase price", "price paid", "unit cost"),
    "currency": ("currency", "ccy"),
}  # fmt: skip
_MONEY = re.compile(r"[$€£¥\s]")


class Holding(Model):
    """``quantity`` in shares, negative when sold short; ``cost`` is the price paid a share, in ``currency`` (ISO 4217)."""

    symbol: Ticker
    quantity: float
    cost: float | None = Field(default=None, ge=0)
    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")

    @field_validator("quantity")
    @classmethod
    def _is_some(cls, value: float) -> float:
        if value == 0 or not math.isfinite(value):
            raise ValueError("expected a number of shares other than 0")
        return value


def read_holdings(text: str) -> list[Holding]:
    """A CSV with a column ``symbol`` and a column ``quantity``; ``cost`` (a share) and ``currency`` may be there.

    Several lots of a ticker become one, with the mean of their costs by quantity. A file of ``;`` has decimal commas.

    Raises:
        InvalidInput: with every fault of every row.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    separator = ";" if lines and lines[0].count(";") > lines[0].count(",") else ","
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
    places = _places(rows[0] if rows else [])
    faults: list[Fault] = []
    found: list[Holding] = []
    for number, row in enumerate(rows[1:], 2):
        cells = {name: row[place].strip() for name, place in places.items() if place < len(row)}
        try:
            found.append(Holding.model_validate(_values(cells, decimal_comma=separator == ";")))
        except ValidationError as error:
            faults += [Fault(f"row {number}, {one.path[2:]}", one.message, one.value) for one in faults_of(error)]
    if not faults and not found:
        faults.append(Fault("the file", "expected at least one holding"))
    if faults:
        raise InvalidInput("holdings", faults)
    return merged(found)


def merged(lots: list[Holding]) -> list[Holding]:
    """One holding a ticker, in the order in which they first come.

    Raises:
        InvalidInput: lots of one ticker in several currencies or that cancel each other out, or too many tickers.
    """
    found: dict[str, Holding] = {}
    faults: list[Fault] = []
    for lot in lots:
        before = found.get(lot.symbol)
        if before is None:
            found[lot.symbol] = lot
        elif before.currency != lot.currency:
            faults.append(Fault(lot.symbol, f"is held in {before.currency or '?'} and in {lot.currency or '?'}"))
        elif before.quantity + lot.quantity == 0:
            faults.append(Fault(lot.symbol, "its lots come to nothing; leave them out"))
        else:
            found[lot.symbol] = _sum(before, lot)
    if len(found) > MOST:
        faults.append(Fault("holdings", f"expected at most {MOST:,} tickers", len(found)))
    if faults:
        raise InvalidInput("holdings", faults)
    return list(found.values())


def _sum(one: Holding, other: Holding) -> Holding:
    quantity = one.quantity + other.quantity
    cost = None
    if one.cost is not None and other.cost is not None:
        cost = max(0.0, (one.cost * one.quantity + other.cost * other.quantity) / quantity)
    return one.model_copy(update={"quantity": quantity, "cost": cost})


def _places(heads: list[str]) -> dict[str, int]:
    named = [re.sub(r"[_\s]+", " ", cell.strip().lower().lstrip("\ufeff")) for cell in heads]
    found = {name: named.index(word) for name, words in HEADS.items() for word in words if word in named}
    missing = [name for name in ("symbol", "quantity") if name not in found]
    if missing:
        wanted = "; ".join(f"{name} may be called {', '.join(HEADS[name])}" for name in missing)
        raise InvalidInput("holdings", [Fault("first row", f"has no column for {' and '.join(missing)}: {wanted}")])
    return found


def _values(cells: Mapping[str, str], *, decimal_comma: bool) -> dict[str, object]:
    values: dict[str, object] = {"symbol": cells.get("symbol", "")}
    for name in ("quantity", "cost"):
        if cells.get(name):
            values[name] = _number(cells[name], decimal_comma=decimal_comma)
    if cells.get("currency"):
        values["currency"] = cells["currency"].upper()
    return values


def _number(text: str, *, decimal_comma: bool) -> object:
    """The number, or the text as it stands, which is then refused by name."""
    plain = _MONEY.sub("", text).removesuffix("-")
    plain = plain.replace(".", "").replace(",", ".") if decimal_comma else plain.replace(",", "")
    sign = -1.0 if text.strip().endswith("-") or (plain.startswith("(") and plain.endswith(")")) else 1.0
    try:
        return sign * float(plain.strip("()"))
    except ValueError:
        return text

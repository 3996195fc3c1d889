"""Values of many tickers from stored bars, read and computed by columns; runs in a process of its own.

What it gives is what ``Evaluation`` computes ticker by ticker: the same windows through the same functions. It judges nothing:
who asks looks at how new and how whole the bars are.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.evaluation import operand_of, value_of
from activities.indicators import Columns
from domain.bar import FIELDS, finite
from domain.operand import FieldOperand, SeriesOperand
from storage.database import Database
from storage.types import UtcDateTime

CHUNK = 200  # tickers in one query
JUMP = 1.85  # a price that changes so much between two bars may be a split, or wrong: that is for a closer look
QUERY = text(
    "SELECT symbol, open_time, close_time, open, high, low, close, volume FROM bars WHERE timeframe = :frame "
    "AND adjustment = :adjustment AND symbol IN :symbols AND open_time >= :since AND close_time <= :until "
    "ORDER BY symbol, open_time"
).bindparams(
    bindparam("symbols", expanding=True),
    bindparam("since", type_=UtcDateTime()),
    bindparam("until", type_=UtcDateTime()),
)


@dataclass(frozen=True)
class StoredQuery:
    """What is asked: of each timeframe how many bars are ``needed``, the stored series to look into, best first, since when."""

    url: str
    symbols: tuple[str, ...]
    frame: str
    keys: tuple[str, ...]
    needed: Mapping[str, int]
    adjustments: Mapping[str, tuple[str, ...]]
    since: Mapping[str, datetime]
    until: datetime


@dataclass(frozen=True)
class Window:
    """Which bars the values are of: how many, open of the first and the last, close of the last."""

    adjustment: str
    count: int
    first_open: datetime
    last_open: datetime
    last_close: datetime


@dataclass(frozen=True)
class StoredValues:
    """A ticker's values on its newest stored bar, and of each timeframe the window they were computed from."""

    values: dict[str, float | None]
    windows: dict[str, Window]


@dataclass
class _Series:
    adjustment: str
    opens: list[Any]
    closes: list[Any]
    columns: Columns
    doubtful: bool = field(init=False)

    def __post_init__(self) -> None:
        close = self.columns["close"]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = close[1:] / close[:-1]
        self.doubtful = bool(((ratio >= JUMP) | (ratio <= 1 / JUMP) | ~np.isfinite(ratio)).any())


def stored_values(asked: StoredQuery) -> dict[str, StoredValues]:
    """Of each ticker that has its whole windows in the database, without a jump in them. Blocking."""
    return asyncio.run(_read(asked))


async def _read(asked: StoredQuery) -> dict[str, StoredValues]:
    operands = [operand_of(key) for key in asked.keys]
    database = Database(asked.url, pool_size=1)
    found: dict[str, StoredValues] = {}
    try:
        async with database.engine.connect() as connection:
            for start in range(0, len(asked.symbols), CHUNK):
                some = asked.symbols[start : start + CHUNK]
                series = {
                    frame: await _series(connection, asked, frame, some, count) for frame, count in asked.needed.items()
                }
                for symbol in some:
                    one = _values(symbol, asked, operands, series)
                    if one is not None:
                        found[symbol] = one
    finally:
        await database.close()
    return found


async def _series(
    connection: AsyncConnection, asked: StoredQuery, frame: str, symbols: tuple[str, ...], needed: int
) -> dict[str, _Series]:
    """Of each ticker the first of the stored series that is long enough."""
    found: dict[str, _Series] = {}
    for adjustment in asked.adjustments.get(frame, ()):
        left = [symbol for symbol in symbols if symbol not in found]
        if not left:
            break
        given = {"frame": frame, "adjustment": adjustment, "symbols": left, "since": asked.since[frame]}
        rows = (await connection.execute(QUERY, {**given, "until": asked.until})).all()
        for symbol, group in groupby(rows, key=itemgetter(0)):
            bars = list(group)[-needed:]
            if len(bars) == needed:
                found[symbol] = _Series(adjustment, [bar[1] for bar in bars], [bar[2] for bar in bars], _columns(bars))
    return found


def _columns(bars: list[Any]) -> Columns:
    table = np.array([bar[3:] for bar in bars], dtype=np.float64)  # None becomes NaN
    return dict(zip(FIELDS, table.T, strict=True))


def _values(
    symbol: str, asked: StoredQuery, operands: list[SeriesOperand], series: Mapping[str, Mapping[str, _Series]]
) -> StoredValues | None:
    of_ticker = {name: found[symbol] for name, found in series.items() if symbol in found}
    if len(of_ticker) < len(asked.needed) or any(one.doubtful for one in of_ticker.values()):
        return None
    own = of_ticker[asked.frame]
    values: dict[str, float | None] = {"close": finite(float(own.columns["close"][-1]))}
    for operand in operands:
        chosen = of_ticker[operand.timeframe or asked.frame]
        at = len(chosen.closes) - 1 if chosen is own else bisect_right(chosen.closes, own.closes[-1]) - 1
        values[operand.key] = _value(operand, chosen.columns, at)
    windows = {
        name: Window(one.adjustment, len(one.opens), *map(_moment, (one.opens[0], one.opens[-1], one.closes[-1])))
        for name, one in of_ticker.items()
    }
    return StoredValues(values, windows)


def _value(operand: SeriesOperand, columns: Columns, at: int) -> float | None:
    index = at - operand.offset
    if index < 0:
        return None
    if isinstance(operand, FieldOperand):
        return finite(float(columns[operand.field][index]))
    outputs = value_of(operand, columns, index, begins_history=False)
    return finite(outputs[operand.output or operand.definition.outputs[0]])


def _moment(value: Any) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

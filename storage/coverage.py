"""What market data there is: of each table how many tickers, since when, how new, and with how many holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import String, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.vendor_data import Kind
from storage.data_tables import GapRow
from storage.tables import BarRow
from storage.vendor_data import TABLES

NEWEST = {  # by which column a record is new, where that is not when it was stored
    Kind.STOCK_QUOTES: "at",
    Kind.EARNINGS: "period",
    Kind.EARNINGS_CALENDAR: "day",
    Kind.NEWS: "published_at",
    Kind.ECONOMIC_EVENTS: "at",
}


@dataclass(frozen=True)
class Coverage:
    """Of bars one a timeframe and stored series (``yahoo/split``), of the other kinds one a vendor.

    ``gaps`` are holes that a second request did not fill; None where a kind has none.
    """

    table: str
    timeframe: str
    source: str
    tickers: int
    rows: int
    oldest: datetime | None
    newest: datetime | None
    gaps: int | None = None


class DataCoverage:
    """Reads; counts whole tables."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def all(self, symbol: str | None = None) -> Sequence[Coverage]:
        """What there is, of all tickers or of one; tables that hold nothing are left out."""
        found = await self._bars(symbol)
        for kind, table in TABLES.items():
            found += await self._records(kind, table, symbol)
        return found

    async def _bars(self, symbol: str | None) -> list[Coverage]:
        series = (BarRow.timeframe, BarRow.adjustment)
        figures: tuple[Any, ...] = (
            func.count(BarRow.symbol.distinct()),
            func.count(),
            func.min(BarRow.open_time),
            func.max(BarRow.close_time),
        )
        statement = select(*series, *figures).group_by(*series).order_by(*series)
        holes = select(GapRow.timeframe, GapRow.adjustment, func.count()).where(GapRow.filled == 0)
        if symbol is not None:
            statement, holes = statement.where(BarRow.symbol == symbol), holes.where(GapRow.symbol == symbol)
        of_series = {
            (frame, adjustment): int(count)
            for frame, adjustment, count in await self.session.execute(
                holes.group_by(GapRow.timeframe, GapRow.adjustment)
            )
        }
        return [
            Coverage(
                "bars",
                frame,
                adjustment,
                int(tickers),
                int(rows),
                oldest,
                newest,
                of_series.get((frame, adjustment), 0),
            )
            for frame, adjustment, tickers, rows, oldest, newest in await self.session.execute(statement)
        ]

    async def _records(self, kind: Kind, table: Any, symbol: str | None) -> list[Coverage]:
        name = {Kind.OPTIONS_CHAIN: "underlying", Kind.ECONOMIC_EVENTS: ""}.get(kind, "symbol")
        column = getattr(table, name) if name else literal("", String)
        at = getattr(table, NEWEST.get(kind, "stored_at"))
        statement = (
            select(table.source, func.count(column.distinct()), func.count(), func.min(at), func.max(at))
            .group_by(table.source)
            .order_by(table.source)
        )
        if symbol is not None:
            if not name:
                return []
            statement = statement.where(column == symbol)
        rows = await self.session.execute(statement)
        return [
            Coverage(
                str(table.__tablename__),
                "",
                source,
                int(tickers) if name else 0,
                int(count),
                _moment(oldest),
                _moment(newest),
            )
            for source, tickers, count, oldest, newest in rows
        ]


def _moment(value: datetime | date | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.combine(value, time(), UTC)

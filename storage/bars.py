"""Closed candles, kept so that a restart does not ask the vendor again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.bar import FIELDS, Bar
from storage.tables import BarRow
from storage.upsert import upsert


class Bars:
    """Repository of bars. ``adjustment`` is part of the key: raw and adjusted prices never mix."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def save(self, symbol: str, timeframe: str, adjustment: str, bars: Sequence[Bar], source: str) -> None:
        """Writes closed bars, replacing earlier versions of the same bar."""
        rows = [
            {
                "symbol": symbol,
                "timeframe": timeframe,
                "adjustment": adjustment,
                "open_time": bar.open_time,
                "close_time": bar.close_time,
                "source": source,
                **{name: _finite(getattr(bar, name)) for name in FIELDS},
            }
            for bar in bars
            if bar.final
        ]
        await upsert(self.session, BarRow, rows, ("close_time", "source", *FIELDS))

    async def newest(self, symbol: str, timeframe: str, adjustment: str, count: int, before: datetime) -> list[Bar]:
        """The newest ``count`` bars that had closed at ``before``, ascending."""
        rows = await self.session.scalars(
            select(BarRow)
            .where(
                BarRow.symbol == symbol,
                BarRow.timeframe == timeframe,
                BarRow.adjustment == adjustment,
                BarRow.close_time <= before,
            )
            .order_by(BarRow.open_time.desc())
            .limit(count)
        )
        return [_bar(row) for row in rows][::-1]

    async def newest_of_any(self, symbol: str, timeframe: str, count: int, before: datetime) -> list[Bar]:
        """The newest bars of whichever provider has the newest one."""
        found = await self.session.scalar(
            select(BarRow.adjustment)
            .where(BarRow.symbol == symbol, BarRow.timeframe == timeframe, BarRow.close_time <= before)
            .order_by(BarRow.open_time.desc())
            .limit(1)
        )
        return await self.newest(symbol, timeframe, found, count, before) if found else []


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _bar(row: BarRow) -> Bar:
    prices = {name: getattr(row, name) for name in FIELDS}
    return Bar(
        open_time=row.open_time,
        close_time=row.close_time,
        final=True,
        **{name: math.nan if value is None else value for name, value in prices.items()},
    )

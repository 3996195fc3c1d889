"""Closed candles, kept so that a restart does not ask the vendor again, with their holes and corrections."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.bar import FIELDS, PRICES, Bar, finite
from storage.data_tables import CorrectionRow, CoverageRow, GapRow
from storage.tables import BarRow
from storage.upsert import upsert

SAME = 1e-9


@dataclass(frozen=True)
class Gap:
    """A hole in a series, [start, end) by open time; ``filled`` says how many bars a second request brought."""

    symbol: str
    timeframe: str
    adjustment: str
    start: datetime
    end: datetime
    found_at: datetime
    filled: int


@dataclass(frozen=True)
class Saved:
    """How many stored bars had other prices before; ``closes`` they had, by open time, of all that were there before."""

    corrected: int = 0
    closes: Mapping[datetime, float] = field(default_factory=dict, compare=False)


class Bars:
    """Repository of bars. ``adjustment`` is part of the key: vendors, raw and adjusted prices never mix."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def save(
        self,
        symbol: str,
        timeframe: str,
        adjustment: str,
        bars: Sequence[Bar],
        source: str,
        seen_at: datetime | None = None,
    ) -> Saved:
        """Writes closed bars over earlier versions of the same. Returns what had other prices before.

        With ``seen_at`` each of those is recorded, both versions of it.
        """
        closed = [bar for bar in bars if bar.final]
        if not closed:
            return Saved()
        values = {bar.open_time: {name: finite(getattr(bar, name)) for name in FIELDS} for bar in closed}
        found = await self.session.scalars(
            select(BarRow).where(
                *_of(symbol, timeframe, adjustment),
                BarRow.open_time >= min(values),
                BarRow.open_time <= max(values),
            )
        )
        corrections, same = list[dict[str, Any]](), set[datetime]()
        closes: dict[datetime, float] = {}
        for row in found:
            new = values.get(row.open_time)
            if new is None:
                continue
            old = {name: getattr(row, name) for name in FIELDS}
            if old["close"]:
                closes[row.open_time] = old["close"]
            is_lost = new["close"] is None and old["close"] is not None  # what was known stays known
            if is_lost or all(_equal(old[name], new[name]) for name in FIELDS):
                same.add(row.open_time)
            elif not all(_equal(old[name], new[name]) for name in PRICES):
                corrections.append({"open_time": row.open_time, "before": old, "after": new})
        key = {"symbol": symbol, "timeframe": timeframe, "adjustment": adjustment}
        rows = [
            {**key, "open_time": bar.open_time, "close_time": bar.close_time, "source": source, **values[bar.open_time]}
            for bar in closed
            if bar.open_time not in same
        ]
        await upsert(self.session, BarRow, rows, ("close_time", "source", *FIELDS))
        if corrections and seen_at is not None:
            await self.session.execute(
                insert(CorrectionRow), [{**key, "seen_at": seen_at, **correction} for correction in corrections]
            )
        return Saved(len(corrections), closes)

    async def newest(self, symbol: str, timeframe: str, adjustment: str, count: int, before: datetime) -> list[Bar]:
        """The newest ``count`` bars that had closed at ``before``, ascending."""
        rows = await self.session.scalars(
            select(BarRow)
            .where(*_of(symbol, timeframe, adjustment), BarRow.close_time <= before)
            .order_by(BarRow.open_time.desc())
            .limit(count)
        )
        return [_bar(row) for row in rows][::-1]

    async def between(
        self, symbol: str, timeframe: str, adjustment: str, after: datetime, until: datetime
    ) -> list[Bar]:
        """Bars that opened after a time and had closed at another, ascending."""
        rows = await self.session.scalars(
            select(BarRow)
            .where(*_of(symbol, timeframe, adjustment), BarRow.open_time > after, BarRow.close_time <= until)
            .order_by(BarRow.open_time)
        )
        return [_bar(row) for row in rows]

    async def newest_of_any(self, symbol: str, timeframe: str, count: int, before: datetime) -> list[Bar]:
        """The newest bars of whichever provider has the newest one."""
        found = await self.session.scalar(
            select(BarRow.adjustment)
            .where(BarRow.symbol == symbol, BarRow.timeframe == timeframe, BarRow.close_time <= before)
            .order_by(BarRow.open_time.desc())
            .limit(1)
        )
        return await self.newest(symbol, timeframe, found, count, before) if found else []

    async def corrections(self, symbol: str, timeframe: str, limit: int = 100) -> list[CorrectionRow]:
        """Corrections of a ticker's bars, newest first."""
        statement = (
            select(CorrectionRow)
            .where(CorrectionRow.symbol == symbol, CorrectionRow.timeframe == timeframe)
            .order_by(CorrectionRow.id.desc())
            .limit(limit)
        )
        return list(await self.session.scalars(statement))

    async def uncover(self, symbol: str, timeframe: str, adjustment: str) -> None:
        """Forgets that anything was backfilled."""
        await self.session.execute(
            delete(CoverageRow).where(
                CoverageRow.symbol == symbol, CoverageRow.timeframe == timeframe, CoverageRow.adjustment == adjustment
            )
        )

    async def forget(self, symbol: str, timeframe: str, adjustment: str, before: datetime) -> None:
        """Removes bars that opened before a time, and every note that they were backfilled."""
        await self.session.execute(delete(BarRow).where(*_of(symbol, timeframe, adjustment), BarRow.open_time < before))
        await self.uncover(symbol, timeframe, adjustment)

    async def note_gaps(self, gaps: Sequence[Gap]) -> None:
        """Remembers holes and what came of asking again."""
        names = ("symbol", "timeframe", "adjustment", "found_at", "filled")
        rows = [
            {**{name: getattr(gap, name) for name in names}, "gap_start": gap.start, "gap_end": gap.end} for gap in gaps
        ]
        await upsert(self.session, GapRow, rows, ("gap_end", "found_at", "filled"))

    async def empty_gaps(self, symbol: str, timeframe: str, adjustment: str, since: datetime) -> list[datetime]:
        """Where holes begin, from a time on, in which, so the vendor, nothing traded."""
        is_series = GapRow.symbol == symbol, GapRow.timeframe == timeframe, GapRow.adjustment == adjustment
        statement = select(GapRow.start).where(*is_series, GapRow.filled == 0, GapRow.start >= since)
        return list(await self.session.scalars(statement))

    async def covered(self, symbol: str, timeframe: str, adjustment: str) -> list[tuple[datetime, datetime]]:
        """Windows a backfill has finished, ascending."""
        rows = await self.session.scalars(
            select(CoverageRow)
            .where(
                CoverageRow.symbol == symbol, CoverageRow.timeframe == timeframe, CoverageRow.adjustment == adjustment
            )
            .order_by(CoverageRow.start)
        )
        return [(row.start, row.end) for row in rows]

    async def cover(
        self, symbol: str, timeframe: str, adjustment: str, window: tuple[datetime, datetime], bars: int, now: datetime
    ) -> None:
        """Notes a window as finished."""
        row = {"symbol": symbol, "timeframe": timeframe, "adjustment": adjustment, "bars": bars, "fetched_at": now}
        row |= {"window_start": window[0], "window_end": window[1]}
        await upsert(self.session, CoverageRow, [row], ("window_end", "bars", "fetched_at"))


def _of(symbol: str, timeframe: str, adjustment: str) -> tuple[ColumnElement[bool], ...]:
    return BarRow.symbol == symbol, BarRow.timeframe == timeframe, BarRow.adjustment == adjustment


def _equal(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return abs(old - new) <= SAME * max(abs(old), abs(new))


def _bar(row: BarRow) -> Bar:
    prices = {name: getattr(row, name) for name in FIELDS}
    return Bar(
        open_time=row.open_time,
        close_time=row.close_time,
        final=True,
        **{name: math.nan if value is None else value for name, value in prices.items()},
    )

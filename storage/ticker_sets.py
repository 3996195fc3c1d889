"""Users' own sets of tickers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ticker_sets import TickerSet
from storage.tables import TickerSetRow
from storage.upsert import upsert


class TickerSets:
    """Repository of sets."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, user_id: str, name: str) -> TickerSet | None:
        """The user's of that name, if any."""
        row = await self.session.get(TickerSetRow, (user_id, name), populate_existing=True)
        return _set(row) if row else None

    async def list(self, user_id: str) -> Sequence[TickerSet]:
        """The user's, by name."""
        rows = await self.session.scalars(
            select(TickerSetRow).where(TickerSetRow.user_id == user_id).order_by(TickerSetRow.name)
        )
        return [_set(row) for row in rows]

    async def put(self, user_id: str, one: TickerSet, now: datetime) -> None:
        """A new one, or other tickers under its name."""
        values = {"user_id": user_id, "name": one.name, "symbols": list(one.symbols), "updated_at": now}
        await upsert(self.session, TickerSetRow, [values], ("symbols", "updated_at"))

    async def remove(self, user_id: str, name: str) -> bool:
        """Whether there was one."""
        there = await self.get(user_id, name) is not None
        await self.session.execute(
            delete(TickerSetRow).where(TickerSetRow.user_id == user_id, TickerSetRow.name == name)
        )
        return there


def _set(row: TickerSetRow) -> TickerSet:
    return TickerSet(row.name, tuple(row.symbols), row.updated_at.date())

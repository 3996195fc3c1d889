"""Whose turn it is at a destination, as all processes see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import TurnRow
from storage.upsert import insert_new


@dataclass(frozen=True)
class Door:
    """A destination's: nobody else may send before ``opens_at``, which is later after each of ``failures`` in a row."""

    opens_at: datetime
    failures: int = 0


class NoticeTurns:
    """Repository of turns."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def door(self, user_id: str, channel: str, now: datetime) -> Door:
        """As it is; made where it is not there yet."""
        row = await self.session.get(TurnRow, (user_id, channel), populate_existing=True)
        if row is None:
            values = {"user_id": user_id, "channel": channel, "busy_until": now, "opens_at": now, "failures": 0}
            await insert_new(self.session, TurnRow, [values])
            return Door(now)
        return Door(max(row.opens_at, row.busy_until), row.failures)

    async def take(self, user_id: str, channel: str, now: datetime, until: datetime) -> bool:
        """Whether it is ours now, until a time at the latest: of two that ask at once, one gets it."""
        result: CursorResult[Any] = await self.session.execute(  # type: ignore[assignment]
            update(TurnRow)
            .where(
                TurnRow.user_id == user_id,
                TurnRow.channel == channel,
                TurnRow.busy_until <= now,
                TurnRow.opens_at <= now,
            )
            .values(busy_until=until)
            .execution_options(synchronize_session=False)
        )
        return result.rowcount > 0

    async def give_back(self, user_id: str, channel: str, now: datetime, opens_at: datetime, failures: int) -> None:
        """The next may go from a time on."""
        await self.session.execute(
            update(TurnRow)
            .where(TurnRow.user_id == user_id, TurnRow.channel == channel)
            .values(busy_until=now, opens_at=opens_at, failures=failures)
            .execution_options(synchronize_session=False)
        )

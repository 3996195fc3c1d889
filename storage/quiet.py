"""Users' quiet hours and silences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.quiet import QuietHours, Silence, Silenced, read_hours
from storage.tables import QuietRow, SilenceRow
from storage.upsert import upsert


class Quiet:
    """Repository of both."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def hours(self, user_id: str) -> QuietHours | None:
        """The user's, if any."""
        row = await self.session.get(QuietRow, user_id, populate_existing=True)
        return read_hours(row.hours, row.timezone) if row else None

    async def set_hours(self, user_id: str, hours: QuietHours | None) -> None:
        """Others, or none."""
        if hours is None:
            await self.session.execute(delete(QuietRow).where(QuietRow.user_id == user_id))
            return
        row = {"user_id": user_id, "hours": str(hours), "timezone": hours.timezone}
        await upsert(self.session, QuietRow, [row], ("hours", "timezone"))

    async def silences(self, user_id: str, now: datetime) -> Sequence[Silence]:
        """Those that have not ended, the first to end first."""
        rows = await self.session.scalars(
            select(SilenceRow)
            .where(SilenceRow.user_id == user_id, SilenceRow.until > now)
            .order_by(SilenceRow.until, SilenceRow.id)
        )
        return [Silence(Silenced(row.kind), row.value, row.until, row.user_id, row.id, row.reason) for row in rows]

    async def add(self, one: Silence, now: datetime) -> int:
        """Its number."""
        row = SilenceRow(
            user_id=one.user_id,
            kind=one.kind.value,
            value=one.value,
            until=one.until,
            reason=one.reason,
            created_at=now,
        )
        self.session.add(row)
        await self.session.flush()
        return row.id

    async def remove(self, user_id: str, number: int) -> bool:
        """Whether there was one."""
        row = await self.session.get(SilenceRow, number)
        if row is None or row.user_id != user_id:
            return False
        await self.session.execute(delete(SilenceRow).where(SilenceRow.id == number))
        return True

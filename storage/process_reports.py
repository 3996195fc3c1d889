"""What processes tell each other of their work: the reconciler's last sweep, for example."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import NoteRow
from storage.upsert import insert_new, upsert


class ProcessReports:
    """Repository of notes, one a name."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def put(self, name: str, at: datetime, value: dict[str, Any]) -> None:
        """Writes a note over the one of that name."""
        await upsert(self.session, NoteRow, [{"name": name, "at": at, "value": value}], ("at", "value"))

    async def first(self, name: str, at: datetime, value: dict[str, Any]) -> dict[str, Any]:
        """The note of that name, which is this one when there is none yet."""
        await insert_new(self.session, NoteRow, [{"name": name, "at": at, "value": value}])
        found = await self.get(name)
        return found[1] if found else value

    async def get(self, name: str) -> tuple[datetime, dict[str, Any]] | None:
        """When it was written, and what it says."""
        row = await self.session.get(NoteRow, name, populate_existing=True)
        return (row.at, row.value) if row else None

    async def under(self, prefix: str, since: datetime) -> dict[str, tuple[datetime, dict[str, Any]]]:
        """ProcessReports whose names begin so, written since a time, by name."""
        rows = await self.session.scalars(
            select(NoteRow)
            .where(NoteRow.name.startswith(prefix, autoescape=True), NoteRow.at >= since)
            .order_by(NoteRow.name)
        )
        return {row.name: (row.at, row.value) for row in rows}

    async def forget(self, prefix: str, before: datetime) -> None:
        """Removes notes whose names begin so, last written before a time."""
        await self.session.execute(
            delete(NoteRow).where(NoteRow.name.startswith(prefix, autoescape=True), NoteRow.at < before)
        )

"""Who changed what, when, from which client (R-209)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import AuditRow


@dataclass(frozen=True)
class AuditEntry:
    """One change. ``actor`` is a user or a key's name, ``client`` api, cli, temporal or sql."""

    at: datetime
    actor: str
    client: str
    action: str
    object_type: str
    object_id: str
    version: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    id: int = 0


class AuditLog:
    """Repository of audit entries: written once, never changed."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, entry: AuditEntry) -> None:
        """Writes one."""
        values = {name: value for name, value in vars(entry).items() if name != "id"}
        self.session.add(AuditRow(**values))
        await self.session.flush()

    async def newest_version(self, object_id: str) -> int:
        """The highest version an object of that id ever had; 0 when there is none."""
        found = await self.session.scalar(select(func.max(AuditRow.version)).where(AuditRow.object_id == object_id))
        return int(found or 0)

    async def of(
        self, object_id: str, limit: int = 100, *, before: int | None = None, since: datetime | None = None
    ) -> list[AuditEntry]:
        """The newest entries on an object, newest first: below a number, and not from before ``since``."""
        statement = select(AuditRow).where(AuditRow.object_id == object_id).order_by(AuditRow.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(AuditRow.id < before)
        if since is not None:
            statement = statement.where(AuditRow.at >= since)
        rows = await self.session.scalars(statement)
        return [
            AuditEntry(
                row.at,
                row.actor,
                row.client,
                row.action,
                row.object_type,
                row.object_id,
                row.version,
                row.detail,
                row.id,
            )
            for row in rows
        ]

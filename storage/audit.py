"""Who changed what, when, from which client (R-209)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
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

    async def of(self, object_id: str, limit: int = 100) -> list[AuditEntry]:
        """The newest entries on an object, newest first."""
        rows = await self.session.scalars(
            select(AuditRow).where(AuditRow.object_id == object_id).order_by(AuditRow.id.desc()).limit(limit)
        )
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

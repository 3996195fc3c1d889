"""Who changed what, when, from which client."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import AuditRow

ENDED = "ended"  # an alert's workflow that ended though nobody wished it


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
        await self.add_all([entry])

    async def add_all(self, entries: Sequence[AuditEntry]) -> None:
        """Writes many at once."""
        values = [{name: value for name, value in vars(entry).items() if name != "id"} for entry in entries]
        if values:
            await self.session.execute(insert(AuditRow), values)

    async def ended_often(self, since: datetime, least: int) -> list[AuditEntry]:
        """The newest entry of each alert that ended abnormally at least so often since a time."""
        ended = (AuditRow.action == ENDED, AuditRow.at >= since)
        often = select(func.max(AuditRow.id)).where(*ended).group_by(AuditRow.object_id).having(func.count() >= least)
        rows = await self.session.scalars(select(AuditRow).where(AuditRow.id.in_(often)).order_by(AuditRow.object_id))
        return [_entry(row) for row in rows]

    async def newest_versions(self, object_ids: Collection[str]) -> dict[str, int]:
        """The highest version each of these ids ever had, where it had one."""
        found = await self.session.execute(
            select(AuditRow.object_id, func.max(AuditRow.version))
            .where(AuditRow.object_id.in_(object_ids))
            .group_by(AuditRow.object_id)
        )
        return {name: int(version) for name, version in found if version is not None}

    async def of(
        self,
        object_id: str,
        limit: int = 100,
        *,
        before: int | None = None,
        since: datetime | None = None,
        action: str | None = None,
    ) -> list[AuditEntry]:
        """The newest entries on an object, newest first: below a number, not from before ``since``, of one action."""
        statement = select(AuditRow).where(AuditRow.object_id == object_id).order_by(AuditRow.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(AuditRow.id < before)
        if since is not None:
            statement = statement.where(AuditRow.at >= since)
        if action is not None:
            statement = statement.where(AuditRow.action == action)
        rows = await self.session.scalars(statement)
        return [_entry(row) for row in rows]


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
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

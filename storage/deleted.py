"""Alerts that were deleted: kept for a while, so that they can be brought back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.job_tables import DeletedAlertRow
from storage.upsert import upsert


@dataclass(frozen=True)
class DeletedAlert:
    """As it was: ``definition`` in its full form, and whether it was enabled."""

    id: str
    user_id: str
    name: str
    definition: dict[str, Any]
    enabled: bool
    deleted_at: datetime

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return dict(vars(self))


class DeletedAlerts:
    """Repository of deleted alerts; of several of a user under one id the last one is kept."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def keep(self, one: DeletedAlert) -> None:
        """Until it is brought back, or old."""
        fields = ("name", "definition", "enabled", "deleted_at")
        await upsert(self.session, DeletedAlertRow, [dict(vars(one))], fields)

    async def list(self, since: datetime, user_id: str | None = None) -> Sequence[DeletedAlert]:
        """Those deleted since a time, the newest first; ``user_id`` None: whoever's."""
        statement = select(DeletedAlertRow).where(DeletedAlertRow.deleted_at >= since)
        if user_id is not None:
            statement = statement.where(DeletedAlertRow.user_id == user_id)
        rows = await self.session.scalars(statement.order_by(DeletedAlertRow.deleted_at.desc(), DeletedAlertRow.id))
        return [_read(row) for row in rows]

    async def get(self, alert_id: str, since: datetime, user_id: str | None = None) -> DeletedAlert | None:
        """The one with that id, where it was deleted since; ``user_id`` None: whoever's, the newest."""
        statement = select(DeletedAlertRow).where(DeletedAlertRow.id == alert_id, DeletedAlertRow.deleted_at >= since)
        if user_id is not None:
            statement = statement.where(DeletedAlertRow.user_id == user_id)
        row = await self.session.scalar(statement.order_by(DeletedAlertRow.deleted_at.desc()).limit(1))
        return None if row is None else _read(row)

    async def forget(self, these: Sequence[tuple[str, str]]) -> None:
        """Those of users whose ids are in use again: user and id."""
        for start in range(0, len(these), 300):
            some = [
                and_(DeletedAlertRow.user_id == user_id, DeletedAlertRow.id == alert_id)
                for user_id, alert_id in these[start : start + 300]
            ]
            await self.session.execute(delete(DeletedAlertRow).where(or_(*some)))


def _read(row: DeletedAlertRow) -> DeletedAlert:
    return DeletedAlert(row.id, row.user_id, row.name, row.definition, row.enabled, row.deleted_at)

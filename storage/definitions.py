"""Alert definitions as rows of ``job_schedules``, with the projection of their state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.alert import Alert, AlertState
from domain.definition import read_definition
from domain.errors import InvalidInput
from storage.tables import ScheduleRow

ALERT = "alert"
log = structlog.get_logger(__name__)


class DefinitionConflict(Exception):
    """The row has another version than the one the change was made from."""

    def __init__(self, alert_id: str, expected: int, found: int | None) -> None:
        self.found = found
        now = "gone" if found is None else f"at version {found}"
        super().__init__(f"alert {alert_id} was changed meanwhile: expected version {expected}, it is {now}")


class DuplicateAlert(Exception):
    """An alert with this id exists already."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"an alert with id '{alert_id}' exists already; choose another with --id")


@dataclass(frozen=True)
class StoredAlert:
    """A definition row: the alert, whether it is enabled, and its state as last projected."""

    alert: Alert
    enabled: bool
    status: str
    reason: str
    state_version: int
    last_bar_close: datetime | None
    last_values: dict[str, Any] | None
    triggered_at: datetime | None
    trigger_count: int
    created_at: datetime
    updated_at: datetime


class Definitions:
    """Repository of definitions; every write checks or bumps the version."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, alert: Alert, now: datetime) -> None:
        """Inserts a new definition.

        Raises:
            DuplicateAlert: when the id is taken.
        """
        if await self.session.get(ScheduleRow, alert.id) is not None:
            raise DuplicateAlert(alert.id)
        self.session.add(
            ScheduleRow(id=alert.id, user_id=alert.user_id, job_type=ALERT, created_at=now, **_fields(alert, now))
        )
        await self.session.flush()

    async def replace(self, alert: Alert, expected_version: int, now: datetime) -> None:
        """Writes ``alert`` over the version it was made from.

        Raises:
            DefinitionConflict: when the row has another version, or none.
        """
        statement = (
            update(ScheduleRow)
            .where(ScheduleRow.id == alert.id, ScheduleRow.version == expected_version)
            .values(**_fields(alert, now))
        )
        result: CursorResult[Any] = await self.session.execute(statement)  # type: ignore[assignment]
        if result.rowcount == 0:
            row = await self.session.get(ScheduleRow, alert.id)
            raise DefinitionConflict(alert.id, expected_version, row.version if row else None)

    async def get(self, alert_id: str) -> StoredAlert | None:
        """The alert with that id, if any."""
        row = await self.session.get(ScheduleRow, alert_id, populate_existing=True)
        return _stored(row) if row and row.job_type == ALERT else None

    async def list(self) -> list[StoredAlert]:
        """All alerts, oldest first."""
        rows = await self.session.scalars(
            select(ScheduleRow).where(ScheduleRow.job_type == ALERT).order_by(ScheduleRow.created_at, ScheduleRow.id)
        )
        found = []
        for row in rows:
            try:
                found.append(_stored(row))
            except InvalidInput as error:  # one bad row must not hide the others
                log.error("definition unreadable", action="list_definitions", alert_id=row.id, error=str(error)[:500])
        return found

    async def delete(self, alert_id: str) -> bool:
        """Removes the row; whether there was one."""
        result: CursorResult[Any] = await self.session.execute(  # type: ignore[assignment]
            delete(ScheduleRow).where(ScheduleRow.id == alert_id)
        )
        return result.rowcount > 0

    async def project(self, alert_id: str, version: int, state: AlertState, next_run_at: datetime | None) -> None:
        """Keeps what lists show of the workflow's state. Not a change of the definition: the version stays."""
        snapshot = state.last_snapshot
        await self.session.execute(
            update(ScheduleRow)
            .where(ScheduleRow.id == alert_id)
            .values(
                status=state.status.value,
                reason=state.reason,
                state_version=version,
                last_bar_close=state.last_bar_close,
                last_values=snapshot.values if snapshot else None,
                triggered_at=state.triggered_at,
                trigger_count=state.trigger_count,
                next_run_at=next_run_at,
            )
        )


def _fields(alert: Alert, now: datetime) -> dict[str, Any]:
    definition = alert.definition
    return {
        "name": definition.name,
        "target": definition.symbol,
        "task_params": definition.as_json(),
        "cron": definition.cron,
        "timezone": definition.timezone,
        "version": alert.version,
        "definition_hash": definition.digest,
        "updated_at": now,
    }


def _stored(row: ScheduleRow) -> StoredAlert:
    definition = read_definition({**row.task_params, "name": row.name, "cron": row.cron, "timezone": row.timezone})
    return StoredAlert(
        alert=Alert(id=row.id, user_id=row.user_id, version=row.version, definition=definition),
        enabled=row.enabled,
        status=row.status,
        reason=row.reason,
        state_version=row.state_version,
        last_bar_close=row.last_bar_close,
        last_values=row.last_values,
        triggered_at=row.triggered_at,
        trigger_count=row.trigger_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )

"""What happened to alerts: rows that are written once and never change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.alert import AlertEvent, EventKind, Status
from storage.tables import EventRow
from storage.upsert import insert_new


class Events:
    """Repository of events."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def record(self, events: Sequence[AlertEvent], now: datetime) -> None:
        """Inserts events; one that is there already stays as it is."""
        await insert_new(self.session, EventRow, [_row(event, now) for event in events])

    async def get(self, event_id: str) -> AlertEvent | None:
        """The event with that id, if any."""
        row = await self.session.get(EventRow, event_id)
        return _event(row) if row else None

    async def of_alert(
        self,
        alert_id: str,
        *,
        kinds: Sequence[str] = (),
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[AlertEvent]:
        """Events of one alert in order of their time."""
        order = (
            (EventRow.at.desc(), EventRow.recorded_at.desc()) if newest_first else (EventRow.at, EventRow.recorded_at)
        )
        statement = (
            select(EventRow).where(EventRow.alert_id == alert_id).order_by(*order, EventRow.ordinal).limit(limit)
        )
        if kinds:
            statement = statement.where(EventRow.kind.in_(kinds))
        return [_event(row) for row in await self.session.scalars(statement)]

    async def fire_before(self, alert_id: str, at: datetime) -> AlertEvent | None:
        """The last fire of that alert before a moment, if any."""
        row = await self.session.scalar(
            select(EventRow)
            .where(EventRow.alert_id == alert_id, EventRow.kind == EventKind.TRIGGERED.value, EventRow.at < at)
            .order_by(EventRow.at.desc())
            .limit(1)
        )
        return _event(row) if row else None

    async def page(
        self,
        alert_id: str,
        kinds: Sequence[str],
        before: tuple[datetime, str] | None,
        limit: int,
        since: datetime | None = None,
    ) -> list[tuple[datetime, AlertEvent]]:
        """Events with when they were recorded, newest first, recorded before a (time, id); ``since`` bounds the other end."""
        order = (EventRow.recorded_at.desc(), EventRow.id.desc())
        statement = select(EventRow).where(EventRow.alert_id == alert_id).order_by(*order).limit(limit)
        if kinds:
            statement = statement.where(EventRow.kind.in_(kinds))
        if before is not None:
            at, event_id = before
            statement = statement.where(
                or_(EventRow.recorded_at < at, and_(EventRow.recorded_at == at, EventRow.id < event_id))
            )
        if since is not None:
            statement = statement.where(EventRow.recorded_at >= since)
        return [(row.recorded_at, _event(row)) for row in await self.session.scalars(statement)]

    async def newest_versions(self, alert_ids: Collection[str]) -> dict[str, int]:
        """The highest version that has an event, of those of these alerts that have any."""
        found = await self.session.execute(
            select(EventRow.alert_id, func.max(EventRow.version))
            .where(EventRow.alert_id.in_(alert_ids))
            .group_by(EventRow.alert_id)
        )
        return {name: int(version) for name, version in found}

    async def of_these(
        self, alert_ids: Sequence[str], kinds: Sequence[str], since: datetime
    ) -> list[tuple[datetime, AlertEvent]]:
        """What happened to these alerts from a moment on, in the order of its time, with when it was recorded."""
        found: list[tuple[datetime, AlertEvent]] = []
        for start in range(0, len(alert_ids), 500):
            rows = await self.session.scalars(
                select(EventRow)
                .where(
                    EventRow.alert_id.in_(alert_ids[start : start + 500]),
                    EventRow.kind.in_(kinds),
                    EventRow.at >= since,
                )
                .order_by(EventRow.at, EventRow.recorded_at, EventRow.ordinal)
            )
            found += [(row.recorded_at, _event(row)) for row in rows]
        return sorted(found, key=lambda one: (one[1].at, one[0], one[1].ordinal))

    async def since(self, recorded_after: datetime, limit: int = 500) -> list[tuple[datetime, AlertEvent]]:
        """Events of all alerts recorded strictly after a moment, with when they were recorded, oldest first."""
        rows = await self.session.scalars(
            select(EventRow)
            .where(EventRow.recorded_at > recorded_after)
            .order_by(EventRow.recorded_at, EventRow.at)
            .limit(limit)
        )
        return [(row.recorded_at, _event(row)) for row in rows]

    async def after(self, cursor: tuple[datetime, str], limit: int = 500) -> list[tuple[datetime, AlertEvent]]:
        """Those recorded after a (recorded_at, id), of all alerts, in that order, with when they were recorded."""
        at, event_id = cursor
        later = or_(EventRow.recorded_at > at, and_(EventRow.recorded_at == at, EventRow.id > event_id))
        rows = await self.session.scalars(
            select(EventRow).where(later).order_by(EventRow.recorded_at, EventRow.id).limit(limit)
        )
        return [(row.recorded_at, _event(row)) for row in rows]

    async def newest(self, limit: int, kinds: Collection[str] = ()) -> list[tuple[datetime, AlertEvent]]:
        """The newest of all alerts, of these kinds (none: all), with when they were recorded, oldest first."""
        statement = select(EventRow).order_by(EventRow.recorded_at.desc(), EventRow.at.desc()).limit(limit)
        if kinds:
            statement = statement.where(EventRow.kind.in_(kinds))
        rows = list(await self.session.scalars(statement))
        return [(row.recorded_at, _event(row)) for row in reversed(rows)]


def _row(event: AlertEvent, now: datetime) -> dict[str, object]:
    return {
        "id": event.id,
        "alert_id": event.alert_id,
        "version": event.version,
        "kind": event.kind.value,
        "at": event.at,
        "bar_close": event.bar_close,
        "status": event.status.value,
        "reason": event.reason,
        "bar_values": event.values,
        "ordinal": event.ordinal,
        "trigger_count": event.trigger_count,
        "late": event.late,
        "fire_count": event.count,
        "detail": event.detail,
        "source": event.source,
        "recorded_at": now,
    }


def _event(row: EventRow) -> AlertEvent:
    return AlertEvent(
        id=row.id,
        alert_id=row.alert_id,
        version=row.version,
        kind=EventKind(row.kind),
        at=row.at,
        status=Status(row.status),
        reason=row.reason,
        bar_close=row.bar_close,
        values=row.values,
        ordinal=row.ordinal,
        trigger_count=row.trigger_count,
        late=row.late,
        count=row.count,
        detail=row.detail,
        source=row.source,
    )

"""Which alerts are watched, and from which revision of their state on: a row each, written with the state itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.job_tables import WatchedRow
from storage.tables import ScheduleRow
from storage.upsert import upsert

CHUNK = 500


@dataclass(frozen=True)
class WatchedAlert:
    """``until`` is when its workflow looks for itself; None once it ticks by itself again."""

    alert_id: str
    symbol: str
    version: int
    revision: int
    until: datetime | None


class WatchedAlerts:
    """Repository of what workflows have handed to the watch."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def put(self, one: WatchedAlert, now: datetime) -> None:
        """Over what was said of that alert before."""
        row = {**vars(one), "noted_at": now}
        await upsert(self.session, WatchedRow, [row], ("symbol", "version", "revision", "until", "noted_at"))

    async def end(self, alert_id: str, now: datetime) -> None:
        """It ticks by itself again."""
        await self.session.execute(
            update(WatchedRow)
            .where(WatchedRow.alert_id == alert_id)
            .values(until=None, noted_at=now)
            .execution_options(synchronize_session=False)
        )

    async def noted(self, since: datetime) -> list[WatchedAlert]:
        """What was said from a time on."""
        return await self._read(select(WatchedRow).where(WatchedRow.noted_at >= since))

    async def page(self, after: str, limit: int, now: datetime) -> list[WatchedAlert]:
        """Those that are watched and have a definition, by id, after one."""
        return await self._read(
            select(WatchedRow)
            .join(ScheduleRow, ScheduleRow.id == WatchedRow.alert_id)
            .where(WatchedRow.alert_id > after, WatchedRow.until > now, ScheduleRow.enabled)
            .order_by(WatchedRow.alert_id)
            .limit(limit)
        )

    async def of(self, alert_ids: Sequence[str]) -> dict[str, WatchedAlert]:
        """Those of these that were ever watched, by id."""
        found: dict[str, WatchedAlert] = {}
        for start in range(0, len(alert_ids), CHUNK):
            some = alert_ids[start : start + CHUNK]
            found |= {
                one.alert_id: one for one in await self._read(select(WatchedRow).where(WatchedRow.alert_id.in_(some)))
            }
        return found

    async def states(self, ids: Sequence[str]) -> dict[str, tuple[int, Any]]:
        """Of these alerts the row's version and the memory as last projected; definitions are not read."""
        row = ScheduleRow
        rows = await self.session.execute(select(row.id, row.version, row.state).where(row.id.in_(ids)))
        return {one[0]: (one[1], one[2]) for one in rows}

    async def count(self, now: datetime) -> int:
        """How many are watched."""
        return int(await self.session.scalar(select(func.count()).where(WatchedRow.until > now)) or 0)

    async def _read(self, statement: object) -> list[WatchedAlert]:
        rows = await self.session.scalars(statement)  # type: ignore[call-overload]
        return [WatchedAlert(row.alert_id, row.symbol, row.version, row.revision, row.until) for row in rows]

"""Heartbeats of processes: one row a process, written over as long as it lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import HeartbeatRow
from storage.upsert import upsert

STOPPED = "stopped"  # it said goodbye


@dataclass(frozen=True)
class Heartbeat:
    """``system`` is ``worker``, ``api``, ``notifier`` or ``telegram``; ``instance`` is one process of it.

    ``status`` is ``healthy``, ``degraded``, ``unhealthy`` or ``stopped``.
    """

    system: str
    instance: str
    status: str
    started_at: datetime
    last_heartbeat: datetime
    version: str = ""
    issues: Sequence[str] = ()
    metrics: dict[str, Any] = field(default_factory=dict)


class Heartbeats:
    """Repository of heartbeats."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def put(self, one: Heartbeat) -> None:
        """Writes it over the one of that process."""
        values = {**vars(one), "issues": list(one.issues)}
        await upsert(self.session, HeartbeatRow, [values], ("status", "last_heartbeat", "version", "issues", "metrics"))

    async def list(self) -> Sequence[Heartbeat]:
        """All, by system and instance."""
        rows = await self.session.scalars(
            select(HeartbeatRow)
            .order_by(HeartbeatRow.system, HeartbeatRow.instance)
            .execution_options(populate_existing=True)
        )
        return [
            Heartbeat(
                row.system, row.instance, row.status, row.started_at, row.last_heartbeat, row.version, tuple(row.issues or ()),
                row.metrics or {},
            )
            for row in rows
        ]  # fmt: skip

    async def forget(self, before: datetime) -> None:
        """Removes those of processes that were last heard of before a time."""
        await self.session.execute(delete(HeartbeatRow).where(HeartbeatRow.last_heartbeat < before))

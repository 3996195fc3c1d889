"""When alerts looked last, and what they saw: of those that run, a row each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.job_tables import LookRow
from storage.upsert import upsert

CHUNK = 500


@dataclass(frozen=True)
class Look:
    """``bar_close`` and ``values`` are None where a look saw no new bar: those of an earlier one stay."""

    alert_id: str
    looked_at: datetime
    bar_close: datetime | None = None
    values: dict[str, float | None] | None = None
    problem: str = ""


class LookStore:
    """Repository of looks."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def put(self, these: Iterable[Look]) -> None:
        """Over earlier ones of the same alerts."""
        rows = sorted(
            (dict(vars(one)) for one in these), key=lambda row: row["alert_id"]
        )  # two workers lock in one order
        seen = [row for row in rows if row["bar_close"] is not None]
        await upsert(self.session, LookRow, seen, ("looked_at", "bar_close", "values", "problem"))
        nothing = [row for row in rows if row["bar_close"] is None]
        await upsert(self.session, LookRow, nothing, ("looked_at", "problem"))

    async def forget(self, alert_ids: Sequence[str]) -> None:
        """What they saw was of another alert, or another rule."""
        for start in range(0, len(alert_ids), CHUNK):
            some = alert_ids[start : start + CHUNK]
            await self.session.execute(delete(LookRow).where(LookRow.alert_id.in_(some)))

    async def of(self, alert_ids: Sequence[str]) -> dict[str, Look]:
        """By id, of those that have looked."""
        found: dict[str, Look] = {}
        for start in range(0, len(alert_ids), CHUNK):
            some = alert_ids[start : start + CHUNK]
            for row in await self.session.scalars(select(LookRow).where(LookRow.alert_id.in_(some))):
                found[row.alert_id] = Look(row.alert_id, row.looked_at, row.bar_close, row.values, row.problem)
        return found

"""What users hold, and the files that runs have made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.holding import Holding
from storage.job_tables import HoldingRow, RunFileRow
from storage.upsert import upsert


class Holdings:
    """Repository of holdings."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def list(self, user_id: str) -> Sequence[Holding]:
        """The user's, by ticker."""
        rows = await self.session.scalars(
            select(HoldingRow).where(HoldingRow.user_id == user_id).order_by(HoldingRow.symbol)
        )
        return [Holding(symbol=row.symbol, quantity=row.quantity, cost=row.cost, currency=row.currency) for row in rows]

    async def put(self, user_id: str, these: Sequence[Holding], now: datetime) -> None:
        """New ones, or other figures of the same tickers."""
        rows = [{"user_id": user_id, **one.model_dump(), "updated_at": now} for one in these]
        await upsert(self.session, HoldingRow, rows, ("quantity", "cost", "currency", "updated_at"))

    async def remove(self, user_id: str, symbols: Sequence[str] | None = None) -> int:
        """Those of these tickers, or all; how many there were."""
        there = [one.symbol for one in await self.list(user_id) if symbols is None or one.symbol in symbols]
        for start in range(0, len(there), 500):
            some = there[start : start + 500]
            await self.session.execute(
                delete(HoldingRow).where(HoldingRow.user_id == user_id, HoldingRow.symbol.in_(some))
            )
        return len(there)


@dataclass(frozen=True)
class RunFile:
    """A file of a run. ``name`` is its kind: ``html``, ``pdf`` or ``text``."""

    name: str
    media_type: str
    content: bytes


class RunFiles:
    """Repository of runs' files."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def put(self, run_id: str, files: Sequence[RunFile], now: datetime) -> None:
        """Over those of an earlier try."""
        rows = [{"run_id": run_id, **vars(one), "created_at": now} for one in files]
        await upsert(self.session, RunFileRow, rows, ("media_type", "content", "created_at"))

    async def get(self, run_id: str, name: str) -> RunFile | None:
        """That file, if there is one."""
        row = await self.session.get(RunFileRow, (run_id, name))
        return None if row is None else RunFile(row.name, row.media_type, row.content)

    async def has_any(self, run_id: str) -> bool:
        """Whether the run has made some."""
        found = select(RunFileRow.name).where(RunFileRow.run_id == run_id).limit(1)
        return await self.session.scalar(found) is not None

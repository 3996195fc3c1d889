"""What data jobs collect: batch upserts into the table of each kind, and what one step hands to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.vendor_data import Kind, Record
from storage.data_tables import (
    CompanyRow,
    EarningsDateRow,
    EarningsRow,
    EconomicEventRow,
    NewsRow,
    OptionRow,
    QuoteRow,
    StageRow,
)
from storage.tables import Base
from storage.upsert import upsert

TABLES: dict[Kind, type[Base]] = {
    Kind.STOCK_QUOTES: QuoteRow,
    Kind.OPTIONS_CHAIN: OptionRow,
    Kind.COMPANY_INFO: CompanyRow,
    Kind.EARNINGS: EarningsRow,
    Kind.EARNINGS_CALENDAR: EarningsDateRow,
    Kind.NEWS: NewsRow,
    Kind.ECONOMIC_EVENTS: EconomicEventRow,
}


@dataclass(frozen=True)
class Staged:
    """What a step has left for one ticker: the vendor's answer, or rows; or why there is nothing."""

    symbol: str
    source: str = ""
    payload: Any = None
    error: str = ""


class Records:
    """Repository of quotes, options, companies, earnings, news and economic events."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def save(self, kind: Kind, found: Sequence[Record], source: str, now: datetime) -> None:
        """Writes records; a later one of the same thing replaces the earlier."""
        table = TABLES[kind]
        rows = [{**record.model_dump(), "source": source, "stored_at": now} for record in found]
        keys = {column.key for column in table.__table__.primary_key}
        update = [column.key for column in table.__table__.columns if column.key not in keys]
        await upsert(self.session, table, rows, update)

    async def forget_coming(self, kind: Kind, symbol: str, source: str, now: datetime, until: datetime) -> None:
        """Removes what a vendor said of the time to ``until``: a date that has moved must not stand beside the new one."""
        statement = None
        if kind is Kind.EARNINGS_CALENDAR:
            coming = (EarningsDateRow.day >= now.date(), EarningsDateRow.day <= until.date())
            statement = delete(EarningsDateRow).where(
                EarningsDateRow.symbol == symbol, EarningsDateRow.source == source, *coming
            )
        elif kind is Kind.ECONOMIC_EVENTS:
            coming_events = (EconomicEventRow.at >= now, EconomicEventRow.at <= until)
            statement = delete(EconomicEventRow).where(EconomicEventRow.source == source, *coming_events)
        if statement is not None:
            await self.session.execute(statement)

    async def count(self, kind: Kind, symbol: str | None = None) -> int:
        """How many there are, of one ticker or of all."""
        table: Any = TABLES[kind]
        statement = select(func.count()).select_from(table)
        if symbol is not None:
            statement = statement.where((table.underlying if kind is Kind.OPTIONS_CHAIN else table.symbol) == symbol)
        return int(await self.session.scalar(statement) or 0)

    async def newest(self, kind: Kind, limit: int = 50, symbol: str | None = None) -> list[dict[str, Any]]:
        """Those stored last, by column."""
        table: Any = TABLES[kind]
        statement = select(table).order_by(table.stored_at.desc()).limit(limit)
        if symbol is not None:
            statement = statement.where((table.underlying if kind is Kind.OPTIONS_CHAIN else table.symbol) == symbol)
        names = [column.key for column in table.__table__.columns]
        return [{name: getattr(row, name) for name in names} for row in await self.session.scalars(statement)]

    async def stage(self, run_id: str, step: str, one: Staged, now: datetime) -> None:
        """Leaves one ticker's part for the next step, over what an earlier try left."""
        row = {"run_id": run_id, "symbol": one.symbol, "step": step, "source": one.source, "payload": one.payload}
        row |= {"error": one.error[:1000], "at": now}
        await upsert(self.session, StageRow, [row], ("source", "payload", "error", "at"))

    async def staged(self, run_id: str, step: str, symbol: str) -> Staged | None:
        """What a step left for a ticker; None when it has not come to it."""
        row = await self.session.get(StageRow, (run_id, symbol, step))
        return None if row is None else Staged(row.symbol, row.source, row.payload, row.error)

    async def staged_symbols(self, run_id: str, step: str) -> dict[str, str]:
        """The tickers a step has come to, each with its error (empty: none)."""
        found = await self.session.execute(
            select(StageRow.symbol, StageRow.error).where(StageRow.run_id == run_id, StageRow.step == step)
        )
        return {row.symbol: row.error for row in found}

    async def clear_stage(self, run_id: str, before: datetime) -> None:
        """Removes what a run has left, and what others left before a time."""
        await self.session.execute(delete(StageRow).where((StageRow.run_id == run_id) | (StageRow.at < before)))

"""How long rows are kept of every table that grows, and their removal, some thousand at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, and_, delete, exists, func, inspect, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from domain.run import OPEN
from storage.data_tables import (
    CorrectionRow,
    CoverageRow,
    EarningsDateRow,
    EconomicEventRow,
    GapRow,
    NewsRow,
    OptionRow,
    QuoteRow,
    StageRow,
)
from storage.database import Database
from storage.job_tables import RunFileRow
from storage.tables import AuditRow, BarRow, Base, DeliveryRow, EventRow, RunRow, SilenceRow

BATCH = 5_000  # rows in one transaction: others may write in between
FOR_EVER = 0


@dataclass(frozen=True)
class Part:
    """Rows of a table that are old by ``column``, where ``only`` holds."""

    table: type[Base]
    column: InstrumentedAttribute[Any]
    only: ColumnElement[bool] | None = None

    def older(self, before: datetime) -> ColumnElement[bool]:
        """What goes."""
        moment = before.date() if self.column.type.python_type is date else before
        condition = self.column < moment
        return condition if self.only is None else and_(condition, self.only)


@dataclass(frozen=True)
class Rule:
    """``what`` goes after ``days``, unless those are 0: then it stays for ever."""

    name: str
    days: int
    what: str
    parts: tuple[Part, ...]


WANTED = exists().where(
    CoverageRow.symbol == BarRow.symbol, CoverageRow.timeframe == BarRow.timeframe, CoverageRow.adjustment == BarRow.adjustment,
    CoverageRow.start <= BarRow.open_time, CoverageRow.end > BarRow.open_time,
)  # fmt: skip
SECONDS = BarRow.timeframe.like("%s")
MINUTES = BarRow.timeframe.in_(("1m", "2m", "3m", "5m"))  # 20,000 of them, the longest window, are a year of sessions


def _bars(frames: ColumnElement[bool]) -> Part:
    """But for what somebody asked for by a backfill."""
    return Part(BarRow, BarRow.open_time, and_(frames, ~WANTED))


OVER = RunRow.status.not_in([one.value for one in OPEN])
TOLD = DeliveryRow.status.in_(("SENT", "DEAD", "SILENCED", "SPARED"))
RULES: tuple[Rule, ...] = (
    Rule("second_bars", 60, "bars shorter than a minute, but for backfills", (_bars(SECONDS),)),
    Rule("minute_bars", 730, "bars of 1 to 5 minutes, but for backfills", (_bars(MINUTES),)),
    Rule("long_bars", FOR_EVER, "longer bars, but for backfills", (_bars(~SECONDS & ~MINUTES),)),
    Rule("gaps", 365, "gaps between bars", (Part(GapRow, GapRow.found_at),)),
    Rule("corrections", 365, "corrected bars as they were", (Part(CorrectionRow, CorrectionRow.seen_at),)),
    Rule("staged", 7, "what steps of unfinished data jobs left", (Part(StageRow, StageRow.at),)),
    Rule("quotes", 30, "stock quotes", (Part(QuoteRow, QuoteRow.at),)),
    Rule("options", 30, "option contracts that were not seen again", (Part(OptionRow, OptionRow.stored_at),)),
    Rule("earnings_dates", 400, "dates of earnings", (Part(EarningsDateRow, EarningsDateRow.day),)),
    Rule("news", 90, "news", (Part(NewsRow, NewsRow.published_at),)),
    Rule("economic_events", 400, "economic events", (Part(EconomicEventRow, EconomicEventRow.at),)),
    Rule("events", 730, "events of alerts", (Part(EventRow, EventRow.at),)),
    Rule("deliveries", 365, "deliveries that are over", (Part(DeliveryRow, DeliveryRow.created_at, TOLD),)),
    Rule("silences", 30, "silences that have ended", (Part(SilenceRow, SilenceRow.until),)),
    Rule("runs", 90, "runs that are over", (Part(RunRow, RunRow.scheduled_for, OVER),)),
    Rule("reports", 90, "pages of reports", (Part(RunFileRow, RunFileRow.created_at),)),
    Rule("audit", 730, "the audit log", (Part(AuditRow, AuditRow.at),)),
)


async def count_older(database: Database, part: Part, before: datetime) -> int:
    """How many rows would go."""
    async with database.transaction() as work:
        counted = select(func.count()).select_from(part.table).where(part.older(before))
        return int(await work.session.scalar(counted) or 0)


async def remove_some(database: Database, part: Part, before: datetime, batch: int = BATCH) -> int:
    """Removes at most ``batch`` rows in a transaction of its own; returns how many."""
    keys = list(inspect(part.table).primary_key)
    chosen = select(*keys).where(part.older(before)).limit(batch)
    one = keys[0] if len(keys) == 1 else tuple_(*keys)
    async with database.transaction() as work:
        result = await work.session.execute(delete(part.table).where(one.in_(chosen)))
        return int(cast("CursorResult[Any]", result).rowcount)


def cutoff(now: datetime, days: int) -> datetime | None:
    """Before when rows go; None where they stay."""
    return None if days == FOR_EVER else now - timedelta(days=days)

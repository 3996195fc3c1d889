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
from storage.job_tables import DeletedAlertRow, LookRow, RunFileRow, WatchedRow
from storage.retention_days import DAYS, FOR_EVER
from storage.tables import AuditRow, BarRow, Base, DeliveryRow, EventRow, RunRow, SilenceRow

BATCH = 5_000  # rows in one transaction: others may write in between


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
    what: str
    parts: tuple[Part, ...]

    @property
    def days(self) -> int:
        """As long as nobody sets another."""
        return DAYS[self.name]


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
    Rule("second_bars", "bars shorter than a minute, but for backfills", (_bars(SECONDS),)),
    Rule("minute_bars", "bars of 1 to 5 minutes, but for backfills", (_bars(MINUTES),)),
    Rule("long_bars", "longer bars, but for backfills", (_bars(~SECONDS & ~MINUTES),)),
    Rule("gaps", "gaps between bars", (Part(GapRow, GapRow.found_at),)),
    Rule("corrections", "corrected bars as they were", (Part(CorrectionRow, CorrectionRow.seen_at),)),
    Rule("staged", "what steps of unfinished data jobs left", (Part(StageRow, StageRow.at),)),
    Rule("quotes", "stock quotes", (Part(QuoteRow, QuoteRow.at),)),
    Rule("options", "option contracts that were not seen again", (Part(OptionRow, OptionRow.stored_at),)),
    Rule("earnings_dates", "dates of earnings", (Part(EarningsDateRow, EarningsDateRow.day),)),
    Rule("news", "news", (Part(NewsRow, NewsRow.published_at),)),
    Rule("economic_events", "economic events", (Part(EconomicEventRow, EconomicEventRow.at),)),
    Rule("events", "events of alerts", (Part(EventRow, EventRow.at),)),
    Rule("deliveries", "deliveries that are over", (Part(DeliveryRow, DeliveryRow.created_at, TOLD),)),
    Rule("silences", "silences that have ended", (Part(SilenceRow, SilenceRow.until),)),
    Rule("runs", "runs that are over", (Part(RunRow, RunRow.scheduled_for, OVER),)),
    Rule("reports", "pages of reports", (Part(RunFileRow, RunFileRow.created_at),)),
    Rule(
        "deleted_alerts",
        "deleted alerts, which cannot be brought back then",
        (Part(DeletedAlertRow, DeletedAlertRow.deleted_at),),
    ),
    Rule(
        "looks",
        "when alerts that run no more looked last",
        (Part(LookRow, LookRow.looked_at), Part(WatchedRow, WatchedRow.noted_at)),
    ),
    Rule("audit", "the audit log", (Part(AuditRow, AuditRow.at),)),
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

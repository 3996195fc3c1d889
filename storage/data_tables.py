"""Tables of market data beside bars themselves: holes, corrections, what was backfilled, and the kinds that data jobs collect."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, Float, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import SERIAL, Base
from storage.types import Json


class GapRow(Base):
    """``bar_gaps``: holes that were found and asked for again. ``filled`` is how many bars came; 0: nothing traded."""

    __tablename__ = "bar_gaps"

    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    timeframe: Mapped[str] = mapped_column(String(8), primary_key=True)
    adjustment: Mapped[str] = mapped_column(String(40), primary_key=True)
    start: Mapped[datetime] = mapped_column("gap_start", primary_key=True)
    end: Mapped[datetime] = mapped_column("gap_end")
    found_at: Mapped[datetime]
    filled: Mapped[int] = mapped_column(Integer)


class CorrectionRow(Base):
    """``bar_corrections``: a stored bar whose prices a vendor has changed since, with both versions."""

    __tablename__ = "bar_corrections"
    __table_args__ = (Index("ix_bar_corrections_bar", "symbol", "timeframe", "open_time"),)

    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    symbol: Mapped[str] = mapped_column(String(64))
    timeframe: Mapped[str] = mapped_column(String(8))
    adjustment: Mapped[str] = mapped_column(String(40))
    open_time: Mapped[datetime]
    seen_at: Mapped[datetime]
    before: Mapped[dict[str, Any]] = mapped_column("old_values", Json)
    after: Mapped[dict[str, Any]] = mapped_column("new_values", Json)


class CoverageRow(Base):
    """``bar_coverage``: windows a backfill has finished, so that it goes on where it was cut off."""

    __tablename__ = "bar_coverage"

    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    timeframe: Mapped[str] = mapped_column(String(8), primary_key=True)
    adjustment: Mapped[str] = mapped_column(String(40), primary_key=True)
    start: Mapped[datetime] = mapped_column("window_start", primary_key=True)
    end: Mapped[datetime] = mapped_column("window_end")
    bars: Mapped[int] = mapped_column(Integer)
    fetched_at: Mapped[datetime]


class StageRow(Base):
    """``data_stage``: what one step of a data job hands to the next; it goes when the run ends."""

    __tablename__ = "data_stage"
    __table_args__ = (Index("ix_data_stage_at", "at"),)

    run_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    step: Mapped[str] = mapped_column(String(16), primary_key=True)
    source: Mapped[str] = mapped_column(String(32))
    payload: Mapped[Any] = mapped_column(Json, nullable=True)
    error: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class QuoteRow(Base):
    """``stock_quotes``."""

    __tablename__ = "stock_quotes"

    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    price: Mapped[float] = mapped_column(Float)
    open: Mapped[float | None] = mapped_column(Float)
    high: Mapped[float | None] = mapped_column(Float)
    low: Mapped[float | None] = mapped_column(Float)
    previous_close: Mapped[float | None] = mapped_column(Float)
    change_percent: Mapped[float | None] = mapped_column(Float)
    volume: Mapped[float | None] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(32))
    stored_at: Mapped[datetime]


class OptionRow(Base):
    """``option_contracts``: the newest state of each."""

    __tablename__ = "option_contracts"
    __table_args__ = (Index("ix_option_contracts_underlying", "underlying", "expiration", "strike"),)

    contract: Mapped[str] = mapped_column(String(64), primary_key=True)
    underlying: Mapped[str] = mapped_column(String(64))
    expiration: Mapped[date] = mapped_column(Date)
    strike: Mapped[float] = mapped_column(Float)
    side: Mapped[str] = mapped_column(String(4))
    at: Mapped[datetime]
    bid: Mapped[float | None] = mapped_column(Float)
    ask: Mapped[float | None] = mapped_column(Float)
    last: Mapped[float | None] = mapped_column(Float)
    volume: Mapped[float | None] = mapped_column(Float)
    open_interest: Mapped[float | None] = mapped_column(Float)
    implied_volatility: Mapped[float | None] = mapped_column(Float)
    delta: Mapped[float | None] = mapped_column(Float)
    gamma: Mapped[float | None] = mapped_column(Float)
    theta: Mapped[float | None] = mapped_column(Float)
    vega: Mapped[float | None] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(32))
    stored_at: Mapped[datetime]


class CompanyRow(Base):
    """``company_profiles``."""

    __tablename__ = "company_profiles"

    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
    name: Mapped[str] = mapped_column(String(500))
    exchange: Mapped[str] = mapped_column(String(500))
    currency: Mapped[str] = mapped_column(String(500))
    country: Mapped[str] = mapped_column(String(500))
    sector: Mapped[str] = mapped_column(String(500))
    industry: Mapped[str] = mapped_column(String(500))
    market_cap: Mapped[float | None] = mapped_column(Float)
    shares_outstanding: Mapped[float | None] = mapped_column(Float)
    listed_on: Mapped[date | None] = mapped_column(Date)
    website: Mapped[str] = mapped_column(String(500))
    description: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(String(32))
    stored_at: Mapped[datetime]


class EarningsRow(Base):
    """``earnings``."""

    __tablename__ = "earnings"

    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    frequency: Mapped[str] = mapped_column(String(12), primary_key=True)
    period: Mapped[date] = mapped_column(Date, primary_key=True)
    reported_on: Mapped[date | None] = mapped_column(Date)
    actual: Mapped[float | None] = mapped_column(Float)
    estimate: Mapped[float | None] = mapped_column(Float)
    surprise_percent: Mapped[float | None] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(32))
    stored_at: Mapped[datetime]


class EarningsDateRow(Base):
    """``earnings_calendar``."""

    __tablename__ = "earnings_calendar"
    __table_args__ = (Index("ix_earnings_calendar_day", "day"),)

    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    hour: Mapped[str] = mapped_column(String(16))
    fiscal_period: Mapped[date | None] = mapped_column(Date)
    estimate: Mapped[float | None] = mapped_column(Float)
    actual: Mapped[float | None] = mapped_column(Float)
    currency: Mapped[str] = mapped_column(String(500))
    source: Mapped[str] = mapped_column(String(32))
    stored_at: Mapped[datetime]


class NewsRow(Base):
    """``news``."""

    __tablename__ = "news"
    __table_args__ = (Index("ix_news_published", "symbol", "published_at"),)

    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    published_at: Mapped[datetime]
    headline: Mapped[str] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    publisher: Mapped[str] = mapped_column(String(500))
    sentiment: Mapped[float | None] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(32))
    stored_at: Mapped[datetime]


class EconomicEventRow(Base):
    """``economic_events``."""

    __tablename__ = "economic_events"
    __table_args__ = (Index("ix_economic_events_at", "at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime]
    country: Mapped[str] = mapped_column(String(500))
    event: Mapped[str] = mapped_column(String(500))
    impact: Mapped[str] = mapped_column(String(500))
    actual: Mapped[float | None] = mapped_column(Float)
    estimate: Mapped[float | None] = mapped_column(Float)
    previous: Mapped[float | None] = mapped_column(Float)
    unit: Mapped[str] = mapped_column(String(500))
    source: Mapped[str] = mapped_column(String(32))
    stored_at: Mapped[datetime]

"""What data jobs collect beside bars: quotes, options, companies, earnings, news, economic events.

Prices are in the quote currency, times aware UTC, percentages in per cent; None where a vendor gave nothing.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from domain.operand import Model


class Kind(StrEnum):
    """The eight kinds of market data."""

    STOCK_QUOTES = "stock_quotes"
    OPTIONS_CHAIN = "options_chain"
    HISTORICAL_PRICES = "historical_prices"
    COMPANY_INFO = "company_info"
    EARNINGS = "earnings"
    EARNINGS_CALENDAR = "earnings_calendar"
    NEWS = "news"
    ECONOMIC_EVENTS = "economic_events"


OF_A_SYMBOL = tuple(kind for kind in Kind if kind is not Kind.ECONOMIC_EVENTS)
EVERYWHERE = "*"  # stands for the ticker where a kind has none


class Record(Model):
    """``KEY`` names the fields by which a later record of the same thing replaces an earlier one."""

    KEY: ClassVar[tuple[str, ...]]


class Quote(Record):
    """A price now. ``at`` is the vendor's time of it."""

    KEY = ("symbol", "at")
    symbol: str = Field(max_length=64)
    at: AwareDatetime
    price: float = Field(gt=0)
    open: float | None = None
    high: float | None = None
    low: float | None = None
    previous_close: float | None = None
    change_percent: float | None = None
    volume: float | None = None


class OptionContract(Record):
    """The newest state of one contract. ``implied_volatility`` is a fraction a year."""

    KEY = ("contract",)
    contract: str = Field(max_length=64)
    underlying: str = Field(max_length=64)
    expiration: date
    strike: float = Field(gt=0)
    side: Literal["call", "put"]
    at: AwareDatetime
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    volume: float | None = None
    open_interest: float | None = None
    implied_volatility: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None


class CompanyProfile(Record):
    """Who the company is. ``market_cap`` in ``currency``, ``shares_outstanding`` in shares."""

    KEY = ("symbol",)
    symbol: str = Field(max_length=64)
    at: AwareDatetime
    name: str
    exchange: str = ""
    currency: str = ""
    country: str = ""
    sector: str = ""
    industry: str = ""
    market_cap: float | None = None
    shares_outstanding: float | None = None
    listed_on: date | None = None
    website: str = ""
    description: str = ""


class EarningsReport(Record):
    """Earnings a share of a fiscal period that has ended on ``period``."""

    KEY = ("symbol", "frequency", "period")
    symbol: str = Field(max_length=64)
    frequency: Literal["quarterly", "annual"]
    period: date
    reported_on: date | None = None
    actual: float | None = None
    estimate: float | None = None
    surprise_percent: float | None = None


class EarningsDate(Record):
    """A day on which a company reports. ``hour`` is before the open, after the close, during the day or unknown."""

    KEY = ("symbol", "day")
    symbol: str = Field(max_length=64)
    day: date
    hour: Literal["before_open", "after_close", "during", ""] = ""
    fiscal_period: date | None = None
    estimate: float | None = None
    actual: float | None = None
    currency: str = ""


class NewsItem(Record):
    """One article about a ticker. ``sentiment`` runs from -1 to 1."""

    KEY = ("symbol", "id")
    symbol: str = Field(max_length=64)
    id: str = Field(max_length=32)
    published_at: AwareDatetime
    headline: str
    summary: str = ""
    url: str = ""
    publisher: str = ""
    sentiment: float | None = None


class EconomicEvent(Record):
    """A figure that is, or will be, published."""

    KEY = ("id",)
    id: str = Field(max_length=32)
    at: AwareDatetime
    country: str
    event: str
    impact: str = ""
    actual: float | None = None
    estimate: float | None = None
    previous: float | None = None
    unit: str = ""


RECORDS: dict[Kind, type[Record]] = {
    Kind.STOCK_QUOTES: Quote,
    Kind.OPTIONS_CHAIN: OptionContract,
    Kind.COMPANY_INFO: CompanyProfile,
    Kind.EARNINGS: EarningsReport,
    Kind.EARNINGS_CALENDAR: EarningsDate,
    Kind.NEWS: NewsItem,
    Kind.ECONOMIC_EVENTS: EconomicEvent,
}


def name_of(*parts: object) -> str:
    """An id of 32 hex digits made of what names a thing; the same for the same parts."""
    text = "|".join(part.isoformat() if isinstance(part, datetime) else str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]

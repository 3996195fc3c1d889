"""What Yahoo has beside bars: profiles, earnings and their dates, option chains, news."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from activities.market_data.vendors.normalize import from_seconds
from activities.market_data.vendors.parsing import figure, items, mapping, records, rows, text
from activities.market_data.vendors.provider import DataRequest
from domain.vendor_data import (
    CompanyProfile,
    EarningsDate,
    EarningsReport,
    NewsItem,
    OptionContract,
    Quote,
    Record,
    name_of,
)
from domain.zones import zone

NEW_YORK = ZoneInfo("America/New_York")
PROFILE_MODULES = "assetProfile,price,defaultKeyStatistics"
OPENS, CLOSES = 9.5, 16.0  # New York's session in hours


def plain(value: Any) -> Any:
    """A cell without its wrapping: ``{"raw": 5, "fmt": "5"}`` is 5, ``{}`` is missing."""
    return value.get("raw") if isinstance(value, dict) else value


def read_quote(answer: Any, request: DataRequest) -> list[Record]:
    """From the chart's ``meta``; the close before from the chart of days, by their dates: the quote's own may be there twice."""
    found = mapping(answer)
    meta = mapping(found.get("meta"))
    at, price = from_seconds(meta.get("regularMarketTime")), figure(meta.get("regularMarketPrice"))
    before = figure(meta.get("previousClose"))  # ``chartPreviousClose`` is of the day before the whole chart
    if before is None and at is not None:
        before = _close_before(at, found, _local(meta.get("exchangeTimezoneName")))
    quote_row = {
        "symbol": request.symbol, "at": at, "price": price,
        "high": figure(meta.get("regularMarketDayHigh")), "low": figure(meta.get("regularMarketDayLow")),
        "volume": figure(meta.get("regularMarketVolume")), "previous_close": before,
        "change_percent": (price / before - 1) * 100 if price and before else None,
    }  # fmt: skip
    return list(records(Quote, [quote_row]))


def _close_before(at: datetime, chart: Mapping[str, Any], local: ZoneInfo) -> float | None:
    """Close of the last day before that of a time."""
    rows_of = zip(map(from_seconds, items(chart.get("times"))), map(figure, items(chart.get("closes"))), strict=False)
    closes = {
        label.astimezone(local).date(): close for label, close in rows_of if label is not None and close is not None
    }
    earlier = [day for day in closes if day < at.astimezone(local).date()]
    return closes[max(earlier)] if earlier else None


def _local(name: Any) -> ZoneInfo:
    try:
        return zone(str(name))
    except ValueError:
        return NEW_YORK


def read_profile(answer: Any, request: DataRequest) -> list[Record]:
    """``assetProfile`` says what it does, ``price`` what it is called and worth."""
    found = mapping(answer)
    asset, price, figures = (mapping(found.get(name)) for name in PROFILE_MODULES.split(","))
    profile = {
        "symbol": request.symbol, "at": request.now, "name": text(price.get("longName")) or text(price.get("shortName")) or None,
        "exchange": text(price.get("exchangeName")), "currency": text(price.get("currency")),
        "country": text(asset.get("country")), "sector": text(asset.get("sector")), "industry": text(asset.get("industry")),
        "market_cap": figure(plain(price.get("marketCap"))), "website": text(asset.get("website")),
        "shares_outstanding": figure(plain(figures.get("sharesOutstanding"))),
        "description": text(asset.get("longBusinessSummary"), 4000),
    }  # fmt: skip
    return list(records(CompanyProfile, [profile]))


def read_earnings(answer: Any, request: DataRequest) -> list[Record]:
    """The last quarters; the surprise is a fraction there."""
    found = []
    for row in rows(mapping(mapping(answer).get("earningsHistory")).get("history")):
        ended, surprise = from_seconds(plain(row.get("quarter"))), figure(plain(row.get("surprisePercent")))
        found.append(
            {
                "symbol": request.symbol,
                "frequency": "quarterly",
                "period": ended.date() if ended else None,
                "actual": figure(plain(row.get("epsActual"))),
                "estimate": figure(plain(row.get("epsEstimate"))),
                "surprise_percent": None if surprise is None else surprise * 100,
            }
        )
    return list(records(EarningsReport, found))


def read_calendar(answer: Any, request: DataRequest) -> list[Record]:
    """The next date; a window of days where it is not settled, of which the first is taken."""
    earnings = mapping(mapping(mapping(answer).get("calendarEvents")).get("earnings"))
    dates = earnings.get("earningsDate")
    times = [at for at in map(from_seconds, map(plain, items(dates))) if at is not None]
    if not times:
        return []
    first = min(times).astimezone(NEW_YORK)
    row = {
        "symbol": request.symbol, "day": first.date(), "hour": _hour(first) if len(times) == 1 else "",
        "estimate": figure(plain(earnings.get("earningsAverage"))),
    }  # fmt: skip
    return list(records(EarningsDate, [row]))


def _hour(local: datetime) -> str:
    at = local.hour + local.minute / 60
    if at == 0:
        return ""
    return "before_open" if at < OPENS else "after_close" if at >= CLOSES else "during"


def read_news(answer: Any, request: DataRequest) -> list[Record]:
    """Articles that name the ticker; the search finds others as well (Spot Pet Insurance for ``SPOT``)."""
    found = [
        {
            "symbol": request.symbol, "id": name_of("yahoo", row.get("uuid") or row.get("link")),
            "published_at": from_seconds(row.get("providerPublishTime")), "headline": text(row.get("title")) or None,
            "url": text(row.get("link"), 2000), "publisher": text(row.get("publisher"), 200),
        }
        for row in rows(mapping(answer).get("news"))
        if request.symbol.upper() in items(row.get("relatedTickers"))
    ]  # fmt: skip
    return list(records(NewsItem, found))


def read_chain(answer: Any, request: DataRequest) -> list[Record]:
    """Both sides of every expiration that was asked for."""
    found = []
    for expiration in rows(mapping(answer).get("options")):
        for side, name in (("call", "calls"), ("put", "puts")):
            found += [_contract(row, side, request) for row in rows(expiration.get(name))]
    return list(records(OptionContract, found))


def _contract(row: Mapping[str, Any], side: str, request: DataRequest) -> dict[str, Any]:
    ends = from_seconds(plain(row.get("expiration")))
    names = {
        "bid": "bid", "ask": "ask", "last": "lastPrice", "volume": "volume", "open_interest": "openInterest",
        "implied_volatility": "impliedVolatility",
    }  # fmt: skip
    return {
        "contract": text(row.get("contractSymbol"), 64) or None,
        "underlying": request.symbol,
        "at": request.now,
        "expiration": ends.date() if ends else None,
        "strike": figure(plain(row.get("strike"))),
        "side": side,
        **{ours: figure(plain(row.get(theirs))) for ours, theirs in names.items()},
    }

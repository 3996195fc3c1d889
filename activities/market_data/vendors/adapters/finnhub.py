"""Finnhub: quotes, companies, earnings, news and calendars on the free plan; candles on a paid one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from activities.market_data.vendors.errors import (
    ProviderMisconfigured,
    ProviderNoPlan,
    ProviderRefused,
    ProviderUnavailable,
)
from activities.market_data.vendors.http_provider import HttpProvider, Page, Source
from activities.market_data.vendors.normalize import RawBar, from_seconds
from activities.market_data.vendors.parsing import day, figure, mapping, moment, records, rows, text
from activities.market_data.vendors.provider import BarRequest, DataRequest
from domain.timeframe import Timeframe
from domain.vendor_data import (
    CompanyProfile,
    EarningsDate,
    EarningsReport,
    EconomicEvent,
    Kind,
    NewsItem,
    Quote,
    Record,
    name_of,
)

HOURS = {"bmo": "before_open", "amc": "after_close", "dmh": "during"}
MILLION = 1e6


class Finnhub(HttpProvider):
    """Bars a month a call within a day, all at once from a day on; daily ones are split-adjusted, the others are not."""

    name = "finnhub"
    clock_hours = True
    extended_hours = True
    own_weeks = True  # some are left out
    grace = timedelta(seconds=10)
    base_url = "https://finnhub.io/api/v1"
    rates = "60/minute, 30/second"
    intervals = {"1m": "1", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "1d": "D", "1w": ""}

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.sources = {
            Kind.STOCK_QUOTES: Source(self._by("/quote"), _read_quote),
            Kind.COMPANY_INFO: Source(self._by("/stock/profile2"), _read_profile),
            Kind.EARNINGS: Source(self._by("/stock/earnings"), _read_earnings),
            Kind.EARNINGS_CALENDAR: Source(self._by("/calendar/earnings", dated=True), _read_calendar),
            Kind.NEWS: Source(self._by("/company-news", dated=True), _read_news),
            Kind.ECONOMIC_EVENTS: Source(self._by("/calendar/economic", dated=True, of_a_symbol=False), _read_events),
        }

    def headers(self) -> dict[str, str]:
        """The key, where no log of addresses sees it."""
        return {"X-Finnhub-Token": self.settings.key} if self.settings.key else {}

    def adjustment(self, frame: Timeframe) -> str:
        """By the vendor's own account."""
        return "raw" if frame.is_intraday else "split"

    def page(self, frame: Timeframe) -> timedelta | None:
        """A month of minutes."""
        return timedelta(days=30) if frame.is_intraday else None

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        # from a day on, labels are midnights: before the session, and a week's before all of it
        label = timedelta() if request.timeframe.is_intraday else request.timeframe.length
        params: dict[str, str | int] = {
            "symbol": request.symbol,
            "resolution": self.intervals[request.timeframe],
            "from": int((start - label).timestamp()),
            "to": int(end.timestamp()) - 1,
        }
        body = mapping(await self._ask("/stock/candle", params, request.patience))
        if body.get("s") == "no_data":
            return Page(())
        columns = [body.get(name) for name in ("t", "o", "h", "l", "c", "v")]
        if body.get("s") != "ok" or not all(isinstance(column, list) for column in columns):
            raise ProviderUnavailable(self.name, "sent an answer without candles")
        if len({len(column) for column in columns if isinstance(column, list)}) != 1:
            raise ProviderUnavailable(self.name, "sent columns of different lengths")
        found = []
        for stamp, *cells in zip(*columns, strict=True):
            opened = from_seconds(stamp)
            if opened is not None:
                found.append(RawBar.of(opened, cells))
        return Page(found)

    def _by(self, path: str, *, dated: bool = False, of_a_symbol: bool = True) -> Any:
        async def ask(request: DataRequest) -> Any:
            params: dict[str, str | int] = {"symbol": request.symbol} if of_a_symbol else {}
            if dated:
                params |= {"from": request.start.isoformat(), "to": request.end.isoformat()}
            return await self._ask(path, params, request.patience)

        return ask

    async def _ask(self, path: str, params: dict[str, str | int], patience: timedelta) -> Any:
        answer = await self.client.get(path, params, patience)
        body = self.client.json(answer)
        error = text(mapping(body).get("error"), 200)
        if error or answer.status_code >= 400:
            low = error.lower()
            if "access" in low or answer.status_code == 403:  # of one ticker, it may be: with 401 on some days
                raise ProviderNoPlan(self.name, "does not give this to the key's plan")
            if "api key" in low or answer.status_code == 401:
                raise ProviderMisconfigured(self.name, "refused the key")
            if "limit" in low:
                raise ProviderUnavailable(self.name, "asks to wait (its limit is reached)", timedelta(minutes=1))
            raise ProviderRefused(self.name, error or f"HTTP {answer.status_code}")
        return body


def _read_quote(answer: Any, request: DataRequest) -> list[Record]:
    row = mapping(answer)
    quote = {
        "symbol": request.symbol, "at": from_seconds(row.get("t")), "price": figure(row.get("c")), "open": figure(row.get("o")),
        "high": figure(row.get("h")), "low": figure(row.get("l")), "previous_close": figure(row.get("pc")),
        "change_percent": figure(row.get("dp")),
    }  # fmt: skip
    return list(records(Quote, [quote]))


def _read_profile(answer: Any, request: DataRequest) -> list[Record]:
    row = mapping(answer)
    cap, shares = figure(row.get("marketCapitalization")), figure(row.get("shareOutstanding"))
    profile = {
        "symbol": request.symbol, "at": request.now, "name": text(row.get("name")) or None,
        "exchange": text(row.get("exchange")), "currency": text(row.get("currency")), "country": text(row.get("country")),
        "industry": text(row.get("finnhubIndustry")), "website": text(row.get("weburl")), "listed_on": day(row.get("ipo")),
        "market_cap": None if cap is None else cap * MILLION,
        "shares_outstanding": None if shares is None else shares * MILLION,
    }  # fmt: skip
    return list(records(CompanyProfile, [profile]))


def _read_earnings(answer: Any, request: DataRequest) -> list[Record]:
    found = [
        {
            "symbol": request.symbol, "frequency": "quarterly", "period": day(row.get("period")),
            "actual": figure(row.get("actual")), "estimate": figure(row.get("estimate")),
            "surprise_percent": figure(row.get("surprisePercent")),
        }
        for row in rows(answer)
    ]  # fmt: skip
    return list(records(EarningsReport, found))


def _read_calendar(answer: Any, request: DataRequest) -> list[Record]:
    found = [
        {
            "symbol": text(row.get("symbol"), 64), "day": day(row.get("date")),
            "hour": HOURS.get(text(row.get("hour")), ""), "estimate": figure(row.get("epsEstimate")),
            "actual": figure(row.get("epsActual")),
        }
        for row in rows(mapping(answer).get("earningsCalendar"))
    ]  # fmt: skip
    return list(records(EarningsDate, found))


def _read_news(answer: Any, request: DataRequest) -> list[Record]:
    found = [
        {
            "symbol": request.symbol, "id": name_of("finnhub", row.get("id") or row.get("url")),
            "published_at": from_seconds(row.get("datetime")), "headline": text(row.get("headline")) or None,
            "summary": text(row.get("summary"), 4000), "url": text(row.get("url"), 2000),
            "publisher": text(row.get("source"), 200),
        }
        for row in rows(answer)
    ]  # fmt: skip
    return list(records(NewsItem, found))


def _read_events(answer: Any, request: DataRequest) -> list[Record]:
    found = []
    for row in rows(mapping(answer).get("economicCalendar")):
        at = moment(row.get("time"), "%Y-%m-%d %H:%M:%S")
        found.append(
            {
                "id": name_of(row.get("country"), row.get("event"), row.get("time")),
                "at": at,
                "country": text(row.get("country"), 8),
                "event": text(row.get("event"), 300) or None,
                "impact": text(row.get("impact"), 20),
                "actual": figure(row.get("actual")),
                "estimate": figure(row.get("estimate")),
                "previous": figure(row.get("prev")),
                "unit": text(row.get("unit"), 20),
            }
        )
    return list(records(EconomicEvent, found))

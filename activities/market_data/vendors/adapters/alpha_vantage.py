"""Alpha Vantage: every value a string, every complaint an HTTP 200, 25 calls a day without a paid plan."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import structlog

from activities.market_data.calendars.market import Market
from activities.market_data.vendors.errors import (
    ProviderMisconfigured,
    ProviderNoPlan,
    ProviderQuota,
    ProviderRefused,
    ProviderUnavailable,
)
from activities.market_data.vendors.http_provider import HttpProvider, Page, Source
from activities.market_data.vendors.normalize import RawBar
from activities.market_data.vendors.parsing import day, figure, mapping, moment, records, rows, text
from activities.market_data.vendors.provider import BarRequest, DataRequest
from domain.bar import FIELDS
from domain.timeframe import Timeframe
from domain.vendor_data import CompanyProfile, EarningsDate, EarningsReport, Kind, NewsItem, Quote, Record, name_of

NEW_YORK = ZoneInfo("America/New_York")
FEWEST_EDGES = 2  # one may be a trade that happens to lie there
COMPACT = timedelta(days=120)  # 100 sessions
HOURS = {"pre-market": "before_open", "post-market": "after_close"}
PATH = "/query"
SHORT = "gives the newest 100 daily bars only: more (outputsize=full) is for paid plans"
HIDDEN_REFUSAL = "Information"  # of a calendar's answer: spread over the cells of its one row
log = structlog.get_logger(__name__)


class AlphaVantage(HttpProvider):
    """US stocks. Intraday bars come a month a call, daily ones all at once; labels are bar opens in New York's time."""

    name = "alpha_vantage"
    clock_hours = True
    grace = timedelta(seconds=60)
    base_url = "https://www.alphavantage.co"
    rates = "1/second, 25/day"
    own_settings = {"labels": (Literal["start", "end"], "start")}
    intervals = {"1m": "1min", "5m": "5min", "15m": "15min", "30m": "30min", "1h": "60min", "1d": "", "1w": ""}

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.sources = {
            Kind.STOCK_QUOTES: Source(self._by("GLOBAL_QUOTE"), _read_quote),
            Kind.COMPANY_INFO: Source(self._by("OVERVIEW"), _read_profile),
            Kind.EARNINGS: Source(self._by("EARNINGS"), _read_earnings),
            Kind.EARNINGS_CALENDAR: Source(self._calendar, _read_calendar),
            Kind.NEWS: Source(self._news, _read_news),
        }
        self._compact_only = False

    def page(self, frame: Timeframe) -> timedelta | None:
        """Months of minutes; all days at once."""
        return timedelta(days=28) if frame not in ("1d", "1w") else None

    def window_end(self, frame: Timeframe, start: datetime, end: datetime) -> datetime:
        """A month of New York's calendar is one call."""
        return end if self.page(frame) is None else min(end, _next_month(start.astimezone(NEW_YORK)).astimezone(UTC))

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        interval = self.intervals[request.timeframe]
        params = {"symbol": request.symbol, "datatype": "json"}
        if not interval:
            return await self._whole(request, start, params)
        local = start.astimezone(NEW_YORK)
        asked = {"function": "TIME_SERIES_INTRADAY", "interval": interval, "outputsize": "full"}
        more = {"month": f"{local:%Y-%m}", "extended_hours": "false", "adjusted": "false"}
        body = await self._ask({**params, **asked, **more}, request.patience)
        found = self._rows(body, NEW_YORK)
        self._at_the_edge(found, request.market)
        if self.settings.labels == "end":
            length = request.timeframe.length
            found = [replace(row, open_time=row.open_time - length) for row in found]
        return Page(found)

    async def _whole(self, request: BarRequest, start: datetime, params: dict[str, str]) -> Page:
        """All days or weeks at once; the newest hundred days where more of them are for paid plans."""
        daily = request.timeframe == "1d"
        full = not daily or (start < request.now - COMPACT and not self._compact_only)
        function = "TIME_SERIES_DAILY" if daily else "TIME_SERIES_WEEKLY"
        asked: dict[str, str | int] = {**params, "function": function, "outputsize": "full" if full else "compact"}
        try:
            body = await self._ask(asked, request.patience)
        except ProviderNoPlan:
            if not (daily and full):
                raise
            self._compact_only, full = True, False
            log.warning("only the newest 100 days", action="fetch_bars", provider=self.name, why=SHORT)
            body = await self._ask({**asked, "outputsize": "compact"}, request.patience)
        found = self._rows(body, NEW_YORK)
        oldest = min((row.open_time for row in found), default=start)
        return Page(found, begins_history=full and start <= oldest)

    @property
    def shortfall(self) -> str:
        """What the key's plan was found to lack."""
        return SHORT if self._compact_only else ""

    def reach(self, frame: Timeframe) -> timedelta | None:
        """A hundred days without a paid plan, once that was met."""
        return COMPACT if self._compact_only and frame == "1d" else None

    def _at_the_edge(self, found: Sequence[RawBar], market: Market) -> None:
        """Labels of the other end than is set: there is one at each close and none at any open, or the reverse."""
        labels = {row.open_time for row in found}
        if not labels:
            return
        days = market.days(min(labels), max(labels))
        opens, closes = sum(one in labels for one, _ in days), sum(one in labels for _, one in days)
        starts, ends = (opens >= FEWEST_EDGES and not closes), (closes >= FEWEST_EDGES and not opens)
        if (ends and self.settings.labels == "start") or (starts and self.settings.labels == "end"):
            is_so = "end" if ends else "start"
            raise ProviderMisconfigured(
                self.name, f"its times name the {is_so} of bars; set ALPHA_VANTAGE_LABELS={is_so}"
            )

    def _rows(self, body: Mapping[str, Any], default: ZoneInfo) -> list[RawBar]:
        series = next((value for key, value in body.items() if "Time Series" in key), None)
        if not isinstance(series, dict):
            raise ProviderUnavailable(self.name, "sent an answer without a time series")
        meta = mapping(body.get("Meta Data"))
        zone = next((value for key, value in meta.items() if key.endswith("Time Zone")), "")
        local = ZoneInfo("UTC") if zone == "UTC" else default
        found = []
        for label, cells in series.items():
            at = moment(label, "%Y-%m-%d %H:%M:%S" if " " in label else "%Y-%m-%d")
            if at is None:
                continue
            named = {key.partition(". ")[2]: value for key, value in mapping(cells).items()}
            prices = [named.get(name) for name in FIELDS]
            if " " in label:
                found.append(RawBar.of(at.replace(tzinfo=local).astimezone(at.tzinfo), prices))
            else:
                found.append(RawBar.of(at, prices, at.date()))
        return found

    def _by(self, function: str) -> Any:
        async def ask(request: DataRequest) -> Any:
            return await self._ask({"function": function, "symbol": request.symbol}, request.patience)

        return ask

    async def _news(self, request: DataRequest) -> Any:
        since = f"{request.start:%Y%m%dT0000}"
        return await self._ask(
            {"function": "NEWS_SENTIMENT", "tickers": request.symbol, "time_from": since, "limit": 200},
            request.patience,
        )

    async def _calendar(self, request: DataRequest) -> Any:
        """A CSV, the one answer that is no JSON."""
        asked = {"function": "EARNINGS_CALENDAR", "symbol": request.symbol, "horizon": "3month"}
        answer = await self.client.get(PATH, {**asked, "apikey": self.settings.key}, request.patience)
        if "json" in answer.headers.get("Content-Type", "") or answer.text.lstrip().startswith("{"):
            self._complaint(mapping(self.client.json(answer)))
        if answer.status_code >= 400 or "reportDate" not in answer.text.partition("\n")[0]:
            raise self.client.by_status(answer.status_code, "") or ProviderUnavailable(self.name, "sent no calendar")
        found = list(csv.DictReader(io.StringIO(answer.text)))
        letters = "".join(map(str, found[0].values()))[:6] if found else ""
        if letters and HIDDEN_REFUSAL.startswith(letters):
            raise ProviderUnavailable(self.name, "asks to wait (too many calls)", timedelta(minutes=1))
        return found

    async def _ask(self, params: Mapping[str, str | int], patience: timedelta) -> dict[str, Any]:
        answer = await self.client.get(PATH, {**params, "apikey": self.settings.key}, patience)
        body = self.client.json(answer)
        if not isinstance(body, dict):
            raise ProviderUnavailable(self.name, "sent an answer that is no object")
        self._complaint(body)
        if failed := self.client.by_status(answer.status_code, ""):
            raise failed
        if not body:
            raise ProviderRefused(self.name, "knows nothing of this ticker")
        return body

    def _complaint(self, body: Mapping[str, Any]) -> None:
        """The three keys under which it says no, told apart by their words (each with HTTP 200)."""
        error = text(body.get("Error Message"))
        said = error or text(body.get("Note")) or text(body.get("Information"))
        if not said:
            return
        low = said.replace(self.settings.key, "the key").lower() if self.settings.key else said.lower()
        if "apikey" in low or ("api key" in low and ("invalid" in low or "missing" in low or "demo" in low)):
            raise ProviderMisconfigured(self.name, "refused the key")
        if "premium feature" in low or "premium endpoint." in low:  # before the rates, which some of these name as well
            raise ProviderNoPlan(self.name, "gives this to premium plans only")
        if "per minute" in low or "per second" in low or "higher api call volume" in low:
            raise ProviderUnavailable(self.name, "asks to wait (too many calls at once)", timedelta(minutes=1))
        if "per day" in low or "rate limit" in low:
            raise ProviderQuota(self.name, "the day's calls are spent", _until_midnight(self.clock()))
        if error:
            raise ProviderRefused(self.name, "refused the call: unknown ticker or interval")
        if "premium" in low:
            raise ProviderNoPlan(self.name, "gives this to premium plans only")
        raise ProviderQuota(self.name, "refused for a reason of its own", _until_midnight(self.clock()))


def _next_month(local: datetime) -> datetime:
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def _until_midnight(now: datetime) -> timedelta:
    local = now.astimezone(NEW_YORK)
    return (local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)) - local


def _read_quote(answer: Any, request: DataRequest) -> list[Record]:
    row = {key.partition(". ")[2]: value for key, value in mapping(mapping(answer).get("Global Quote")).items()}
    on = day(row.get("latest trading day"))
    at = datetime(on.year, on.month, on.day, 16, tzinfo=NEW_YORK) if on else None
    if at is not None:
        at = min(at, request.now) if at.date() == request.now.astimezone(NEW_YORK).date() else at
    quote = {
        "symbol": request.symbol, "at": at, "price": figure(row.get("price")), "open": figure(row.get("open")),
        "high": figure(row.get("high")), "low": figure(row.get("low")), "volume": figure(row.get("volume")),
        "previous_close": figure(row.get("previous close")), "change_percent": figure(row.get("change percent")),
    }  # fmt: skip
    return list(records(Quote, [quote]))


def _read_profile(answer: Any, request: DataRequest) -> list[Record]:
    row = mapping(answer)
    profile = {
        "symbol": request.symbol, "at": request.now, "name": text(row.get("Name")) or None,
        "exchange": text(row.get("Exchange")), "currency": text(row.get("Currency")), "country": text(row.get("Country")),
        "sector": text(row.get("Sector")), "industry": text(row.get("Industry")),
        "market_cap": figure(row.get("MarketCapitalization")), "shares_outstanding": figure(row.get("SharesOutstanding")),
        "website": text(row.get("OfficialSite")), "description": text(row.get("Description"), 4000),
    }  # fmt: skip
    return list(records(CompanyProfile, [profile]))


def _read_earnings(answer: Any, request: DataRequest) -> list[Record]:
    found = []
    for key, frequency in (("quarterlyEarnings", "quarterly"), ("annualEarnings", "annual")):
        for row in rows(mapping(answer).get(key)):
            found.append(
                {
                    "symbol": request.symbol,
                    "frequency": frequency,
                    "period": day(row.get("fiscalDateEnding")),
                    "reported_on": day(row.get("reportedDate")),
                    "actual": figure(row.get("reportedEPS")),
                    "estimate": figure(row.get("estimatedEPS")),
                    "surprise_percent": figure(row.get("surprisePercentage")),
                }
            )
    return list(records(EarningsReport, found))


def _read_calendar(answer: Any, request: DataRequest) -> list[Record]:
    found = [
        {
            "symbol": text(row.get("symbol"), 64), "day": day(row.get("reportDate")),
            "hour": HOURS.get(text(row.get("timeOfTheDay")).lower(), ""), "fiscal_period": day(row.get("fiscalDateEnding")),
            "estimate": figure(row.get("estimate")), "currency": text(row.get("currency"), 8),
        }
        for row in rows(answer)
    ]  # fmt: skip
    return list(records(EarningsDate, found))


def _read_news(answer: Any, request: DataRequest) -> list[Record]:
    found = []
    for row in rows(mapping(answer).get("feed")):
        own = next((one for one in rows(row.get("ticker_sentiment")) if one.get("ticker") == request.symbol), {})
        score = figure(own.get("ticker_sentiment_score"))
        found.append(
            {
                "symbol": request.symbol,
                "id": name_of(row.get("url"), row.get("title")),
                "published_at": moment(row.get("time_published"), "%Y%m%dT%H%M%S"),
                "headline": text(row.get("title")) or None,
                "summary": text(row.get("summary"), 4000),
                "url": text(row.get("url"), 2000),
                "publisher": text(row.get("source"), 200),
                "sentiment": score if score is not None else figure(row.get("overall_sentiment_score")),
            }
        )
    return list(records(NewsItem, found))

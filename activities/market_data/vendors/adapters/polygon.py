"""Polygon, now Massive: aggregates by pages, reference data, news and option chains; daily labels at New York's midnight."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit
from zoneinfo import ZoneInfo

from activities.market_data.calendars.tickers import CRYPTO_PAIR, FOREX_PAIR
from activities.market_data.vendors.errors import (
    ProviderMisconfigured,
    ProviderNoPlan,
    ProviderRefused,
    ProviderUnavailable,
)
from activities.market_data.vendors.http_provider import DELAYED, HttpProvider, Page, Source
from activities.market_data.vendors.normalize import RawBar, from_seconds, number
from activities.market_data.vendors.parsing import day, figure, mapping, moment, records, rows, text
from activities.market_data.vendors.provider import BarRequest, DataRequest
from domain.timeframe import Timeframe
from domain.vendor_data import CompanyProfile, Kind, NewsItem, OptionContract, Quote, Record, name_of

LIMIT = 50_000  # the most it gives
NEWS_LIMIT, CHAIN_LIMIT = 1000, 250  # the most it gives
MOST_PAGES = 200  # 50,000 contracts; more are a loop
NEW_YORK = ZoneInfo("America/New_York")
SHARE_CLASS = re.compile(r"^([A-Z]+)-([A-Z])$")
PREFERRED = re.compile(r"^([A-Z]+)-P([A-Z])$")
UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
PLANS = tuple(timedelta(days=365 * years) for years in (10, 5, 2))  # how far back the plans reach, the longest first
TOO_OLD, TOO_NEW = "data timeframe", "before end of day"  # of a refusal of a window, rather than of a kind of data
CLASSES = {"": "stocks", "C": "currencies", "X": "crypto", "I": "indices", "O": "options"}
FRAMES = ("1s", "5s", "10s", "15s", "30s", "1m", "2m", "3m", "5m", "10m", "15m", "30m", "1h", "2h", "4h", "1d", "1w")


class Polygon(HttpProvider):
    """Bars of any length, split-adjusted, followed through ``next_url``; the key goes in a header, never in an address."""

    name = "polygon"
    clock_hours = True
    extended_hours = True
    own_weeks = True  # theirs begin on Sunday
    grace = timedelta(seconds=5)
    base_url = "https://api.massive.com"
    rates = "5/minute"
    intervals = {frame: (frame[:-1], UNITS[frame[-1]]) for frame in FRAMES}

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.sources = {
            Kind.STOCK_QUOTES: Source(self._previous, _read_quote),
            Kind.COMPANY_INFO: Source(self._company, _read_profile),
            Kind.NEWS: Source(self._news, _read_news),
            Kind.OPTIONS_CHAIN: Source(self._chain, _read_chain),
        }
        self._plans: dict[
            str, timedelta
        ] = {}  # how far back the key's plan of a class reaches, as far as it has said so
        self._until_yesterday: set[str] = set()  # classes of which the plan gives a day's bars when it is over

    def headers(self) -> dict[str, str]:
        """The key as a bearer."""
        return {"Authorization": f"Bearer {self.settings.key}"} if self.settings.key else {}

    def adjustment(self, frame: Timeframe) -> str:
        """Splits only."""
        return "split"

    @property
    def shortfall(self) -> str:
        """What the plan was found to lack, class by class: stocks, currencies and crypto are plans of their own."""
        lacks = [f"{CLASSES[one]} reach back {reach.days // 365} years" for one, reach in self._plans.items()]
        lacks += [f"{CLASSES[one]} end with yesterday" for one in sorted(self._until_yesterday)]
        return f"the key's plan: {'; '.join(lacks)}" if lacks else ""

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        """One window, or as much of it as the key's plan holds: some reach back for years only, the free one up to yesterday."""
        kind, today = _class(_ticker(request.symbol)), _midnight(request.now)
        cut = kind in self._until_yesterday
        while True:
            until = min(end, today) if cut else end
            plan = self._plans.get(kind, timedelta.max)
            since = None
            if plan != timedelta.max and start <= request.now - plan:
                start = since = request.now - plan
            if start >= until:
                return Page(())
            try:
                page = await self._aggregates(request, start, until, plan)
            except _OutOfPlanError as error:
                shorter = [one for one in PLANS if one < plan and request.now - one > start]
                if shorter and not error.too_new:
                    self._plans[kind] = shorter[0]
                elif until > today:
                    cut = True
                else:
                    raise ProviderNoPlan(self.name, "does not give bars of that time to the key's plan") from None
            else:
                if cut:
                    self._until_yesterday.add(kind)
                return replace(page, since=since)

    async def _aggregates(self, request: BarRequest, start: datetime, end: datetime, plan: timedelta) -> Page:
        count, unit = self.intervals[request.timeframe]
        label = (
            timedelta() if request.timeframe.is_intraday else timedelta(days=1)
        )  # labels lie before the session's open
        first = start - label if plan == timedelta.max else max(start - label, request.now - plan)
        span = f"{_milliseconds(first)}/{_milliseconds(end) - 1}"
        path = f"/v2/aggs/ticker/{_segment(_ticker(request.symbol))}/range/{count}/{unit}/{span}"
        found, behind = list[RawBar](), timedelta()
        for answer in await self._pages(path, {"adjusted": "true", "sort": "asc", "limit": LIMIT}, request.patience):
            behind = DELAYED if answer.get("status") == "DELAYED" else behind
            for row in rows(answer.get("results")):
                stamp = number(row.get("t"))
                opened = from_seconds(None if stamp is None else stamp / 1000)
                if opened is not None:
                    found.append(RawBar.of(opened, [row.get(name) for name in "ohlcv"]))
        return Page(found, delay=behind)

    async def _previous(self, request: DataRequest) -> Any:
        return await self._ask(
            f"/v2/aggs/ticker/{_segment(_ticker(request.symbol))}/prev", {"adjusted": "true"}, request.patience
        )

    async def _company(self, request: DataRequest) -> Any:
        return await self._ask(f"/v3/reference/tickers/{_segment(_ticker(request.symbol))}", {}, request.patience)

    async def _news(self, request: DataRequest) -> Any:
        asked: dict[str, str | int] = {
            "ticker": _ticker(request.symbol),
            "published_utc.gte": request.start.isoformat(),
            "limit": NEWS_LIMIT,
        }
        return await self._all("/v2/reference/news", asked, request.patience)

    async def _chain(self, request: DataRequest) -> Any:
        return await self._all(
            f"/v3/snapshot/options/{_segment(_ticker(request.symbol))}", {"limit": CHAIN_LIMIT}, request.patience
        )

    async def _all(self, path: str, params: dict[str, str | int], patience: timedelta) -> dict[str, Any]:
        return {
            "results": [
                row for answer in await self._pages(path, params, patience) for row in rows(answer.get("results"))
            ]
        }

    async def _pages(self, path: str, params: dict[str, str | int], patience: timedelta) -> list[dict[str, Any]]:
        """Each page of an answer; the address of the next one is followed on our own base, with no key in it."""
        answers = []
        for _ in range(MOST_PAGES):
            answer = await self._ask(path, params, patience)
            answers.append(answer)
            following = answer.get("next_url")
            if not isinstance(following, str) or not following:
                return answers
            parts = urlsplit(following)
            path, params = parts.path, {name: value for name, value in parse_qsl(parts.query) if name != "apiKey"}
        raise ProviderUnavailable(self.name, f"sent more than {MOST_PAGES} pages")

    async def _ask(self, path: str, params: dict[str, str | int], patience: timedelta) -> dict[str, Any]:
        answer = await self.client.get(path, params, patience)
        body = self.client.json(answer)
        if not isinstance(body, dict):
            raise ProviderUnavailable(self.name, "sent an answer that is no object")
        status, said = body.get("status"), text(body.get("error") or body.get("message"), 200)
        low = said.lower()
        if TOO_OLD in low:
            raise _OutOfPlanError(self.name, "does not give bars of that time to the key's plan")
        if TOO_NEW in low:
            raise _OutOfPlanError(self.name, "gives a day's bars to the key's plan after its end only", too_new=True)
        if status == "NOT_AUTHORIZED" or "not entitled" in low or answer.status_code == 403:
            raise ProviderNoPlan(self.name, "does not give this to the key's plan")
        if answer.status_code == 401 or "api key" in low:
            raise ProviderMisconfigured(self.name, "refused the key")
        if "exceeded the maximum requests" in low:
            raise ProviderUnavailable(self.name, "asks to wait (too many calls a minute)", timedelta(minutes=1))
        if answer.status_code >= 400 or status in ("NOT_FOUND",):
            raise ProviderRefused(self.name, said or f"HTTP {answer.status_code}")
        if status not in ("OK", "DELAYED"):
            raise ProviderUnavailable(self.name, said or "sent an answer that is not OK")
        return body


class _OutOfPlanError(ProviderNoPlan):
    """The window begins before the plan does, or ends after it."""

    def __init__(self, provider: str, message: str, *, too_new: bool = False) -> None:
        self.too_new = too_new
        super().__init__(provider, message)


def _ticker(symbol: str) -> str:
    """As Polygon writes it: ``C:EURUSD``, ``X:BTCUSD``, ``BRK.B``, ``BACpL``. Yahoo's ``JPY=X`` is the dollar in yen."""
    name = symbol.upper()
    if FOREX_PAIR.fullmatch(name):
        pair = re.sub(r"[-/]|=X$", "", name)
        return f"C:{pair if len(pair) == 6 else f'USD{pair}'}"
    if CRYPTO_PAIR.fullmatch(name) and "." not in name:
        return f"X:{re.sub('[-/]', '', name)}"
    return PREFERRED.sub(r"\1p\2", SHARE_CLASS.sub(r"\1.\2", name))


def _class(ticker: str) -> str:
    kind, mark, _ = ticker.partition(":")
    return kind if mark and kind in CLASSES else ""


def _midnight(now: datetime) -> datetime:
    return now.astimezone(NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)


def _segment(ticker: str) -> str:
    return quote(ticker, safe=":")


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _read_quote(answer: Any, request: DataRequest) -> list[Record]:
    found = []
    for row in rows(mapping(answer).get("results")):
        stamp = figure(row.get("t"))
        found.append(
            {
                "symbol": request.symbol,
                "at": from_seconds(None if stamp is None else stamp / 1000),
                "price": figure(row.get("c")),
                "open": figure(row.get("o")),
                "high": figure(row.get("h")),
                "low": figure(row.get("l")),
                "volume": figure(row.get("v")),
            }
        )
    return list(records(Quote, found))


def _read_profile(answer: Any, request: DataRequest) -> list[Record]:
    row = mapping(mapping(answer).get("results"))
    profile = {
        "symbol": request.symbol, "at": request.now, "name": text(row.get("name")) or None,
        "exchange": text(row.get("primary_exchange")), "currency": text(row.get("currency_name")).upper(),
        "country": text(row.get("locale")).upper(), "industry": text(row.get("sic_description")),
        "market_cap": figure(row.get("market_cap")), "listed_on": day(row.get("list_date")),
        "shares_outstanding": figure(row.get("share_class_shares_outstanding")),
        "website": text(row.get("homepage_url")), "description": text(row.get("description"), 4000),
    }  # fmt: skip
    return list(records(CompanyProfile, [profile]))


def _read_news(answer: Any, request: DataRequest) -> list[Record]:
    found = [
        {
            "symbol": request.symbol, "id": name_of("polygon", row.get("id") or row.get("article_url")),
            "published_at": moment(row.get("published_utc")), "headline": text(row.get("title")) or None,
            "summary": text(row.get("description"), 4000), "url": text(row.get("article_url"), 2000),
            "publisher": text(mapping(row.get("publisher")).get("name"), 200),
        }
        for row in rows(mapping(answer).get("results"))
    ]  # fmt: skip
    return list(records(NewsItem, found))


def _read_chain(answer: Any, request: DataRequest) -> list[Record]:
    found = []
    for row in rows(mapping(answer).get("results")):
        details, greeks, bid = mapping(row.get("details")), mapping(row.get("greeks")), mapping(row.get("last_quote"))
        found.append(
            {
                "contract": text(details.get("ticker"), 64) or None,
                "underlying": request.symbol,
                "at": request.now,
                "expiration": day(details.get("expiration_date")),
                "strike": figure(details.get("strike_price")),
                "side": text(details.get("contract_type")) or None,
                "bid": figure(bid.get("bid")),
                "ask": figure(bid.get("ask")),
                "last": figure(mapping(row.get("last_trade")).get("price")),
                "volume": figure(mapping(row.get("day")).get("volume")),
                "open_interest": figure(row.get("open_interest")),
                "implied_volatility": figure(row.get("implied_volatility")),
                **{name: figure(greeks.get(name)) for name in ("delta", "gamma", "theta", "vega")},
            }
        )
    return list(records(OptionContract, found))

"""Yahoo (unofficial): split-adjusted OHLCV from its chart, times at bar open, nulls where nothing traded; other data by crumb."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from activities.market_data.vendors.adapters.yahoo_data import (
    PROFILE_MODULES,
    read_calendar,
    read_chain,
    read_earnings,
    read_news,
    read_profile,
    read_quote,
)
from activities.market_data.vendors.circuit_breaker import CircuitBreaker
from activities.market_data.vendors.errors import ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.http_provider import HttpProvider, Page, Source
from activities.market_data.vendors.normalize import RawBar, from_seconds, number
from activities.market_data.vendors.parsing import items, mapping, rows, text
from activities.market_data.vendors.provider import BarRequest, DataRequest
from domain.bar import FIELDS
from domain.timeframe import Timeframe
from domain.vendor_data import Kind
from domain.zones import zone

DAYS = {"1m": 29, "2m": 59, "5m": 59, "15m": 59, "1h": 729}  # its limits less a day
CRUMB_LENGTH = 40  # true ones have eleven characters
ENVELOPES = ("chart", "quoteSummary", "optionChain", "finance")
MOST_EXPIRATIONS = 8  # one call each
COOKIE_PAGE = "https://fc.yahoo.com/"
YAHOO_HOST = re.compile(r"^https://[^/]*\.yahoo\.com(/|$)")
QUOTED_BACK = timedelta(days=14)  # the day before a quote's, over the longest holidays
BEFORE_ALL = "data doesn't exist for startdate"  # its answer (400) to a window that ends before the first trade
WAIT_FOR_SESSION = timedelta(minutes=1)  # a new cookie may work then


class Yahoo(HttpProvider):
    """Bars for stocks, funds, currencies and crypto by Yahoo's tickers. 30 m bars are broken there and not offered."""

    name = "yahoo"
    needs_key = False
    base_url = "https://query2.finance.yahoo.com"
    rates = "100/minute"
    intervals = {"1m": "1m", "2m": "2m", "5m": "5m", "15m": "15m", "1h": "60m", "1d": "1d", "1w": ""}
    own_weeks = True  # they begin on the weekday that was asked from, and hold the live day a second time

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.sources = {
            Kind.STOCK_QUOTES: Source(self._quote, read_quote),
            Kind.COMPANY_INFO: Source(partial(self._summary, modules=PROFILE_MODULES), read_profile),
            Kind.EARNINGS: Source(partial(self._summary, modules="earningsHistory"), read_earnings),
            Kind.EARNINGS_CALENDAR: Source(partial(self._summary, modules="calendarEvents"), read_calendar),
            Kind.NEWS: Source(self._news, read_news),
            Kind.OPTIONS_CHAIN: Source(self._chain, read_chain),
        }
        # what needs a session shares the rate with bars, which need none, but must not close their circuit
        self.session_breaker = CircuitBreaker(self.name, self.breaker.limiter, self.clock, self.breaker.tally)
        self.crumb = ""

    def breaker_of(self, kind: Kind) -> CircuitBreaker:
        """Quotes come from the chart, as bars do."""
        return self.breaker if kind is Kind.STOCK_QUOTES else self.session_breaker

    def adjustment(self, frame: Timeframe) -> str:
        """``close`` is split-adjusted."""
        return "split"

    def page(self, frame: Timeframe) -> timedelta | None:
        """A week of minutes; otherwise all that can be reached."""
        return timedelta(days=7) if frame == "1m" else None

    def reach(self, frame: Timeframe) -> timedelta | None:
        """A month of minutes, two of a few minutes, two years of hours, all days."""
        return timedelta(days=DAYS[frame]) if frame in DAYS else None

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        result = await self._chart(request, self.intervals[request.timeframe], start, end)
        meta = mapping(result.get("meta"))
        first_trade = from_seconds(meta.get("firstTradeDate"))
        begins = first_trade is not None and start <= first_trade
        found = self._rows(result, request.timeframe.is_intraday)
        return Page(found, begins_history=begins, vendor_time=from_seconds(meta.get("regularMarketTime")))

    async def _quote(self, request: DataRequest) -> Any:
        result = await self._chart(request, "1d", request.now - QUOTED_BACK, request.now)
        quotes = rows(mapping(result.get("indicators")).get("quote"))
        closes = quotes[0].get("close") if quotes else None
        return {"meta": result.get("meta"), "times": result.get("timestamp"), "closes": closes}

    async def _chart(
        self, request: BarRequest | DataRequest, interval: str, start: datetime, end: datetime
    ) -> dict[str, Any]:
        params: dict[str, str | int] = {
            "interval": interval,
            "period1": int(start.timestamp()),
            "period2": int(end.timestamp()),
            "includePrePost": "false",
            "events": "div,splits",
        }
        return await self._first(
            f"/v8/finance/chart/{quote(request.symbol, safe='')}", params, "chart", request.patience
        )

    async def _summary(self, request: DataRequest, modules: str) -> Any:
        path = f"/v10/finance/quoteSummary/{quote(request.symbol, safe='')}"
        return await self._first(path, {"modules": modules, "formatted": "false"}, "quoteSummary", request.patience)

    async def _chain(self, request: DataRequest) -> Any:
        """The nearest expirations, one call each."""
        path = f"/v7/finance/options/{quote(request.symbol, safe='')}"
        found = await self._first(path, {}, "optionChain", request.patience)
        dates = [int(one) for one in items(found.get("expirationDates")) if number(one) is not None]
        options = rows(found.get("options"))
        there = {number(one.get("expirationDate")) for one in options}
        for date in [one for one in dates if one not in there][: MOST_EXPIRATIONS - 1]:
            options += rows((await self._first(path, {"date": date}, "optionChain", request.patience)).get("options"))
        return {"options": options}

    async def _news(self, request: DataRequest) -> Any:
        params: dict[str, str | int] = {"q": request.symbol, "newsCount": 50, "quotesCount": 0}
        return mapping(await self._ask("/v1/finance/search", params, request.patience))

    async def _first(
        self, path: str, params: dict[str, str | int], envelope: str, patience: timedelta
    ) -> dict[str, Any]:
        """The one result in an envelope of result and error."""
        found = rows(mapping(mapping(await self._ask(path, params, patience)).get(envelope)).get("result"))
        if not found and envelope != "chart":
            raise ProviderRefused(self.name, "knows nothing of this ticker")
        if not found:
            raise ProviderUnavailable(self.name, "sent an answer without a result")
        return dict(found[0])

    async def _ask(self, path: str, params: dict[str, str | int], patience: timedelta) -> Any:
        """The answer; where the session has gone, once more with a new one."""
        for attempt in range(2):
            crumb = {"crumb": self.crumb} if self.crumb else {}
            answer = await self.client.get(path, {**params, **crumb}, patience)
            if answer.status_code == 401 and attempt == 0 and await self._new_session(patience):
                continue
            break
        if answer.status_code == 401:  # whatever the body is
            self._refuse(None, answer.status_code)
        body = self.client.json(answer)
        said = (mapping(mapping(body).get(name)).get("error") for name in ENVELOPES)
        error = next((one for one in said if one), None)
        if text(mapping(error).get("description")).lower().startswith(BEFORE_ALL):
            return {"chart": {"result": [{"meta": {}}]}}
        if error or answer.status_code >= 400:
            self._refuse(error, answer.status_code)
        return body

    async def _new_session(self, patience: timedelta) -> bool:
        """A cookie, and a crumb for it; what is no crumb (a page, a complaint) is none."""
        if YAHOO_HOST.search(self.settings.base_url):  # any page of that host sets the cookie, its 404 too
            with suppress(ProviderUnavailable):
                await self.client.get(COOKIE_PAGE, {}, patience)
        answer = await self.client.get("/v1/test/getcrumb", {}, patience)
        said = answer.text.strip()
        plain = answer.status_code == 200 and 0 < len(said) <= CRUMB_LENGTH and " " not in said and "<" not in said
        self.crumb = said if plain else ""
        return plain

    def _refuse(self, error: Any, status: int) -> None:
        code = mapping(error).get("code")
        said = (
            text(mapping(error).get("description") or (error if isinstance(error, str) else ""), 200)
            or f"HTTP {status}"
        )
        if status == 401 or code == "Unauthorized":
            raise ProviderUnavailable(self.name, "wants a new session (HTTP 401)", WAIT_FOR_SESSION)
        if status in (400, 403, 404, 422) or code in ("Not Found", "Unprocessable Entity", "Bad Request"):
            raise ProviderRefused(self.name, said)
        raise ProviderUnavailable(self.name, said)

    def _rows(self, result: dict[str, Any], intraday: bool) -> list[RawBar]:
        """The parallel arrays as rows; a window without trades has no ``timestamp`` at all."""
        times = result.get("timestamp")
        quotes = rows(mapping(result.get("indicators")).get("quote"))
        if not isinstance(times, list) or not quotes:
            return []
        columns = [quotes[0].get(name) for name in FIELDS]
        if any(not isinstance(column, list) or len(column) != len(times) for column in columns):
            raise ProviderUnavailable(self.name, "sent columns of different lengths")
        local = None if intraday else _zone(mapping(result.get("meta")).get("exchangeTimezoneName"))
        found, columns_of = list[RawBar](), [column for column in columns if isinstance(column, list)]
        for stamp, *cells in zip(times, *columns_of, strict=True):
            opened = from_seconds(stamp)
            if opened is not None:
                day = opened.astimezone(local).date() if local else None
                found.append(RawBar.of(opened, cells, day))
        return found


def _zone(name: Any) -> ZoneInfo | None:
    try:
        return zone(str(name)) if name else None
    except ValueError:
        return None

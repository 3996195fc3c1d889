"""Yahoo's chart endpoint (unofficial): split-adjusted OHLCV, times at bar open, nulls where nothing traded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from activities.market_data.cells import figure, mapping, records, rows, text
from activities.market_data.normalize import RawBar, from_seconds
from activities.market_data.provider import BarRequest, ProviderRefused, ProviderUnavailable
from activities.market_data.providers.base import DataRequest, HttpProvider, Page, Source
from domain import timeframe
from domain.records import Kind, Quote, Record
from domain.zones import zone

DAYS = {"1m": 29, "2m": 59, "5m": 59, "15m": 59, "1h": 729}
CRUMB_LENGTH = 40
WAIT_FOR_SESSION = timedelta(minutes=1)


class Yahoo(HttpProvider):
    """Bars for stocks, funds, currencies and crypto by Yahoo's tickers. 30 m bars are broken there and not offered."""

    name = "yahoo"
    needs_key = False
    base_url = "https://query2.finance.yahoo.com"
    rates = "100/minute"
    intervals = {"1m": "1m", "2m": "2m", "5m": "5m", "15m": "15m", "1h": "60m", "1d": "1d", "1w": "1wk"}

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.sources = {Kind.STOCK_QUOTES: Source(self._quote, _read_quote)}
        self.crumb = ""

    def adjustment(self, frame: str) -> str:
        """``close`` is split-adjusted."""
        return "split"

    def page(self, frame: str) -> timedelta | None:
        """A week of minutes; otherwise all that can be reached."""
        return timedelta(days=7) if frame == "1m" else None

    def reach(self, frame: str) -> timedelta | None:
        """A month of minutes, two of a few minutes, two years of hours, all days."""
        return timedelta(days=DAYS[frame]) if frame in DAYS else None

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        result = await self._chart(request.symbol, self.intervals[request.timeframe], start, end)
        meta = mapping(result.get("meta"))
        first_trade = from_seconds(meta.get("firstTradeDate"))
        begins = first_trade is not None and start <= first_trade
        found = self._rows(result, timeframe.is_intraday(request.timeframe))
        return Page(found, begins_history=begins, vendor_time=from_seconds(meta.get("regularMarketTime")))

    async def _quote(self, request: DataRequest) -> Any:
        result = await self._chart(request.symbol, "1d", request.now - timedelta(days=5), request.now)
        quotes = rows(mapping(result.get("indicators")).get("quote"))
        return {"meta": result.get("meta"), "closes": quotes[0].get("close") if quotes else None}

    async def _chart(self, symbol: str, interval: str, start: datetime, end: datetime) -> dict[str, Any]:
        params: dict[str, str | int] = {
            "interval": interval,
            "period1": int(start.timestamp()),
            "period2": int(end.timestamp()),
            "includePrePost": "false",
            "events": "div,splits",
        }
        path = f"/v8/finance/chart/{quote(symbol, safe='')}"
        for attempt in range(2):
            answer = await self.client.get(path, {**params, **({"crumb": self.crumb} if self.crumb else {})})
            if answer.status_code == 401 and attempt == 0 and await self._new_session():
                continue
            break
        body = self.client.json(answer)
        chart = mapping(body).get("chart")
        error = chart.get("error") if isinstance(chart, dict) else mapping(mapping(body).get("finance")).get("error")
        if error or answer.status_code >= 400:
            self._refuse(error, answer.status_code)
        found = rows(mapping(chart).get("result"))
        if not found:
            raise ProviderUnavailable(self.name, "sent an answer without a result")
        return dict(found[0])

    async def _new_session(self) -> bool:
        """A crumb for the cookie we have; what is no crumb (a page, a complaint) is none."""
        answer = await self.client.get("/v1/test/getcrumb", {})
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
        columns = [quotes[0].get(name) for name in ("open", "high", "low", "close", "volume")]
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


def _read_quote(answer: Any, request: DataRequest) -> list[Record]:
    meta = mapping(mapping(answer).get("meta"))
    price, before = figure(meta.get("regularMarketPrice")), figure(meta.get("previousClose"))
    closes = [one for one in map(figure, mapping(answer).get("closes") or []) if one is not None]
    if before is None and len(closes) > 1:  # ``chartPreviousClose`` is of the day before the whole chart
        before = closes[-2]
    quote_row = {
        "symbol": request.symbol, "at": from_seconds(meta.get("regularMarketTime")), "price": price,
        "high": figure(meta.get("regularMarketDayHigh")), "low": figure(meta.get("regularMarketDayLow")),
        "volume": figure(meta.get("regularMarketVolume")), "previous_close": before,
        "change_percent": (price / before - 1) * 100 if price and before else None,
    }  # fmt: skip
    return list(records(Quote, [quote_row]))

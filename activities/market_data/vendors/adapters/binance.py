"""Binance spot klines: decimals as strings, times in milliseconds at bar open, the last row still open."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from activities.market_data.vendors.errors import ProviderMisconfigured, ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.http_provider import HttpProvider, Page, Source
from activities.market_data.vendors.normalize import RawBar, from_seconds, number
from activities.market_data.vendors.parsing import figure, mapping, records, text
from activities.market_data.vendors.provider import BarRequest, DataRequest, Hours
from domain.timeframe import Timeframe
from domain.vendor_data import Kind, Quote, Record

PAGE = 1000  # klines in one answer, at most
WEIGHT = 2  # of a call for klines or a ticker
REFUSALS = (-1121, -1120, -1100, -1101, -1102, -1104, -1106)  # codes: bad symbol, interval or parameter
LIMITS = (-1003, -1015)  # codes: too many requests, too many orders
MILLISECOND = timedelta(milliseconds=1)


class Binance(HttpProvider):
    """Bars for Binance's pairs; ``BTC-USDT`` and ``BTC/USDT`` mean ``BTCUSDT``. Rates are in Binance's weights."""

    name = "binance"
    hours = Hours.ALWAYS
    grace = timedelta(seconds=1)
    needs_key = False
    base_url = "https://api.binance.com"
    rates = "6000/minute"
    intervals = dict.fromkeys(
        ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w"), ""
    )

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.sources = {Kind.STOCK_QUOTES: Source(self._quote, _read_quote)}

    def page(self, frame: Timeframe) -> timedelta | None:
        """A thousand bars."""
        return frame.length * PAGE

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        params: dict[str, str | int] = {
            "symbol": _pair(request.symbol),
            "interval": request.timeframe,
            "startTime": _milliseconds(start),
            "endTime": _milliseconds(end) - 1,
            "limit": PAGE,
        }
        body = await self._ask("/api/v3/klines", params, request.patience)
        if not isinstance(body, list):
            raise ProviderUnavailable(self.name, "sent an answer that is no list of klines")
        rows = [row for row in map(_row, body) if row is not None]
        newest = max((row.open_time for row in rows), default=None)
        full = newest is not None and len(body) >= PAGE and newest + request.timeframe.length < end
        following = newest + MILLISECOND if full and newest is not None else None
        oldest = min((row.open_time for row in rows), default=None)
        late = oldest is not None and oldest - start > 2 * request.timeframe.length
        return Page(rows, following, begins_history=late)

    async def _quote(self, request: DataRequest) -> Any:
        return await self._ask("/api/v3/ticker/24hr", {"symbol": _pair(request.symbol)}, request.patience)

    async def _ask(self, path: str, params: dict[str, str | int], patience: timedelta) -> Any:
        answer = await self.client.get(path, params, patience, WEIGHT)
        if answer.status_code in (401, 403):  # the firewall, not the key
            raise ProviderUnavailable(self.name, f"turned us away (HTTP {answer.status_code})", timedelta(minutes=5))
        if answer.status_code == 451:
            raise ProviderMisconfigured(
                self.name,
                "does not serve this machine's country; set BINANCE_BASE_URL, e.g. to https://data-api.binance.vision",
            )
        body = self.client.json(answer)
        if answer.status_code >= 400 or (isinstance(body, dict) and "code" in body and "msg" in body):
            self._refuse(body, answer.status_code)
        return body

    def _refuse(self, body: Any, status: int) -> None:
        code, said = mapping(body).get("code"), text(mapping(body).get("msg"), 200) or f"HTTP {status}"
        if code in LIMITS:
            raise ProviderUnavailable(self.name, said, timedelta(minutes=1))
        if code in REFUSALS or status in (400, 404):
            raise ProviderRefused(self.name, said)
        raise ProviderUnavailable(self.name, said)


def _pair(symbol: str) -> str:
    return symbol.replace("-", "").replace("/", "").upper()


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _row(cells: Any) -> RawBar | None:
    if not isinstance(cells, list) or len(cells) < 6:
        return None
    stamp = number(cells[0])
    opened = from_seconds(None if stamp is None else stamp / 1000)
    return None if opened is None else RawBar.of(opened, cells[1:6])


def _read_quote(answer: Any, request: DataRequest) -> list[Record]:
    row = mapping(answer)
    stamp = figure(row.get("closeTime"))
    at = from_seconds(None if stamp is None else stamp / 1000)
    quote = {
        "symbol": request.symbol, "at": at, "price": figure(row.get("lastPrice")), "open": figure(row.get("openPrice")),
        "high": figure(row.get("highPrice")), "low": figure(row.get("lowPrice")), "volume": figure(row.get("volume")),
        "previous_close": figure(row.get("prevClosePrice")), "change_percent": figure(row.get("priceChangePercent")),
    }  # fmt: skip
    return list(records(Quote, [quote]))

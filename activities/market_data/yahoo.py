"""Yahoo's chart endpoint (unofficial): split-adjusted OHLCV, times at bar open, nulls where nothing traded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from activities.market_data.http import VendorClient
from activities.market_data.normalize import RawBar, from_seconds, normalize, number
from activities.market_data.provider import (
    BarRequest,
    FetchedBars,
    ProviderRefused,
    ProviderUnavailable,
    session_span,
)

INTERVALS = {"1m": "1m", "2m": "2m", "5m": "5m", "15m": "15m", "1h": "60m", "1d": "1d", "1w": "1wk"}
REACH = {
    "1m": timedelta(days=7),
    "2m": timedelta(days=59),
    "5m": timedelta(days=59),
    "15m": timedelta(days=59),
}
HOURLY_REACH = timedelta(days=729)


class Yahoo:
    """Bars for stocks, funds, currencies and crypto by Yahoo's tickers. 30 m bars are broken there and not offered."""

    name = "yahoo"
    grace = timedelta(seconds=5)
    durable = True
    adjustment = "split"

    def __init__(self, base_url: str = "https://query2.finance.yahoo.com", timeout: float = 10.0) -> None:
        self.client = VendorClient(self.name, base_url, timeout)

    def market_time(self, now: datetime) -> datetime:
        """Real time."""
        return now

    def span(self, frame: str, count: int) -> timedelta:
        """Calendar time for ``count`` bars."""
        return session_span(frame, count)

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """One request; what lies beyond the interval's reach is left out."""
        interval = INTERVALS.get(request.timeframe)
        if interval is None:
            raise ProviderRefused(self.name, f"has no {request.timeframe} bars; it has {', '.join(INTERVALS)}")
        start = request.start
        reach = REACH.get(request.timeframe, HOURLY_REACH if request.timeframe == "1h" else None)
        if reach is not None:
            start = max(start, request.now - reach)
        params: dict[str, str | int] = {
            "interval": interval,
            "period1": int(start.timestamp()),
            "period2": int(request.end.timestamp()),
            "includePrePost": "false",
            "events": "div,splits",
        }
        answer = await self.client.get(f"/v8/finance/chart/{request.symbol}", params)
        return self._read(self.client.json(answer), answer.status_code, request)

    def _read(self, body: Any, status: int, request: BarRequest) -> FetchedBars:
        chart = body.get("chart") if isinstance(body, dict) else None
        error = chart.get("error") if isinstance(chart, dict) else _first_error(body)
        if error or status >= 400:
            self._refuse(error, status)
        result = chart.get("result") if isinstance(chart, dict) else None
        if not isinstance(result, list) or not result or not isinstance(result[0], dict):
            raise ProviderUnavailable(self.name, "sent an answer without a result")
        rows = _rows(result[0])
        bars = normalize(rows, request, self.grace)
        meta = result[0].get("meta")
        first_trade = from_seconds(meta.get("firstTradeDate")) if isinstance(meta, dict) else None
        begins = bool(bars) and first_trade is not None and request.start <= first_trade
        return FetchedBars(bars, begins_history=begins)

    def _refuse(self, error: Any, status: int) -> None:
        code = error.get("code") if isinstance(error, dict) else None
        text = str(error.get("description", "") if isinstance(error, dict) else error or f"HTTP {status}")[:200]
        if status == 401 or code == "Unauthorized":
            raise ProviderUnavailable(self.name, "wants a new session (HTTP 401)")
        if status in (400, 403, 404, 422) or code in ("Not Found", "Unprocessable Entity", "Bad Request"):
            raise ProviderRefused(self.name, text)
        raise ProviderUnavailable(self.name, text)

    async def close(self) -> None:
        """Closes the connections."""
        await self.client.close()


def _first_error(body: Any) -> Any:
    finance = body.get("finance") if isinstance(body, dict) else None
    return finance.get("error") if isinstance(finance, dict) else None


def _rows(result: dict[str, Any]) -> list[RawBar]:
    """The parallel arrays as rows; a window without trades has no ``timestamp`` at all."""
    times = result.get("timestamp")
    indicators = result.get("indicators")
    quotes = indicators.get("quote") if isinstance(indicators, dict) else None
    if not isinstance(times, list) or not isinstance(quotes, list) or not quotes or not isinstance(quotes[0], dict):
        return []
    columns = [quotes[0].get(name) for name in ("open", "high", "low", "close", "volume")]
    rows = []
    for index, stamp in enumerate(times):
        opened = from_seconds(stamp)
        if opened is None:
            continue
        cells = [
            number(column[index]) if isinstance(column, list) and index < len(column) else None for column in columns
        ]
        rows.append(RawBar(opened, *cells))
    return rows

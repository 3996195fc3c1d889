"""Binance spot klines: decimals as strings, times in milliseconds at bar open, the last row still open."""

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
    continuous_span,
)

INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w")
PAGE = 1000
REFUSALS = (-1121, -1120, -1100, -1101, -1102, -1104, -1106)
LIMITS = (-1003, -1015)


class Binance:
    """Bars for Binance's pairs; ``BTC-USDT`` and ``BTC/USDT`` mean ``BTCUSDT``."""

    name = "binance"
    grace = timedelta(seconds=1)
    durable = True
    adjustment = "raw"

    def __init__(self, base_url: str = "https://api.binance.com", timeout: float = 10.0) -> None:
        self.client = VendorClient(self.name, base_url, timeout)

    def market_time(self, now: datetime) -> datetime:
        """Real time."""
        return now

    def span(self, frame: str, count: int) -> timedelta:
        """Calendar time for ``count`` bars."""
        return continuous_span(frame, count)

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """As many pages of 1,000 as the window needs."""
        if request.timeframe not in INTERVALS:
            raise ProviderRefused(self.name, f"has no {request.timeframe} bars; it has {', '.join(INTERVALS)}")
        rows: list[RawBar] = []
        start, end = _milliseconds(request.start), _milliseconds(request.end) - 1
        first_asked = start
        while start <= end:
            page, full = await self._page(request, start, end)
            rows += page
            following = _milliseconds(page[-1].open_time) + 1 if page else start
            if not full or following <= start:
                break
            start = following
        bars = normalize(rows, request, self.grace)
        gap = _milliseconds(bars[0].open_time) - first_asked if bars else 0
        length = bars[0].close_time - bars[0].open_time if bars else timedelta()
        return FetchedBars(bars, begins_history=bool(bars) and gap > 2 * length.total_seconds() * 1000)

    async def _page(self, request: BarRequest, start: int, end: int) -> tuple[list[RawBar], bool]:
        """One page's readable rows, and whether the page was full."""
        params: dict[str, str | int] = {
            "symbol": request.symbol.replace("-", "").replace("/", "").upper(),
            "interval": request.timeframe,
            "startTime": start,
            "endTime": end,
            "limit": PAGE,
        }
        answer = await self.client.get("/api/v3/klines", params)
        body = self.client.json(answer)
        if isinstance(body, dict) or answer.status_code >= 400:
            self._refuse(body, answer.status_code)
        if not isinstance(body, list):
            raise ProviderUnavailable(self.name, "sent an answer that is no list of klines")
        return [row for row in map(_row, body) if row is not None], len(body) >= PAGE

    def _refuse(self, body: Any, status: int) -> None:
        code = body.get("code") if isinstance(body, dict) else None
        text = str(body.get("msg", "") if isinstance(body, dict) else "")[:200] or f"HTTP {status}"
        if code in REFUSALS or (status in (400, 401, 404) and code not in LIMITS):
            raise ProviderRefused(self.name, text)
        raise ProviderUnavailable(self.name, text)

    async def close(self) -> None:
        """Closes the connections."""
        await self.client.close()


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _row(cells: Any) -> RawBar | None:
    if not isinstance(cells, list) or len(cells) < 6:
        return None
    stamp = number(cells[0])
    opened = from_seconds(None if stamp is None else stamp / 1000)
    return None if opened is None else RawBar(opened, *(number(cell) for cell in cells[1:6]))

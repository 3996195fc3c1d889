"""Interactive Brokers through its Client Portal gateway: bars by contract number, prices as they are, five requests at once.

The gateway runs beside the product, logged in by its owner; its certificate is trusted through ``SSL_CERT_FILE``.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from activities.market_data.vendors.errors import (
    ProviderMisconfigured,
    ProviderNoPlan,
    ProviderRefused,
    ProviderUnavailable,
)
from activities.market_data.vendors.http_provider import DELAYED, HttpProvider, Page
from activities.market_data.vendors.normalize import RawBar, from_seconds, number
from activities.market_data.vendors.parsing import figure, mapping, rows, text
from activities.market_data.vendors.provider import BarRequest
from domain.timeframe import Timeframe

AT_ONCE = 4  # one below the five that the gateway takes
LATE = ("D", "Y")  # delayed, and delayed as it was at the close: the account has no subscription to the exchange
BARS_A_PAGE = 1000  # points in one answer, at most
LONGEST = timedelta(days=365 * 15)  # years the gateway knows


class InteractiveBrokers(HttpProvider):
    """Stocks by ticker. A window is asked for from its end backwards, as the gateway wants it."""

    name = "interactive_brokers"
    clock_hours = True
    grace = timedelta(seconds=10)
    needs_key = False
    base_url = "https://localhost:5000/v1/api"
    rates = "10/second"
    intervals = {
        "1m": "1min", "2m": "2min", "3m": "3min", "5m": "5min", "10m": "10min", "15m": "15min", "30m": "30min",
        "1h": "1h", "2h": "2h", "4h": "4h", "8h": "8h", "1d": "1d", "1w": "1w",
    }  # fmt: skip

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._contracts: dict[str, int] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def adjustment(self, frame: Timeframe) -> str:
        """Splits are worked in, dividends are not."""
        return "split"

    def page(self, frame: Timeframe) -> timedelta | None:
        """About a thousand bars."""
        if not frame.is_intraday:
            return LONGEST
        days = frame.length * BARS_A_PAGE / timedelta(hours=6.5)
        return timedelta(days=max(1, int(days * 7 / 5)))

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        contract = await self._contract(request.symbol, request.patience)
        params: dict[str, str | int] = {
            "conid": contract,
            "bar": self.intervals[request.timeframe],
            "period": _period(end - start),
            "startTime": f"{end:%Y%m%d-%H:%M:%S}",
            "outsideRth": "false",
        }
        body = mapping(await self._ask("/iserver/marketdata/history", params, request.patience))
        data = body.get("data")
        if not isinstance(data, list):
            raise ProviderUnavailable(self.name, "sent an answer without bars")
        found = []
        for row in rows(data):
            stamp = number(row.get("t"))
            opened = from_seconds(None if stamp is None else stamp / 1000)
            if opened is not None:
                found.append(RawBar.of(opened, [row.get(name) for name in "ohlcv"]))
        is_late = text(body.get("mdAvailability"))[:1] in LATE
        return Page(found, delay=DELAYED if is_late else timedelta())

    async def _contract(self, symbol: str, patience: timedelta) -> int:
        """The contract number of the US listing, or of the first."""
        known = self._contracts.get(symbol)
        if known is not None:
            return known
        body = mapping(await self._ask("/trsrv/stocks", {"symbols": symbol}, patience))
        contracts = [one for company in rows(body.get(symbol)) for one in rows(company.get("contracts"))]
        best = next((one for one in contracts if one.get("isUS")), contracts[0] if contracts else {})
        number_of = figure(best.get("conid"))
        if number_of is None:
            raise ProviderRefused(self.name, f"knows no stock {symbol}")
        self._contracts[symbol] = int(number_of)
        return int(number_of)

    async def _ask(self, path: str, params: dict[str, str | int], patience: timedelta) -> Any:
        async with self._slots:
            answer = await self.client.get(path, params, patience)
        if answer.status_code == 401:
            raise ProviderMisconfigured(self.name, "the gateway is not logged in")
        body = self.client.json(answer)
        error = text(mapping(body).get("error"), 200)
        if error or answer.status_code >= 400:
            low = error.lower()
            if "not authenticated" in low or "no bridge" in low:
                raise ProviderMisconfigured(self.name, "the gateway is not logged in")
            if "pacing" in low or "162" in low:
                raise ProviderUnavailable(self.name, "asks to wait (pacing)", timedelta(seconds=15))
            if answer.status_code == 403:
                raise ProviderNoPlan(self.name, "does not give this to the account")
            raise ProviderRefused(self.name, error or f"HTTP {answer.status_code}")
        return body


def _period(span: timedelta) -> str:
    """The gateway's words for a length: minutes, days or years, rounded up."""
    if span <= timedelta(hours=16):
        return f"{-(-int(span.total_seconds()) // 60)}min"
    days = -(-span // timedelta(days=1))
    return f"{days}d" if days <= 1000 else f"{-(-days // 365)}y"

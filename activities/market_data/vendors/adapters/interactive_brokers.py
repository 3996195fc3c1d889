"""Interactive Brokers through its Client Portal gateway: bars by contract number, prices as they are, five requests at once.

The gateway runs beside the product, logged in by its owner; its certificate is trusted through ``SSL_CERT_FILE``.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
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
MOST_POINTS = 1000  # in one answer; of more the gateway keeps the newest, and does not say so
FULL = 990  # points from which on an answer may have been cut: the bound is kept roughly
LONGEST_SESSION = timedelta(hours=9)  # of the exchanges it knows, so that a page of days is not cut
MOST_DAYS = 1000  # the longest period in days
LOTS = 100  # US volumes come in hundreds of shares, whatever ``volumeFactor`` says
KNOWN_FOR = timedelta(hours=1)  # how long it is believed where a contract's chart begins: it says the same on bad days
SMALLEST_PART = timedelta(days=5)  # of a window that is halved to find a contract's first bar
NO_CHART = "chart data unavailable"  # its answer to a window that begins before the first bar, and on bad days


class InteractiveBrokers(HttpProvider):
    """Stocks by ticker. A window is asked for from its end backwards, as the gateway wants it."""

    name = "interactive_brokers"
    clock_hours = True
    grace = timedelta(seconds=10)
    needs_key = False
    base_url = "https://localhost:5000/v1/api"
    rates = "10/second"
    own_weeks = True
    intervals = {
        "1m": "1min", "2m": "2min", "3m": "3min", "5m": "5min", "10m": "10min", "15m": "15min", "30m": "30min",
        "1h": "1h", "2h": "2h", "4h": "4h", "8h": "8h", "1d": "1d", "1w": "",
    }  # fmt: skip

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._contracts: dict[str, tuple[int, int]] = {}
        self._begins: dict[
            tuple[int, Timeframe], tuple[datetime, datetime]
        ] = {}  # where it has a chart from, and when that was met
        self._slots = asyncio.Semaphore(AT_ONCE)

    def adjustment(self, frame: Timeframe) -> str:
        """Splits are worked in, dividends are not."""
        return "split"

    def page(self, frame: Timeframe) -> timedelta | None:
        """So many days that no session makes more points than one answer holds."""
        if not frame.is_intraday:
            return timedelta(days=MOST_DAYS)
        return timedelta(days=min(MOST_DAYS, max(1, int(MOST_POINTS * frame.length / LONGEST_SESSION))))

    async def _page(self, request: BarRequest, start: datetime, end: datetime) -> Page:
        contract, lots = await self._contract(request.symbol, request.patience)
        begins = self._beginning(request, contract)
        if begins is not None and begins >= end:
            return Page((), begins_history=True)
        found, delay = await self._window(request, contract, max(start, begins or start), end)
        if found is None and end >= request.now - SMALLEST_PART:
            raise ProviderUnavailable(self.name, "has no chart of it now")
        rows = [replace(row, volume=None if row.volume is None else round(row.volume * lots, 4)) for row in found or ()]
        begins = self._beginning(request, contract)
        return Page(rows, begins_history=begins is not None and begins > start, delay=delay)

    def _beginning(self, request: BarRequest, contract: int) -> datetime | None:
        """Where its chart was found to begin, not long ago."""
        begins, met = self._begins.get((contract, request.timeframe), (None, request.now))
        return begins if request.now - met < KNOWN_FOR else None

    async def _window(
        self, request: BarRequest, contract: int, start: datetime, end: datetime
    ) -> tuple[list[RawBar] | None, timedelta]:
        """The window's rows and the feed's delay; where it begins before the contract does, what there is; None for nothing."""
        found, delay = await self._answer(request, contract, start, end)
        while found is not None and len(found) >= FULL:  # cut at its old end
            older = min(row.open_time for row in found)
            if older <= start:
                break
            more, _ = await self._answer(request, contract, start, older)
            known = {row.open_time for row in found}
            fresh = [row for row in more or () if row.open_time not in known]
            if not fresh:
                break
            found = [*fresh, *found]
            if len(more or ()) < FULL:
                break
        if found is not None or end - start <= SMALLEST_PART:
            return found, delay
        middle = start + (end - start) / 2
        newer, delay = await self._window(request, contract, middle, end)
        if newer is None:
            return None, delay
        if self._beginning(request, contract) is not None:  # met within the newer half
            return newer, delay
        before, _ = await self._window(request, contract, start, middle)
        if before is None:
            if (await self._answer(request, contract, middle, end))[0] is None:
                raise ProviderUnavailable(self.name, "has a chart of it now and then")
            self._begins[contract, request.timeframe] = middle, request.now
        return [*(before or ()), *newer], delay

    async def _answer(
        self, request: BarRequest, contract: int, start: datetime, end: datetime
    ) -> tuple[list[RawBar] | None, timedelta]:
        """One answer; None where it has no chart. The gateway leaves out the bar just before the end it is given."""
        length = request.timeframe.length if request.timeframe.is_intraday else timedelta()
        until = end + length
        params: dict[str, str | int] = {
            "conid": contract,
            "bar": self.intervals[request.timeframe],
            "period": _period(min(until, request.now) - start),
            "outsideRth": "false",
        }
        if until < request.now:  # without it the gateway goes back from now
            params["startTime"] = f"{until:%Y%m%d-%H:%M:%S}"
        body = mapping(await self._ask("/iserver/marketdata/history", params, request.patience))
        if NO_CHART in text(body.get("error")).lower():
            return None, timedelta()
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
        return found, DELAYED if is_late else timedelta()

    async def _contract(self, symbol: str, patience: timedelta) -> tuple[int, int]:
        """The contract number of the US listing, or of the first, and how many shares one of its volumes stands for."""
        known = self._contracts.get(symbol)
        if known is not None:
            return known
        body = mapping(await self._ask("/trsrv/stocks", {"symbols": symbol}, patience))
        contracts = [one for company in rows(body.get(symbol)) for one in rows(company.get("contracts"))]
        best = next((one for one in contracts if one.get("isUS")), contracts[0] if contracts else {})
        number_of = figure(best.get("conid"))
        if number_of is None:
            raise ProviderRefused(self.name, f"knows no stock {symbol}")
        known = self._contracts[symbol] = int(number_of), LOTS if best.get("isUS") else 1
        return known

    async def _ask(self, path: str, params: dict[str, str | int], patience: timedelta) -> Any:
        async with self._slots:
            answer = await self.client.get(path, params, patience, telling=(500,))
        if answer.status_code == 401:
            raise ProviderMisconfigured(self.name, "the gateway is not logged in")
        try:
            body = self.client.json(answer)
        except ProviderRefused:
            raise ProviderUnavailable(self.name, f"answered HTTP {answer.status_code}") from None
        error = text(mapping(body).get("error"), 200)
        low = error.lower()
        if NO_CHART in low:
            return body
        if answer.status_code >= 500:
            raise ProviderUnavailable(self.name, error or f"answered HTTP {answer.status_code}")
        if error or answer.status_code >= 400:
            if "not authenticated" in low or "no bridge" in low:
                raise ProviderMisconfigured(self.name, "the gateway is not logged in")
            if "pacing" in low or "162" in low:
                raise ProviderUnavailable(self.name, "asks to wait (pacing)", timedelta(seconds=15))
            if answer.status_code == 403:
                raise ProviderNoPlan(self.name, "does not give this to the account")
            raise ProviderRefused(self.name, error or f"HTTP {answer.status_code}")
        return body


def _period(span: timedelta) -> str:
    """The gateway's words for a length, in the shortest unit that holds it: 30 minutes, 8 hours, 1,000 days; rounded up."""
    minutes, hours, days = (-(-span // unit) for unit in (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)))
    if minutes <= 30:
        return f"{max(minutes, 1)}min"
    return f"{hours}h" if hours <= 8 else f"{min(days, MOST_DAYS)}d"

"""Binance's klines, as far as the product asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.timeframe import Timeframe
from tests.stand_ins.market import Row, milliseconds, price
from tests.stand_ins.server import Asked, Reply
from tests.stand_ins.vendor import UNKNOWN, Vendor


class BinanceStandIn(Vendor):
    """Arrays of 12, decimals as strings, at most 1,000 a page."""

    name = "binance"
    clock_hours = False
    symbol = "BTCUSDT"
    frames = ("1s", "1m", "1h", "1d")
    always = True

    def well(self, asked: Asked) -> Reply:
        """Klines or the day's ticker."""
        symbol = asked.query["symbol"]
        if symbol == UNKNOWN:
            return self.unknown()
        if asked.path.endswith("24hr"):
            now = self.clock()
            last = f"{price(symbol, now):.8f}"
            return Reply(body={"symbol": symbol, "lastPrice": last, "prevClosePrice": "100.0", "openPrice": "99.5", "highPrice": "160",
                               "lowPrice": "90", "volume": "5.5", "priceChangePercent": "1.2", "closeTime": milliseconds(now)})  # fmt: skip
        return Reply(body=[self._kline(row) for row in self._rows(asked)], headers={"X-MBX-USED-WEIGHT-1M": "2"})

    def _rows(self, asked: Asked) -> list[Row]:
        start, end = (datetime.fromtimestamp(int(asked.query[name]) / 1000, UTC) for name in ("startTime", "endTime"))
        frame, limit = asked.query["interval"], min(int(asked.query.get("limit", 500)), 1000)
        until = min(end + timedelta(milliseconds=1), start + Timeframe(frame).length * (limit + 1))
        return self.market.rows(asked.query["symbol"], frame, start, until, self.clock())[:limit]

    def _kline(self, row: Row) -> list[Any]:
        cells = [f"{cell:.8f}" for cell in row.prices]
        return [
            milliseconds(row.opened),
            *cells,
            f"{row.volume:.8f}",
            milliseconds(row.closed) - 1,
            "0.0",
            7,
            "1.0",
            "2.0",
            "0",
        ]

    def unknown(self) -> Reply:
        """By its code."""
        return Reply(400, {"code": -1121, "msg": "Invalid symbol."})

    def error_200(self, asked: Asked) -> Reply:
        """Too much weight."""
        return Reply(body={"code": -1003, "msg": "Too much request weight used."})

    def empty(self, asked: Asked) -> Reply:
        """No klines."""
        return Reply(body=[])

    def nulls(self, asked: Asked) -> Reply:
        """Every third row without prices."""
        body = self.well(asked).body
        for cells in body[::3]:
            cells[1:6] = [None] * 5
        return Reply(body=body)

    def no_plan(self, asked: Asked) -> Reply:
        """Its firewall."""
        return Reply(403, "<html>403 Forbidden</html>", "text/html")

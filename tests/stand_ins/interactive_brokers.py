"""The Client Portal gateway, as far as the product asks for it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from domain.timeframe import Timeframe
from tests.stand_ins.market import milliseconds
from tests.stand_ins.server import Asked, Reply
from tests.stand_ins.vendor import UNKNOWN, Vendor


class InteractiveBrokersStandIn(Vendor):
    """The Client Portal gateway: a contract number first, then windows that end at a time."""

    name = "interactive_brokers"
    availability = "S"
    frames = ("1m", "1h", "1d", "1w")
    names = {"1min": "1m", "5min": "5m", "30min": "30m", "1h": "1h", "1d": "1d"}
    units = {"min": (timedelta(minutes=1), 30), "h": (timedelta(hours=1), 8), "d": (timedelta(days=1), 1000)}
    most = 1000
    listed: datetime | None = None  # the first trade; None: long ago

    def well(self, asked: Asked) -> Reply:
        """By its path."""
        if asked.path == "/trsrv/stocks":
            symbol = asked.query["symbols"]
            contract = {"conid": 265598, "exchange": "NASDAQ", "isUS": True}
            listings = [{"name": "X", "contracts": [{"conid": 1, "isUS": False}, contract]}]
            return Reply(body={symbol: [] if symbol == UNKNOWN else listings})
        assert asked.query["conid"] == "265598"
        now, frame = self.clock(), self.names[asked.query["bar"]]
        until = asked.query.get("startTime")
        end = datetime.strptime(until, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC) if until else now
        found = re.fullmatch(r"(\d+)(min|h|d)", asked.query["period"])
        assert found, asked.query["period"]
        length, most = self.units[found[2]]
        assert 1 <= int(found[1]) <= most, f"{asked.query['period']} is not one of the documented periods"
        start = end - int(found[1]) * length
        if self.listed is not None and start < self.listed:
            return Reply(500, {"error": "Chart data unavailable"})
        if until and Timeframe(frame).is_intraday:  # it leaves out the bar before
            end -= Timeframe(frame).length
        rows = self.market.rows("AAPL", frame, start, end, now)[-self.most :]
        data = [
            dict(zip("ohlcvt", (*row.prices, row.volume / 100, milliseconds(row.opened)), strict=True)) for row in rows
        ]
        more = {
            "priceFactor": 100,
            "volumeFactor": 1,
            "points": max(len(data) - 1, 0),
            "mdAvailability": self.availability,
        }
        return Reply(body={"symbol": "AAPL", "data": data, **more})

    def error_200(self, asked: Asked) -> Reply:
        """Pacing."""
        return Reply(body={"error": "Historical data request pacing violation (162)"})

    def empty(self, asked: Asked) -> Reply:
        """No bars."""
        return (
            self.well(asked)
            if asked.path == "/trsrv/stocks"
            else Reply(body={"symbol": "AAPL", "data": [], "points": 0})
        )

    def nulls(self, asked: Asked) -> Reply:
        """Every third row without prices."""
        body = self.well(asked).body
        for row in body.get("data", [])[::3]:
            row |= dict.fromkeys("ohlcv")
        return Reply(body=body)

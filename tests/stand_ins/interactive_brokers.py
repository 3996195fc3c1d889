"""The Client Portal gateway, as far as the product asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.stand_ins.market import milliseconds
from tests.stand_ins.server import Asked, Reply
from tests.stand_ins.vendor import UNKNOWN, Vendor


class InteractiveBrokersStandIn(Vendor):
    """The Client Portal gateway: a contract number first, then windows that end at a time."""

    name = "interactive_brokers"
    availability = "S"
    frames = ("1m", "1h", "1d")
    names = {"1min": "1m", "5min": "5m", "30min": "30m", "1h": "1h", "1d": "1d", "1w": "1w"}
    units = {"min": 1 / 1440, "d": 1, "y": 365}

    def well(self, asked: Asked) -> Reply:
        """By its path."""
        if asked.path == "/trsrv/stocks":
            symbol = asked.query["symbols"]
            contract = {"conid": 265598, "exchange": "NASDAQ", "isUS": True}
            return Reply(
                body={
                    symbol: []
                    if symbol == UNKNOWN
                    else [{"name": "X", "contracts": [{"conid": 1, "isUS": False}, contract]}]
                }
            )
        assert asked.query["conid"] == "265598"
        end = datetime.strptime(asked.query["startTime"], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
        period, frame = asked.query["period"], self.names[asked.query["bar"]]
        unit = next(one for one in self.units if period.endswith(one))
        start = end - timedelta(days=float(period.removesuffix(unit)) * self.units[unit])
        rows = self.market.rows("AAPL", frame, start, end, self.clock())
        data = [dict(zip("ohlcvt", (*row.prices, row.volume, milliseconds(row.opened)), strict=True)) for row in rows]
        return Reply(
            body={
                "symbol": "AAPL",
                "priceFactor": 100,
                "data": data,
                "points": len(data),
                "mdAvailability": self.availability,
            }
        )

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

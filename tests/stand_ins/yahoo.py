"""Yahoo's chart, as far as the product asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.stand_ins.market import NEW_YORK, Row, price
from tests.stand_ins.server import Asked, Reply
from tests.stand_ins.vendor import UNKNOWN, Vendor


class YahooStandIn(Vendor):
    """Parallel arrays, seconds at bar open, the live row a second time with its last trade's stamp."""

    name = "yahoo"
    clock_hours = False
    frames = ("1m", "1h", "1d", "1w")
    names = {"1m": "1m", "60m": "1h", "1d": "1d", "1wk": "1w", "5m": "5m"}
    crumb = "abc.DEF"

    def well(self, asked: Asked) -> Reply:
        """The chart, refused beyond its reach as there."""
        if asked.path == "/v1/test/getcrumb":
            return Reply(200, self.crumb, "text/plain")
        symbol, frame = asked.path.rsplit("/", 1)[1], self.names[asked.query["interval"]]
        if symbol == UNKNOWN:
            return self.unknown()
        now = self.clock()
        start, end = (datetime.fromtimestamp(int(asked.query[name]), UTC) for name in ("period1", "period2"))
        if frame == "1m" and (now - start > timedelta(days=30) or end - start > timedelta(days=8)):
            return self._no(422, "Unprocessable Entity", "1m data not available for startTime and endTime.")
        back = timedelta(days=7 if frame == "1w" else 0)
        rows = self.market.rows(symbol, frame, start - back, end, now)
        stamps = [self._stamp(row, frame) for row in rows]
        if rows and rows[-1].closed > now and frame != "1m":
            rows.append(rows[-1])
            stamps.append(int(now.timestamp()))
        return Reply(body=self._chart(symbol, stamps, rows))

    def _stamp(self, row: Row, frame: str) -> int:
        if frame == "1w":
            monday = row.day - timedelta(days=row.day.weekday())
            return int(datetime(monday.year, monday.month, monday.day, tzinfo=NEW_YORK).timestamp())
        return int(row.opened.timestamp())

    def _chart(self, symbol: str, stamps: list[int], rows: list[Row]) -> dict[str, Any]:
        meta = {
            "symbol": symbol, "exchangeTimezoneName": "America/New_York", "currency": "USD", "firstTradeDate": 345479400,
            "regularMarketTime": int(self.clock().timestamp()), "regularMarketPrice": price(symbol, self.clock()),
            "regularMarketDayHigh": 150.0, "regularMarketDayLow": 90.0, "regularMarketVolume": 12345, "chartPreviousClose": 100.0,
        }  # fmt: skip
        names = ("open", "high", "low", "close")
        quote: dict[str, Any] = {name: [row.prices[i] for row in rows] for i, name in enumerate(names)}
        quote["volume"] = [row.volume for row in rows]
        result: dict[str, Any] = {"meta": meta, "indicators": {"quote": [quote if rows else {}]}}
        if rows:
            result["timestamp"] = stamps
        return {"chart": {"result": [result], "error": None}}

    def _no(self, status: int, code: str, text: str) -> Reply:
        return Reply(status, {"chart": {"result": None, "error": {"code": code, "description": text}}})

    def unknown(self) -> Reply:
        """Delisted, it says."""
        return self._no(404, "Not Found", "No data found, symbol may be delisted")

    def error_200(self, asked: Asked) -> Reply:
        """An error in a good envelope."""
        return self._no(200, "Internal Server Error", "Internal server error")

    def empty(self, asked: Asked) -> Reply:
        """No ``timestamp`` at all."""
        return Reply(body=self._chart(self.symbol, [], []))

    def nulls(self, asked: Asked) -> Reply:
        """Every third row without prices."""
        body = self.well(asked).body
        quote = body["chart"]["result"][0]["indicators"]["quote"][0]
        for column in quote.values():
            column[::3] = [None] * len(column[::3])
        return Reply(body=body)

    def bad_key(self, asked: Asked) -> Reply:
        """A crumb that is none."""
        if asked.path == "/v1/test/getcrumb":
            return Reply(200, "Too Many Requests", "text/plain")
        return Reply(
            401, {"finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}
        )

    def stale_crumb(self, asked: Asked) -> Reply:
        """401 until the crumb is new."""
        if asked.path == "/v1/test/getcrumb" or asked.query.get("crumb") == self.crumb:
            return self.well(asked)
        return self.bad_key(asked)

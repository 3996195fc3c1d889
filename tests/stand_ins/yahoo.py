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
        symbol = asked.path.rsplit("/", 1)[1]
        if not asked.path.startswith("/v8/"):
            return self._data(asked, symbol)
        frame = self.names[asked.query["interval"]]
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

    def _data(self, asked: Asked, symbol: str) -> Reply:
        """All but the chart and the search wants a crumb."""
        if asked.path == "/v1/finance/search":
            return Reply(
                body={"quotes": [], "news": [self._article("n1", [asked.query["q"]]), self._article("n2", ["ZZZ"])]}
            )
        if asked.query.get("crumb") != self.crumb:
            return self.bad_key(asked)
        if asked.path.startswith("/v7/finance/options/"):
            return Reply(
                body={"optionChain": {"result": [self._chain(symbol, asked.query.get("date"))], "error": None}}
            )
        if symbol == UNKNOWN:
            said = f"No fundamentals data found for any of the summaryTypes={asked.query['modules']}"
            return Reply(404, {"quoteSummary": {"result": None, "error": {"code": "Not Found", "description": said}}})
        found = {name: SUMMARY[name] for name in asked.query["modules"].split(",")}
        return Reply(body={"quoteSummary": {"result": [found], "error": None}})

    def _article(self, uuid: str, tickers: list[str]) -> dict[str, Any]:
        at = int(self.clock().timestamp()) - 3600
        link = f"https://news.example/{uuid}"
        return {"uuid": uuid, "title": "X rises", "publisher": "Wire", "link": link, "providerPublishTime": at,
                "type": "STORY", "relatedTickers": tickers}  # fmt: skip

    def _chain(self, symbol: str, date: str | None) -> dict[str, Any]:
        dates = [1796342400, 1796947200]
        ends = int(date) if date else dates[0]

        def contract(side: str) -> dict[str, Any]:
            return {"contractSymbol": f"{symbol}{ends}{side}00100000", "strike": 100.0, "currency": "USD", "lastPrice": 5.1,
                    "volume": 10, "openInterest": 400, "bid": 5.0, "ask": 5.2, "contractSize": "REGULAR", "expiration": ends,
                    "lastTradeDate": ends - 90000, "impliedVolatility": 0.35, "inTheMoney": True}  # fmt: skip

        sides = {"expirationDate": ends, "hasMiniOptions": False, "calls": [contract("C")], "puts": [contract("P")]}
        return {
            "underlyingSymbol": symbol,
            "expirationDates": dates,
            "strikes": [100.0],
            "quote": {},
            "options": [sides],
        }

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


SUMMARY: dict[str, Any] = {
    "assetProfile": {"country": "United States", "sector": "Technology", "industry": "Consumer Electronics",
                     "website": "https://x.example", "longBusinessSummary": "Makes X.", "fullTimeEmployees": 7},
    "price": {"longName": "X Corp", "shortName": "X", "exchangeName": "NasdaqGS", "currency": "USD", "marketCap": 2500000},
    "defaultKeyStatistics": {"sharesOutstanding": {"raw": 1500000, "fmt": "1.5M"}, "beta": {}},
    "earningsHistory": {"history": [{"epsActual": 2.1, "epsEstimate": 2.0, "epsDifference": 0.1, "surprisePercent": 0.05,
                                     "quarter": 1790640000, "period": "-1q", "currency": "USD"}]},
    "calendarEvents": {"earnings": {"earningsDate": [1801170000], "earningsAverage": 2.3, "isEarningsDateEstimate": False},
                       "exDividendDate": 1794787200},
}  # fmt: skip

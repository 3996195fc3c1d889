"""Yahoo's chart, as far as the product asks for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.stand_ins.market import NEW_YORK, Row, price
from tests.stand_ins.server import Asked, Reply
from tests.stand_ins.vendor import UNKNOWN, Vendor


class YahooStandIn(Vendor):
    """Parallel arrays, seconds at bar open; the live row a second time, with its last trade's stamp, after an older state of it.

    Weeks begin on the weekday of ``period1``, are stamped with that day's midnight, and have the live day in a row of its own.
    """

    name = "yahoo"
    clock_hours = False
    frames = ("1m", "1h", "1d", "1w")
    names = {"1m": "1m", "60m": "1h", "1d": "1d", "1wk": "1w", "5m": "5m"}
    crumb = "abc.DEF"
    listed: datetime | None = None  # the first trade; None: long ago

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
        if self.listed is not None and end <= self.listed:
            said = f"Data doesn't exist for startDate = {asked.query['period1']}, endDate = {asked.query['period2']}"
            return self._no(400, "Bad Request", said)
        start = max(start, self.listed or start)
        if frame == "1w":
            return Reply(body=self._weeks(symbol, start, end, now))
        rows = self.market.rows(symbol, frame, start, end, now)
        stamps = [int(row.opened.timestamp()) for row in rows]
        if rows and rows[-1].closed > now and frame != "1m":
            rows.append(rows[-1])
            stamps.append(int(now.timestamp()))
            if frame == "1d":
                rows[-2] = _older(rows[-2])
        return Reply(body=self._chart(symbol, stamps, rows))

    def _weeks(self, symbol: str, start: datetime, end: datetime, now: datetime) -> dict[str, Any]:
        """Seven days each from where it was asked from, whatever day that is; today apart."""
        first = start.astimezone(NEW_YORK).date()
        weeks: dict[date, list[Row]] = {}
        days = self.market.rows(symbol, "1d", start, end, now)
        live = days.pop() if days and days[-1].day == now.astimezone(NEW_YORK).date() else None
        for row in days:
            weeks.setdefault(first + timedelta(days=(row.day - first).days // 7 * 7), []).append(row)
        rows = [_as_one(found) for found in weeks.values()]
        stamps = [int(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) for day in weeks]
        if live is not None:
            rows.append(live)
            stamps.append(int(min(now, live.closed).timestamp()))
        return self._chart(symbol, stamps, rows)

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

    def _chart(self, symbol: str, stamps: list[int], rows: list[Row]) -> dict[str, Any]:
        first = int(self.listed.timestamp()) if self.listed else 345479400
        meta = {
            "symbol": symbol, "exchangeTimezoneName": "America/New_York", "currency": "USD", "firstTradeDate": first,
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


def _older(row: Row) -> Row:
    """The same bar a moment before: other prices, and a volume that was corrected downwards since."""
    first, high, low, _ = row.prices
    return replace(row, prices=(first, high, low, round((high + low) / 2, 4)), volume=row.volume + 1000)


def _as_one(days: list[Row]) -> Row:
    prices = [row.prices for row in days]
    whole = (prices[0][0], max(one[1] for one in prices), min(one[2] for one in prices), prices[-1][3])
    return Row(days[0].opened, days[-1].closed, days[0].day, whole, sum(row.volume for row in days))


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

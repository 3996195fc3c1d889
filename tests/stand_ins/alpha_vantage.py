"""Alpha Vantage's query, as far as the product asks for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.timeframe import Timeframe
from tests.stand_ins.market import NEW_YORK
from tests.stand_ins.server import Asked, Reply
from tests.stand_ins.vendor import KEY, UNKNOWN, Vendor


class AlphaVantageStandIn(Vendor):
    """Objects keyed by local time, newest first, all values strings, every no an HTTP 200."""

    name = "alpha_vantage"
    labels = "start"
    frames = ("1m", "1h", "1d", "1w")
    names = {"1min": "1m", "5min": "5m", "30min": "30m", "60min": "1h"}

    def well(self, asked: Asked) -> Reply:
        """By its function."""
        assert asked.query["apikey"] == KEY
        function, symbol = asked.query["function"], asked.query.get("symbol", asked.query.get("tickers", ""))
        if symbol == UNKNOWN:
            return self.unknown()
        if function == "TIME_SERIES_INTRADAY":
            return self._intraday(asked, symbol)
        if function.startswith("TIME_SERIES"):
            frame = "1d" if function.endswith("DAILY") else "1w"
            return self._series(
                symbol, frame, datetime(2014, 1, 1, tzinfo=UTC), self.clock() + timedelta(days=1), asked
            )
        return (
            Reply(body=ALPHA_VANTAGE[function](symbol)) if function != "EARNINGS_CALENDAR" else self._calendar(symbol)
        )

    def _intraday(self, asked: Asked, symbol: str) -> Reply:
        year, month = map(int, asked.query["month"].split("-"))
        start = datetime(year, month, 1, tzinfo=NEW_YORK)
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=NEW_YORK)
        return self._series(symbol, self.names[asked.query["interval"]], start, end, asked)

    def _series(self, symbol: str, frame: str, start: datetime, end: datetime, asked: Asked) -> Reply:
        rows = self.market.rows(symbol, frame, start, end, self.clock())
        if asked.query.get("outputsize") == "compact" and frame == "1d":
            rows = rows[-100:]
        names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
        series = {}
        for row in reversed(rows):
            local = (row.opened if self.labels == "start" else row.opened + Timeframe(frame).length).astimezone(
                NEW_YORK
            )
            day = row.closed.astimezone(NEW_YORK).date() if frame == "1w" else row.day
            label = f"{local:%Y-%m-%d %H:%M:%S}" if Timeframe(frame).is_intraday else day.isoformat()
            series[label] = dict(zip(names, (*(f"{cell:.4f}" for cell in row.prices), str(row.volume)), strict=True))
        meta = {"2. Symbol": symbol, "6. Time Zone" if Timeframe(frame).is_intraday else "5. Time Zone": "US/Eastern"}
        return Reply(body={"Meta Data": meta, f"Time Series ({frame})": series})

    def _calendar(self, symbol: str) -> Reply:
        head = "symbol,name,reportDate,fiscalDateEnding,estimate,currency,timeOfTheDay\r\n"
        return Reply(
            200, f"{head}{symbol},X CORP,2027-01-28,2026-12-31,2.54,USD,post-market\r\n", "application/x-download"
        )

    def unknown(self) -> Reply:
        """With HTTP 200, as ever."""
        return Reply(
            body={"Error Message": "Invalid API call. Please retry or visit the documentation for TIME_SERIES."}
        )

    def error_200(self, asked: Asked) -> Reply:
        """The day's quota."""
        said = (
            "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly. "
            "You may subscribe to lift the free key rate limit (25 requests per day)."
        )
        return Reply(body={"Information": said})

    def premium(self, asked: Asked) -> Reply:
        """No plan for this function."""
        return Reply(body={"Information": "Thank you! This is a premium endpoint. Please subscribe to a premium plan."})

    def a_minute(self, asked: Asked) -> Reply:
        """The old limit."""
        return Reply(body={"Note": "Our standard API call frequency is 5 calls per minute and 500 calls per day."})

    def bad_key(self, asked: Asked) -> Reply:
        """The key, told with HTTP 200; it is in the answer."""
        return Reply(body={"Error Message": f"the parameter apikey is invalid or missing: {KEY}."})

    def empty(self, asked: Asked) -> Reply:
        """A series without a row."""
        return Reply(body={"Meta Data": {"6. Time Zone": "US/Eastern"}, "Time Series (1min)": {}})

    def nulls(self, asked: Asked) -> Reply:
        """Every third row says None."""
        body = self.well(asked).body
        series = next(value for key, value in body.items() if "Time Series" in key)
        for label in list(series)[::3]:
            series[label] = dict.fromkeys(series[label], "None")
        return Reply(body=body)


ALPHA_VANTAGE: dict[str, Callable[[str], Any]] = {
    "GLOBAL_QUOTE": lambda s: {"Global Quote": {"01. symbol": s, "02. open": "100.1", "03. high": "102.0", "04. low": "99.0",
        "05. price": "101.5", "06. volume": "1000", "07. latest trading day": "2026-11-19", "08. previous close": "100.0",
        "09. change": "1.5", "10. change percent": "1.5000%"}},
    "OVERVIEW": lambda s: {"Symbol": s, "Name": "X Corp", "Exchange": "NYSE", "Currency": "USD", "Country": "USA",
        "Sector": "TECHNOLOGY", "Industry": "SERVICES", "MarketCapitalization": "1000000", "SharesOutstanding": "None"},
    "EARNINGS": lambda s: {"symbol": s, "annualEarnings": [{"fiscalDateEnding": "2025-12-31", "reportedEPS": "8.1"}],
        "quarterlyEarnings": [{"fiscalDateEnding": "2026-09-30", "reportedDate": "2026-10-20", "reportedEPS": "2.1",
        "estimatedEPS": "2.0", "surprise": "0.1", "surprisePercentage": "5.0"}]},
    "NEWS_SENTIMENT": lambda s: {"items": "1", "feed": [{"title": "X rises", "url": "https://news.example/1",
        "time_published": "20261119T120000", "summary": "It rose.", "source": "Wire", "overall_sentiment_score": 0.2,
        "ticker_sentiment": [{"ticker": s, "relevance_score": "0.9", "ticker_sentiment_score": "0.31"}]}]},
}  # fmt: skip

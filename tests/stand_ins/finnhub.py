"""Finnhub's API, as far as the product asks for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.timeframe import Timeframe
from tests.stand_ins.market import Row
from tests.stand_ins.server import Asked, Reply
from tests.stand_ins.vendor import KEY, UNKNOWN, Vendor


class FinnhubStandIn(Vendor):
    """Parallel arrays, seconds at bar open, a month of minutes at a time, the token in a header."""

    name = "finnhub"
    frames = ("1m", "1h", "1d", "1w")
    names = {"1": "1m", "5": "5m", "30": "30m", "60": "1h", "D": "1d", "W": "1w"}

    def well(self, asked: Asked) -> Reply:
        """By its path."""
        assert asked.headers["x-finnhub-token"] == KEY
        if asked.path != "/stock/candle":
            body = FINNHUB[asked.path](asked.query.get("symbol", ""))
            return Reply(
                body=body | {"t": int(self.clock().timestamp()) // 60 * 60} if asked.path == "/quote" else body
            )
        symbol, frame = asked.query["symbol"], self.names[asked.query["resolution"]]
        start, end = (datetime.fromtimestamp(int(asked.query[name]), UTC) for name in ("from", "to"))
        if Timeframe(frame).is_intraday and end - start > timedelta(days=31):
            start = end - timedelta(days=31)
        if symbol == UNKNOWN:
            return self.empty(asked)
        later = timedelta(seconds=1) if Timeframe(frame).is_intraday else timedelta(days=1)
        rows = self.market.rows(symbol, frame, start, end + later, self.clock())
        rows = [row for row in rows if start <= self._label(row, frame) <= end]
        return Reply(body=self._candles(rows, frame)) if rows else self.empty(asked)

    def _label(self, row: Row, frame: str) -> datetime:
        """A day is named, and looked for, by its midnight."""
        is_intraday = Timeframe(frame).is_intraday
        return row.opened if is_intraday else datetime(row.day.year, row.day.month, row.day.day, tzinfo=UTC)

    def _candles(self, rows: list[Row], frame: str) -> dict[str, Any]:
        stamps = [int(self._label(row, frame).timestamp()) for row in rows]
        columns = {name: [row.prices[index] for row in rows] for index, name in enumerate("ohlc")}
        return {**columns, "t": stamps, "v": [row.volume for row in rows], "s": "ok"}

    def error_200(self, asked: Asked) -> Reply:
        """Its limit, whatever the status."""
        return Reply(body={"error": "API limit reached. Please try again later. Remaining Limit: 0"})

    def empty(self, asked: Asked) -> Reply:
        """Says so."""
        return Reply(body={"s": "no_data"})

    def nulls(self, asked: Asked) -> Reply:
        """Every third row without prices."""
        body = self.well(asked).body
        for name in "ohlcv":
            body[name][::3] = [None] * len(body[name][::3])
        return Reply(body=body)


FINNHUB: dict[str, Callable[[str], Any]] = {
    "/quote": lambda s: {"c": 101.5, "d": 1.5, "dp": 1.5, "h": 102, "l": 99, "o": 100.1, "pc": 100},
    "/stock/profile2": lambda s: {"country": "US", "currency": "USD", "exchange": "NASDAQ", "name": "X Corp", "ticker": s,
        "ipo": "1980-12-12", "marketCapitalization": 2.5, "shareOutstanding": 1.5, "weburl": "https://x.example", "finnhubIndustry": "Tech"},
    "/stock/earnings": lambda s: [{"actual": 2.1, "estimate": 2.0, "period": "2026-09-30", "quarter": 3, "surprise": 0.1,
        "surprisePercent": 5.0, "symbol": s, "year": 2026}],
    "/calendar/earnings": lambda s: {"earningsCalendar": [{"date": "2027-01-28", "symbol": s, "hour": "amc", "year": 2026,
        "quarter": 4, "epsEstimate": 2.5, "epsActual": None, "revenueEstimate": None, "revenueActual": None}]},
    "/company-news": lambda s: [{"category": "company", "datetime": 1763553600, "headline": "X rises", "id": 25286, "image": "",
        "related": s, "source": "Wire", "summary": "It rose.", "url": "https://news.example/2"}],
    "/calendar/economic": lambda s: {"economicCalendar": [{"actual": 3.1, "prev": 3.0, "estimate": 3.2, "country": "US", "unit": "%",
        "event": "CPI y/y", "impact": "high", "time": "2026-11-12 13:30:00"}]},
}  # fmt: skip

"""Polygon's API, as far as the product asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.timeframe import Timeframe
from tests.stand_ins.market import NEW_YORK, Row, milliseconds
from tests.stand_ins.server import Asked, Reply
from tests.stand_ins.vendor import KEY, UNKNOWN, Vendor


class PolygonStandIn(Vendor):
    """Pages with ``next_url``, milliseconds, daily labels at New York's midnight, no ``results`` when empty."""

    name = "polygon"
    frames = ("1m", "1h", "1d", "1w")
    limit = 50_000

    def well(self, asked: Asked) -> Reply:
        """By its path."""
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        parts = asked.path.strip("/").split("/")
        if parts[:2] != ["v2", "aggs"] or parts[-1] == "prev":
            return Reply(body=_polygon_reference(parts, asked.query))
        symbol, count, unit = parts[3], parts[5], parts[6]
        if symbol == UNKNOWN:
            return self.empty(asked)
        frame = f"{count}{unit[0]}"
        start, end = (datetime.fromtimestamp(int(text) / 1000, UTC) for text in parts[7:9])
        if "cursor" in asked.query:
            start = datetime.fromtimestamp(int(asked.query["cursor"]) / 1000, UTC)
        rows = self.market.rows(symbol, frame, start, end + timedelta(milliseconds=1), self.clock())
        limit = min(int(asked.query.get("limit", 5000)), self.limit)
        body: dict[str, Any] = {
            "ticker": symbol,
            "queryCount": len(rows),
            "adjusted": True,
            "status": "OK",
            "request_id": "r",
        }
        if rows[:limit]:
            body["results"] = [self._row(row, frame) for row in rows[:limit]]
        if len(rows) > limit:
            body["next_url"] = (
                f"https://api.polygon.io{asked.path}?cursor={milliseconds(rows[limit].opened)}&limit={limit}&apiKey={KEY}"
            )
        return Reply(body=body)

    def _row(self, row: Row, frame: str) -> dict[str, Any]:
        day = (
            row.day - timedelta(days=(row.day.weekday() + 1) % 7) if frame == "1w" else row.day
        )  # weeks begin on Sunday there
        midnight = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
        stamp = milliseconds(row.opened if Timeframe(frame).is_intraday else midnight)
        first, high, low, last = row.prices
        return {"v": row.volume, "vw": last, "o": first, "c": last, "h": high, "l": low, "t": stamp, "n": 7}

    def error_200(self, asked: Asked) -> Reply:
        """Its limit."""
        return Reply(body={"status": "ERROR", "error": "You've exceeded the maximum requests per minute, please wait."})

    def empty(self, asked: Asked) -> Reply:
        """Without ``results``."""
        return Reply(body={"ticker": self.symbol, "queryCount": 0, "resultsCount": 0, "adjusted": True, "status": "OK"})

    def nulls(self, asked: Asked) -> Reply:
        """Every third row without prices."""
        body = self.well(asked).body
        for row in body["results"][::3]:
            row |= dict.fromkeys("ohlcv")
        return Reply(body=body)

    def no_plan(self, asked: Asked) -> Reply:
        """Not entitled."""
        return Reply(403, {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data. Please upgrade."})

    def bad_key(self, asked: Asked) -> Reply:
        """Unknown."""
        return Reply(401, {"status": "ERROR", "error": "Unknown API Key"})


def _polygon_reference(parts: list[str], query: dict[str, str]) -> dict[str, Any]:
    if parts[-1] == "prev":
        return {
            "status": "OK",
            "results": [{"T": parts[3], "v": 10.0, "o": 100.1, "c": 101.5, "h": 102, "l": 99, "t": 1763582400000}],
        }
    if parts[:3] == ["v3", "reference", "tickers"]:
        found: Any = {"ticker": parts[3], "name": "X Corp", "primary_exchange": "XNAS", "currency_name": "usd", "locale": "us",
                      "market_cap": 2.5e6, "list_date": "1980-12-12", "share_class_shares_outstanding": 1.5e6}  # fmt: skip
        return {"status": "OK", "results": found}
    if parts[:3] == ["v2", "reference", "news"]:
        item = {"id": "n1", "title": "X rises", "article_url": "https://news.example/3", "published_utc": "2026-11-19T12:00:00Z",
                "publisher": {"name": "Wire"}, "description": "It rose.", "tickers": [query.get("ticker")]}  # fmt: skip
        return {"status": "OK", "results": [item]}
    second = "cursor" in query
    contracts = [_contract(parts[-1], "put" if second else "call", strike) for strike in (100, 110)]
    more = {} if second else {"next_url": f"https://api.polygon.io/{'/'.join(parts)}?cursor=2&apiKey={KEY}"}
    return {"status": "OK", "results": contracts, **more}


def _contract(underlying: str, side: str, strike: int) -> dict[str, Any]:
    ticker = f"O:{underlying}270115{side[0].upper()}{strike * 1000:08d}"
    details = {"contract_type": side, "expiration_date": "2027-01-15", "strike_price": strike, "ticker": ticker}
    quote, greeks = {"ask": 5.2, "bid": 5.0}, {"delta": 0.5, "gamma": 0.01, "theta": -0.02, "vega": 0.3}
    return {"details": details, "last_quote": quote, "greeks": greeks, "open_interest": 8, "implied_volatility": 0.35,
            "day": {"volume": 4}, "last_trade": {"price": 5.1}}  # fmt: skip

"""Rows that a vendor has where our calendar knows no session: a wrong calendar is told, never silently believed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from activities.market_data.calendars.market import Market
from domain.timeframe import DAILY

NEAR = timedelta(minutes=15)  # auctions and late prints around a session
MOST_MARKETS = 50  # that are told
MOST_TIMES = 10_000  # that are counted of one


@dataclass
class Outside:
    """Of one market: how many different times, the newest, and of which ticker."""

    times: set[datetime]
    newest: datetime
    symbol: str


class OutsideSessions:
    """What one vendor has shown in one process, by market."""

    def __init__(self) -> None:
        self.by_market: dict[str, Outside] = {}

    def note(self, market: Market, symbol: str, labels: Iterable[datetime], *, extended_hours: bool) -> None:
        """Times of traded rows that lie in no session; ``extended_hours`` are a vendor's habit, and no finding."""
        for label in labels:
            if _is_near(market, label) or (extended_hours and _has_session(market, label)):
                continue
            found = self.by_market.get(market.code)
            if found is None and len(self.by_market) < MOST_MARKETS:
                found = self.by_market[market.code] = Outside(set(), label, symbol)
            if found is not None:
                if len(found.times) < MOST_TIMES:
                    found.times.add(label)
                if label >= found.newest:
                    found.newest, found.symbol = label, symbol

    def as_json(self) -> list[dict[str, Any]]:
        """One object a market."""
        return [
            {"market": code, "times": len(one.times), "newest": one.newest.isoformat(), "symbol": one.symbol}
            for code, one in sorted(self.by_market.items())
        ]


def _is_near(market: Market, label: datetime) -> bool:
    return market.is_open(label - NEAR, label + NEAR)


def _has_session(market: Market, label: datetime) -> bool:
    return market.bar(DAILY, label, market.session_day(label)) is not None

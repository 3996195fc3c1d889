"""Bars made by hand, for tests of pure modules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from activities.market_data.calendars.calendars import Calendars
from activities.market_data.calendars.market import Market
from domain.bar import Bar
from domain.timeframe import DAILY

MONDAY = datetime(2026, 11, 16, 14, 30, tzinfo=UTC)  # New York opens
MINUTE = timedelta(minutes=1)


def new_york() -> Market:
    """The calendar of November 2026."""
    return Calendars(lambda: MONDAY).market("XNYS")


def minutes(closes: Sequence[float | None], start: datetime = MONDAY, step: timedelta = MINUTE) -> list[Bar]:
    """One bar a close, each opening where the one before closed; None is a bar without values."""
    found = []
    for index, close in enumerate(closes):
        opened = start + index * step
        price = math.nan if close is None else close
        found.append(Bar(opened, opened + step, price, price, price, price, math.nan if close is None else 1.0))
    return found


def days(closes: Sequence[float], market: Market) -> list[Bar]:
    """One bar a session from Monday on, open and close alike."""
    found, at = [], MONDAY
    for close in closes:
        closed = market.next_close(DAILY, at)
        assert closed is not None
        span = market.bar(DAILY, closed - MINUTE)
        assert span is not None
        found.append(Bar(*span, close, close, close, close, 1.0))
        at = closed
    return found

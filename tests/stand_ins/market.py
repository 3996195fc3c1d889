"""A made-up market: true bars of any ticker at any time, which every vendor tells in its own format."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from activities.market_data.calendars.calendars import Calendars
from domain.timeframe import Timeframe

NEW_YORK = ZoneInfo("America/New_York")
HALF = timedelta(minutes=30)
LIVE = 0.37  # how much of the forming bar's volume there is


@dataclass(frozen=True)
class Row:
    """A bar as it truly was."""

    opened: datetime
    closed: datetime
    day: date
    prices: tuple[float, float, float, float]
    volume: int


def price(symbol: str, at: datetime) -> float:
    """Smooth, positive, different for each ticker."""
    seconds = at.timestamp()
    phase = sum(map(ord, symbol))
    slow, fast, noise = (math.sin(seconds / length + phase) for length in (90_000, 1_700, 0.613))
    return round(100 + phase % 50 + 8 * slow + 3 * fast + 0.8 * noise, 4)


@lru_cache(maxsize=4)
def sessions(code: str) -> Any:
    """The exchange's calendar."""
    today = max(datetime(2026, 11, 20, tzinfo=UTC), datetime.now(UTC))
    return Calendars(lambda: today).market(code, date(1985, 1, 1))


class Market:
    """True bars of any ticker; ``always`` for one that never closes.

    With ``clock_hours`` bars longer than half an hour begin with the clock's hour and hold what traded before the open.
    """

    def __init__(self, always: bool = False, clock_hours: bool = False) -> None:
        self.market = sessions("24/7" if always else "XNYS")
        self.always, self.clock_hours = always, clock_hours

    def rows(self, symbol: str, frame: str, start: datetime, end: datetime, now: datetime) -> list[Row]:
        """Bars whose open lies in [start, end), up to the one that forms at ``now``."""
        if self.always or not Timeframe(frame).is_intraday:
            return list(self._each(symbol, frame, start, end, now))
        length, found = Timeframe(frame).length, []
        index = bisect_left(self.market._closes, start)
        for session in self.market.sessions[index:]:
            if session.open >= min(end, now):
                break
            opened = session.open
            if self.clock_hours and length > HALF:
                opened = Timeframe(frame).floor(opened)
            while opened < session.close:
                if start <= opened < end and opened < now:
                    found.append(self._hours(symbol, opened, min(opened + length, session.close), session.day, now))
                opened += length
        return found

    def _hours(self, symbol: str, opened: datetime, closed: datetime, day: date, now: datetime) -> Row:
        """One bar; a long one as its half hours were."""
        halves, at = [], opened
        while at < closed and at < now:
            halves.append(self.row(symbol, at, min(at + HALF, closed), day, now))
            at += HALF
        prices = [half.prices for half in halves]
        high, low = max(one[1] for one in prices), min(one[2] for one in prices)
        volume = sum(half.volume for half in halves)
        return Row(opened, closed, day, (prices[0][0], high, low, prices[-1][3]), volume)

    def _each(self, symbol: str, frame: str, start: datetime, end: datetime, now: datetime) -> Iterable[Row]:
        close = self.market.last_close(Timeframe(frame), start - timedelta(days=0 if self.always else 8)) or start
        while (close := self.market.next_close(Timeframe(frame), close)) is not None:
            span = self.market.bar(Timeframe(frame), close - timedelta(seconds=1))
            if span[0] >= min(end, now):
                return
            if span[0] >= start:
                yield self._week(symbol, span, now) if frame == "1w" else self._day(symbol, span, now)

    def _day(self, symbol: str, span: tuple[datetime, datetime], now: datetime) -> Row:
        return self.row(symbol, *span, span[0].astimezone(UTC if self.always else NEW_YORK).date(), now)

    def _week(self, symbol: str, span: tuple[datetime, datetime], now: datetime) -> Row:
        """As its days were."""
        days = list(self._each(symbol, "1d", *span, now))
        prices = [day.prices for day in days]
        high, low = max(one[1] for one in prices), min(one[2] for one in prices)
        volume = sum(day.volume for day in days)
        return Row(*span, days[0].day, (prices[0][0], high, low, prices[-1][3]), volume)

    def row(self, symbol: str, opened: datetime, closed: datetime, day: date, now: datetime) -> Row:
        """One bar, as far as it has come."""
        until = min(closed, now)
        first, last = price(symbol, opened), price(symbol, until)
        high, low = round(max(first, last) + 0.5, 4), round(min(first, last) - 0.5, 4)
        volume = 1000 + int(opened.timestamp()) % 997
        return Row(opened, closed, day, (first, high, low, last), volume if closed <= now else int(volume * LIVE))


def milliseconds(at: datetime) -> int:
    """Since 1970."""
    return round(at.timestamp() * 1000)

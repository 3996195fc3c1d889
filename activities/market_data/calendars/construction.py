"""Builds a market's clock between two days: from the library that knows it, or from a rule where that does not."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from activities.market_data.calendars.exchange import Exchange, Session
from activities.market_data.calendars.market import CRYPTO, FOREX, Continuous, Market

AHEAD = timedelta(days=365)  # exchanges publish holidays a year ahead
OPENED = {"XTKS": date(1997, 1, 6)}  # first days the library can work out
EARLIEST = date(1990, 1, 1)  # no vendor has minutes from before
REST = {
    "CMES": (time(17), timedelta(hours=1))
}  # Globex rests from 16:00 to 17:00 in Chicago, which the library counts as trading
PLAIN = {  # those whose holidays (the Orthodox Easter) the library cannot work out with this pandas: any weekday
    "ASEX": ("Europe/Athens", time(10, 15), time(17, 20)),
    "XBSE": ("Europe/Bucharest", time(10), time(17, 45)),
}
KNOWN_FROM = (
    timedelta(days=365 * 5),
    timedelta(days=365),
    timedelta(days=180),
)  # so far ahead some calendars begin only
WEEKDAYS, BUT_SATURDAYS = range(1, 6), (1, 2, 3, 4, 5, 7)


def build(code: str, start: date, end: date) -> Market:
    """The market of that code, with its sessions from one day to another where it has any.

    Raises:
        ValueError: there is no calendar of that code.
    """
    return Continuous() if code == CRYPTO else _exchange(code, start, end)


def _exchange(code: str, start: date, end: date) -> Exchange:
    import pandas as pd

    start = max(start, OPENED.get(code, EARLIEST))
    if code == FOREX:
        return Exchange(code, "Europe/London", _forex(start, end))
    if code in PLAIN:
        zone, first, last = PLAIN[code]
        return Exchange(code, zone, _alike(_days(start, end), ZoneInfo(zone), (first, last), WEEKDAYS))
    calendar = _built(code, start, end)
    sessions = []
    columns = calendar.schedule[["open", "break_start", "break_end", "close"]]
    for row in columns.itertuples():
        day, opened, pause, resumed, closed = row
        first, last = opened.to_pydatetime(), closed.to_pydatetime()
        if code in REST and last.astimezone(calendar.tz).time() == REST[code][0]:  # not on a day that ends early
            last -= REST[code][1]
        if pd.isna(pause):
            spans: tuple[tuple[datetime, datetime], ...] = ((first, last),)
        else:
            spans = ((first, pause.to_pydatetime()), (resumed.to_pydatetime(), last))
        utc = tuple((begin.astimezone(UTC), finish.astimezone(UTC)) for begin, finish in spans)
        sessions.append(Session(day.date(), utc))
    known = _extended(sessions, str(calendar.tz), end)
    return Exchange(code, str(calendar.tz), [*_before(known[0], str(calendar.tz), start), *known])


def _built(code: str, start: date, end: date) -> Any:
    """The library's calendar: from the day wanted or the first it can be worked out from, to the last."""
    import exchange_calendars  # takes most of a second; a market that never closes needs none of it

    starts = [start, *(found for back in KNOWN_FROM if (found := end - AHEAD - back) > start)]
    wanted = [{"start": begins.isoformat(), "end": end.isoformat()} for begins in starts]
    error: Exception | None = None
    for bounds in [*wanted[:1], {"start": start.isoformat()}, {"end": end.isoformat()}, {}, *wanted[1:]]:
        try:
            with warnings.catch_warnings():  # of its own use of pandas
                warnings.simplefilter("ignore")
                return exchange_calendars.get_calendar(code, **bounds)
        except exchange_calendars.errors.InvalidCalendarName:
            raise ValueError(f"there is no calendar of a market {code}") from None
        except ValueError as problem:  # some are known from a day on, or to the end of a year only
            error = problem
    raise ValueError(f"the calendar of the market {code} cannot be worked out: {error}")


def _alike(days: Iterable[date], zone: ZoneInfo, hours: tuple[time, time], trading: Collection[int]) -> list[Session]:
    """Sessions of the same local hours on some days of the week (1 is Monday)."""
    opened, closed = hours

    def at(day: date, hour: time) -> datetime:
        return datetime.combine(day, hour, zone).astimezone(UTC)

    return [Session(day, ((at(day, opened), at(day, closed)),)) for day in days if day.isoweekday() in trading]


def _before(first: Session, zone: str, start: date) -> list[Session]:
    """Days before the first that is known, with its hours; where a calendar begins late only."""
    if first.day - start < timedelta(days=31):
        return []
    local = ZoneInfo(zone)
    hours = first.open.astimezone(local).time(), first.close.astimezone(local).time()
    return _alike(_days(start, first.day - timedelta(days=1)), local, hours, BUT_SATURDAYS)


def _forex(start: date, end: date) -> list[Session]:
    """Currencies trade from Sunday to Friday, 17:00 to 17:00 in New York; a day is named by its end."""
    turn = ZoneInfo("America/New_York")
    at = [datetime(day.year, day.month, day.day, 17, tzinfo=turn).astimezone(UTC) for day in _days(start, end)]
    days = list(_days(start, end))
    return [
        Session(day, ((opened, closed),))
        for day, opened, closed in zip(days[1:], at, at[1:], strict=False)
        if day.isoweekday() <= 5
    ]


def _extended(sessions: list[Session], zone: str, end: date) -> list[Session]:
    """Beyond what is known, weekdays with the hours of the last day that is: late by a holiday rather than blind."""
    last, local = sessions[-1], ZoneInfo(zone)
    more = []
    for day in _days(last.day + timedelta(days=1), end):
        ahead = timedelta(days=(day - last.day).days)
        spans = tuple(
            ((begin.astimezone(local) + ahead).astimezone(UTC), (finish.astimezone(local) + ahead).astimezone(UTC))
            for begin, finish in last.spans
        )
        if day.isoweekday() <= 5:
            more.append(Session(day, spans))
    return [*sessions, *more]


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=n) for n in range((end - start).days + 1))

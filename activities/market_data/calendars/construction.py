"""Builds a market's clock between two days: from the library that knows it, with corrections, else from a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from activities.market_data.calendars.corrections import CORRECTIONS, SUNDAY_FIRST, Hours
from activities.market_data.calendars.exchange import Exchange, Session
from activities.market_data.calendars.exchange_library import sessions_of
from activities.market_data.calendars.market import CRYPTO, FOREX, Continuous, Interval, Market

AHEAD = timedelta(days=365)  # exchanges publish holidays a year ahead
EARLIEST = date(1927, 12, 1)  # the oldest daily bars that any vendor has, of the S&P 500
REST = {
    "CMES": (time(17), timedelta(hours=1))
}  # Globex rests from 16:00 to 17:00 in Chicago, which the library counts as trading
SHOWN = 60  # sessions that show on which weekdays a market trades
SPELL = timedelta(days=31)  # longer than any holidays
OFTEN = 4  # of them, so that a single Saturday makes no trading day


def build(code: str, start: date, end: date) -> Market:
    """The market of that code, with its sessions from one day to another where it has any.

    Raises:
        ValueError: there is no calendar of that code.
    """
    return Continuous() if code == CRYPTO else _exchange(code, start, end)


def _exchange(code: str, start: date, end: date) -> Exchange:
    start = max(start, EARLIEST)
    if code == FOREX:
        return Exchange(code, "Europe/London", _forex(start, end))
    calendar = sessions_of(code, start, end)
    zone = ZoneInfo(str(calendar.tz))
    known = _corrected(code, list(_sessions(code, calendar, zone)), zone)
    sessions = [*_before(known, zone, start), *known, *_after(known, zone, end)]
    return Exchange(code, zone.key, sessions, sunday_first=code in SUNDAY_FIRST)


def _sessions(code: str, calendar: Any, zone: ZoneInfo) -> Iterator[Session]:
    import pandas as pd

    for day, opened, pause, resumed, closed in calendar.schedule[
        ["open", "break_start", "break_end", "close"]
    ].itertuples():
        first, last = opened.to_pydatetime(), closed.to_pydatetime()
        if code in REST and last.astimezone(zone).time() == REST[code][0]:  # not on a day that ends early
            last -= REST[code][1]
        if pd.isna(pause):
            spans: tuple[Interval, ...] = ((first, last),)
        else:
            spans = ((first, pause.to_pydatetime()), (resumed.to_pydatetime(), last))
        yield Session(day.date(), tuple((begin.astimezone(UTC), finish.astimezone(UTC)) for begin, finish in spans))


def _corrected(code: str, sessions: Sequence[Session], zone: ZoneInfo) -> list[Session]:
    """With the table's days over the library's, as far as the library reaches."""
    table = CORRECTIONS.get(code)
    if table is None:
        return list(sessions)
    by_day = {one.day: _local_hours(one, zone) for one in sessions}
    by_day = {day: table.usual(day, hours) for day, hours in by_day.items()}
    first, last = sessions[0].day, sessions[-1].day
    by_day |= {day: hours for day, hours in table.days.items() if first <= day <= last}
    return [_session(day, by_day[day], zone) for day in sorted(by_day) if by_day[day]]


def _local_hours(session: Session, zone: ZoneInfo) -> Hours:
    return tuple((begin.astimezone(zone).time(), finish.astimezone(zone).time()) for begin, finish in session.spans)


def _session(day: date, hours: Hours, zone: ZoneInfo) -> Session:
    def at(hour: time) -> datetime:
        return datetime.combine(day, hour, zone).astimezone(UTC)

    return Session(day, tuple((at(first), at(last)) for first, last in hours))


def _before(known: Sequence[Session], zone: ZoneInfo, start: date) -> list[Session]:
    """Days before the first that is known, as trading was then; where a calendar begins late only."""
    if known[0].day - start < SPELL:
        return []
    return _alike(_days(start, known[0].day - timedelta(days=1)), known[:SHOWN], zone)


def _after(known: Sequence[Session], zone: ZoneInfo, end: date) -> list[Session]:
    """Beyond what is known, days as the last ones were: late by a holiday rather than blind."""
    if end - known[-1].day < SPELL:
        return []
    return _alike(_days(known[-1].day + timedelta(days=1), end), known[-SHOWN:], zone)


def _alike(days: Iterable[date], shown: Sequence[Session], zone: ZoneInfo) -> list[Session]:
    """Sessions on the weekdays, and with the hours, that most of some have."""
    trading, ((hours, _),) = _weekdays(shown), Counter(_local_hours(one, zone) for one in shown).most_common(1)
    return [_session(day, hours, zone) for day in days if day.isoweekday() in trading]


def _weekdays(sessions: Sequence[Session]) -> Collection[int]:
    """Days of the week (1 is Monday) on which a market trades as a rule."""
    counted = Counter(one.day.isoweekday() for one in sessions)
    return {day for day, count in counted.items() if count >= min(OFTEN, len(sessions) // 7)}


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


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=n) for n in range((end - start).days + 1))

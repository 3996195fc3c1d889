"""An exchange's clock: its sessions, with their holidays, early closes and breaks, and the bars that lie in them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from activities.market_data.calendars.market import Interval, session_day_of
from domain.timeframe import DAY, Timeframe


@dataclass(frozen=True)
class Session:
    """One trading day: its local date and the spans in which it trades (two when there is a lunch break)."""

    day: date
    spans: tuple[Interval, ...]

    @property
    def open(self) -> datetime:
        """When it begins."""
        return self.spans[0][0]

    @property
    def close(self) -> datetime:
        """When it ends, early or not."""
        return self.spans[-1][1]


QUIET = timedelta(minutes=45)  # a thin stock may go so long without a trade
NEVER_QUIET = timedelta(minutes=30)  # bars as long as this are asked for again whenever one is lacking
FORTNIGHT = timedelta(days=14)  # longer than any holidays


class Exchange:
    """An exchange with sessions: holidays, early closes and breaks are in them."""

    continuous = False

    def __init__(self, code: str, zone: str, sessions: Sequence[Session], *, sunday_first: bool = False) -> None:
        """``sunday_first``: its trading week begins on Sunday."""
        self.code = code
        self.zone = ZoneInfo(zone)
        self.sunday_first = sunday_first
        self.sessions = list(sessions)
        self._days = [session.day for session in self.sessions]
        self._opens = [session.open for session in self.sessions]
        self._closes = [session.close for session in self.sessions]

    @cached_property
    def spans(self) -> list[Interval]:
        """When it trades without a pause, ascending."""
        joined: list[Interval] = []
        for session in self.sessions:
            for start, end in session.spans:
                if joined and joined[-1][1] == start:  # currencies trade on from one day into the next
                    joined[-1] = (joined[-1][0], end)
                else:
                    joined.append((start, end))
        return joined

    @cached_property
    def _span_ends(self) -> list[datetime]:
        return [end for _, end in self.spans]

    @cached_property
    def _span_starts(self) -> list[datetime]:
        return [start for start, _ in self.spans]

    @cached_property
    def _weeks_by_monday(self) -> dict[date, Interval]:
        weeks: dict[date, Interval] = {}
        for session in self.sessions:
            monday = _monday_of(session.day, sunday_first=self.sunday_first)
            first = weeks.get(monday, (session.open, session.close))[0]
            weeks[monday] = (first, session.close)
        return weeks

    @cached_property
    def _weeks(self) -> list[Interval]:
        return list(self._weeks_by_monday.values())

    @cached_property
    def _day_spans(self) -> list[Interval]:
        return [(session.open, session.close) for session in self.sessions]

    @cached_property
    def _week_opens(self) -> list[datetime]:
        return [start for start, _ in self._weeks]

    @cached_property
    def _week_closes(self) -> list[datetime]:
        return [close for _, close in self._weeks]

    def session_day(self, label: datetime) -> date:
        """The UTC date of a midnight, else the exchange's own date."""
        return session_day_of(label, self.zone)

    def bar(self, frame: Timeframe, label: datetime, day: date | None = None) -> Interval | None:
        """Daily and weekly bars from open to close of their sessions; shorter ones end with the session at the latest."""
        length = frame.length
        if frame.is_weekly:  # some vendors' weeks begin on Sunday
            return self._weeks_by_monday.get(_monday_of(day or self.session_day(label), sunday_first=True))
        if not frame.is_intraday:
            index = bisect_right(self._closes, label)
            if (
                index < len(self.sessions) and self._opens[index] <= label
            ):  # a session may begin on the evening before its day
                return self._day_spans[index]
            session = self._session(day or self.session_day(label))
            return None if session is None else (session.open, session.close)
        at = bisect_right(self._span_ends, label)
        on_clock = frame.floor(label)
        if at < len(self.spans) and self.spans[at][0] < label + length:
            start, end = self.spans[at]
            if label != on_clock and label > start:  # a live row is stamped with its last trade
                label = start + (label - start) // length * length
            return label, min(label + length, end)
        return None  # before the open or after the close

    def slot(self, frame: Timeframe, at: datetime) -> Interval | None:
        """The bar of the session's own grid that a time belongs to; None when the market is shut, for weeks on their weekends."""
        closes = self._closes_of(frame)
        if closes is not None:
            index, grid = bisect_right(closes, at), self.grid(frame)
            return grid[index] if index < len(grid) and grid[index][0] <= at else None
        index = bisect_right(self._span_ends, at)
        if index == len(self.spans) or at < self.spans[index][0]:
            return None
        (start, end), length = self.spans[index], frame.length
        opened = start + (at - start) // length * length
        return opened, min(opened + length, end)

    def phase_of(self, frame: Timeframe, opened: datetime) -> timedelta | None:
        """None on the session's own grid, else how far off the clock's."""
        slot = self.slot(frame, opened)
        return None if slot is not None and slot[0] == opened else opened - frame.floor(opened)

    def last_close(self, frame: Timeframe, at: datetime, phase: timedelta | None = None) -> datetime | None:
        """Close of the newest bar that has closed."""
        closes = self._closes_of(frame)
        if closes is not None:
            index = bisect_right(closes, at) - 1
            return closes[index] if index >= 0 else None
        index = bisect_left(self._span_starts, at) - 1
        while index >= 0:
            start, end = self.spans[index]
            if at >= end:
                return end
            on_grid = self._floor(frame, at, start, phase)
            if on_grid > start:
                return on_grid
            index -= 1
        return None

    def next_close(self, frame: Timeframe, after: datetime, phase: timedelta | None = None) -> datetime | None:
        """Close of the first bar that closes after a time."""
        closes = self._closes_of(frame)
        if closes is not None:
            index = bisect_right(closes, after)
            return closes[index] if index < len(closes) else None
        index = bisect_right(self._span_ends, after)
        if index == len(self.spans):
            return None
        start, end = self.spans[index]
        return min(self._floor(frame, max(start, after), start, phase) + frame.length, end)

    def _floor(self, frame: Timeframe, at: datetime, start: datetime, phase: timedelta | None) -> datetime:
        if phase is not None:
            return frame.floor(at - phase) + phase
        return start + (at - start) // frame.length * frame.length

    def start_of(self, frame: Timeframe, until: datetime, count: int) -> datetime:
        """One bar in twenty may be missing, and five more."""
        wanted = count + count // 20 + 5
        length = frame.length
        if frame.is_weekly:
            index = bisect_right(self._week_closes, until) - wanted
            return self._weeks[max(index, 0)][0] if index >= 0 else until - length * wanted
        index = bisect_right(self._closes, until)
        if not frame.is_intraday:
            return self._opens[index - wanted] if index >= wanted else until - DAY * wanted * 7 / 5 - FORTNIGHT
        span = bisect_right(self._span_ends, until)
        while wanted > 0 and span > 0:
            span -= 1
            start, end = self.spans[span]
            held = max(1, int(-((start - end) // length)))
            if held >= wanted:
                return max(start, frame.floor(end) - length * wanted)
            wanted -= held
        return until - length * wanted * 5 - FORTNIGHT

    def trading(self, start: datetime, end: datetime) -> timedelta:
        """Spans between two times, added up."""
        total, index = timedelta(), bisect_right(self._span_ends, start)
        while index < len(self.spans) and self.spans[index][0] < end:
            total += min(end, self.spans[index][1]) - max(start, self.spans[index][0])
            index += 1
        return total

    def missing(self, frame: Timeframe, earlier: datetime, later: datetime, *, liquid: bool = False) -> Interval | None:
        """A session without its daily bar, a week without its weekly one; half an hour or more without its bar."""
        length = frame.length
        if not frame.is_intraday:
            opens = self._week_opens if frame.is_weekly else self._opens
            first, last = bisect_right(opens, earlier), bisect_left(opens, later)
            return (opens[first], later) if last > first else None
        own = self.bar(frame, earlier)
        after = own[1] if own else earlier + length
        if not liquid and length < NEVER_QUIET:
            return (after, later) if self.trading(after, later) > QUIET else None
        following = self.next_close(frame, after, self.phase_of(frame, earlier))
        return (after, later) if following is not None and following <= later else None

    def is_open(self, start: datetime, end: datetime) -> bool:
        """Whether the span overlaps a session's."""
        index = bisect_right(self._span_ends, start)
        return index < len(self.spans) and self.spans[index][0] < end

    def grid(self, frame: Timeframe) -> Sequence[Interval]:
        """Spans without a pause, sessions, or weeks."""
        if frame.is_intraday:
            return self.spans
        return self._weeks if frame.is_weekly else self._day_spans

    def opens_on(self, frame: Timeframe) -> bool:
        """Of the last sessions that are known."""
        return all(start == frame.floor(start) for start, _ in self.spans[-10:])

    def days(self, first: datetime, last: datetime) -> Sequence[Interval]:
        """Its sessions."""
        return [(one.open, one.close) for one in self.sessions if one.close >= first and one.open <= last]

    def _session(self, day: date) -> Session | None:
        at = bisect_left(self._days, day)
        return self.sessions[at] if at < len(self._days) and self._days[at] == day else None

    def _closes_of(self, frame: Timeframe) -> list[datetime] | None:
        length = frame.length
        if frame.is_weekly:
            return self._week_closes
        return self._closes if length >= DAY else None


def _monday_of(day: date, *, sunday_first: bool) -> date:
    """The Monday that names a day's trading week; a Sunday belongs to the days before it, or to those after it."""
    if sunday_first and day.isoweekday() == 7:
        return day + timedelta(days=1)
    return day - timedelta(days=day.weekday())

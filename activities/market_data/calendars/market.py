"""When a market trades and when its bars close: one grid for markets that never close, sessions for exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from domain.timeframe import Timeframe

CRYPTO, FOREX = "24/7", "24/5"
Interval = tuple[datetime, datetime]


class Market(Protocol):
    """A market's clock. All times are aware UTC.

    ``phase`` says on which grid a vendor's bars lie: None where they are counted from each span's own start (14:30, 15:30 …;
    after a break anew), else how far they lie off the clock's.
    """

    code: str
    continuous: bool

    def bar(self, frame: Timeframe, label: datetime, day: date | None = None) -> Interval | None:
        """Open and close of the bar a vendor labels so; ``day`` is the label's local date. None: no such session."""

    def phase_of(self, frame: Timeframe, opened: datetime) -> timedelta | None:
        """The grid a bar that opened then lies on."""

    def last_close(self, frame: Timeframe, at: datetime, phase: timedelta | None = None) -> datetime | None:
        """Close of the newest bar that has closed at ``at``."""

    def next_close(self, frame: Timeframe, after: datetime, phase: timedelta | None = None) -> datetime | None:
        """Close of the first bar that closes after a time; None beyond the horizon."""

    def start_of(self, frame: Timeframe, until: datetime, count: int) -> datetime:
        """A time from which on there surely were ``count`` bars up to ``until``, with some to spare."""

    def trading(self, start: datetime, end: datetime) -> timedelta:
        """How long the market traded between two times."""

    def session_day(self, label: datetime) -> date:
        """The local date of a daily bar's label: session open, local midnight or midnight UTC."""

    def missing(self, frame: Timeframe, earlier: datetime, later: datetime, *, liquid: bool = False) -> Interval | None:
        """The hole between two neighbouring bars' open times. Minutes may be quiet, but not of a ``liquid`` ticker."""

    def is_open(self, start: datetime, end: datetime) -> bool:
        """Whether a bar of that span lies within a regular session."""

    def slot(self, frame: Timeframe, at: datetime) -> Interval | None:
        """The bar of the market's own grid that a time belongs to; None while the market is shut."""

    def grid(self, frame: Timeframe) -> Sequence[Interval]:
        """The spans in which its own bars lie, ascending: days and weeks are one bar each. None where only the clock counts."""

    def opens_on(self, frame: Timeframe) -> bool:
        """Whether trading begins on the clock's grid of that timeframe, so that its own bars can be built from such parts."""

    def days(self, first: datetime, last: datetime) -> Sequence[Interval]:
        """Open and close of each trading day that lies between two times or touches them; none where days have no end."""


class Continuous:
    """A market that never closes: crypto and the simulated one. Days and weeks begin at midnight UTC, weeks on Monday."""

    continuous = True

    def __init__(self, code: str = "24/7", zone: str = "UTC") -> None:
        self.code = code
        self.zone = ZoneInfo(zone)

    def session_day(self, label: datetime) -> date:
        """The UTC date of a midnight, else the market's own date."""
        return session_day_of(label, self.zone)

    def bar(self, frame: Timeframe, label: datetime, day: date | None = None) -> Interval | None:
        """On the clock's grid."""
        length = frame.length
        if not frame.is_intraday:
            label = midnight(day or self.session_day(label))
        opened = frame.floor(label)  # a live row is stamped with its last trade
        return opened, opened + length

    def phase_of(self, frame: Timeframe, opened: datetime) -> timedelta | None:
        """How far off the clock's grid."""
        return opened - frame.floor(opened)

    def last_close(self, frame: Timeframe, at: datetime, phase: timedelta | None = None) -> datetime:
        """On the grid."""
        phase = phase or timedelta()
        return frame.floor(at - phase) + phase

    def next_close(self, frame: Timeframe, after: datetime, phase: timedelta | None = None) -> datetime:
        """On the grid."""
        return self.last_close(frame, after, phase) + frame.length

    def start_of(self, frame: Timeframe, until: datetime, count: int) -> datetime:
        """Exactly that many bars."""
        return frame.floor(until) - frame.length * count

    def trading(self, start: datetime, end: datetime) -> timedelta:
        """All of it."""
        return max(end - start, timedelta())

    def missing(self, frame: Timeframe, earlier: datetime, later: datetime, *, liquid: bool = False) -> Interval | None:
        """Any bar left out."""
        length = frame.length
        return (earlier + length, later) if later - earlier > length else None

    def is_open(self, start: datetime, end: datetime) -> bool:
        """Always."""
        return True

    def slot(self, frame: Timeframe, at: datetime) -> Interval:
        """On the grid."""
        opened = frame.floor(at)
        return opened, opened + frame.length

    def grid(self, frame: Timeframe) -> Sequence[Interval]:
        """None."""
        return ()

    def opens_on(self, frame: Timeframe) -> bool:
        """There is no grid but the clock's."""
        return True

    def days(self, first: datetime, last: datetime) -> Sequence[Interval]:
        """None."""
        return ()


def session_day_of(label: datetime, zone: ZoneInfo) -> date:
    label = label.astimezone(UTC)
    on_midnight = (label.hour, label.minute, label.second) == (0, 0, 0)
    return label.date() if on_midnight else label.astimezone(zone).date()


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)

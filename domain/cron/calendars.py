"""Our cron as a union of plain calendars, the only form in which a Temporal Schedule reads it as we do.

Temporal ANDs the two day fields and knows no ``L``, ``W`` or ``#``; each term here is an AND, the list of them an OR. Its
calendars skip wall times that a clock change swallows, so those that our rule makes up for are added by date.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.cron.clock import first_change, next_fire, wall_time
from domain.cron.grammar import CronExpression

LAST_YEAR = 2100  # Temporal's calendars end there
HORIZON = timedelta(days=730)
_ALL_DAYS, _ALL_MONTHS, _ALL_WEEKDAYS = frozenset(range(1, 32)), frozenset(range(1, 13)), frozenset(range(7))
_WORKDAYS, _FRIDAY, _MONDAY = frozenset(range(1, 6)), frozenset((5,)), frozenset((1,))
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Days:
    """A set of dates: all its members must match. ``years`` is None for all; weekdays are 0-6, 0 = Sunday."""

    days: frozenset[int] = _ALL_DAYS
    months: frozenset[int] = _ALL_MONTHS
    weekdays: frozenset[int] = _ALL_WEEKDAYS
    years: frozenset[int] | None = None

    def __and__(self, other: Days) -> Days:
        years = self.years if other.years is None else other.years if self.years is None else self.years & other.years
        return Days(self.days & other.days, self.months & other.months, self.weekdays & other.weekdays, years)

    @property
    def is_empty(self) -> bool:
        """No date can match."""
        return not (self.days and self.months and self.weekdays) or self.years == frozenset()


@dataclass(frozen=True)
class Calendar:
    """Times of day on a set of dates, in the schedule's zone."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    dates: Days

    def matches(self, wall: datetime) -> bool:
        """Whether a naive wall time is one of them."""
        dates = self.dates
        return (
            wall.second in self.seconds
            and wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.day in dates.days
            and wall.month in dates.months
            and wall.isoweekday() % 7 in dates.weekdays
            and (dates.years is None or wall.year in dates.years)
        )


def calendars(expression: CronExpression, zone: ZoneInfo, now: datetime) -> list[Calendar]:
    """The union of calendars that fires as the cron does; fires made up for clock changes reach two years from ``now``."""
    plain = [
        Calendar(expression.seconds, expression.minutes, expression.hours, dates)
        for dates in _dates(expression)
        if not dates.is_empty
    ]
    return plain + [_dated(wall) for wall in _made_up(expression, zone, plain, now)]


def slot_of(
    expression: CronExpression, zone: ZoneInfo, at: datetime, late: timedelta = timedelta(0)
) -> datetime | None:
    """The slot a Temporal Schedule's start at ``at`` stands for, None when our rule has none there.

    A fixed job's second pass through a repeated hour is its first pass's slot. ``late`` is the jitter that may be in ``at``.
    """
    at = at.astimezone(UTC)
    fire = next_fire(expression, zone, at - late - _SECOND)
    if fire <= at:
        return fire
    local = at.astimezone(zone)
    if expression.is_interval or not local.fold:
        return None
    first = local.replace(fold=0).astimezone(UTC)
    return slot_of(expression, zone, first, late)


def _dates(expression: CronExpression) -> list[Days]:
    own = Days(months=expression.months)
    by_month, by_week = list(_by_month(expression)), list(_by_week(expression))
    if expression.both_days_restricted:
        return [term & own for term in (*by_month, *by_week)]
    return [one & other & own for one in by_month for other in by_week]


def _lengths() -> Iterator[tuple[int, Days]]:
    """Months by their length."""
    for length, months in ((31, (1, 3, 5, 7, 8, 10, 12)), (30, (4, 6, 9, 11))):
        yield length, Days(months=frozenset(months))
    for length in (28, 29):
        years = frozenset(year for year in range(2000, LAST_YEAR + 1) if calendar.isleap(year) == (length == 29))
        yield length, Days(months=frozenset((2,)), years=years)


def _by_month(expression: CronExpression) -> Iterator[Days]:
    if expression.days:
        yield Days(days=expression.days)
    for length, months in _lengths():
        if expression.last_day:
            yield months & Days(days=frozenset((length,)))
        wanted = {day for day in expression.nearest_workdays if day <= length}
        for day in wanted | ({length} if expression.last_workday else set()):
            for one in _nearest_workday(day, length):
                yield months & one


def _nearest_workday(day: int, length: int) -> Iterator[Days]:
    yield Days(days=frozenset((day,)), weekdays=_WORKDAYS)
    saturday = (
        Days(days=frozenset((day - 1,)), weekdays=_FRIDAY) if day > 1 else Days(frozenset((3,)), weekdays=_MONDAY)
    )
    sunday = (
        Days(days=frozenset((day + 1,)), weekdays=_MONDAY)
        if day < length
        else Days(days=frozenset((day - 2,)), weekdays=_FRIDAY)
    )
    yield from (saturday, sunday)


def _by_week(expression: CronExpression) -> Iterator[Days]:
    if expression.weekdays:
        yield Days(weekdays=expression.weekdays)
    for weekday, number in sorted(expression.nth_weekdays):
        yield Days(days=frozenset(range(7 * number - 6, 7 * number + 1)), weekdays=frozenset((weekday,)))
    if expression.last_weekdays:
        for length, months in _lengths():
            yield months & Days(days=frozenset(range(length - 6, length + 1)), weekdays=expression.last_weekdays)


def _made_up(expression: CronExpression, zone: ZoneInfo, plain: list[Calendar], now: datetime) -> Iterator[datetime]:
    """Wall times right after a gap at which a fixed job runs for what the gap swallowed."""
    if expression.is_interval:
        return
    at, end = now.astimezone(UTC), now.astimezone(UTC) + HORIZON
    while (change := first_change(zone, at, end)) is not None:
        wall = wall_time(change, zone)
        if next_fire(expression, zone, change - _SECOND) == change and not any(one.matches(wall) for one in plain):
            yield wall
        at = change


def _dated(wall: datetime) -> Calendar:
    dates = Days(frozenset((wall.day,)), frozenset((wall.month,)), _ALL_WEEKDAYS, frozenset((wall.year,)))
    return Calendar(frozenset((wall.second,)), frozenset((wall.minute,)), frozenset((wall.hour,)), dates)

"""When a cron expression fires: calendar arithmetic by croniter on naive local time, the clock changes by us.

The rule (Debian's, with seconds): an *interval* job, whose second, minute or hour field begins with ``*``, fires
at every instant whose wall clock matches. A *fixed* job fires once in the repeated hour, at its first pass, and
once right after a gap of at most three hours that swallowed it.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from domain.cron.grammar import CronExpression

LONGEST_DST_GAP = timedelta(hours=3)
SEARCH_YEARS = 50
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def next_fire(expression: CronExpression, zone: ZoneInfo, after: datetime) -> datetime:
    """The first fire strictly after ``after`` (aware), as whole seconds in UTC.

    Raises:
        LookupError: when nothing matches in the next 50 years.
    """
    return _next(expression, zone, after.astimezone(UTC))


@lru_cache(maxsize=4096)  # a fleet asks for its next tick right after the same close, each alert for itself
def _next(expression: CronExpression, zone: ZoneInfo, after: datetime) -> datetime:
    if expression.is_interval:
        return _next_interval(expression, zone, after)
    return _next_fixed(expression, zone, after)


def next_fires(expression: CronExpression, zone: ZoneInfo, after: datetime, count: int) -> list[datetime]:
    """The next ``count`` fires strictly after ``after``, in UTC, ascending."""
    return list(islice(_fires(expression, zone, after), count))


def _fires(expression: CronExpression, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    while True:
        after = next_fire(expression, zone, after)
        yield after


def _next_fixed(expression: CronExpression, zone: ZoneInfo, after: datetime) -> datetime:
    local = wall_time(after, zone)
    while True:
        local = _next_local(expression, local)
        first_pass = local.replace(tzinfo=zone, fold=0)
        instant = first_pass.astimezone(UTC)
        if wall_time(instant, zone) != local:  # swallowed by a gap
            later = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
            if instant - later > LONGEST_DST_GAP:
                continue
            instant = _transition(zone, later, instant)
        if instant > after:
            return instant


def _next_interval(expression: CronExpression, zone: ZoneInfo, after: datetime) -> datetime:
    """Walks the stretches of constant UTC offset; within one, wall time and real time run alike."""
    start, strictly = after, True
    deadline = after + timedelta(days=366 * SEARCH_YEARS)
    while start < deadline:
        offset = start.astimezone(zone).utcoffset() or timedelta()
        wall = wall_time(start, zone)
        local = _next_local(expression, wall if strictly else wall - _SECOND)
        candidate = (local - offset).replace(tzinfo=UTC)
        change = first_change(zone, start, candidate)
        if change is None:
            return candidate
        start, strictly = change, False
    raise LookupError(f"'{expression.text}' does not fire in the next {SEARCH_YEARS} years")


def first_change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """The first instant in (start, end] at which the offset differs from ``start``'s, if any."""
    offset = start.astimezone(zone).utcoffset()
    before = start
    while before < end:
        probe = min(before + _DAY, end)
        if probe.astimezone(zone).utcoffset() != offset:
            return _transition(zone, before, probe)
        before = probe
    return None


def _transition(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first whole second in (before, after] that has ``after``'s offset."""
    target = after.astimezone(zone).utcoffset()
    before = before.replace(microsecond=0)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == target:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


def wall_time(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks of a zone show, without the zone."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _next_local(expression: CronExpression, after: datetime) -> datetime:
    """The first naive wall time strictly after ``after`` that matches, clock changes not considered."""
    after = after.replace(microsecond=0)
    if not expression.has_day_letters:
        return _croniter_next(expression, after, with_days=True)
    day = after.date()
    last = day + timedelta(days=366 * SEARCH_YEARS)
    while day < last:
        if day.month in expression.months and day_matches(expression, day):
            midnight = datetime.combine(day, time.min)
            candidate = _croniter_next(expression, max(after, midnight - _SECOND), with_days=False)
            if candidate.date() == day:
                return candidate
        day += _DAY
    raise LookupError(f"'{expression.text}' does not fire in the next {SEARCH_YEARS} years")


def _croniter_next(expression: CronExpression, after: datetime, *, with_days: bool) -> datetime:
    whole = len(expression.days) == 31 or len(expression.weekdays) == 7
    if (
        whole and expression.both_days_restricted
    ):  # 2 or 0-6 is any day; croniter reads the latter as a star, which restricts nothing
        with_days = False
    fields = [
        _values(expression.seconds, 60),
        _values(expression.minutes, 60),
        _values(expression.hours, 24),
        _values(expression.days, 31) if with_days else "*",
        _values(expression.months, 12),
        _values(expression.weekdays, 7) if with_days else "*",
    ]
    try:
        found: datetime = croniter(
            " ".join(fields),
            after,
            ret_type=datetime,
            day_or=expression.both_days_restricted,
            second_at_beginning=True,
            max_years_between_matches=SEARCH_YEARS,
        ).get_next()
    except CroniterBadDateError as error:
        raise LookupError(f"'{expression.text}' does not fire in the next {SEARCH_YEARS} years") from error
    return found


def _values(values: frozenset[int], size: int) -> str:
    """Explicit values, since croniter reads ``a-a`` as the whole field."""
    return "*" if len(values) == size else ",".join(str(value) for value in sorted(values))


def day_matches(expression: CronExpression, day: date) -> bool:
    """Whether the two day fields let the date through: OR when both are restricted, else AND."""
    by_month, by_week = _day_of_month(expression, day), _day_of_week(expression, day)
    return (by_month or by_week) if expression.both_days_restricted else (by_month and by_week)


def _day_of_month(expression: CronExpression, day: date) -> bool:
    length = calendar.monthrange(day.year, day.month)[1]
    if day.day in expression.days or (expression.last_day and day.day == length):
        return True
    if expression.last_workday and day.day == _nearest_workday(day, length):
        return True
    return any(wanted <= length and day.day == _nearest_workday(day, wanted) for wanted in expression.nearest_workdays)


def _nearest_workday(day: date, wanted: int) -> int:
    """Day of ``day``'s month that is the workday nearest to ``wanted``, never leaving the month."""
    length = calendar.monthrange(day.year, day.month)[1]
    weekday = date(day.year, day.month, wanted).weekday()
    if weekday == calendar.SATURDAY:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == calendar.SUNDAY:
        return wanted + 1 if wanted < length else wanted - 2
    return wanted


def _day_of_week(expression: CronExpression, day: date) -> bool:
    weekday = _sunday_zero(day)
    if weekday in expression.weekdays or (weekday, (day.day - 1) // 7 + 1) in expression.nth_weekdays:
        return True
    length = calendar.monthrange(day.year, day.month)[1]
    return weekday in expression.last_weekdays and day.day > length - 7


def _sunday_zero(day: date) -> int:
    return day.isoweekday() % 7

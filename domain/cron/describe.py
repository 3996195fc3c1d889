"""Says in plain words when a cron expression fires, so that people can check what they wrote."""

from __future__ import annotations

from domain.cron.grammar import DOM, DOW, MONTH_TITLES, CronExpression

WEEKDAY_TITLES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
ORDINALS = ("first", "second", "third", "fourth", "fifth")


def describe(expression: CronExpression) -> str:
    """One sentence part, e.g. ``at 09:30 on Monday to Friday``."""
    parts = [_time(expression), _days(expression)]
    if len(expression.months) < 12:
        parts.append("in " + _series([MONTH_TITLES[month - 1] for month in sorted(expression.months)]))
    return " ".join(part for part in parts if part)


def _time(expression: CronExpression) -> str:
    seconds, minutes, hours = sorted(expression.seconds), sorted(expression.minutes), sorted(expression.hours)
    if len(seconds) * len(minutes) * len(hours) <= 4:
        with_seconds = seconds != [0]
        times = [
            f"{hour:02}:{minute:02}" + (f":{second:02}" if with_seconds else "")
            for hour in hours
            for minute in minutes
            for second in seconds
        ]
        return "at " + _series(times)
    parts = []
    if seconds != [0]:
        parts.append(_unit("second", seconds, 60))
    if not (len(minutes) == 60 and parts):
        parts.append(_unit("minute", minutes, 60))
    if len(hours) < 24:
        parts.append(_unit("hour", hours, 24))
    elif minutes == [0] and not parts[:-1]:
        return "every hour on the hour"
    return " of ".join(parts)


def _unit(name: str, values: list[int], size: int) -> str:
    if len(values) == size:
        return f"every {name}"
    step = values[1] - values[0] if len(values) > 1 else 0
    if step > 1 and values == list(range(values[0], size, step)) and (len(values) > 2 or step * 2 == size):
        start = f" from {name} {values[0]}" if values[0] else ""
        return f"every {step} {name}s{start}"
    if len(values) > 2 and values == list(range(values[0], values[-1] + 1)):
        return f"{name}s {values[0]} to {values[-1]}"
    plural = "" if len(values) == 1 else "s"
    return f"{name}{plural} {_series([str(value) for value in values])}"


def _days(expression: CronExpression) -> str:
    month_days = _month_days(expression)
    weekdays = _weekdays(expression)
    if month_days and weekdays:
        joint = "(or)" if expression.both_days_restricted else "(and)"
        return f"on {month_days} {joint} on {weekdays}"
    return f"on {month_days or weekdays}" if month_days or weekdays else ""


def _month_days(expression: CronExpression) -> str:
    if DOM in expression.starred and len(expression.days) == 31:
        return ""
    words = [f"day {day}" for day in sorted(expression.days)]
    words += [f"the workday nearest to day {day}" for day in sorted(expression.nearest_workdays)]
    if expression.last_day:
        words.append("the last day of the month")
    if expression.last_workday:
        words.append("the last workday of the month")
    return _series(words)


def _weekdays(expression: CronExpression) -> str:
    if DOW in expression.starred and len(expression.weekdays) == 7:
        return ""
    monday_first = [(day, WEEKDAY_TITLES[day % 7]) for day in range(1, 8) if day % 7 in expression.weekdays]
    numbers = [day for day, _ in monday_first]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        words = [f"{monday_first[0][1]} to {monday_first[-1][1]}"]
    else:
        words = [title for _, title in monday_first]
    words += [
        f"the {ORDINALS[nth - 1]} {WEEKDAY_TITLES[day]} of the month" for day, nth in sorted(expression.nth_weekdays)
    ]
    words += [f"the last {WEEKDAY_TITLES[day]} of the month" for day in sorted(expression.last_weekdays)]
    return _series(words)


def _series(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" and {words[-1]}" if words else ""

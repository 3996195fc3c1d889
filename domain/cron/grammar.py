"""Reads a cron expression into sets of values, or says all that is wrong with it.

The dialect is fixed by ``tests/vectors``: Debian's cron with seconds first as an optional sixth field, and
Quartz's ``L``, ``LW``, ``15W``, ``5L`` and ``5#3``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from domain.errors import Fault, InvalidInput

MAX_LENGTH = 256
SECOND, MINUTE, HOUR, DOM, MONTH, DOW = "second", "minute", "hour", "day-of-month", "month", "day-of-week"
FIELDS = (SECOND, MINUTE, HOUR, DOM, MONTH, DOW)
RANGES = {SECOND: (0, 59), MINUTE: (0, 59), HOUR: (0, 23), DOM: (1, 31), MONTH: (1, 12), DOW: (0, 7)}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
NAMES = {
    MONTH: {name: i + 1 for i, name in enumerate(MONTHS)},
    DOW: {name: i for i, name in enumerate(WEEKDAYS)},
}
NAME_HINT = {MONTH: "use JAN-DEC or 1-12", DOW: "use SUN-SAT or 0-7"}
WRAP_HINT = {
    SECOND: "minute",
    MINUTE: "hour",
    HOUR: "midnight",
    DOM: "month end",
    MONTH: "year end",
    DOW: "weekend",
}
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MONTH_TITLES = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip


class CronError(InvalidInput):
    """A cron expression that cannot be used. Each fault's path is the field's name, or ``expression``."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("cron", faults)


@dataclass(frozen=True)
class CronExpression:
    """A parsed expression: sets of values, the special day rules, and how its fields began.

    ``days`` and ``weekdays`` hold plain values (weekdays 0-6, 0 = Sunday); the other day members hold what the
    letters mean. ``starred`` names the fields that begin with ``*`` or ``?``.
    """

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    last_day: bool
    last_workday: bool
    nearest_workdays: frozenset[int]
    last_weekdays: frozenset[int]
    nth_weekdays: frozenset[tuple[int, int]]
    starred: frozenset[str]

    @property
    def is_interval(self) -> bool:
        """Follows real time through clock changes: second, minute or hour begins with ``*``."""
        return not self.starred.isdisjoint((SECOND, MINUTE, HOUR))

    @property
    def both_days_restricted(self) -> bool:
        """Neither day field begins with ``*``: either may match (OR). Otherwise both must (AND)."""
        return self.starred.isdisjoint((DOM, DOW))

    @property
    def has_day_letters(self) -> bool:
        """Uses ``L``, ``LW``, ``W`` or ``#``, whose rules are ours."""
        return bool(
            self.last_day or self.last_workday or self.nearest_workdays or self.last_weekdays or self.nth_weekdays
        )


@lru_cache(maxsize=4096)
def parse(text: str) -> CronExpression:
    """The expression's meaning.

    Raises:
        CronError: with one fault for each field that cannot be read.
    """
    tokens = _split(text)
    if len(tokens) == 5:
        tokens = ["0", *tokens]
    reader = _Reader()
    values = {field: reader.field(field, token) for field, token in zip(FIELDS, tokens, strict=True)}
    if reader.faults:
        raise CronError(reader.faults)
    starred = frozenset(field for field, token in zip(FIELDS, tokens, strict=True) if token[0] in "*?")
    expression = CronExpression(
        text=text.strip(),
        seconds=frozenset(values[SECOND]),
        minutes=frozenset(values[MINUTE]),
        hours=frozenset(values[HOUR]),
        days=frozenset(values[DOM]),
        months=frozenset(values[MONTH]),
        weekdays=frozenset(value % 7 for value in values[DOW]),
        last_day=reader.last_day,
        last_workday=reader.last_workday,
        nearest_workdays=frozenset(reader.nearest_workdays),
        last_weekdays=frozenset(reader.last_weekdays),
        nth_weekdays=frozenset(reader.nth_weekdays),
        starred=starred,
    )
    _refuse_impossible(expression)
    return expression


def _split(text: str) -> list[str]:
    def refuse(message: str, field: str = "expression") -> CronError:
        return CronError([Fault(field, message, text if len(text) <= MAX_LENGTH else text[:60] + "…")])

    if len(text) > MAX_LENGTH:
        raise refuse(f"cron expression is longer than {MAX_LENGTH} characters")
    if "\n" in text.strip() or "\r" in text.strip():
        raise refuse("line breaks are not allowed in a cron expression")
    stripped = text.strip(" \t\r\n")
    if not stripped:
        raise refuse("cron expression is empty; expected 5 or 6 fields, e.g. '0 */5 * * * *'")
    tokens = re.split(r"[ \t]+", stripped)
    if stripped.startswith("@"):
        if tokens[0].lower() == "@every":
            raise refuse(_every_hint(tokens[1] if len(tokens) > 1 else ""))
        alias = ALIASES.get(stripped.lower())
        if alias is None:
            raise refuse(f"'{tokens[0]}' is not known; use one of {', '.join(ALIASES)} or 5 or 6 fields")
        return alias.split()
    for position, token in enumerate(tokens):
        if token.startswith("#"):
            raise refuse("comments are not supported; use the job's 'description' field")
        if ";" in token:
            field = FIELDS[min(position + 1, 5)]
            raise refuse("only one expression per schedule; unexpected ';'", field)
    if len(tokens) not in (5, 6):
        raise refuse(f"expected 5 or 6 fields, got {len(tokens)}{_count_hint(stripped, tokens)}")
    return tokens


def _every_hint(duration: str) -> str:
    found = re.fullmatch(r"(\d+)([smh])", duration)
    example = "*/30 * * * * *"
    if found:
        step = found.group(1)
        example = {"s": f"*/{step} * * * * *", "m": f"*/{step} * * * *", "h": f"0 */{step} * * *"}[found.group(2)]
    return f"'@every' is not supported; use '{example}' or an interval schedule"


def _count_hint(stripped: str, tokens: list[str]) -> str:
    if "\u00a0" in stripped:
        return "; found a non-breaking space where a space was expected"
    if len(tokens) == 7:
        return "; a year field is not supported"
    for word, alias in (
        ("hour", "@hourly"),
        ("da", "@daily"),
        ("week", "@weekly"),
        ("month", "@monthly"),
        ("year", "@yearly"),
    ):
        if word in stripped.lower() and not any(char in stripped for char in "*/"):
            return f"; did you mean '{alias}'?"
    return ""


class _Reader:
    """Reads one field after the other, keeping the day letters and every fault."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.last_day = False
        self.last_workday = False
        self.nearest_workdays: set[int] = set()
        self.last_weekdays: set[int] = set()
        self.nth_weekdays: set[tuple[int, int]] = set()

    def field(self, field: str, token: str) -> set[int]:
        values: set[int] = set()
        try:
            items = self._items(field, token)
            for item in items:
                values |= self._item(field, item.upper())
                if len(items) > 1 and field == DOM and (self.last_workday or self.nearest_workdays):
                    raise _Bad(
                        f"'{item}' stands alone in its field; write a second schedule for the others of '{token}'"
                    )
        except _Bad as bad:
            self.faults.append(Fault(field, f"{field}: {bad}", token))
        return values

    def _items(self, field: str, token: str) -> list[str]:
        items = token.split(",")
        if len(items) > 1 and items[-1] == "":
            raise _Bad(f"list '{token}' ends with a comma")
        if "" in items:
            raise _Bad(f"empty item in list '{token}'")
        return items

    def _item(self, field: str, item: str) -> set[int]:
        if field in (DOM, DOW) and self._day_letter(field, item):
            return set()
        if field not in (DOM, DOW) and re.fullmatch(r"\d*L\d*|LW|\d*W", item):
            raise _Bad(f"'{item}' is allowed only in day-of-month and day-of-week")
        if item == "H" or item.startswith(("H/", "H(")):
            raise _Bad("'H' is not supported; use the jitter setting to spread load")
        if item == "R" or item.startswith(("R/", "R(")):
            raise _Bad("'R' is not supported: a schedule must be reproducible")
        body, slash, step_text = item.partition("/")
        step = _step(step_text) if slash else 1
        low, high = RANGES[field]
        if slash and not body:
            raise _Bad(f"nothing before '/'; write '*/{step_text}'")
        if body == "*" or (body == "?" and field in (DOM, DOW)):
            return set(range(low, min(high, 6 if field == DOW else high) + 1, step))
        if body.startswith("*"):
            hint = f"; did you mean '*/{body[1:]}'?" if body[1:].isdigit() else ""
            raise _Bad(f"cannot read '{body}'{hint}")
        if "-" in body:
            first, last = _range(field, body)
        else:
            first = _value(field, body)
            last = (high if field != DOW else max(6, first)) if slash else first
        return set(range(first, last + 1, step))

    def _day_letter(self, field: str, item: str) -> bool:
        if field == DOM:
            if item == "L":
                self.last_day = True
            elif item in ("LW", "WL"):
                self.last_workday = True
            elif item == "W":
                raise _Bad("'W' needs a day, e.g. '15W'")
            elif found := re.fullmatch(r"(\d+)W|W(\d+)", item):
                self.nearest_workdays.add(_value(field, found.group(1) or found.group(2)))
            else:
                return False
            return True
        if item == "L":
            raise _Bad("'L' needs a day, e.g. '5L' for the last Friday")
        if "#" in item:
            day, _, nth = item.partition("#")
            if not nth:
                raise _Bad("missing number after '#'")
            if not (nth.isascii() and nth.isdigit() and 1 <= int(nth) <= 5):
                raise _Bad(f"'#{nth}' is out of range; use #1 to #5")
            self.nth_weekdays.add((_value(field, day) % 7, int(nth)))
            return True
        if found := re.fullmatch(r"L([0-7])|([0-7]|[A-Z]{3})L", item):
            self.last_weekdays.add(_value(field, found.group(1) or found.group(2)) % 7)
            return True
        return False


class _Bad(Exception):
    """What is wrong with a field, without its name."""


def _step(text: str) -> int:
    if text.isascii() and text.isdigit():
        if int(text) < 1:
            raise _Bad(f"step must be at least 1, got {int(text)}")
        return int(text)
    if re.fullmatch(r"-\d+", text):
        raise _Bad(f"step must be a positive number, got '{text}'")
    if re.fullmatch(r"\d*\.\d+", text):
        raise _Bad(f"step '{text}' is not a whole number")
    if not text:
        raise _Bad("nothing after '/'; write a step such as '*/5'")
    raise _Bad(f"step '{text.lower()}' is not a number")


def _range(field: str, body: str) -> tuple[int, int]:
    parts = body.split("-")
    if len(parts) > 2:
        raise _Bad(f"more than one '-' in '{body}'")
    if not parts[0]:
        raise _Bad(f"range '{body}' has no start (negative numbers are not allowed)")
    if not parts[1]:
        raise _Bad(f"range '{body}' has no end")
    first, last = _value(field, parts[0]), _value(field, parts[1])
    if field == DOW and parts[1] == "SUN" and first > 0:
        last = 7
    if first > last:
        low, high = RANGES[field]
        high = 6 if field == DOW else high
        wrapped = f"{first}-{high},{low}-{last}"
        raise _Bad(f"range {body} runs backwards; write '{wrapped}' if you mean across the {WRAP_HINT[field]}")
    return first, last


def _value(field: str, text: str) -> int:
    low, high = RANGES[field]
    if text.isascii() and text.isdigit():
        value = int(text)
        if not low <= value <= high:
            hint = "; midnight is 0" if field == HOUR and value == 24 else ""
            raise _Bad(f"{value} is out of range {low}-{high}{hint}")
        return value
    names = NAMES.get(field)
    if names is not None and text.isascii() and text.isalpha():
        if text in names:
            return names[text]
        raise _Bad(f"unknown name '{text}'; {NAME_HINT[field]}")
    raise _Bad(f"cannot read '{text}'; expected a number from {low} to {high}")


def _refuse_impossible(expression: CronExpression) -> None:
    """Refuses day-of-month values that no chosen month has, unless a weekday can match instead."""
    if DOM in expression.starred or expression.both_days_restricted:
        return
    if expression.last_day or expression.last_workday:
        return
    days = expression.days | expression.nearest_workdays
    longest = max(LONGEST_MONTH[month - 1] for month in expression.months)
    if not days or min(days) <= longest:
        return
    shown = _listed([str(day) for day in sorted(days)], "and")
    months = _listed([MONTH_TITLES[month - 1] for month in sorted(expression.months)], "or")
    verb = "day {} never occurs" if len(days) == 1 else "days {} never occur"
    message = f"{verb.format(shown)} in {months}: this schedule would never run"
    raise CronError([Fault(f"{DOM}+{MONTH}", message, expression.text)])


def _listed(words: list[str], conjunction: str) -> str:
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"

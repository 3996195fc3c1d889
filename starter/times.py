"""Times and spans as people write them: ``2h``, ``1h30m``, ``tomorrow 9:30``, ``2026-12-31 21:00 Europe/Berlin``."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain import zones
from domain.errors import Fault, InvalidInput
from domain.timeframe import UNITS

LONGEST = timedelta(days=366)
MOST_AHEAD = timedelta(days=50 * 366)
_PART = r"(\d{1,6}(?:\.\d{1,3})?)\s*(s|m|h|d|w)"
_SPAN = re.compile(rf"(?:{_PART}\s*)+")
_UNIT_WORDS = re.compile(r"\b(sec(?:ond)?|min(?:ute)?|hour|hr|day|week)s?\b|(?<=\d)\s*(sec|min|hour|hr|day|week)s?\b")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,3})?")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s*(am|pm)?")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SPAN_HINT = "expected a time such as 30m, 2h or 1d, at most a year"
HINT = "expected a time such as 2h, 'tomorrow 9:30', 'friday 16:00' or 2026-12-31T21:00:00Z"


def span_of(text: str, path: str = "$.for", what: str = "silence", longest: timedelta = LONGEST) -> timedelta:
    """``2h``, ``1h30m``, ``2 days``, or seconds; ``path`` is where it was written, in what.

    Raises:
        InvalidInput: it is none, or longer than a year.
    """
    span = _span(text)
    if span is None or not timedelta(0) < span <= longest:
        raise InvalidInput(what, [Fault(path, SPAN_HINT, text)])
    return span


def moment_of(
    text: str, zone: ZoneInfo, now: datetime, path: str, what: str = "options", *, past: bool = False
) -> datetime:
    """A time in UTC: in a span from now, on a day by its name or date, at a time; a day alone is its beginning.

    Without an offset or a zone at its end it is wall time of ``zone``. With ``past`` a span is so long ago.

    Raises:
        InvalidInput: it is none.
    """
    wanted = text.strip()
    span = _span(wanted.lower().removeprefix("in ").removesuffix(" ago"))
    if span is not None and not _SECONDS.fullmatch(wanted):
        if span > MOST_AHEAD:
            raise InvalidInput(what, [Fault(path, f"expected at most {MOST_AHEAD.days // 366} years", text)])
        return now - span if past else now + span
    wanted, zone = _with_zone(wanted, zone)
    found = _by_name(wanted.lower(), zone, now) or _as_iso(wanted, zone)
    if found is None or not 1900 <= found.year <= 2200:
        raise InvalidInput(what, [Fault(path, HINT, text)])
    return found.astimezone(UTC)


def frame_of(text: str) -> str:
    """``1h`` for ``1 hour``, ``hour`` and ``hourly``; anything else as it is."""
    short = _UNIT_WORDS.sub(lambda found: (found[1] or found[2])[0], text.strip().lower()).replace(" ", "")
    word = {"m": "1m", "h": "1h", "d": "1d", "w": "1w", "hourly": "1h", "daily": "1d", "weekly": "1w"}.get(short)
    return word or (short if re.fullmatch(r"\d+[smhdw]", short) else text)


def told(at: datetime, zone: ZoneInfo) -> str:
    """A time with its zone, and in UTC where that is another."""
    local = f"{at.astimezone(zone):%a %Y-%m-%d %H:%M:%S} {zone.key}"
    return local if zone.key == "UTC" else f"{local} ({at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC)"


def _span(text: str) -> timedelta | None:
    short = _UNIT_WORDS.sub(lambda found: (found[1] or found[2])[0], text.strip().lower())
    if _SECONDS.fullmatch(short):
        return timedelta(seconds=float(short))
    if not _SPAN.fullmatch(short):
        return None
    return timedelta(seconds=sum(float(number) * UNITS[unit] for number, unit in re.findall(_PART, short)))


def _with_zone(text: str, zone: ZoneInfo) -> tuple[str, ZoneInfo]:
    """A zone's name at the end counts."""
    rest, _, last = text.rpartition(" ")
    if rest and re.fullmatch(r"UTC|GMT|[A-Za-z_]+/[A-Za-z_/+\-0-9]+", last):
        try:
            return rest, zones.zone(last)
        except ValueError:
            return text, zone
    return text, zone


def _by_name(text: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    """``tomorrow 9:30``, ``friday``, ``16:00`` (the next)."""
    today = now.astimezone(zone).date()
    word, _, rest = text.partition(" ")
    rest = rest.removeprefix("at ").strip()
    if word in ("today", "tomorrow"):
        at = _clock(rest or "0:00")
        return None if at is None else datetime.combine(today + timedelta(days=word == "tomorrow"), at, zone)
    named = [number for number, day in enumerate(_DAYS) if len(word) >= 3 and day.startswith(word)]
    if named:
        at = _clock(rest or "0:00")
        ahead = (named[0] - today.weekday()) % 7
        if at is None:
            return None
        found = datetime.combine(today + timedelta(days=ahead), at, zone)
        return found if found > now else datetime.combine(today + timedelta(days=ahead + 7), at, zone)
    at = _clock(text.removeprefix("at ")) if ":" in text or text.endswith(("am", "pm")) else None
    if at is None:
        return None
    found = datetime.combine(today, at, zone)
    return found if found > now else datetime.combine(today + timedelta(days=1), at, zone)


def _clock(text: str) -> time | None:
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    hour, half = int(match[1]), match[4]
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + 12 * (half == "pm")
    try:
        return time(hour, int(match[2] or 0), int(match[3] or 0))
    except ValueError:
        return None


def _as_iso(text: str, zone: ZoneInfo) -> datetime | None:
    day, _, rest = text.partition(" ")
    at = _clock(rest.lower()) if rest else None
    try:
        if at is not None:
            return datetime.combine(date.fromisoformat(day), at, zone)
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)

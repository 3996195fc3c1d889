"""When a user wants to be left alone: hours of the day, and silences for a ticker, a tag or an alert."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from domain.definition import AlertDefinition
from domain.zones import zone

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class QuietHours:
    """From one time of the day to another in a zone; over midnight where the second is the earlier one."""

    begin: time
    end: time
    timezone: str

    def until(self, now: datetime) -> datetime | None:
        """When they end, aware UTC; None where it is not quiet now."""
        local = now.astimezone(zone(self.timezone))
        at = local.time().replace(tzinfo=None)
        is_quiet = self.begin <= at < self.end if self.begin < self.end else at >= self.begin or at < self.end
        if not is_quiet:
            return None
        day = local.date() if at < self.end else local.date() + timedelta(days=1)
        return datetime.combine(day, self.end, local.tzinfo).astimezone(UTC)

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"


def read_hours(text: str, timezone: str) -> QuietHours:
    """``22:00-07:00``.

    Raises:
        ValueError: saying what was expected.
    """
    match = _HOURS.fullmatch(text.strip())
    if match is None or match[1] + match[2] == match[3] + match[4]:
        raise ValueError("expected two times such as 22:00-07:00")
    zone(timezone)
    first, second, third, fourth = (int(part) for part in match.groups())
    return QuietHours(time(first, second), time(third, fourth), timezone)


class Silenced(StrEnum):
    """What a silence is for."""

    TICKER = "ticker"
    TAG = "tag"
    ALERT = "alert"


class Grouping(StrEnum):
    """Which notices a destination wants in one letter: of a ticker, of an alert's first tag, or all of them."""

    TICKER = "ticker"
    TAG = "tag"
    ALL = "all"


@dataclass(frozen=True)
class Silence:
    """Nothing is told of what it is for, until it ends; the events are kept."""

    kind: Silenced
    value: str
    until: datetime
    user_id: str = ""
    id: int = 0
    reason: str = ""

    def covers(self, alert_id: str, definition: AlertDefinition, now: datetime) -> bool:
        """Whether it is for that alert, now."""
        if now >= self.until:
            return False
        if self.kind is Silenced.TICKER:
            return self.value.upper() == definition.symbol
        return self.value == alert_id if self.kind is Silenced.ALERT else self.value in definition.tags


def silence_of(
    silences: Iterable[Silence], alert_id: str, definition: AlertDefinition, now: datetime
) -> Silence | None:
    """The one that lasts longest, of those that are for an alert now."""
    found = [one for one in silences if one.covers(alert_id, definition, now)]
    return max(found, key=lambda one: one.until, default=None)

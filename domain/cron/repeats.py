"""Slots that a scheduler of wall times may lose: where clocks are set back, and shortly after.

Temporal's calendars look for the next wall time, and where that is shown twice they may take the second showing at once and
pass over all that lies between. Our rule has those slots: an interval job runs through the hour twice, a fixed one at its first
showing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.cron.clock import first_change, next_fire
from domain.cron.grammar import CronExpression

AFTER = timedelta(hours=3)  # what was passed over may reach so far beyond the change
LONGEST_SHIFT = timedelta(hours=3)


def slots_at_risk(expression: CronExpression, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    """The slots in (after, until] that lie in an hour shown twice, or soon after it (aware UTC)."""
    found: list[datetime] = []
    for begin, end in _repeats(zone, after, until):
        at = max(after, begin)
        while at < min(until, end):
            try:
                at = next_fire(expression, zone, at)
            except LookupError:
                break
            if at <= min(until, end):
                found.append(at)
    return found


def _repeats(zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """From just before the first showing of a repeated time to some hours after the second began."""
    at, end = after - AFTER, until + LONGEST_SHIFT
    while (change := first_change(zone, at, end)) is not None:
        before, now = (one.astimezone(zone).utcoffset() for one in (at, change))
        assert before is not None
        assert now is not None
        if before > now:
            yield change - (before - now) - timedelta(seconds=1), change + AFTER
        at = change

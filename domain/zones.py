"""Time zones by IANA name."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LONGEST = 64


def zone(name: str) -> ZoneInfo:
    """The zone of that name.

    Raises:
        ValueError: saying what was expected.
    """
    try:
        if len(name) > LONGEST:  # looking up a path of thousands of parts is a recursion too deep
            raise ValueError
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected an IANA time zone such as America/New_York") from None


def in_zone(at: datetime, name: str) -> str:
    """A time in UTC, and before it in that zone where there is another.

    Raises:
        ValueError: there is no such zone.
    """
    utc = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return utc if name in ("", "UTC") else f"{at.astimezone(zone(name)):%Y-%m-%d %H:%M:%S} {name} ({utc})"

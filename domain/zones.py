"""Time zones by IANA name."""

from __future__ import annotations

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

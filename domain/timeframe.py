"""Bar intervals such as ``1m`` or ``4h`` and the instants at which their bars close."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
COMMON = "1s, 5s, 10s, 15s, 30s, 1m, 2m, 3m, 5m, 10m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d or 1w"
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def duration(timeframe: str) -> timedelta:
    """Length of one bar.

    Raises:
        ValueError: when the text is not a timeframe that divides its next larger unit evenly.
    """
    found = re.fullmatch(r"([1-9]\d{0,3})([smhdw])", timeframe)
    if not found:
        raise ValueError(f"expected a timeframe such as {COMMON}")
    count, unit = int(found.group(1)), found.group(2)
    whole = {"s": 60, "m": 60, "h": 24, "d": 1, "w": 1}[unit]
    if whole % count:
        raise ValueError(f"bars of {timeframe} do not divide their day evenly; expected {COMMON}")
    return timedelta(seconds=count * UNITS[unit])


def name_of(length: timedelta) -> str | None:
    """The timeframe of that length; None when there is none."""
    seconds = int(length.total_seconds())
    for unit in ("w", "d", "h", "m", "s"):
        count, rest = divmod(seconds, UNITS[unit])
        if count and not rest:
            try:
                duration(f"{count}{unit}")
            except ValueError:
                continue
            return f"{count}{unit}"
    return None


def is_intraday(timeframe: str) -> bool:
    """Shorter than a day: closes on a UTC grid, whatever the exchange."""
    return duration(timeframe) < timedelta(days=1)


def floor(timeframe: str, at: datetime) -> datetime:
    """Open time (UTC) of the bar that contains ``at``; weeks begin on Monday."""
    length = duration(timeframe)
    origin = _MONDAY if length.days == 7 else _EPOCH
    return at - (at - origin) % length


def last_close(timeframe: str, at: datetime) -> datetime:
    """Close of the newest bar that has closed at ``at``."""
    return floor(timeframe, at)


def close_after(timeframe: str, last_close: datetime) -> datetime:
    """The close that follows one that has been seen; bars of some exchanges close off the grid (15:30, 16:30 …)."""
    return last_close + duration(timeframe)


def default_cron(timeframe: str) -> str:
    """A schedule that ticks as each bar closes; every half hour from hourly bars on, since exchanges open on the half.

    A tick that cannot see a new bar is not taken, so that a dense schedule costs nothing.
    """
    seconds = int(duration(timeframe).total_seconds())
    if seconds < 60:
        return "* * * * * *" if seconds == 1 else f"*/{seconds} * * * * *"
    if seconds < 3600:
        return "* * * * *" if seconds == 60 else f"*/{seconds // 60} * * * *"
    return "*/30 * * * *"

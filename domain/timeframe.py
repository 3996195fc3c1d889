"""Bar intervals such as ``1m`` or ``4h``: how long a bar is, and the grid on which bars open and close."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
WHOLE = {"s": 60, "m": 60, "h": 24, "d": 1, "w": 1}  # so many of a unit make the next larger one
COMMON = "1s, 5s, 10s, 15s, 30s, 1m, 2m, 3m, 5m, 10m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d or 1w"
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timeframe(str):
    """A bar interval, parsed once: the text it is written as, with what that means. Equal texts are equal values.

    ``length`` is that of one bar on a market that never closes; an exchange ends a day's and a week's bar with its session.
    """

    length: timedelta
    is_intraday: bool  # shorter than a day: closes on a UTC grid, or its session's own
    is_weekly: bool
    _origin: datetime

    def __new__(cls, text: str) -> Timeframe:
        """The value of a text; the same object for the same text.

        Raises:
            ValueError: when the text is not a timeframe that divides its next larger unit evenly.
        """
        return text if isinstance(text, Timeframe) else _parsed(text)

    @classmethod
    def of_length(cls, length: timedelta) -> Timeframe | None:
        """The timeframe of that length, in the largest unit; None when there is none."""
        seconds = int(length.total_seconds())
        for unit in ("w", "d", "h", "m", "s"):
            count, rest = divmod(seconds, UNITS[unit])
            if count and not rest and not WHOLE[unit] % count:
                return cls(f"{count}{unit}")
        return None

    @property
    def seconds(self) -> int:
        """Length of one bar."""
        return int(self.length.total_seconds())

    @property
    def origin(self) -> int:
        """Unix seconds from which the grid is counted."""
        return int(self._origin.timestamp())

    def floor(self, at: datetime) -> datetime:
        """Open time (UTC) of the bar that contains ``at``, the close of the one before it; weeks begin on Monday."""
        return at - (at - self._origin) % self.length

    def close_after(self, last_close: datetime) -> datetime:
        """The close that follows one that has been seen; bars of some exchanges close off the grid (15:30, 16:30 …)."""
        return last_close + self.length

    @property
    def default_cron(self) -> str:
        """A schedule that ticks as each bar closes; every half hour from hourly bars on, since exchanges open on the half.

        A tick that cannot see a new bar is not taken, so that a dense schedule costs nothing.
        """
        if self.seconds < 60:
            return "* * * * * *" if self.seconds == 1 else f"*/{self.seconds} * * * * *"
        if self.seconds < 3600:
            return "* * * * *" if self.seconds == 60 else f"*/{self.seconds // 60} * * * *"
        return "*/30 * * * *"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A text in JSON and in its schema."""
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


@lru_cache(maxsize=256)
def _parsed(text: str) -> Timeframe:
    found = re.fullmatch(r"([1-9]\d{0,3})([smhdw])", text)
    if not found:
        raise ValueError(f"expected a timeframe such as {COMMON}")
    count, unit = int(found.group(1)), found.group(2)
    if WHOLE[unit] % count:
        raise ValueError(f"bars of {text} do not divide their day evenly; expected {COMMON}")
    made = str.__new__(Timeframe, text)
    made.length = timedelta(seconds=count * UNITS[unit])
    made.is_intraday = made.length < DAY
    made.is_weekly = made.length == WEEK
    made._origin = _MONDAY if made.is_weekly else _EPOCH
    return made


DAILY = Timeframe("1d")

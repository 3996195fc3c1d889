"""The sessions that ``exchange_calendars`` knows, from as early to as late as it can work them out."""

from __future__ import annotations

import warnings
from datetime import date
from functools import cache
from typing import Any


def sessions_of(code: str, start: date, end: date) -> Any:
    """The library's calendar of a market, between two days or as much of that as it knows.

    Raises:
        ValueError: there is no calendar of that code.
    """
    import exchange_calendars  # takes most of a second; a market that never closes needs none of it

    _read_by_this_pandas()
    with warnings.catch_warnings():  # of its own use of pandas
        warnings.simplefilter("ignore")
        error: Exception | None = None
        for bounds in _bounds(exchange_calendars, code, start, end):
            try:
                return exchange_calendars.get_calendar(code, **bounds)
            except exchange_calendars.errors.InvalidCalendarName:
                raise ValueError(f"there is no calendar of a market {code}") from None
            except ValueError as problem:  # its bounds are not always those of its holidays
                error = problem
    raise ValueError(f"the calendar of the market {code} cannot be worked out: {error}")


def _bounds(library: Any, code: str, start: date, end: date) -> list[dict[str, str]]:
    """Start and end to ask for, the widest first."""
    try:
        known = type(library.get_calendar(code))
    except library.errors.InvalidCalendarName:
        raise ValueError(f"there is no calendar of a market {code}") from None
    first, last = known.bound_min(), known.bound_max()
    begins = start if first is None else max(start, first.date())
    ends = end if last is None else min(end, last.date())
    later = date(begins.year + 1, 1, 1)
    return [
        {"start": begins.isoformat(), "end": ends.isoformat()},
        {"start": later.isoformat(), "end": ends.isoformat()},
        {},
    ]


@cache
def _read_by_this_pandas() -> None:
    """Makes the library's own kinds of days work with pandas 3, which calls another of their methods than pandas 2 did.

    Without it Tel Aviv, Athens and Bucharest cannot be worked out, and India lacks its Saturdays. Does nothing where the library
    has what pandas calls.
    """
    from exchange_calendars import tase_holidays
    from exchange_calendars.pandas_extensions import offsets

    kinds = (offsets.CompositeCustomBusinessDay, offsets.OrthodoxEaster, tase_holidays._HolidayOffset)
    if any("_add_datetime" in vars(kind) for kind in kinds):
        return
    base: Any = offsets.CustomBusinessDay

    class Day(base):  # type: ignore[misc]
        """A day of which the composite ones are made: asked by the old name, it answers by the new."""

        _prefix = "C"

        def _apply(self, other: Any) -> Any:
            return self._add_datetime(other)

    for kind in kinds:
        kind._add_datetime = lambda self, other: self._apply(other)
    offsets.CompositeCustomBusinessDay._supports_daily_offset_mask = False  # else pandas never asks the class itself
    offsets.CustomBusinessDay = Day

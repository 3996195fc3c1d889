"""Where a time axis has its labels: at round times of a zone, as many as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = 60, 3600, 86_400
# seconds between labels, and what changes at each of them
_STEPS: tuple[tuple[int, Callable[[datetime], object]], ...] = (
    *((n, lambda at, n=n: (at.date(), at.hour, at.minute, at.second // n)) for n in (1, 5, 15, 30)),
    *((n * MINUTE, lambda at, n=n: (at.date(), at.hour, at.minute // n)) for n in (1, 5, 15, 30)),
    *((n * HOUR, lambda at, n=n: (at.date(), at.hour // n)) for n in (1, 2, 4, 6, 12)),
    (DAY, lambda at: at.date()),
    (2 * DAY, lambda at: at.toordinal() // 2),
    (7 * DAY, lambda at: at.isocalendar()[:2]),
    (14 * DAY, lambda at: at.toordinal() // 14),
    *((n * 30 * DAY, lambda at, n=n: (at.year, (at.month - 1) // n)) for n in (1, 2, 3, 6)),
    *((n * 365 * DAY, lambda at, n=n: at.year // n) for n in (1, 2, 5, 10)),
)  # fmt: skip


def round_ticks(times: Sequence[int], zone: ZoneInfo, most: int) -> list[tuple[int, str]]:
    """Rows with labels, at most so many: the first row of each hour, day, month … of the zone. ``times`` are Unix seconds."""
    if not len(times):
        return []
    local = [datetime.fromtimestamp(int(at), UTC).astimezone(zone) for at in times]
    found = [(0, [0])]
    for seconds, part in _STEPS:
        rows = [row for row in range(1, len(local)) if part(local[row]) != part(local[row - 1])]
        found.append((seconds, rows or [0]))
        if len(rows) <= most:
            break
    seconds, rows = found[-1]
    return _labelled(local, rows, seconds)


def _labelled(local: Sequence[datetime], rows: Sequence[int], seconds: int) -> list[tuple[int, str]]:
    """The day stands where it is a new one, the year where that is."""
    found, before = [], None
    for row in rows:
        at = local[row]
        if seconds < DAY:
            clock = f"{at:%H:%M:%S}" if seconds < MINUTE else f"{at:%H:%M}"
            text = clock if before is not None and before.date() == at.date() else f"{at.day} {at:%b} {clock}"
        elif seconds < 30 * DAY:
            text = f"{at.day} {at:%b}" + ("" if before is not None and before.year == at.year else f" {at.year}")
        elif seconds < 365 * DAY:
            text = f"{at:%b}" if before is not None and before.year == at.year else f"{at:%b %Y}"
        else:
            text = str(at.year)
        found.append((row, text))
        before = at
    return found

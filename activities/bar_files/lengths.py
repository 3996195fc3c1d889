"""How long a file's bars are: by the distances of their times."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from activities.bar_files.times import DAY_SECONDS
from activities.bar_table import BarTable

DAY, WEEK, MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=28)
LAST_DAYS = 4  # of a month, in which its last session lies
EVE = DAY_SECONDS  # by so much may its first session open before it, in UTC
FREQUENT = 4  # a distance that is at least a quarter as frequent as the most frequent one


def table_of(
    seconds: NDArray[np.int64], columns: dict[str, NDArray[np.float64]], *, bare: bool, ends: bool
) -> BarTable:
    """With the bars' length. Months are named by their first trade, which may be on the eve in UTC, or by a bare last day."""
    interval = _interval(seconds, bare=bare)
    if ends and not bare:
        seconds = seconds - int(interval.total_seconds())
    if not MONTH <= interval <= MONTH + 3 * DAY:
        return BarTable(seconds, columns, interval)
    days, months = (seconds.astype("datetime64[s]").astype(f"datetime64[{unit}]") for unit in "DM")
    at_midnight = not (seconds % DAY_SECONDS).any()
    if at_midnight and ((days + LAST_DAYS).astype("datetime64[M]") > months).all():
        seconds = months.astype("datetime64[s]").astype(np.int64)
    following = (seconds + EVE).astype("datetime64[s]").astype("datetime64[M]") + 1
    return BarTable(seconds, columns, timedelta(days=30), following.astype("datetime64[s]").astype(np.int64))


def _interval(seconds: NDArray[np.int64], *, bare: bool) -> timedelta:
    """The shortest distance that is about as frequent as any: two bars a session are four hours long, not twenty."""
    if len(seconds) < 2:
        return DAY if bare else timedelta(minutes=1)
    distances, counts = np.unique(np.diff(seconds), return_counts=True)
    common = timedelta(seconds=int(distances[counts * FREQUENT >= counts.max()][0]))
    if common < DAY - timedelta(hours=1):
        return common
    if common <= WEEK + DAY:
        return WEEK if common >= WEEK - 2 * DAY else DAY
    return common if common >= MONTH else DAY

"""When an alert looks at the market next: its cron, moved to the first tick that can see a new closed bar."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.alert import AlertState
from domain.cron import next_fire, next_fires
from domain.definition import AlertDefinition
from domain.timeframe import Timeframe

JITTER_FRACTION = 0.05
LONGEST_JITTER = timedelta(seconds=5)
SHORTEST_LATENESS = timedelta(minutes=2)
_TICK = timedelta(microseconds=1)


def next_tick(
    definition: AlertDefinition, state: AlertState, after: datetime, next_close: datetime | None = None
) -> datetime:
    """The cron fire to wait for, strictly after ``after``, jitter not included (aware UTC).

    ``next_close`` is when the market's next bar closes, where that is known: sessions, early closes and holidays are in it.

    Raises:
        LookupError: when the cron never fires again.
    """
    earliest = after
    closes_on_grid = definition.timeframe.is_intraday
    if next_close is not None and (state.last_bar_close is None or next_close > state.last_bar_close):
        forming = definition.options.evaluate_on == "tick"
        sees = next_close - definition.timeframe.length if forming else next_close
        earliest = max(after, sees - _TICK)
    elif closes_on_grid and definition.options.evaluate_on == "close" and _is_a_close(definition.timeframe, state):
        assert state.last_bar_close is not None
        earliest = max(after, definition.timeframe.close_after(state.last_bar_close) - _TICK)
    return next_fire(definition.parsed_cron, ZoneInfo(definition.timezone), earliest)


def _is_a_close(frame: Timeframe, state: AlertState) -> bool:
    """Whether the alert has seen a bar; after a pause it has only seen an instant, and a bar may close sooner than one later."""
    last, snapshot = state.last_bar_close, state.last_snapshot
    if last is None:
        return False
    return frame.floor(last) == last or (snapshot is not None and snapshot.bar_close == last)


def jitter(definition: AlertDefinition, alert_id: str, after: datetime) -> timedelta:
    """A delay that spreads alerts of one schedule: the same for an id always, at most 5 % of the interval and 5 s."""
    fires = next_fires(definition.parsed_cron, ZoneInfo(definition.timezone), after, 4)
    shortest = min(later - earlier for earlier, later in pairwise(fires))
    most = min(shortest * JITTER_FRACTION, LONGEST_JITTER)
    if definition.options.jitter is not None:
        most = min(most, timedelta(seconds=definition.options.jitter))
    digest = hashlib.sha256(alert_id.encode()).digest()
    return most * (int.from_bytes(digest[:4]) / 2**32)


def lateness_limit(definition: AlertDefinition) -> timedelta:
    """A fire older than this is told in the late notice: one bar, at least two minutes."""
    return max(definition.timeframe.length, SHORTEST_LATENESS)

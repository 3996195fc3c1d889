"""Whether anything watches, and what each alert saw last: for lists that are alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.nearness import distance
from starter.clock import now
from starter.context import Context
from storage.heartbeats import STOPPED
from storage.looks import Look
from storage.stored_schedule import StoredSchedule

SILENT = timedelta(seconds=45)  # heartbeats come every ten seconds
WORKER = "worker"


@dataclass(frozen=True)
class Seen:
    """Of one alert. ``away`` is how far its rule is from true, a fraction; None where nobody can say."""

    looked_at: datetime | None
    bar_close: datetime | None
    values: Mapping[str, float | None]
    away: float | None
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "last_look": self.looked_at,
            "last_bar_close": self.bar_close,
            "last_values": dict(self.values),
            "away": self.away,
        }


@dataclass(frozen=True)
class Liveness:
    """``seen`` is by id; ``last_worker`` is when one was heard of last, None when never."""

    seen: dict[str, Seen]
    watching: bool
    last_worker: datetime | None = None

    @property
    def warning(self) -> str:
        """That nothing is watching; empty where something is."""
        if self.watching:
            return ""
        since = f"since {self.last_worker:%Y-%m-%d %H:%M:%S} UTC" if self.last_worker else "yet"
        return f"nothing is watching: no worker was heard of {since}; start 'alerts up' or 'alerts worker'"


async def liveness(context: Context, these: Sequence[StoredSchedule]) -> Liveness:
    """Of these alerts."""
    async with context.database.transaction() as work:
        looks = await work.looks.of([one.id for one in these])
        beats = [one for one in await work.heartbeats.list() if one.system == WORKER]
    alive = [one for one in beats if one.status != STOPPED and one.last_heartbeat > now() - SILENT]
    last = max((one.last_heartbeat for one in beats), default=None)
    return Liveness({one.id: seen(one, looks.get(one.id)) for one in these}, bool(alive), last)


def seen(stored: StoredSchedule, look: Look | None) -> Seen:
    """The newest of what its row and its last look say."""
    values, close = _numbers(stored.last_values), stored.last_bar_close
    fits = look is not None and look.values is not None and _is_of(stored, look.values)
    if fits and look and look.values and look.bar_close and (close is None or look.bar_close >= close):
        values, close = look.values, look.bar_close
    away = distance(stored.alert, values) if values and stored.schedule is not None else None
    return Seen(look.looked_at if look else None, close, values, away, look.problem if look else "")


def _is_of(stored: StoredSchedule, values: Mapping[str, float | None]) -> bool:
    """Whether the values are those of its rule, as it is now."""
    return stored.schedule is None or set(stored.alert.definition.operands) <= set(values)


def _numbers(values: Any) -> dict[str, float | None]:
    if not isinstance(values, dict):
        return {}
    return {str(key): value for key, value in values.items() if value is None or isinstance(value, int | float)}

"""How the watch fares: its shards, who has them, how far behind they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from activities.watch.shards import LATE_NOTE, Beat, beats
from domain.watching import shard_of
from storage.database import Database
from storage.watched import WatchedAlert
from worker.settings import Settings

SILENT = timedelta(seconds=30)
A_DAY, REMEMBERED = timedelta(days=1), timedelta(days=7)
SHOWN = ("owner", "alerts", "feeds", "judged", "last_bar", "lag_ms", "nudges", "unanswered", "started_at")
MEND = "start a worker that serves the queue 'watch', or set ALERTS_WATCH=off on every worker"


@dataclass(frozen=True)
class WatchState:
    """``shards`` is 0 where every alert ticks by itself; ``alerts`` are those whose workflows have been promised a watch."""

    shards: int
    alerts: int
    beats: Mapping[int, Beat]
    now: datetime
    found_late: int = 0

    @property
    def silent(self) -> list[int]:
        """Shards that were not heard of for half a minute."""
        alive = [shard for shard, beat in self.beats.items() if self.now - beat.at <= SILENT]
        return [shard for shard in range(self.shards) if shard not in alive]

    def sum_of(self, name: str) -> int:
        """A figure of all shards together."""
        return sum(_number(beat.said.get(name)) for beat in self._living())

    @property
    def lag_ms(self) -> int | None:
        """Of the shard that was last to judge its last bar."""
        lags = [beat.said["lag_ms"] for beat in self._living() if beat.said.get("lag_ms") is not None]
        return max((_number(lag) for lag in lags), default=None)

    def _living(self) -> Sequence[Beat]:
        return [beat for beat in self.beats.values() if beat.shard < self.shards and beat.shard not in self.silent]

    def as_json(self) -> dict[str, Any]:
        """For ``/health`` and ``/stats``."""
        if not self.shards:
            return {"shards": 0, "alerts": self.alerts}
        each = [
            {"shard": shard, "beat_at": beat.at.isoformat(), **{name: beat.said.get(name) for name in SHOWN}}
            for shard, beat in sorted(self.beats.items())
            if shard < self.shards
        ]
        return {
            "shards": self.shards,
            "silent": self.silent,
            "alerts": self.alerts,
            "lag_ms": self.lag_ms,
            "nudges": self.sum_of("nudges"),
            "unanswered": self.sum_of("unanswered"),
            "found_late": self.found_late,
            "each": each,
        }

    def troubles(self) -> list[tuple[str, str]]:
        """What is wrong, each with how to mend it."""
        found = []
        if self.silent and self.alerts:
            named = ", ".join(map(str, self.silent))
            last = [self.beats[shard].at for shard in self.silent if shard in self.beats]
            since = f"since {max(last):%Y-%m-%d %H:%M:%S} UTC" if last else "yet"
            said = f"shard {named} was not heard of {since}: {self.alerts} watched alerts may be late"
            found.append((said, MEND))
        if self.found_late:
            said = f"in the last day {self.found_late} alerts found by themselves what the watch should have told them"
            found.append((said, "see the workers' log for 'watch missed a bar', and the alerts' late notices"))
        if (unanswered := self.sum_of("unanswered")) > 0:
            said = f"{unanswered} alerts were told again and again of bars that matter, and have not answered"
            found.append((said, "see whether the queue 'alerts' is polled, and the workflows' tasks in the Web UI"))
        return found


async def watch_state(database: Database, settings: Settings, now: datetime) -> WatchState:
    """As SQL has it."""
    async with database.transaction() as work:
        alerts = await work.watched.count(now)
        late = await work.reports.under(LATE_NOTE, now - A_DAY)
    found_late = sum(_number(count) for _, said in late.values() for count in dict(said.get("shards") or {}).values())
    shards = settings.alerts_watch_shards if settings.alerts_watch == "on" else 0
    return WatchState(shards, alerts, await beats(database, now - REMEMBERED), now, found_late)


def watcher_of(one: WatchedAlert | None, state: WatchState) -> str:
    """By whom an alert is watched, and when it looks for itself; empty where it ticks by itself."""
    if one is None or one.until is None or one.until <= state.now or not state.shards:
        return ""
    shard = shard_of(one.symbol, state.shards)
    beat = state.beats.get(shard)
    if shard in state.silent or beat is None:
        return f"by nobody: shard {shard} is silent; it looks for itself at {one.until:%Y-%m-%d %H:%M:%S} UTC"
    return f"by shard {shard} ({beat.said.get('owner')}); it looks for itself at {one.until:%Y-%m-%d %H:%M:%S} UTC"


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0

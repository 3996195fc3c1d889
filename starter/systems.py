"""Every system of the installation with its state: what the health check looks at, and the processes by their heartbeats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starter.health import Health, Issue, Level
from storage.heartbeats import STOPPED, Heartbeat

SILENT = timedelta(seconds=35)  # three beats and some
GONE = timedelta(hours=1)  # a process that was silent so long is no news
MEND = "look at its log, and start it again"


@dataclass(frozen=True)
class System:
    """One. ``metrics`` are figures of it, ``instances`` its processes."""

    name: str
    status: Level
    last_heartbeat: datetime | None = None
    issues: Sequence[Issue] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    instances: Sequence[dict[str, Any]] = ()

    def as_json(self, *, whole: bool) -> dict[str, Any]:
        """Plain values; only ``whole`` with its processes, which name machines."""
        found = asdict(self)
        return found if whole else {**found, "instances": []}


def systems(health: Health, beats: Iterable[Heartbeat], now: datetime) -> list[System]:
    """All, by name."""
    found = [_component(name, figures, health) for name, figures in health.components.items()]
    by_name: dict[str, list[Heartbeat]] = {}
    for one in beats:
        if now - one.last_heartbeat < GONE:
            by_name.setdefault(one.system, []).append(one)
    found += [_processes(name, these, now) for name, these in by_name.items()]
    return sorted(found, key=lambda one: one.name)


def overall(these: Iterable[System]) -> Level:
    """The worst of them."""
    levels = {one.status for one in these}
    return next((level for level in (Level.UNHEALTHY, Level.DEGRADED) if level in levels), Level.HEALTHY)


def _component(name: str, figures: dict[str, Any], health: Health) -> System:
    issues = [one for one in health.issues if one.component == name]
    metrics = {key: value for key, value in figures.items() if key != "status"}
    return System(name, Level(figures["status"]), issues=issues, metrics=metrics)


def _processes(name: str, beats: Sequence[Heartbeat], now: datetime) -> System:
    """Unhealthy when none of them lives that should, degraded when some do not; one that said goodbye is no trouble."""
    on = [one for one in beats if one.status != STOPPED]
    silent = [one for one in on if now - one.last_heartbeat > SILENT]
    alive = len(on) - len(silent)
    level = Level.HEALTHY if not silent else Level.DEGRADED if alive else Level.UNHEALTHY
    issues = [
        Issue(name, level, f"no heartbeat for {(now - one.last_heartbeat).total_seconds():.0f} s", MEND)
        for one in silent
    ]
    shown = [{**asdict(one), "status": "silent" if one in silent else one.status} for one in beats]
    metrics = {"alive": alive, "silent": len(silent), "stopped": len(beats) - len(on)}
    return System(name, level, max(one.last_heartbeat for one in beats), issues, metrics, shown)

"""What people and programs may send to an alert workflow, and what it answers: flat JSON.

Annotations are real objects, not text, here and wherever payloads are defined: the sandbox could not resolve them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.alert import Alert, AlertEvent, AlertState
from domain.alert_memory import AlertMemory
from domain.text import said

MOST_TIME = 64


@dataclass(frozen=True)
class AlertInput:
    """Start of a run: the alert, and all that it remembers from the runs before.

    ``history_limit`` is the number of history events after which the workflow continues as new.
    """

    alert: Alert
    memory: AlertMemory = field(default_factory=AlertMemory)
    history_limit: int = 1000


SUMMARY = "summary"  # in the memo, which goes along when a workflow continues as new: its static summary does not


def memo_of(version: int, digest: str, enabled: bool) -> dict[str, Any]:
    """What the memo says of the definition a workflow has, for the reconciler to compare with the row."""
    return {"definition": {"version": version, "hash": digest, "enabled": enabled}}


@dataclass(frozen=True)
class PauseRequest:
    """``{"reason": "earnings today"}``; nothing is needed."""

    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", said(self.reason))


@dataclass(frozen=True)
class SnoozeRequest:
    """``{"until": "2026-01-05T15:00:00Z"}`` or ``{"seconds": 3600}``; ``reason`` may be there.

    ``timezone`` is the one in which its writer thinks: the time is told in it, too.
    """

    until: str = ""
    seconds: float = 0
    reason: str = ""
    timezone: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "until", said(self.until, MOST_TIME))
        object.__setattr__(self, "reason", said(self.reason))
        object.__setattr__(self, "timezone", said(self.timezone, MOST_TIME))


@dataclass(frozen=True)
class DefinitionChanged:
    """The row has changed; ``version`` is its new one, 0 when not known. ``reason`` is why it was paused, for onlookers."""

    version: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", said(self.reason))


@dataclass(frozen=True)
class StatusReport:
    """Answer of ``pause``, ``resume`` and ``update_definition``."""

    alert: str
    version: int
    status: str
    reason: str


@dataclass(frozen=True)
class EvaluationReport:
    """Answer of ``evaluate_now``. ``events`` are the kinds that this evaluation caused."""

    alert: str
    status: str
    reason: str
    truth: str
    why: str
    bar_close: datetime | None = None
    values: dict[str, float | None] = field(default_factory=dict)
    conditions: list[dict[str, Any]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class StateReport:
    """Answer of the query ``state``. Until ``watched_until`` the watch looks for the alert, and tells it of bars that matter."""

    alert: str
    version: int
    definition: dict[str, Any]
    state: AlertState
    next_tick: datetime | None
    snoozed_until: datetime | None
    problem: str
    pending_events: int
    recent: tuple[AlertEvent, ...]
    watched_until: datetime | None = None

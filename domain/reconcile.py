"""What is to be done so that Temporal runs what the rows of ``job_schedules`` say: a pure function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.job import JobType


class ActionKind(StrEnum):
    """``adopt`` writes a pause made in Temporal through to its row."""

    CREATE = "create"
    UPDATE = "update"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    ADOPT = "adopt"


@dataclass(frozen=True)
class Row:
    """What counts of a row. ``is_over``: an alert that expired or is done, and was not edited since. ``is_inactive``: its
    state as last recorded is that of an alert that is paused or over.

    ``hash`` is None while a row cannot be read: what runs of it goes on as it is.
    """

    id: str
    job_type: str
    version: int
    hash: str | None
    enabled: bool
    is_over: bool = False
    is_inactive: bool = False

    @property
    def is_alert(self) -> bool:
        """Runs as a workflow of its own, not as a Temporal Schedule."""
        return self.job_type == JobType.ALERT


@dataclass(frozen=True)
class Running:
    """What Temporal has of an id: an alert's workflow or a job's Schedule, and the definition it was last told.

    ``version`` is None when it does not say. ``paused`` is a Schedule's own state. ``job_type`` is the Schedule's, ``alert`` for
    a workflow. ``stale_at`` is when a Schedule's calendars must be made anew.
    """

    id: str
    job_type: str
    version: int | None
    hash: str | None = None
    enabled: bool = True
    paused: bool = False
    stale_at: datetime | None = None

    @property
    def is_alert(self) -> bool:
        """Runs as a workflow of its own."""
        return self.job_type == JobType.ALERT


@dataclass(frozen=True)
class Action:
    """One thing to do, and why, for people. ``note`` is the reason of a pause, as its author gave it."""

    kind: ActionKind
    id: str
    job_type: str
    why: str
    note: str = ""


def plan(rows: Iterable[Row], running: Iterable[Running], now: datetime) -> list[Action]:
    """The actions that bring ``running`` in line with ``rows``; both must be of the same ids, or of all.

    An id with no row is ended. The order is that of the rows, then of what has none.
    """
    wanted = {row.id: row for row in rows}
    there = {(one.id, one.job_type): one for one in running}
    actions = []
    for row in wanted.values():
        action = _for_row(row, there.get((row.id, row.job_type)), now)
        if action is not None:
            actions.append(action)
    for one in there.values():
        row_of = wanted.get(one.id)
        if row_of is None:
            actions.append(Action(ActionKind.DELETE, one.id, one.job_type, "has no row"))
        elif row_of.job_type != one.job_type and row_of.hash is not None:
            actions.append(Action(ActionKind.DELETE, one.id, one.job_type, f"its row is a {row_of.job_type} now"))
    return actions


def _for_row(row: Row, there: Running | None, now: datetime) -> Action | None:
    if row.hash is None:
        return None

    def action(kind: ActionKind, why: str) -> Action:
        return Action(kind, row.id, row.job_type, why)

    if there is None:
        if row.is_alert and not row.enabled:
            return None if row.is_inactive else action(ActionKind.PAUSE, "was disabled while it was not in Temporal")
        if row.is_over:
            return None
        return action(ActionKind.CREATE, "is not in Temporal")
    if there.version is None:
        return action(ActionKind.UPDATE, "does not say which version it has")
    told, differs = (there.version, there.hash), (there.version, there.hash) != (row.version, row.hash)
    if there.enabled is not row.enabled and (differs or row.is_alert):
        kind = ActionKind.RESUME if row.enabled else ActionKind.PAUSE
        return action(kind, f"row version {row.version} is {'enabled' if row.enabled else 'disabled'}, told {told[0]}")
    if differs:
        if there.version == row.version:
            return action(ActionKind.UPDATE, f"version {row.version} was edited on both sides")
        return action(ActionKind.UPDATE, f"row version {row.version}, told {told[0]}")
    if not row.is_alert and there.paused is row.enabled:
        return action(ActionKind.ADOPT, f"was {'paused' if there.paused else 'resumed'} in Temporal")
    if there.stale_at is not None and there.stale_at <= now:
        return action(ActionKind.UPDATE, "its calendars reach too short a time ahead")
    return None


def summary(actions: Iterable[Action]) -> Mapping[str, int]:
    """How many of each kind."""
    counts: dict[str, int] = {}
    for one in actions:
        counts[one.kind.value] = counts.get(one.kind.value, 0) + 1
    return counts

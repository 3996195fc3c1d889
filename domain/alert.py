"""An alert in being: its definition with identity, its state, and the events it produces."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from domain.bar import BarSnapshot
from domain.compiled_rule import CompiledRule, Side
from domain.definition import AlertDefinition
from domain.operand import Model
from domain.text import said

STATE_VERSION = 1


class Status(StrEnum):
    """Whether an alert may fire, has fired, rests, or is switched off."""

    ARMED = "ARMED"
    TRIGGERED = "TRIGGERED"
    COOLDOWN = "COOLDOWN"
    INACTIVE = "INACTIVE"


class Reason(StrEnum):
    """Why an alert has the status it has."""

    CREATED = "created"
    UPDATED = "updated"
    RELEASED = "released"
    FIRED = "fired"
    COOLED_DOWN = "cooled_down"
    ALREADY_TRUE = "already_true"
    PAUSED = "paused"
    SNOOZED = "snoozed"
    EXPIRED = "expired"
    DONE = "done"


class EventKind(StrEnum):
    """What may happen to an alert."""

    TRIGGERED = "triggered"
    REARMED = "rearmed"
    SUPPRESSED = "suppressed"
    LATE = "late"
    REMINDER = "reminder"
    ACKNOWLEDGED = "acknowledged"
    DATA_STALE = "data_stale"
    PAUSED = "paused"
    RESUMED = "resumed"
    RETURNED = "returned"  # its workflow had ended though nobody wished it
    UPDATED = "updated"
    EXPIRED = "expired"
    ERROR = "error"


class Alert(Model):
    """A definition with its identity. ``version`` grows by one with each edit."""

    id: str
    user_id: str = "local"
    version: int = 1
    definition: AlertDefinition

    @cached_property
    def compiled(self) -> CompiledRule:
        """The rule, compiled."""
        return CompiledRule(self.definition)


@dataclass(frozen=True, slots=True)
class AlertState:
    """All that an alert remembers. Times are aware UTC.

    ``sides`` maps the number of a comparison in the rule (as text) to the side it was last seen on.
    ``unknown_count`` counts judgements without data in a row. ``before_pause`` is the status to return to,
    ``was_already_true`` that its reason was that the rule was true from the start. ``reminders`` counts those of this fire.
    ``revision`` grows whenever the alert's workflow changes the state: two states of one revision are the same.
    """

    status: Status = Status.ARMED
    reason: str = Reason.CREATED
    last_bar_close: datetime | None = None
    persistence_count: int = 0
    sides: dict[str, Side] = field(default_factory=dict)
    released: bool = False
    cooldown_until: datetime | None = None
    triggered_at: datetime | None = None
    trigger_count: int = 0
    unknown_count: int = 0
    last_snapshot: BarSnapshot | None = None
    before_pause: Status | None = None
    was_already_true: bool = False
    acknowledged: bool = False
    reminders: int = 0
    revision: int = 0
    schema_version: int = STATE_VERSION

    @property
    def is_over(self) -> bool:
        """Nothing can happen to this alert but an edit."""
        return self.status is Status.INACTIVE and self.reason in (Reason.EXPIRED, Reason.DONE)

    @property
    def is_paused(self) -> bool:
        """Inactive by somebody's wish, to be resumed."""
        return self.status is Status.INACTIVE and not self.is_over


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One thing that happened to an alert. ``at`` is the bar's close, or the instant for what no bar caused.

    ``values`` are the snapshot's; ``late`` marks a fire that is too old to be told on its own; ``count`` is the
    number of fires a ``late`` event speaks for. ``source`` is the provider whose bars it was judged on, where there were any.
    """

    id: str
    alert_id: str
    version: int
    kind: EventKind
    at: datetime
    status: Status
    reason: str
    bar_close: datetime | None = None
    values: dict[str, float | None] = field(default_factory=dict)
    ordinal: int = 0
    trigger_count: int = 0
    late: bool = False
    count: int = 1
    detail: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", said(self.detail))


def event_id(alert_id: str, version: int, at: datetime, kind: EventKind, ordinal: int) -> str:
    """The event's name in SQL, in the delivery workflow's id and in every channel: 32 hex digits."""
    text = f"{alert_id}|{version}|{at.astimezone(UTC).isoformat()}|{kind}|{ordinal}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def new_event(
    alert: Alert,
    state: AlertState,
    kind: EventKind,
    at: datetime,
    *,
    snapshot: BarSnapshot | None = None,
    ordinal: int = 0,
    count: int = 1,
    detail: str = "",
) -> AlertEvent:
    """An event that tells the state after it happened."""
    return AlertEvent(
        id=event_id(alert.id, alert.version, at, kind, ordinal),
        alert_id=alert.id,
        version=alert.version,
        kind=kind,
        at=at,
        status=state.status,
        reason=state.reason,
        bar_close=snapshot.bar_close if snapshot else None,
        values=snapshot.values if snapshot else {},
        ordinal=ordinal,
        trigger_count=state.trigger_count,
        count=count,
        detail=detail,
    )

"""All that a running alert remembers beside its definition: handed whole from one run of its workflow to the next.

The parts are frozen and replaced as wholes; all times are absolute.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from domain.alert import AlertEvent, AlertState
from domain.compiled_rule import Side
from domain.outbox import Outbox
from domain.text import said

Stamp = tuple[int, str, bool]  # a definition's version, its hash, and whether it is enabled


@dataclass(frozen=True)
class RowSync:
    """How the definition stands against its row in SQL.

    ``unsaved_from`` is the row's version that an edit was made from which is not written yet, ``unsaved_why`` why it was made
    where no person made it. ``reload`` says that the row has changed; ``pause_reason`` why, where it was disabled. ``stamp`` is
    what the workflow's memo says, for the reconciler to compare with the row.
    """

    unsaved_from: int | None = None
    unsaved_why: str = ""
    reload: bool = False
    enabled: bool = True
    pause_reason: str = ""
    stamp: Stamp | None = None

    @property
    def is_unsettled(self) -> bool:
        """Whether the row is to be written or read."""
        return self.reload or self.unsaved_from is not None


@dataclass(frozen=True)
class DueTimes:
    """When the alert is to do something.

    ``tick`` is the next tick, ``jitter`` is in it. ``look_again`` is for a bar that has closed but was not there, after ``looks``
    in a row; also for the rest of a long catch-up (``catching_up``). ``next_close`` is when the market's next bar closes, where
    that is known; ``market_lag`` how far the market's time is behind ours (a replay's). ``reminder`` is
    when this fire is told again. Until ``watched_until`` the watch looks for it.
    """

    tick: datetime | None = None
    jitter: timedelta | None = None
    look_again: datetime | None = None
    looks: int = 0
    catching_up: bool = False
    next_close: datetime | None = None
    market_lag: timedelta = timedelta(0)
    snoozed_until: datetime | None = None
    reminder: datetime | None = None
    watched_until: datetime | None = None


@dataclass(frozen=True)
class Shown:
    """What the workflow's search attributes say."""

    status: str
    version: int
    triggered_at: datetime | None = None


@dataclass
class AlertMemory:
    """``sides_before`` are those the last bar found, to explain it by. ``to_tell`` are events that people must hear of and that
    are not under way.
    ``problem`` is what keeps the alert from being judged, short, whoever said it.
    """

    state: AlertState = AlertState()
    sides_before: dict[str, Side] = field(default_factory=dict)
    row: RowSync = RowSync()
    due: DueTimes = DueTimes()
    outbox: Outbox = Outbox()
    recent: tuple[AlertEvent, ...] = ()
    to_tell: tuple[AlertEvent, ...] = ()
    problem: str = ""
    shown: Shown | None = None

    def tell_problem(self, text: str) -> None:
        """Replaces the problem."""
        self.problem = said(text)

    def schedule(self, **changes: object) -> None:
        """Replaces some of the due times."""
        self.due = replace(self.due, **changes)  # type: ignore[arg-type]

"""What an alert has still to tell SQL: bounded, so that a database that is away for days ends no alert.

What is over the bound loses its values first, the oldest before the newer; only then is it dropped, and counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from domain.alert import AlertEvent, EventKind
from domain.bar import values_size
from domain.text import said

MOST_KEPT = 200
MOST_UNPROJECTED = 100  # bars after which SQL is told of a memory that only counts
# Of each kind: events and runs go along when the workflow continues as new, in a payload of 2 MB.
MOST_BYTES = 256 * 1024
ITEM_BYTES = 600
T = TypeVar("T")


@dataclass(frozen=True)
class EvaluationRun:
    """One evaluation worth a row of ``job_schedule_runs``: of the bar that closed at ``slot``, or a tick that failed then."""

    slot: datetime
    status: str
    reason: str
    events: tuple[str, ...] = ()
    values: dict[str, float | None] = field(default_factory=dict)
    error: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "error", said(self.error))


@dataclass(frozen=True)
class LateFires:
    """Fires too old to be told on their own, until one notice tells of them all."""

    count: int
    first: datetime
    last: AlertEvent


@dataclass(frozen=True)
class Projection:
    """What SQL's lists show of an alert that changes without a bar. ``revision`` is there while the alert is watched."""

    status: str
    reason: str
    version: int
    snoozed_until: datetime | None = None
    revision: int | None = None


@dataclass(frozen=True)
class Outbox:
    """Whether SQL is behind is decided here alone.

    ``events`` and ``runs`` are not written yet; ``late`` fires wait for the one notice that tells of them all; ``lost`` counts
    what SQL will never have. ``projected`` is what SQL's lists show of the alert, ``moved`` says that
    the state has changed in a way that a lost workflow should come back with, ``steps`` how many bars ago it was written.
    """

    events: tuple[AlertEvent, ...] = ()
    runs: tuple[EvaluationRun, ...] = ()
    late: LateFires | None = None
    lost: int = 0
    projected: Projection | None = None
    moved: bool = False
    steps: int = 0

    def is_behind(self, now: Projection) -> bool:
        """Whether there is anything to write, what lists should show now included: some moves make no event."""
        return self.is_waiting or self.moved or self.projected != now

    @property
    def is_waiting(self) -> bool:
        """Whether events or evaluations wait to be written."""
        return bool(self.events or self.runs)

    def with_events(self, events: Sequence[AlertEvent]) -> "Outbox":
        """More events, as they come."""
        return replace(self, events=(*self.events, *events))

    def with_run(self, run: EvaluationRun) -> "Outbox":
        """One more evaluation."""
        return replace(self, runs=(*self.runs, run))

    def with_late(self, event: AlertEvent) -> "Outbox":
        """One more fire that is too old to be told on its own."""
        count, first = (self.late.count, self.late.first) if self.late else (0, event.at)
        return replace(self, late=LateFires(count + 1, first, event))

    def with_step(self, *, moved: bool, bars: int = 1) -> "Outbox":
        """Bars were stepped: SQL is told of the memory when it moves, and now and then when it does not."""
        steps = self.steps + bars
        due = moved or steps >= MOST_UNPROJECTED
        return replace(self, moved=self.moved or due, steps=0 if due else steps)

    def written(self, events: int, runs: int, projected: Projection) -> "Outbox":
        """So many have been written, the oldest, with what lists show."""
        rest = replace(self, events=self.events[events:], runs=self.runs[runs:], projected=projected)
        return rest if rest.is_waiting else replace(rest, moved=False)

    def bounded(self) -> "Outbox":
        """What can be kept until the database is back."""
        events, dropped = bounded_events(self.events)
        runs, forgotten = bounded_runs(self.runs)
        return replace(self, events=tuple(events), runs=tuple(runs), lost=self.lost + dropped + forgotten)


def bounded_events(events: Sequence[AlertEvent]) -> tuple[list[AlertEvent], int]:
    """The events that can be kept, in order, and how many had to be dropped. What was suppressed goes first."""
    kept = list(events)
    if len(kept) > MOST_KEPT:
        kept = [event for event in kept if event.kind is not EventKind.SUPPRESSED]
    kept = _bounded(kept, _event_size, lambda event: replace(event, values={}))
    return kept, len(events) - len(kept)


def bounded_runs(runs: Sequence[EvaluationRun]) -> tuple[list[EvaluationRun], int]:
    """The runs that can be kept, in order, and how many had to be dropped."""
    kept = _bounded(list(runs), _run_size, lambda run: replace(run, values={}))
    return kept, len(runs) - len(kept)


def _bounded(items: list[T], size: Callable[[T], int], without_values: Callable[[T], T]) -> list[T]:
    """The newest that fit; of those, the newest keep their values."""
    found: list[T] = []
    room = MOST_BYTES
    for item in reversed(items[-MOST_KEPT:]):
        bare = item if size(item) <= room else without_values(item)
        if size(bare) > room:
            break
        room -= size(bare)
        found.append(bare)
    return found[::-1]


def _event_size(event: AlertEvent) -> int:
    return ITEM_BYTES + len(event.detail.encode()) + values_size(event.values)


def _run_size(run: EvaluationRun) -> int:
    return ITEM_BYTES + len(run.error.encode()) + values_size(run.values)

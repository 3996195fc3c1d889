"""What an alert has not been able to write to SQL: bounded, so that a database that is away for days ends no alert.

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

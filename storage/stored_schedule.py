"""A row of ``job_schedules`` as it was read, and what lists of them want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from domain.alert import Alert, AlertState
from domain.errors import ErrorKind, ExpectedError, Fault, InvalidInput
from domain.job import Job
from storage.tables import ScheduleRow

STATE = TypeAdapter(AlertState)


class DefinitionConflict(ExpectedError):
    """The row has another version than the one the change was made from."""

    kind = ErrorKind.STALE

    def __init__(self, schedule_id: str, expected: int, found: int | None) -> None:
        self.found = found
        now = "gone" if found is None else f"at version {found}"
        super().__init__(f"{schedule_id} was changed meanwhile: expected version {expected}, it is {now}")


class DuplicateAlert(ExpectedError):
    """A schedule with this id exists already."""

    kind = ErrorKind.DUPLICATE

    def __init__(self, schedule_id: str) -> None:
        super().__init__(f"an alert or job with id '{schedule_id}' exists already; choose another with --id")


INVALID = "INVALID"  # beside an alert's own statuses


def memory_under(kept: Any, alert: Alert) -> AlertState | None:
    """What a row's ``state`` says of an alert; None where that is of another rule, or cannot be read."""
    if not isinstance(kept, dict) or kept.get("of") != alert.definition.memory_key:
        return None
    try:
        return STATE.validate_python(kept.get("memory"))
    except ValidationError:
        return None


@dataclass(frozen=True)
class StoredSchedule:
    """One row. ``schedule`` is None, and ``faults`` says why, when another program wrote what cannot be read.

    ``runs_as`` is the built-in type, where the row's own is an operator's.
    """

    row: ScheduleRow
    schedule: Alert | Job | None
    faults: tuple[Fault, ...] = ()
    runs_as: str = ""

    @property
    def job_type(self) -> str:
        """The built-in type that it is run as."""
        return self.runs_as or str(self.row.job_type)

    @property
    def id(self) -> str:
        """Its id."""
        return self.row.id

    @property
    def status(self) -> str:
        """The row's, ``INVALID`` where it cannot be read: what runs of it goes on as it was, and must not seem well."""
        return INVALID if self.schedule is None else str(self.row.status)

    @property
    def alert(self) -> Alert:
        """The alert.

        Raises:
            InvalidInput: when the row is none that can be read.
        """
        if not isinstance(self.schedule, Alert):
            raise InvalidInput(f"alert {self.row.id}", self.faults or [Fault("$.job_type", "is no alert")])
        return self.schedule

    @property
    def job(self) -> Job:
        """The job.

        Raises:
            InvalidInput: when the row is none that can be read.
        """
        if not isinstance(self.schedule, Job):
            raise InvalidInput(f"schedule {self.row.id}", self.faults or [Fault("$.job_type", "is an alert")])
        return self.schedule

    def state_under(self, alert: Alert) -> AlertState | None:
        """The alert's memory as last projected; None when there is none that is valid under its definition."""
        return memory_under(self.row.state, alert)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)


@dataclass(frozen=True)
class Filter:
    """Which rows a list wants; None wants all. ``invalid`` wants only those that cannot be read, ``is_job`` no alerts."""

    user_id: str | None = None
    job_type: str | None = None
    enabled: bool | None = None
    status: str | None = None
    target: str | None = None
    invalid: bool | None = None
    is_job: bool = False


@dataclass(frozen=True)
class Use:
    """How many rows of a type a user has on one cron."""

    job_type: str
    cron: str
    enabled: bool
    count: int

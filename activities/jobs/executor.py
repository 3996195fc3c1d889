"""The protocol of a job's work, and how it may fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from activities.jobs.progress import Progress, untold
from domain.alert import Alert
from domain.job import JobDefinition
from storage.holdings import RunFile


class JobFailed(Exception):
    """The job could not be done now; another try may go better, ``retry_after`` from now where somebody said when."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class JobRefused(Exception):
    """The job cannot be done however often it is tried."""


@dataclass(frozen=True)
class Task:
    """One run: the job as it was when the run was made. An alert evaluated by hand has no job's definition.

    ``tell(done, total, what)`` says how far it has come.
    """

    run_id: str
    job_id: str
    user_id: str
    definition: JobDefinition | None = None
    tell: Progress = untold

    @property
    def job(self) -> JobDefinition:
        """The job's definition."""
        assert self.definition is not None, "this run is of no job"
        return self.definition


@dataclass(frozen=True)
class Notice:
    """What a run has to say, and by which channels; told through deliveries once the result is written."""

    channels: Sequence[str]
    subject: str
    body: str
    kind: str
    priority: str = "normal"


@dataclass(frozen=True)
class Done:
    """The work of a run: its result as plain JSON values. ``is_all``: telling is the work, so that the run ends with it.

    ``files`` and ``alerts`` are written with the result, or not at all; an alert whose id is taken is left as it is.
    """

    result: dict[str, Any]
    notice: Notice | None = None
    is_all: bool = False
    files: Sequence[RunFile] = ()
    alerts: Sequence[Alert] = ()


class Executor(Protocol):
    """Does the work of one job type."""

    async def __call__(self, task: Task) -> Done:
        """What was done.

        Raises:
            JobFailed: may go well later.
            JobRefused: will not.
        """


class StepExecutor(Protocol):
    """Does one step of a job; may be called again for a step that was cut off."""

    async def __call__(self, task: Task, name: str, /) -> dict[str, int]:
        """How many tickers went well (``done``) and how many did not (``failed``).

        Raises:
            JobFailed: may go well later.
            JobRefused: will not.
        """

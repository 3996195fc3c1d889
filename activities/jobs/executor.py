"""The protocol of a job's work, and how it may fail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from domain.job import JobDefinition


class JobFailed(Exception):
    """The job could not be done now; another try may go better, ``retry_after`` from now where somebody said when."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class JobRefused(Exception):
    """The job cannot be done however often it is tried."""


@dataclass(frozen=True)
class Task:
    """One run: the job as it was when the run was made. An alert evaluated by hand has no job's definition."""

    run_id: str
    job_id: str
    user_id: str
    definition: JobDefinition | None = None

    @property
    def job(self) -> JobDefinition:
        """The job's definition."""
        assert self.definition is not None, "this run is of no job"
        return self.definition


class Executor(Protocol):
    """Does the work of one job type."""

    async def __call__(self, task: Task) -> dict[str, Any]:
        """The result as plain JSON values.

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

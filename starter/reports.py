"""Pages of reports; CLI and REST API share them."""

from __future__ import annotations

from domain.job import JobType
from domain.run import Run, RunStatus
from starter.context import Context, NotFound
from storage.database import UnitOfWork
from storage.holdings import RunFile
from storage.runs import RunFilter


async def find(work: UnitOfWork, context: Context, named: str) -> Run:
    """The run of that id, or the newest that a schedule of that id has completed.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    run = await work.runs.get(named)
    if run is None:
        kept = named if context.owner is None else await context.kept_as(work, named)
        wanted = RunFilter(context.owner, kept, JobType.REPORT, RunStatus.COMPLETED)
        run = next(iter(await work.runs.page(wanted, None, 1)), None)
    if run is None or (context.owner is not None and run.user_id != context.owner):
        raise NotFound(named, "report", "alerts reports list")
    return run


async def file_of(work: UnitOfWork, run: Run, name: str) -> RunFile:
    """A report's page: ``html``, ``pdf`` or ``text``.

    Raises:
        NotFound: the run has none of that kind; it says why.
    """
    found = await work.files.get(run.run_id, name)
    if found is None:
        command = "reports" if await work.files.has_any(run.run_id) else "runs"
        see = f"alerts {command} show {run.run_id}"
        raise NotFound(f"{run.run_id} as {name}", "report", see)
    return found

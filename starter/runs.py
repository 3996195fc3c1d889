"""Runs ordered by hand, and their cancellation; CLI and REST API share them."""

from __future__ import annotations

import uuid
from typing import Any

from domain.run import OPEN, Run, RunStatus
from starter.clock import now
from starter.context import Context, NotFound
from starter.definition_writes import Refused
from storage.database import UnitOfWork
from storage.runs import RETRIED_AS
from storage.stored_schedule import StoredSchedule

AGAIN = (RunStatus.FAILED, RunStatus.MISSED, RunStatus.CANCELLED)


async def order(
    work: UnitOfWork, job_type: str, user_id: str, stored: StoredSchedule | None, params: dict[str, Any] | None = None
) -> Run:
    """A PENDING run of a schedule, or of parameters alone; Temporal is told after the commit.

    Raises:
        Refused: when the schedule's row cannot be read.
    """
    from starter.reconciler.runs import run_workflow_id

    if stored is not None and stored.schedule is None:
        raise Refused(f"{stored.id} cannot be read, see its errors")
    run_id, at = str(uuid.uuid4()), now()
    kept: dict[str, Any] = {"workflow_id": run_workflow_id(run_id), "task_params": params}
    if stored is not None:
        from activities.jobs.runner import snapshot_of

        kept = snapshot_of(stored, run_workflow_id(run_id))
    run = Run(
        run_id=run_id,
        job_type=job_type,
        job_id=stored.id if stored else None,
        user_id=user_id,
        status=RunStatus.PENDING,
        scheduled_for=at,
        enqueued_at=at,
        job_snapshot=kept,
    )
    await work.runs.add([run])
    return run


async def find(work: UnitOfWork, context: Context, run_id: str) -> Run:
    """The run.

    Raises:
        NotFound: when there is none, or it is somebody else's.
    """
    run = await work.runs.get(run_id)
    if run is None or (context.owner is not None and run.user_id != context.owner):
        raise NotFound(run_id, "run", "alerts runs list")
    return run


async def cancel(work: UnitOfWork, context: Context, run_id: str) -> Run:
    """The run, cancelled in its row; its workflow is told after the commit.

    Raises:
        NotFound, or Refused when it has ended.
    """
    run = await find(work, context, run_id)
    if run.status not in OPEN or not await work.runs.finish(run_id, RunStatus.CANCELLED, now(), error="cancelled"):
        raise Refused(f"the run has ended already: {run.status}")
    await context.audit(work, "cancelled", "run", run_id)
    return await find(work, context, run_id)


async def retry(work: UnitOfWork, context: Context, run_id: str) -> Run:
    """A PENDING run of the same work as one that came to nothing; Temporal is told after the commit.

    Raises:
        NotFound, or Refused when the run is under way, went well, or was run again already.
    """
    from starter.reconciler.runs import run_workflow_id

    run = await find(work, context, run_id)
    if run.status not in AGAIN:
        raise Refused(f"the run is {run.status}; only one that failed, was missed or was cancelled can be run again")
    again, at = str(uuid.uuid4()), now()
    if not await work.runs.note_retry(run_id, again):
        raise Refused(f"the run was run again already, as {(run.result or {}).get(RETRIED_AS)}")
    snapshot = run.job_snapshot | {"workflow_id": run_workflow_id(again), "retry_of": run_id}
    fresh = Run(again, run.job_type, run.job_id, run.user_id, RunStatus.PENDING, at, at, job_snapshot=snapshot)
    await work.runs.add([fresh])
    await context.audit(work, "retried", "run", run_id, {"as": again})
    return fresh

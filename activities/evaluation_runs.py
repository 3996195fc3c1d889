"""An alert's evaluation as a row of ``job_schedule_runs``: the same whoever writes it, so that it is there once."""

from __future__ import annotations

import uuid
from datetime import datetime

from activities.interface import alert_workflow_id
from domain.job import JobType
from domain.outbox import EvaluationRun
from domain.run import Run, RunStatus
from storage.runs import WrittenDefinition

RUNS = uuid.UUID("5f0c1d7e-3a43-4a39-9d0e-3f6ad4c1b7a2")  # the name space of run ids made from (alert, slot)


def run_of(
    alert_id: str,
    version: int,
    done: EvaluationRun,
    row: WrittenDefinition | None,
    *,
    worker_id: str,
    started_at: datetime,
    finished_at: datetime,
) -> Run:
    """Under an id made of the alert and the bar's close.

    ``row`` is the alert's, whose definition belongs to the run where it is of the same version.
    """
    definition = row.definition if row is not None and row.version == version else None
    evaluated = {"status": done.status, "reason": done.reason, "events": list(done.events), "values": done.values}
    return Run(
        run_id=str(uuid.uuid5(RUNS, f"{alert_id}|{done.slot.isoformat()}|{bool(done.error)}")),
        job_type=JobType.ALERT,
        job_id=alert_id,
        user_id=row.user_id if row is not None else "local",
        status=RunStatus.FAILED if done.error else RunStatus.COMPLETED,
        scheduled_for=done.slot,
        enqueued_at=done.slot,
        started_at=started_at,
        finished_at=finished_at,
        job_snapshot={"version": version, "workflow_id": alert_workflow_id(alert_id), "definition": definition},
        result=None if done.error else evaluated,
        error=done.error or None,
        worker_id=worker_id or None,
    )

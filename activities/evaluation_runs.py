"""An alert's evaluation as a row of ``job_schedule_runs``: the same whoever writes it, so that it is there once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from activities.interface import alert_workflow_id
from domain.job import JobType
from domain.outbox import EvaluationRun
from domain.run import Run, RunStatus

RUNS = uuid.UUID("5f0c1d7e-3a43-4a39-9d0e-3f6ad4c1b7a2")  # the name space of run ids made from (alert, slot)


def run_of(
    alert_id: str,
    version: int,
    done: EvaluationRun,
    *,
    user_id: str,
    definition: Mapping[str, Any] | None,
    worker_id: str,
    started_at: datetime,
    finished_at: datetime,
) -> Run:
    """Under an id made of the alert and the bar's close.

    ``definition`` is as the alert's row has it, None where that is of another version.
    """
    evaluated = {"status": done.status, "reason": done.reason, "events": list(done.events), "values": done.values}
    return Run(
        run_id=str(uuid.uuid5(RUNS, f"{alert_id}|{done.slot.isoformat()}|{bool(done.error)}")),
        job_type=JobType.ALERT,
        job_id=alert_id,
        user_id=user_id,
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

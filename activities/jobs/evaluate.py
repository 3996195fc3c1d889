"""An alert evaluated by hand, as a run that can be looked at (``POST /api/schedules/{id}/trigger``)."""

from __future__ import annotations

from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from activities.interface import alert_workflow_id
from activities.jobs.executor import Done, JobFailed, JobRefused, Task
from activities.updates import updated


async def evaluate(task: Task) -> Done:
    """Asks the alert's workflow; its answer is the run's result."""
    handle = activity.client().get_workflow_handle(alert_workflow_id(str(task.job_id)))
    try:
        return Done(await updated(handle, "evaluate_now"))
    except WorkflowUpdateFailedError as error:
        raise JobRefused(str(error.cause or error)) from None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise JobRefused(
                "the alert is not running: it is over, paused before it began, or not started yet"
            ) from None
        raise JobFailed(f"Temporal: {error.message}") from None

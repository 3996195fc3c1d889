"""An update of a workflow that goes on: it may meet the moment in which one run ends and the next begins."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

TRIES = 4


async def updated(handle: WorkflowHandle[Any, Any], update: str, *arguments: Any) -> dict[str, Any]:
    """The answer to an update. While a workflow continues as new, Temporal says to ask again.

    Raises:
        WorkflowUpdateFailedError, RPCError.
    """
    id = uuid4().hex  # the same for each try: what was accepted is not done twice
    trying = AsyncRetrying(stop=stop_after_attempt(TRIES), retry=retry_if_exception(_is_between_runs), reraise=True)
    said: dict[str, Any] = await trying(handle.execute_update, update, args=list(arguments), id=id, result_type=dict)
    return said


def _is_between_runs(error: BaseException) -> bool:
    return isinstance(error, RPCError) and error.status is RPCStatusCode.FAILED_PRECONDITION

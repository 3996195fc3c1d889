"""What Temporal runs of this installation, in the terms of ``domain.reconcile``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.interface import ALERT_PREFIX, alert_workflow_id
from domain.job import JobType
from domain.reconcile import Row, Running
from starter.alert_workflows import Ownership, mark_of, memo_fields
from starter.reconciler.schedules import JOBS, running_described, running_of, schedule_id

AT_ONCE = 20
PAGE = 1000
RUNNING = "WorkflowType = 'AlertWorkflow' AND ExecutionStatus = 'Running'"


async def everything(client: Client, ours: Ownership) -> list[Running]:
    """All that runs and is ours."""
    found = []
    async for one in client.list_workflows(RUNNING, page_size=PAGE):
        memo = memo_fields(one.raw_info.memo)
        if one.id.startswith(ALERT_PREFIX) and ours.owns(mark_of(memo)):
            found.append(_alert(one, memo))
    async for listed in await client.list_schedules(page_size=PAGE):
        made = running_of(listed)
        if made is not None and ours.owns(made[1]):
            found.append(made[0])
    return found


async def these(client: Client, rows: Mapping[str, Row | None], ours: Ownership) -> list[Running]:
    """What of ours runs under these ids, asked one by one: lists may lag behind. A missing row may have been of any type."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(kind: str, row_id: str) -> Running | None:
        async with limit:
            return await (_describe_alert if kind == JobType.ALERT else _describe_job)(client, kind, row_id, ours)

    asked = []
    for row_id, row in rows.items():
        kinds = (JobType.ALERT.value, *JOBS) if row is None or not row.is_alert else (JobType.ALERT.value,)
        asked += [one(kind, row_id) for kind in kinds]
    return [found for found in await asyncio.gather(*asked) if found is not None]


async def _describe_alert(client: Client, _kind: str, row_id: str, ours: Ownership) -> Running | None:
    try:
        found = await client.get_workflow_handle(alert_workflow_id(row_id)).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    memo = memo_fields(found.raw_info.memo)
    is_ours = found.status is WorkflowExecutionStatus.RUNNING and ours.owns(mark_of(memo))
    return _alert(found, memo) if is_ours else None


async def _describe_job(client: Client, kind: str, row_id: str, ours: Ownership) -> Running | None:
    try:
        found = await client.get_schedule_handle(schedule_id(kind, row_id)).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    made = running_described(kind, row_id, found)
    return made[0] if made is not None and ours.owns(made[1]) else None


def _alert(found: WorkflowExecution, memo: dict[str, Any]) -> Running:
    told = memo.get("definition")
    told = told if isinstance(told, dict) else {}
    return Running(
        id=found.id.removeprefix(ALERT_PREFIX),
        job_type=JobType.ALERT,
        version=told.get("version"),
        hash=told.get("hash"),
        enabled=bool(told.get("enabled", True)),
    )

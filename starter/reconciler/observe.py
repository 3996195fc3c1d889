"""What Temporal runs of this installation, in the terms of ``domain.reconcile``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from domain.job import JobType
from domain.reconcile import Row, Running
from starter.reconciler.schedules import read_stamp, running_of, schedule_id
from starter.registration import INSTALLATION, PREFIX, workflow_id

AT_ONCE = 20
PAGE = 1000
RUNNING = "WorkflowType = 'AlertWorkflow' AND ExecutionStatus = 'Running'"
JOBS = tuple(one.value for one in JobType if one is not JobType.ALERT)


async def everything(client: Client, installation: str, *, unmarked: bool) -> list[Running]:
    """All that runs and is ours. ``unmarked`` takes what bears no mark for ours: so it is on a server of our own."""
    found = []
    async for one in client.list_workflows(RUNNING, page_size=PAGE):
        memo = _memo(one)
        mark = memo.get(INSTALLATION) or ""
        if mark == installation or (unmarked and not mark):
            found.append(_alert(one, memo))
    async for listed in await client.list_schedules(page_size=PAGE):
        ours = running_of(listed)
        if ours is not None and (ours[1] == installation or (unmarked and ours[1] == "-")):
            found.append(ours[0])
    return found


async def these(client: Client, rows: Mapping[str, Row | None]) -> list[Running]:
    """What runs under these ids, asked one by one: lists may lag behind. A missing row may have been of any type."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(kind: str, row_id: str) -> Running | None:
        async with limit:
            return await (_describe_alert if kind == JobType.ALERT else _describe_job)(client, kind, row_id)

    asked = []
    for row_id, row in rows.items():
        kinds = (JobType.ALERT.value, *JOBS) if row is None or not row.is_alert else (JobType.ALERT.value,)
        asked += [one(kind, row_id) for kind in kinds]
    return [found for found in await asyncio.gather(*asked) if found is not None]


async def _describe_alert(client: Client, _kind: str, row_id: str) -> Running | None:
    try:
        found = await client.get_workflow_handle(workflow_id(row_id)).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return _alert(found, _memo(found)) if found.status is WorkflowExecutionStatus.RUNNING else None


async def _describe_job(client: Client, kind: str, row_id: str) -> Running | None:
    try:
        found = await client.get_schedule_handle(schedule_id(kind, row_id)).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    made: Sequence[Any] = found.schedule.spec.calendars
    paused = found.schedule.state.paused
    ours = read_stamp(kind, row_id, made[0].comment if made else None, paused)
    return ours[0] if ours else Running(row_id, kind, None, paused=paused)


def _alert(found: WorkflowExecution, memo: dict[str, Any]) -> Running:
    told = memo.get("definition") or {}
    return Running(
        id=found.id.removeprefix(PREFIX),
        job_type=JobType.ALERT,
        version=told.get("version"),
        hash=told.get("hash"),
        enabled=bool(told.get("enabled", True)),
    )


def _memo(found: WorkflowExecution) -> dict[str, Any]:
    """The memo's plain JSON, without the converter: there may be thousands."""
    fields = found.raw_info.memo.fields
    return {name: json.loads(value.data) for name, value in fields.items() if value.data}

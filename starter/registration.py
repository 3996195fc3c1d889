"""Brings definitions to Temporal: one workflow an alert, started or told of an edit in the same call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.interface import TaskQueue
from domain.alert import Alert, AlertState, Reason, Status
from storage.schedules import StoredSchedule
from workflows import search_attributes
from workflows.alert import AlertWorkflow
from workflows.messages import AlertInput, DefinitionChanged, StatusReport

AT_ONCE = 20


def workflow_id(alert_id: str) -> str:
    """``alert-<id>`` (R-101)."""
    return f"alert-{alert_id}"


def summary(alert: Alert) -> str:
    """The one line the Web UI shows beside the workflow."""
    return alert.definition.name


def static_details(alert: Alert) -> str:
    """What does not change while the alert lives, in Markdown."""
    definition = alert.definition
    lines = [
        f"**{definition.name}**",
        definition.description,
        f"- rule: `{definition.rule}`",
        f"- bars: {definition.symbol} {definition.timeframe}",
        f"- schedule: `{definition.cron}` ({definition.timezone})",
        f"- rearm: {definition.rearm.type}",
        f"- channels: {', '.join(definition.notification_channels) or 'none'}",
    ]
    return "\n".join(line for line in lines if line)


def restored_state(stored: StoredSchedule) -> AlertState:
    """The memory SQL has of an alert whose workflow is gone (terminated, or its server lost): better than none.

    Sides and persistence counts are not kept there and begin anew; a version never projected begins fresh.
    """
    if stored.state_version != stored.alert.version or stored.last_bar_close is None:
        return AlertState()
    status, cooldown = Status(stored.status), stored.alert.definition.rearm.cooldown
    return AlertState(
        status=status,
        reason=stored.reason,
        last_bar_close=stored.last_bar_close,
        triggered_at=stored.triggered_at,
        trigger_count=stored.trigger_count,
        cooldown_until=(stored.triggered_at or stored.last_bar_close) + timedelta(seconds=cooldown)
        if status is Status.COOLDOWN
        else None,
        before_pause=Status.ARMED if status is Status.INACTIVE else None,
    )


async def ensure_running(
    client: Client, alert: Alert, state: AlertState | None = None
) -> WorkflowHandle[AlertWorkflow, StatusReport]:
    """Starts the alert's workflow (from ``state``), or tells the running one which version its row has."""
    told = {"start_signal": "definition_changed", "start_signal_args": [DefinitionChanged(alert.version)]}
    return await _start(client, alert, state, WorkflowIDConflictPolicy.USE_EXISTING, **told)


async def start_afresh(
    client: Client, alert: Alert, state: AlertState | None = None
) -> WorkflowHandle[AlertWorkflow, StatusReport]:
    """Starts a new alert; what may still run under its id is of an alert that was deleted."""
    return await _start(client, alert, state, WorkflowIDConflictPolicy.TERMINATE_EXISTING)


async def _start(
    client: Client, alert: Alert, state: AlertState | None, conflict: WorkflowIDConflictPolicy, **more: Any
) -> WorkflowHandle[AlertWorkflow, StatusReport]:
    state = state or AlertState()
    return await client.start_workflow(
        AlertWorkflow.run,
        AlertInput(alert=alert, state=state),
        id=workflow_id(alert.id),
        task_queue=TaskQueue.ALERTS,
        id_conflict_policy=conflict,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        search_attributes=search_attributes.initial(alert, state.status.value),
        static_summary=summary(alert),
        static_details=static_details(alert),
        **more,
    )


async def end_orphans(client: Client, stored: Sequence[StoredSchedule]) -> int:
    """Cancels alert workflows that have no row: deleted while Temporal could not be told. Returns how many.

    Only for a server that is this database's own; another database's alerts would look like orphans.
    """
    known = {workflow_id(one.alert.id) for one in stored}
    ended = 0
    async for one in client.list_workflows("WorkflowType = 'AlertWorkflow' AND ExecutionStatus = 'Running'"):
        if one.id not in known and await stop_running(client, one.id.removeprefix("alert-")):
            ended += 1
    return ended


async def ensure_all_running(client: Client, stored: Sequence[StoredSchedule]) -> int:
    """Starts what should run and does not; returns how many alerts were looked after."""
    wanted = [one for one in stored if one.enabled and not is_over(one)]
    limit = asyncio.Semaphore(AT_ONCE)

    async def ensure(one: StoredSchedule) -> None:
        async with limit:
            await ensure_running(client, one.alert, restored_state(one))

    await asyncio.gather(*(ensure(one) for one in wanted))
    return len(wanted)


def is_over(stored: StoredSchedule) -> bool:
    """Expired or done, and not edited since."""
    ended = stored.status == Status.INACTIVE and stored.reason in (Reason.EXPIRED, Reason.DONE)
    return ended and stored.state_version >= stored.alert.version


async def stop_running(client: Client, alert_id: str) -> bool:
    """Cancels the alert's workflow; False when none was running."""
    try:
        await client.get_workflow_handle(workflow_id(alert_id)).cancel()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True

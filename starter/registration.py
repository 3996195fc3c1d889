"""Brings alerts to Temporal: one workflow an alert, started or told of an edit in the same call."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.interface import TaskQueue
from domain import rearm
from domain.alert import Alert, AlertEvent, AlertState, Reason, Status
from storage.schedules import StoredSchedule
from workflows import search_attributes
from workflows.alert import AlertWorkflow
from workflows.messages import AlertInput, DefinitionChanged, StatusReport, memo_of

PREFIX = "alert-"
INSTALLATION = "installation"


def workflow_id(alert_id: str) -> str:
    """``alert-<id>`` (R-101)."""
    return f"{PREFIX}{alert_id}"


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


def restored(stored: StoredSchedule, now: datetime) -> AlertInput:
    """An alert whose workflow is gone (terminated, or its server lost), with the memory SQL has of it.

    A memory of another rule, ticker, timeframe or rearm begins afresh. The bars since are stepped in order, and make the same
    events under the same ids as the lost workflow did.
    """
    alert = stored.alert
    state, events = stored.state_under(alert), list[AlertEvent]()
    snoozed_until = stored.snoozed_until
    if state is None:
        return AlertInput(alert=alert)
    # it looks at once: a bar may have closed while it was gone, and its next tick may be an interval away
    if state.is_over and stored.state_version < alert.version and not rearm.still_over(alert, state, now):
        state = replace(state, status=Status.ARMED, reason=Reason.UPDATED)
    snoozed = state.reason == Reason.SNOOZED and snoozed_until is not None
    if state.is_paused and not snoozed:  # its row is enabled, or it would not be started
        state, events = rearm.resume(alert, state, now)
    return AlertInput(
        alert=alert,
        state=state,
        pending=tuple(events),
        snoozed_until=snoozed_until if snoozed else None,
        settle_at=now,
    )


async def ensure_running(
    client: Client, given: Alert | AlertInput, installation: str = ""
) -> WorkflowHandle[AlertWorkflow, StatusReport]:
    """Starts the alert's workflow, or tells the running one which version its row has."""
    given = given if isinstance(given, AlertInput) else AlertInput(alert=given)
    told = {"start_signal": "definition_changed", "start_signal_args": [DefinitionChanged(given.alert.version)]}
    return await _start(client, given, installation, WorkflowIDConflictPolicy.USE_EXISTING, **told)


async def start_afresh(
    client: Client, alert: Alert, state: AlertState | None = None, installation: str = ""
) -> WorkflowHandle[AlertWorkflow, StatusReport]:
    """Starts a new alert; what may still run under its id is of an alert that was deleted."""
    given = AlertInput(alert=alert, state=state or AlertState())
    return await _start(client, given, installation, WorkflowIDConflictPolicy.TERMINATE_EXISTING)


async def _start(
    client: Client, given: AlertInput, installation: str, conflict: WorkflowIDConflictPolicy, **more: Any
) -> WorkflowHandle[AlertWorkflow, StatusReport]:
    alert = given.alert
    stamp = (alert.version, alert.definition.digest, True)
    return await client.start_workflow(
        AlertWorkflow.run,
        replace(given, remembered=stamp),
        id=workflow_id(alert.id),
        task_queue=TaskQueue.ALERTS,
        id_conflict_policy=conflict,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        search_attributes=search_attributes.initial(alert, given.state.status.value),
        static_summary=summary(alert),
        static_details=static_details(alert),
        memo={**memo_of(*stamp), INSTALLATION: installation},
        **more,
    )


async def tell(client: Client, alert_id: str, version: int = 0, reason: str = "") -> bool:
    """Tells the alert's workflow to look at its row; False when none is running."""
    handle = client.get_workflow_handle(workflow_id(alert_id))
    return await reached(handle.signal("definition_changed", DefinitionChanged(version, reason)))


async def stop_running(client: Client, alert_id: str) -> bool:
    """Cancels the alert's workflow; False when none was running."""
    return await reached(client.get_workflow_handle(workflow_id(alert_id)).cancel())


async def reached(call: Any) -> bool:
    """Whether a call found its workflow."""
    try:
        await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True

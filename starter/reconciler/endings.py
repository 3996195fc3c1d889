"""Alerts whose workflow ended though nobody wished it: they come back, ever more slowly when that happens again and again.

Each such end is an entry of the audit log, which ``/health`` counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHistoryEventFilterType,
)
from temporalio.service import RPCError

from domain.alert import Alert, AlertState, EventKind, new_event
from starter.alert_workflows import described
from storage.audit import ENDED, AuditEntry
from storage.database import Database

ABNORMAL = (
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT,
)
COUNTED = timedelta(hours=1)
MOST_SAID = 300  # characters of why
AT_ONCE = 3  # ends in an hour after which it still comes back at once: somebody may terminate it by hand
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=15)
log = structlog.get_logger(__name__)


async def may_return(client: Client, database: Database, alert: Alert, state: AlertState | None, now: datetime) -> bool:
    """Whether an alert that is not running is to be started now; its last end is noted when it was abnormal.

    ``state`` is the memory it comes back with.
    """
    alert_id = alert.id
    found = await described(client, alert_id)
    if found is None or found.status not in ABNORMAL or found.close_time is None:
        return True
    async with database.transaction() as work:
        entries = await work.audit.of(alert_id, since=now - COUNTED, action=ENDED)
    ends = {str(entry.detail.get("run_id")) for entry in entries}
    if found.run_id not in ends:
        why = await _reason(client, found)
        detail = {"run_id": found.run_id, "status": found.status.name.lower(), "why": why[:500]}
        async with database.transaction() as work:
            await work.audit.add(AuditEntry(now, "temporal", "temporal", ENDED, "schedule", alert_id, None, detail))
            said = f"its workflow {found.status.name.lower().replace('_', ' ')}: {why}"[:MOST_SAID]
            event = new_event(alert, state or AlertState(), EventKind.RETURNED, found.close_time, detail=said)
            await work.events.record([event], now)
        ends.add(found.run_id)
        log.warning("alert ended abnormally", action="restore", alert_id=alert_id, times=len(ends), why=why[:500])
    return now >= found.close_time + wait(len(ends))


def wait(ends: int) -> timedelta:
    """How long an alert that ended so often in the last hour stays away."""
    if ends <= AT_ONCE:
        return timedelta(0)
    doublings: int = min(ends - AT_ONCE - 1, 10)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


async def _reason(client: Client, found: WorkflowExecutionDescription) -> str:
    """What its last event says."""
    handle = client.get_workflow_handle(found.id, run_id=found.run_id)
    closing = WorkflowHistoryEventFilterType.CLOSE_EVENT
    try:
        async for event in handle.fetch_history_events(event_filter_type=closing):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
                terminated = event.workflow_execution_terminated_event_attributes
                return terminated.reason or f"terminated by {terminated.identity or 'somebody'}"
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                return event.workflow_execution_failed_event_attributes.failure.message
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
                return "took longer than its time-out"
    except RPCError as error:
        return f"unknown ({error.message})"
    return "unknown"

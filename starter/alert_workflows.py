"""Brings alerts to Temporal: one workflow an alert, started or told of an edit in the same call."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.interface import TaskQueue, alert_workflow_id
from domain import rearm
from domain.alert import Alert, AlertEvent, AlertState, Reason, Status
from domain.alert_memory import AlertMemory, DueTimes
from domain.errors import ErrorKind, ExpectedError
from domain.outbox import Outbox
from domain.text import markdown
from storage.stored_schedule import StoredSchedule
from workflows import search_attributes
from workflows.alert import AlertWorkflow
from workflows.messages import SUMMARY, AlertInput, DefinitionChanged, memo_of

INSTALLATION = "installation"


def summary(alert: Alert) -> str:
    """The one line the Web UI shows beside the workflow."""
    return markdown(alert.definition.name)


def static_details(alert: Alert) -> str:
    """What does not change while the alert lives, in Markdown."""
    definition = alert.definition
    lines = [
        f"**{markdown(definition.name)}**",
        markdown(definition.description),
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
    due = DueTimes(look_again=now, snoozed_until=snoozed_until if snoozed else None)
    return AlertInput(alert, AlertMemory(state=state, due=due, outbox=Outbox(events=tuple(events))))


class TakenByOthers(ExpectedError):
    """What runs under an id of ours is not ours: another program's, or another installation's."""

    kind = ErrorKind.DUPLICATE

    def __init__(self, name: str, mark: str) -> None:
        whose = f"another installation's ({mark})" if mark else "another program's"
        super().__init__(f"'{name}' in Temporal is {whose}; choose another id, or a namespace of your own")


@dataclass(frozen=True)
class Ownership:
    """Which marks are ours: this database's own and, where the server is our own, none at all (``unmarked``)."""

    installation: str = ""
    unmarked: bool = False

    def owns(self, mark: str) -> bool:
        """Whether what bears this mark (empty: none) is ours."""
        return mark == self.installation or (self.unmarked and not mark)

    def check(self, name: str, mark: str) -> None:
        """Lets ours pass.

        Raises:
            TakenByOthers: it is not.
        """
        if not self.owns(mark):
            raise TakenByOthers(name, mark)


def memo_fields(memo: Any) -> dict[str, Any]:
    """A memo's plain JSON, without the converter, since there may be thousands; what is no JSON is not ours, and missing."""
    found = {}
    for name, value in memo.fields.items():
        with contextlib.suppress(ValueError, RecursionError):
            found[name] = json.loads(value.data)
    return found


def mark_of(memo: Mapping[str, Any]) -> str:
    """Whose a workflow or Schedule is, by its memo; empty when it does not say."""
    mark = memo.get(INSTALLATION)
    return mark if isinstance(mark, str) else ""


async def ensure_running(
    client: Client, given: Alert | AlertInput, ours: Ownership = Ownership()
) -> WorkflowHandle[Any, Any]:
    """Starts the alert's workflow, or tells the running one which version its row has.

    Raises:
        TakenByOthers: what runs under its id is not ours.
    """
    given = given if isinstance(given, AlertInput) else AlertInput(alert=given)
    try:
        return await _start(client, given, ours, WorkflowIDConflictPolicy.FAIL)
    except WorkflowAlreadyStartedError:
        await tell(client, given.alert.id, ours, given.alert.version)
        return client.get_workflow_handle(alert_workflow_id(given.alert.id))


async def start_afresh(
    client: Client, alert: Alert, state: AlertState | None = None, ours: Ownership = Ownership()
) -> WorkflowHandle[Any, Any]:
    """Starts a new alert; what may still run under its id is of an alert that was deleted, or this one, if it was quicker.

    Raises:
        TakenByOthers: what runs under its id is not ours.
    """
    given = AlertInput(alert, AlertMemory(state=state or AlertState()))
    try:
        return await _start(client, given, ours, WorkflowIDConflictPolicy.FAIL)
    except WorkflowAlreadyStartedError:
        found = await described(client, alert.id)
    if found is not None:
        memo = memo_fields(found.raw_info.memo)
        ours.check(found.id, mark_of(memo))
        told = memo.get("definition")
        version = told.get("version") if isinstance(told, dict) else None
        if isinstance(version, int) and version >= alert.version:
            return client.get_workflow_handle(found.id)
    return await _start(client, given, ours, WorkflowIDConflictPolicy.TERMINATE_EXISTING)


async def _start(
    client: Client, given: AlertInput, ours: Ownership, conflict: WorkflowIDConflictPolicy
) -> WorkflowHandle[Any, Any]:
    alert = given.alert
    stamp = (alert.version, alert.definition.digest, True)
    return await client.start_workflow(
        AlertWorkflow.run,
        replace(given, memory=replace(given.memory, row=replace(given.memory.row, stamp=stamp))),
        id=alert_workflow_id(alert.id),
        task_queue=TaskQueue.ALERTS,
        id_conflict_policy=conflict,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        search_attributes=search_attributes.initial(alert, given.memory.state.status.value),
        static_summary=summary(alert),
        static_details=static_details(alert),
        memo={**memo_of(*stamp), INSTALLATION: ours.installation, SUMMARY: summary(alert)},
    )


async def running(
    client: Client, alert_id: str, ours: Ownership, *, or_ended: bool = False
) -> WorkflowHandle[Any, Any] | None:
    """The alert's workflow; None when none runs. ``or_ended`` takes one that has ended as well: it can still be asked.

    Raises:
        TakenByOthers: what goes by its id is not ours.
    """
    found = await described(client, alert_id)
    if found is None or not (or_ended or found.status is WorkflowExecutionStatus.RUNNING):
        return None
    ours.check(found.id, mark_of(memo_fields(found.raw_info.memo)))
    return client.get_workflow_handle(found.id, first_execution_run_id=found.raw_info.first_run_id or None)


async def described(client: Client, alert_id: str) -> WorkflowExecutionDescription | None:
    """What Temporal knows of the newest workflow of that id, running or not, ours or not."""
    try:
        return await client.get_workflow_handle(alert_workflow_id(alert_id)).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def tell(
    client: Client, alert_id: str, ours: Ownership = Ownership(), version: int = 0, reason: str = ""
) -> bool:
    """Tells the alert's workflow to look at its row; False when none is running.

    Raises:
        TakenByOthers: what runs under its id is not ours.
    """
    handle = await running(client, alert_id, ours)
    if handle is None:
        return False
    return await reached(handle.signal("definition_changed", DefinitionChanged(version, reason)))


async def stop_running(client: Client, alert_id: str, ours: Ownership = Ownership()) -> bool:
    """Cancels the alert's workflow; False when none was running.

    Raises:
        TakenByOthers: what runs under its id is not ours.
    """
    handle = await running(client, alert_id, ours)
    return handle is not None and await reached(handle.cancel())


async def reached(call: Any) -> bool:
    """Whether a call found its workflow."""
    try:
        await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True

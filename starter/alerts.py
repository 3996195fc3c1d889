"""The use cases of alerts, for the command line now and the REST API later: row first, then Temporal (DESIGN 3)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from domain.alert import Alert, AlertEvent
from domain.definition import AlertDefinition, edited
from starter.context import Context, NoAnswer, NotFound, answered, now
from storage.schedules import StoredSchedule

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle


@dataclass(frozen=True)
class Placed:
    """An alert that was written. ``running`` is False when Temporal could not be told; it will be, by ``alerts up``."""

    alert: Alert
    running: bool
    problem: str = ""


class AlertGone(Exception):
    """The alert's workflow is not running."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"alert '{alert_id}' is not running; start it with 'alerts up'")


def new_id(definition: AlertDefinition) -> str:
    """A short id that begins with the ticker."""
    ticker = re.sub(r"[^a-z0-9]+", "-", definition.symbol.lower()).strip("-") or "alert"
    return f"{ticker}-{uuid.uuid4().hex[:6]}"


async def add(context: Context, alerts: list[Alert]) -> list[Placed]:
    """Writes all or none, then starts each.

    Raises:
        DuplicateAlert: when an id is taken; nothing is written.
    """
    async with context.database.transaction() as work:
        alerts = [await work.never_before(alert) for alert in alerts]
        for alert in alerts:
            await work.schedules.add(alert, now())
    return [await _tell_temporal(context, alert, new=True) for alert in alerts]


async def update(context: Context, alert_id: str, changes: dict[str, Any]) -> Placed:
    """Edits the row (version + 1), then tells the workflow.

    Raises:
        NotFound, InvalidInput, DefinitionConflict: nothing is written.
    """
    stored = await context.alert(alert_id)
    definition = edited(stored.alert.definition, changes)
    if definition == stored.alert.definition:
        return Placed(stored.alert, running=True, problem="nothing changed")
    alert = Alert(id=alert_id, user_id=stored.alert.user_id, version=stored.alert.version + 1, definition=definition)
    async with context.database.transaction() as work:
        await work.schedules.replace(alert, stored.alert.version, now())
    return await _tell_temporal(context, alert)


async def _tell_temporal(context: Context, alert: Alert, *, new: bool = False) -> Placed:
    from starter.registration import ensure_running, start_afresh
    from worker.client import TemporalUnreachable

    try:
        await (start_afresh if new else ensure_running)(await context.temporal(), alert)
    except TemporalUnreachable as error:
        return Placed(alert, running=False, problem=str(error))
    return Placed(alert, running=True)


async def delete(context: Context, alert_id: str) -> bool:
    """Removes the row, then ends the workflow; False when Temporal could not be told.

    Raises:
        NotFound: when there is no such alert.
    """
    from starter.registration import stop_running
    from worker.client import TemporalUnreachable

    await context.alert(alert_id)
    async with context.database.transaction() as work:
        await work.schedules.delete(alert_id)
    try:
        await stop_running(await context.temporal(), alert_id)
    except TemporalUnreachable:
        return False
    return True


class Refused(Exception):
    """The alert refused, with its reason."""


async def _handle(context: Context, alert_id: str) -> WorkflowHandle[Any, Any]:
    """The workflow of an alert that has a row; raises ``NotFound`` or ``TemporalUnreachable``."""
    from starter.registration import workflow_id

    await context.alert(alert_id)
    client = await context.temporal()
    return client.get_workflow_handle(workflow_id(alert_id))


@contextmanager
def _reaching(alert_id: str) -> Iterator[None]:
    """What Temporal says of a workflow it cannot reach, in our words."""
    from temporalio.service import RPCError, RPCStatusCode

    try:
        yield
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise AlertGone(alert_id) from None
        raise NoAnswer(alert_id) from None


async def send(context: Context, alert_id: str, update: str, *arguments: Any) -> dict[str, Any]:
    """Executes an update on the alert's workflow and gives its answer.

    Raises:
        NotFound, AlertGone, NoAnswer, TemporalUnreachable, or ``Refused`` with the validator's reason.
    """
    from temporalio.client import WorkflowUpdateFailedError

    handle = await _handle(context, alert_id)
    try:
        with _reaching(alert_id):
            return await answered(alert_id, handle.execute_update(update, args=list(arguments), result_type=dict))
    except WorkflowUpdateFailedError as error:
        raise Refused(str(error.cause or error)) from None


async def snooze(context: Context, alert_id: str, until: str) -> None:
    """Pauses until a time.

    Raises:
        NotFound, AlertGone, NoAnswer, TemporalUnreachable.
    """
    from workflows.messages import SnoozeRequest

    handle = await _handle(context, alert_id)
    with _reaching(alert_id):
        await handle.signal("snooze", SnoozeRequest(until=until))


async def query(context: Context, alert_id: str, name: str) -> dict[str, Any]:
    """Asks the alert's workflow.

    Raises:
        NotFound, AlertGone, NoAnswer, TemporalUnreachable.
    """
    from temporalio.client import WorkflowQueryFailedError

    handle = await _handle(context, alert_id)
    try:
        with _reaching(alert_id):
            return await answered(alert_id, handle.query(name, result_type=dict))
    except WorkflowQueryFailedError:
        raise NoAnswer(alert_id) from None


async def history(context: Context, alert_id: str, kinds: list[str], limit: int) -> list[AlertEvent]:
    """The newest events, newest first.

    Raises:
        NotFound: when there is no such alert.
    """
    async with context.database.transaction() as work:
        events = await work.events.of_alert(alert_id, kinds=kinds, limit=limit, newest_first=True)
        if not events and await work.schedules.get(alert_id) is None:
            raise NotFound(alert_id)
    return events


async def all_alerts(context: Context, *, status: str = "", symbol: str = "", tag: str = "") -> list[StoredSchedule]:
    """All alerts, oldest first, filtered by what is given."""
    async with context.database.transaction() as work:
        stored = await work.schedules.alerts()
    return [
        one
        for one in stored
        if (not status or one.status == status.upper())
        and (not symbol or one.alert.definition.symbol.upper() == symbol.upper())
        and (not tag or tag in one.alert.definition.tags)
    ]

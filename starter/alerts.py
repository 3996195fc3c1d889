"""The use cases of alerts: written by ``starter.definition_writes``, asked and steered through their workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from domain.alert import Alert, AlertEvent
from domain.definition import edited, read_definition
from domain.errors import ErrorKind, ExpectedError, Fault, InvalidInput
from starter import definition_writes
from starter.clock import now
from starter.context import Context, NoAnswer, NotFound, answered
from starter.definition_writes import Refused, Written
from storage.audit import AuditEntry
from storage.database import UnitOfWork
from storage.deleted import DeletedAlert
from storage.deliveries import Delivery
from storage.schedules import ALERT
from storage.stored_schedule import DuplicateAlert, StoredSchedule
from worker.schema_folder import SchemaFolder

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle

__all__ = ["Refused"]
Allow = Callable[..., Awaitable[None]]  # as ``quotas.check``: it lets pass, or raises
BATCH = 200  # alerts in one transaction, so that others may write in between
AT_ONCE = 20


@dataclass(frozen=True)
class Placed:
    """An alert that was written. ``running`` is False when Temporal could not be told; the reconciler will."""

    alert: Alert
    running: bool
    problem: str = ""


class AlertGone(ExpectedError):
    """The alert's workflow is not running."""

    kind = ErrorKind.NOT_RUNNING

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"alert '{alert_id}' is not running; start it with 'alerts up'")


class PartlyAdded(Exception):
    """Something came between the batches; ``placed`` are those that were added, and run."""

    def __init__(self, placed: list[Placed], total: int, cause: Exception) -> None:
        self.placed = placed
        said = str(getattr(cause, "orig", None) or cause)[:300]
        super().__init__(f"{len(placed)} of {total} alerts were added, then: {said}; add the others again")


async def add(
    context: Context,
    alerts: Sequence[Alert],
    told: Callable[[int], object] = lambda done: None,
    disabled: Collection[str] = (),
) -> list[Placed]:
    """Writes and starts alerts, some hundreds at a time; ``told`` hears how many are done. Those ``disabled`` are not started.

    Raises:
        DuplicateAlert: when an id is taken; nothing is written.
        PartlyAdded: when something happened between two batches.
    """
    for alert in alerts:
        SchemaFolder(context.settings.alert_schema_dir).check_definition(alert.definition)
    async with context.database.transaction() as work:
        await work.schedules.refuse_taken([alert.id for alert in alerts])
    placed: list[Placed] = []
    for start in range(0, len(alerts), BATCH):
        try:
            async with context.database.transaction() as work:
                written = await definition_writes.create(
                    work, context.who, alerts[start : start + BATCH], now(), disabled=disabled
                )
        except (SQLAlchemyError, OSError, DuplicateAlert) as error:
            if not placed:
                raise
            raise PartlyAdded(placed, len(alerts), error) from None
        placed += await _all_placed(context, written, len(placed), told)
    return placed


async def _all_placed(
    context: Context, written: Sequence[Written], before: int, told: Callable[[int], object]
) -> list[Placed]:
    limit, done = asyncio.Semaphore(AT_ONCE), before

    async def one(each: Written) -> Placed:
        nonlocal done
        async with limit:
            found = await _placed(context, each)
        done += 1
        told(done)
        return found

    return list(await asyncio.gather(*(one(each) for each in written)))


async def update(
    context: Context,
    alert_id: str,
    changes: dict[str, Any] | Callable[[StoredSchedule], Any],
    allow: Allow | None = None,
) -> Placed:
    """Edits the row (version + 1), then tells the workflow. ``changes`` may be made from the row as it is then.

    ``allow`` may refuse, in the same transaction.

    Raises:
        NotFound, InvalidInput, DefinitionConflict: nothing is written.
    """
    async with context.database.transaction() as work:
        stored = await context.find(work, alert_id, ALERT)
        definition = edited(stored.alert.definition, changes(stored) if callable(changes) else changes)
        if allow is not None:
            one = Alert(id=stored.id, user_id=stored.user_id, definition=definition)
            await allow(work, context, one, enabled=bool(stored.enabled))
        SchemaFolder(context.settings.alert_schema_dir).check_definition(definition)
        written = await definition_writes.edit(work, context.who, stored, definition, now())
    if written is None:
        return Placed(stored.alert, running=True, problem="nothing changed")
    return await _placed(context, written)


async def replace(context: Context, alert: Alert, enabled: bool) -> Placed:
    """Writes a whole definition over the one that is there, and whether it is enabled.

    Raises:
        NotFound, InvalidInput, DefinitionConflict: nothing is written.
    """
    async with context.database.transaction() as work:
        stored = await context.find(work, alert.id, ALERT)
        SchemaFolder(context.settings.alert_schema_dir).check_definition(alert.definition)
        written = await definition_writes.edit(work, context.who, stored, alert.definition, now(), enabled=enabled)
    return await _placed(context, written) if written else Placed(alert, running=True, problem="nothing changed")


async def _placed(context: Context, written: Written) -> Placed:
    assert isinstance(written.schedule, Alert)
    problem = await context.gateway.tell(written)
    return Placed(written.schedule, running=not problem, problem=problem)


async def enable(
    context: Context, alert_id: str, enabled: bool, reason: str = "", allow: Allow | None = None
) -> dict[str, Any]:
    """Pauses or resumes; ``allow`` may refuse that it is enabled, in the same transaction.

    Raises:
        NotFound, Refused, DefinitionConflict: nothing is written.
    """
    async with context.database.transaction() as work:
        stored = await context.find(work, alert_id, ALERT)
        if allow is not None and enabled and not stored.enabled and stored.schedule is not None:
            await allow(work, context, stored.alert, enabled=True)
        written = await definition_writes.enable(work, context.who, stored, enabled, now(), reason)
    if enabled and written is None:  # enabled already, but it may be snoozed
        return await send(context, alert_id, "resume")
    problem = await context.gateway.tell(written) if written else ""
    said = {"alert": alert_id, "version": stored.version + (written is not None), "told": not problem}
    if enabled:
        return {**said, "status": "ARMED" if stored.status == "INACTIVE" else stored.status, "reason": "resumed"}
    return {**said, "status": "INACTIVE", "reason": "paused"}


async def delete(context: Context, alert_id: str) -> bool:
    """Removes the row, then ends the workflow; False when Temporal could not be told.

    Raises:
        NotFound: when there is no such alert.
    """
    async with context.database.transaction() as work:
        stored = await context.find(work, alert_id, ALERT)
        written = await definition_writes.remove(work, context.who, stored, now())
    return not await context.gateway.tell(written)


async def deleted(context: Context) -> Sequence[DeletedAlert]:
    """Those that can be brought back, the newest first."""
    async with context.database.transaction() as work:
        return await work.deleted.list(_since(context), context.owner)


async def restore(context: Context, alert_id: str) -> Placed:
    """Brings a deleted alert back under its id, armed afresh, enabled as it was.

    Raises:
        NotFound: there is none of the last days.
        DuplicateAlert: another has its id now.
        InvalidInput: what it names is gone, such as a destination.
    """
    async with context.database.transaction() as work:
        one = await deleted_one(work, context, alert_id)
        kept = await work.deleted.get(one.id, _since(context), one.user_id)
        off = () if kept is None or kept.enabled else (one.id,)
        (written,) = await definition_writes.create(work, context.who, [one], now(), disabled=off)
    return await _placed(context, written)


async def deleted_one(work: UnitOfWork, context: Context, alert_id: str) -> Alert:
    """A deleted alert of the asker's, as it was.

    Raises:
        NotFound: there is none of the last days.
        InvalidInput: it cannot be read any more.
    """
    for id in (alert_id, await context.kept_as(work, alert_id)):
        found = await work.deleted.get(id, _since(context), context.owner)
        if found is not None:
            return Alert(id=found.id, user_id=found.user_id, definition=read_definition(found.definition))
    raise NotFound(alert_id, "deleted alert", "alerts restore")


def _since(context: Context) -> datetime:
    days = context.settings.retention["deleted_alerts"]
    return now() - timedelta(days=days) if days else datetime.min.replace(tzinfo=UTC)


async def _handle(context: Context, alert_id: str, *, ended: bool = False) -> WorkflowHandle[Any, Any]:
    """The workflow of an alert that has a row; raises ``NotFound``, ``AlertGone``, ``NoAnswer`` or ``TemporalUnreachable``."""
    from starter.alert_workflows import TakenByOthers, running

    alert_id = (await context.alert(alert_id)).id
    client = await context.gateway.client()
    try:
        with _reaching(alert_id):
            ours = await context.gateway.ours()
            found = await answered(alert_id, running(client, alert_id, ours, or_ended=ended))
    except TakenByOthers as error:
        raise Refused(str(error)) from None
    if found is None:
        raise AlertGone(alert_id)
    return found


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
    from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError

    from activities.updates import updated

    handle = await _handle(context, alert_id)
    try:
        with _reaching(alert_id):
            return await answered(alert_id, updated(handle, update, *arguments))
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise NoAnswer(alert_id) from None
    except WorkflowUpdateFailedError as error:
        raise Refused(str(error.cause or error)) from None


async def snooze(context: Context, alert_id: str, until: str, reason: str = "", timezone: str = "") -> None:
    """Pauses until a time; a state of the workflow, not an edit of its row, but written to the audit log.

    Raises:
        NotFound, AlertGone, NoAnswer, TemporalUnreachable.
    """
    from activities.interface import ALERT_PREFIX
    from workflows.messages import SnoozeRequest

    _check_snooze(until, timezone)
    handle = await _handle(context, alert_id)
    with _reaching(alert_id):
        await answered(alert_id, handle.signal("snooze", SnoozeRequest(until=until, reason=reason, timezone=timezone)))
    who, detail = context.who, {"until": until, "reason": reason}
    async with context.database.transaction() as work:
        alert_id = handle.id.removeprefix(ALERT_PREFIX)  # as it is kept
        await work.audit.add(AuditEntry(now(), who.user_id, who.client, "snoozed", "schedule", alert_id, None, detail))


def _check_snooze(until: str, timezone: str) -> None:
    """Refuses what the workflow would ignore.

    Raises:
        InvalidInput: an unknown zone, or a time too far away.
    """
    from domain import zones
    from workflows.alert_messages import LONGEST_SNOOZE

    faults = []
    if timezone:
        try:
            zones.zone(timezone)
        except ValueError as error:
            faults.append(Fault("$.timezone", str(error), timezone))
    if datetime.fromisoformat(until) > now() + LONGEST_SNOOZE:
        faults.append(Fault("$.until", "expected a time within the next ten years", until))
    if faults:
        raise InvalidInput("snooze", faults)


async def acknowledge(context: Context, alert_id: str) -> None:
    """Stops reminders of this fire, and writes down who did.

    Raises:
        NotFound, AlertGone, NoAnswer, TemporalUnreachable.
    """
    from activities.interface import ALERT_PREFIX

    handle = await _handle(context, alert_id)
    with _reaching(alert_id):
        await answered(alert_id, handle.signal("acknowledge"))
    async with context.database.transaction() as work:
        await context.audit(work, "acknowledged", "schedule", handle.id.removeprefix(ALERT_PREFIX), {})


async def query(context: Context, alert_id: str, name: str) -> dict[str, Any]:
    """Asks the alert's workflow.

    Raises:
        NotFound, AlertGone, NoAnswer, TemporalUnreachable.
    """
    from temporalio.client import WorkflowQueryFailedError

    handle = await _handle(context, alert_id, ended=True)
    if name == "explain":
        await _look_first(context, alert_id)
    try:
        with _reaching(alert_id):
            return await answered(alert_id, handle.query(name, result_type=dict))
    except WorkflowQueryFailedError:
        raise NoAnswer(alert_id) from None


async def _look_first(context: Context, alert_id: str) -> None:
    """The workflow of an alert that is watched has not heard of quiet bars; it looks before it explains."""
    async with context.database.transaction() as work:
        watched = (await work.watched.of([alert_id])).get(alert_id)
    if watched is not None and watched.until is not None and watched.until > now():
        with suppress(ExpectedError):  # what it knows is told all the same
            await send(context, alert_id, "evaluate_now")


async def history(
    context: Context, alert_id: str, kinds: list[str], limit: int
) -> list[tuple[AlertEvent, list[Delivery]]]:
    """The newest events with what came of telling them, newest first.

    Raises:
        NotFound: when there is no such alert.
    """
    async with context.database.transaction() as work:
        events = await work.events.of_alert(alert_id, kinds=kinds, limit=limit, newest_first=True)
        if not events and await work.schedules.get(alert_id) is None:
            raise NotFound(alert_id)
        told = await work.deliveries.of_events([event.id for event in events])
    return [(event, told.get(event.id, [])) for event in events]

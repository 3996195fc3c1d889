"""Writes to definitions: row and audit in one transaction, Temporal told after it. CLI and REST API share them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.alert import Alert, Reason, Status
from domain.definition import AlertDefinition
from domain.errors import ErrorKind, ExpectedError
from domain.job import Job, JobDefinition
from domain.reconcile import ActionKind
from starter.destination_checks import refuse_unknown
from starter.who import Who
from storage.audit import AuditEntry
from storage.database import UnitOfWork
from storage.deleted import DeletedAlert
from storage.row_mapping import job_type
from storage.stored_schedule import StoredSchedule


@dataclass(frozen=True)
class Written:
    """What was written, to be told to Temporal. ``reason`` is why an alert was paused."""

    kind: ActionKind
    id: str
    job_type: str
    schedule: Alert | Job | None = None
    enabled: bool = True
    reason: str = ""


class Refused(ExpectedError):
    """The alert or job refused, with its reason."""

    kind = ErrorKind.STATE


def new_id(definition: AlertDefinition | JobDefinition) -> str:
    """A short id that begins with the ticker, or with the job's type."""
    base = definition.symbol if isinstance(definition, AlertDefinition) else definition.job_type
    begin = re.sub(r"[^a-z0-9]+", "-", base.lower()).strip("-") or "alert"
    return f"{begin}-{uuid.uuid4().hex[:8]}"


async def create(
    work: UnitOfWork, who: Who, these: Sequence[Alert | Job], now: datetime, *, disabled: Collection[str] = ()
) -> list[Written]:
    """Writes all or none; those whose id is in ``disabled`` do not run yet.

    Raises:
        DuplicateAlert: when an id is taken.
        InvalidInput: when a destination is not there, or cannot deliver.
    """
    for one in these:
        await refuse_unknown(work, one.user_id, one.definition)
    fresh = await work.never_before(these)
    await work.schedules.add_all(fresh, now, disabled=disabled)
    await work.deleted.forget([(one.user_id, one.id) for one in fresh])
    await work.looks.forget([one.id for one in fresh])
    await work.audit.add_all(
        [
            AuditEntry(
                now,
                who.user_id,
                who.client,
                "created",
                "schedule",
                one.id,
                one.version,
                {"name": one.definition.name, "enabled": one.id not in disabled},
            )
            for one in fresh
        ]
    )
    return [Written(ActionKind.CREATE, one.id, job_type(one), one, one.id not in disabled) for one in fresh]


async def edit(
    work: UnitOfWork,
    who: Who,
    stored: StoredSchedule,
    definition: AlertDefinition | JobDefinition,
    now: datetime,
    *,
    enabled: bool | None = None,
    reason: str = "",
) -> Written | None:
    """Writes over the row as it was read (version + 1); None when nothing differs.

    Raises:
        DefinitionConflict: when the row has changed since it was read.
    """
    wanted = stored.enabled if enabled is None else enabled
    before = stored.schedule.definition if stored.schedule else None
    if before == definition and wanted is stored.enabled:
        return None
    if before != definition:
        await refuse_unknown(work, stored.user_id, definition)
    given: dict[str, Any] = {"id": stored.id, "user_id": stored.user_id, "version": stored.version + 1}
    one = (
        Alert(**given, definition=definition)
        if isinstance(definition, AlertDefinition)
        else Job(**given, definition=definition)
    )
    await work.schedules.replace(one, stored.version, now, enabled=wanted)
    if before != definition:
        await work.looks.forget([one.id])
    detail: dict[str, Any] = {"enabled": wanted, "reason": reason} if wanted is not stored.enabled else {}
    if before != definition:
        detail["fields"] = definition.unlike(before)
    action = "edited" if wanted is stored.enabled else "resumed" if wanted else "paused"
    await _audit(work, who, action, one.id, one.version, now, detail)
    kind = ActionKind.UPDATE if wanted is stored.enabled else ActionKind.RESUME if wanted else ActionKind.PAUSE
    return Written(kind, one.id, stored.job_type, one, wanted, reason)


async def enable(
    work: UnitOfWork, who: Who, stored: StoredSchedule, enabled: bool, now: datetime, reason: str = ""
) -> Written | None:
    """Pauses or resumes; None when it is so already.

    Raises:
        Refused: an alert that is over.
        InvalidInput: a row that cannot be read.
        DefinitionConflict: when the row has changed since it was read.
    """
    if is_over(stored):
        raise Refused(f"alert {stored.id} is over ({stored.reason}); update it to arm it again")
    one = stored.schedule if stored.schedule is not None else stored.alert
    return await edit(work, who, stored, one.definition, now, enabled=enabled, reason=reason)


async def remove(
    work: UnitOfWork, who: Who, stored: StoredSchedule, now: datetime, expected_version: int | None = None
) -> Written:
    """Deletes the row; its runs and events stay, and an alert can be brought back for a while.

    Raises:
        DefinitionConflict: when it has another version than the one given.
    """
    await work.schedules.delete(stored.id, expected_version)
    await work.looks.forget([stored.id])
    if isinstance(stored.schedule, Alert):
        kept = stored.schedule.definition.as_json()
        enabled = bool(stored.enabled)
        await work.deleted.keep(DeletedAlert(stored.id, str(stored.user_id), stored.name, kept, enabled, now))
    await _audit(work, who, "deleted", stored.id, int(stored.version), now, {"name": stored.name})
    return Written(ActionKind.DELETE, stored.id, stored.job_type)


def is_over(stored: StoredSchedule) -> bool:
    """Expired or done, and not edited since."""
    ended = stored.status == Status.INACTIVE and stored.reason in (Reason.EXPIRED, Reason.DONE)
    return bool(ended and stored.state_version >= stored.version)


async def _audit(
    work: UnitOfWork, who: Who, action: str, object_id: str, version: int, now: datetime, detail: dict[str, Any]
) -> None:
    await work.audit.add(AuditEntry(now, who.user_id, who.client, action, "schedule", object_id, version, detail))

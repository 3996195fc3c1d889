"""From columns to definitions and back: the one place that knows how a row of ``job_schedules`` spells them."""

from __future__ import annotations

from typing import Any

from domain.alert import Alert
from domain.bounds import MOST_LEVELS
from domain.definition import AlertDefinition
from domain.errors import Fault, InvalidInput
from domain.ids import may_be_of_a_row
from domain.job import Job, JobDefinition, JobType
from domain.own_types import NONE, OwnTypes
from domain.schedule_draft import ScheduleDraft
from domain.text import refuse_steering
from storage.stored_schedule import StoredSchedule
from storage.tables import ScheduleRow
from storage.types import MOST_JSON, OddNumber, OddText, Unreadable

TEXTS = ("id", "user_id", "name", "job_type", "target", "cron", "timezone", "status", "reason")


def read_row(row: ScheduleRow, own: OwnTypes = NONE) -> Alert | Job:
    """The alert or job a row defines.

    Raises:
        InvalidInput: with every fault, by JSON path from the row.
    """
    faults = _odd_cells(row)
    if faults:
        raise InvalidInput("schedule", faults)
    params: Any = row.task_params
    if isinstance(params, Unreadable):
        message = f"is no JSON, or more of it than is read: {MOST_JSON:,} characters, {MOST_LEVELS} levels"
        raise InvalidInput("schedule", [Fault("$.task_params", message, params.text)])
    draft = ScheduleDraft(row.job_type, params, row.name or "", row.target, row.cron or "", row.timezone, own)
    definition = draft.definition()
    if isinstance(definition, AlertDefinition):
        return Alert(id=row.id, user_id=row.user_id, version=row.version, definition=definition)
    return Job(id=row.id, user_id=row.user_id, version=row.version, definition=definition)


def as_stored(row: ScheduleRow, own: OwnTypes = NONE) -> StoredSchedule:
    """The row with what it defines, or with why that cannot be read."""
    runs_as = own.runs_as(row.job_type)
    try:
        return StoredSchedule(row, read_row(row, own), runs_as=runs_as)
    except InvalidInput as error:
        return StoredSchedule(row, None, error.faults, runs_as)
    except ValueError as error:  # what SQLite lets in and no check of ours foresaw
        return StoredSchedule(row, None, (Fault("$", f"cannot be read: {error}"[:500]),), runs_as)


def _odd_cells(row: ScheduleRow) -> list[Fault]:
    """Cells that hold what no column of that name may hold."""
    faults = [
        Fault(f"$.{name}", "is no text of sensible length", str(getattr(row, name)))
        for name in TEXTS
        if isinstance(getattr(row, name), OddText)
    ]
    if not faults and not may_be_of_a_row(row.id):
        message = "expected letters, digits, '_', '.', ':' and '-', beginning with a letter or digit"
        faults.append(Fault("$.id", message, row.id))
    faults += [
        Fault(f"$.{name}", "expected a whole number", str(getattr(row, name).raw)[:80])
        for name in ("version", "state_version")
        if isinstance(getattr(row, name), OddNumber)
    ]
    try:
        if not faults and not 1 <= len(refuse_steering(row.user_id)) <= 64:
            faults.append(Fault("$.user_id", "expected 1 to 64 characters", row.user_id))
    except ValueError as error:
        faults.append(Fault("$.user_id", str(error), row.user_id))
    return faults


def columns(one: Alert | Job) -> dict[str, Any]:
    """The columns a definition fills."""
    definition = one.definition
    if isinstance(definition, JobDefinition):
        params, target = definition.task_params(), definition.target
    else:
        params, target = definition.as_json(), definition.symbol
    return {
        "name": definition.name,
        "target": target,
        "task_params": params,
        "cron": definition.cron,
        "timezone": definition.timezone,
        "version": one.version,
        "definition_hash": definition.digest,
        "errors": None,
    }


def job_type(one: Alert | Job) -> str:
    """The type that a definition is run as."""
    return one.definition.job_type if isinstance(one, Job) else JobType.ALERT


def written_type(one: Alert | Job) -> str:
    """What the column says: an operator's own type by its name."""
    return (isinstance(one, Job) and one.definition.named) or job_type(one)

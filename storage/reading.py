"""From columns to definitions and back: the one place that knows how a row of ``job_schedules`` spells them."""

from __future__ import annotations

import json
import re
from typing import Any

from domain.alert import Alert
from domain.bounds import MOST_LEVELS
from domain.definition import AlertDefinition, read_definition
from domain.errors import Fault, InvalidInput
from domain.job import Job, JobDefinition, JobType, read_job
from domain.text import refuse_steering
from storage.tables import ScheduleRow
from storage.types import MOST_JSON, OddNumber, OddText, Unreadable

TEXTS = ("id", "user_id", "name", "job_type", "target", "cron", "timezone", "status", "reason")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def read_row(row: ScheduleRow) -> Alert | Job:
    """The alert or job a row defines. ``target`` stands for an alert's symbol where the parameters name none.

    Raises:
        InvalidInput: with every fault, by JSON path from the row.
    """
    faults = _odd_cells(row)
    if faults:
        raise InvalidInput("schedule", faults)
    params: Any = row.task_params
    try:
        json.dumps([params, row.name, row.target], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInput("schedule", [Fault("$.task_params", "holds half of a surrogate pair")]) from None
    except (TypeError, ValueError):
        pass  # told by what reads it
    if isinstance(params, Unreadable):
        message = f"is no JSON, or more of it than is read: {MOST_JSON:,} characters, {MOST_LEVELS} levels"
        raise InvalidInput("schedule", [Fault("$.task_params", message, params.text)])
    if row.job_type == JobType.ALERT:
        return Alert(id=row.id, user_id=row.user_id, version=row.version, definition=_alert(row, params))
    definition = read_job(
        row.job_type, params, name=row.name or "", target=row.target, cron=row.cron or "", timezone=row.timezone
    )
    return Job(id=row.id, user_id=row.user_id, version=row.version, definition=definition)


def _odd_cells(row: ScheduleRow) -> list[Fault]:
    """Cells that hold what no column of that name may hold."""
    faults = [
        Fault(f"$.{name}", "is no text of sensible length", str(getattr(row, name)))
        for name in TEXTS
        if isinstance(getattr(row, name), OddText)
    ]
    if not faults and not ID.fullmatch(row.id):
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


def _alert(row: ScheduleRow, params: Any) -> AlertDefinition:
    if isinstance(params, str):
        params = {"rule": params}
    if not isinstance(params, dict):
        raise InvalidInput("schedule", [Fault("$.task_params", "expected an object or an expression", params)])
    given = {
        key: value for key, value in {"name": row.name, "cron": row.cron, "timezone": row.timezone}.items() if value
    }
    try:
        definition = read_definition(_with_symbol({**params, **given}, row.target))
    except InvalidInput as error:
        own = ("$.name", "$.cron", "$.timezone")
        faults = [one if one.path in own else one.at("$.task_params" + one.path[1:]) for one in error.faults]
        raise InvalidInput("schedule", faults) from None
    if row.target and row.target != definition.symbol:
        message = f"names another ticker than the rule's {definition.symbol}"
        raise InvalidInput("schedule", [Fault("$.target", message, row.target)])
    return definition


def _with_symbol(data: dict[str, Any], target: str | None) -> dict[str, Any]:
    """``target`` as the symbol, unless the parameters or the rule's own text name one."""
    if not target or "symbol" in data or "ticker" in data:
        return data
    try:
        read_definition(data)
    except InvalidInput:
        return {**data, "symbol": target}
    return data


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
    """The type that goes with a definition."""
    return one.definition.job_type if isinstance(one, Job) else JobType.ALERT

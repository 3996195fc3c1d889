"""Commands on schedules of any type."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from domain.alert import Alert
from domain.definition import AlertDefinition
from domain.errors import Fault, InvalidInput
from domain.job import Job, JobType
from starter import definition_writes
from starter.cli import inputs
from starter.cli.advising import advise
from starter.cli.data_commands import seed
from starter.cli.options import Json, Limit, ScheduleId
from starter.cli.output import plain, print_json, print_lines, print_table, say, short
from starter.cli.session import among, run_command
from starter.clock import now
from starter.context import Context
from starter.definition_writes import Refused, create, edit, new_id, remove
from starter.runs import order
from storage.stored_schedule import Filter
from worker.schema_folder import SchemaFolder
from worker.settings import load_settings


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    schedules = typer.Typer(help="Schedules of any type: alerts, reports, screeners, backups …", no_args_is_help=True)
    for name, command in (
        ("list", list_schedules), ("show", show), ("add", add), ("update", update), ("enable", enable),
        ("disable", disable), ("delete", delete), ("trigger", trigger), ("audit", audit),
    ):  # fmt: skip
        schedules.command(name)(command)
    schedules.command("seed")(seed)
    app.add_typer(schedules, name="schedules")


def list_schedules(
    type: Annotated[str, typer.Option("--type", help="Only this job type.")] = "",
    user: Annotated[str, typer.Option(help="Only this owner's.")] = "",
    invalid: Annotated[bool, typer.Option("--invalid", help="Only rows that cannot be used.")] = False,
    limit: Limit = 500,
    as_json: Json = False,
) -> None:
    """List schedules, oldest first.

    Example: alerts schedules list --type report
    """
    among(type, [*JobType, ""], "--type")
    wanted = Filter(user or None, type or None, invalid=True if invalid else None)

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.schedules.page(wanted, None, limit)

    found = run_command(work)
    if as_json:
        print_json([_row(one) for one in found])
        return
    rows = [
        [
            one.id,
            one.row.job_type,
            one.schedule.definition.name if one.schedule else one.name,
            f"{one.cron or '(default)'} {one.timezone}",
            "yes" if one.enabled else "no",
            str(one.version),
            "; ".join(str(fault) for fault in one.faults)
            or (f"{one.status} ({one.reason})" if one.job_type == "alert" else "ok"),
            short(one.next_run_at),
        ]
        for one in found
    ]
    columns = ["id", "type", "name", "schedule", "enabled", "version", "state", "next"]
    print_table(columns, rows, 'no schedules; add one with: alerts schedules add FILE, or alerts add "AAPL > 150"')


def show(id: ScheduleId, as_json: Json = False) -> None:
    """Show one schedule.

    Example: alerts schedules show closing-report
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await context.find(unit, id)

    data = _row(run_command(work))
    if as_json:
        print_json(data)
        return
    print_table(["", id], [[name, str(plain(value))] for name, value in data.items()])


def add(
    file: Annotated[str, typer.Argument(help="JSON with job_type, task_params, cron …, or '-' for stdin.")],
    id: Annotated[str | None, typer.Option("--id", help="Its id; default: made from its type.")] = None,
    user: Annotated[str, typer.Option(help="Its owner; default: ALERTS_USER_ID.")] = "",
    as_json: Json = False,
) -> None:
    """Add a schedule, or a list of them: all or none.

    Example: alerts schedules add closing-report.json --id closing-report
    """
    given = inputs.definitions_in(file)
    if id is not None and len(given) > 1:
        raise InvalidInput(file, [Fault("--id", "goes with one schedule", id)])

    async def work(context: Context) -> Any:
        definitions, faults = [], []
        for base, data in given:
            try:
                definitions.append(
                    (
                        data,
                        inputs.read_schedule(
                            data, SchemaFolder(context.settings.alert_schema_dir), context.settings.scheduler_timezone
                        ),
                    )
                )
            except InvalidInput as error:
                faults += error.under(base)
        if faults:
            raise InvalidInput(file, faults)
        these: list[Any] = []
        disabled: list[str] = []
        for data, definition in definitions:
            name = inputs.alert_id(id or str(data.get("id") or "") or new_id(definition))
            kind = Alert if isinstance(definition, AlertDefinition) else Job
            owner = inputs.owned(data)[1] or inputs.user(user or context.settings.alerts_user_id)
            these.append(kind(id=name, user_id=owner, definition=definition))
            if data.get("enabled") is False:
                disabled.append(name)
        async with context.database.transaction() as unit:
            written = await create(unit, context.who, these, now(), disabled=disabled)
        return [(one, await context.gateway.tell(one)) for one in written]

    done = run_command(work)
    warnings = advise(load_settings(), [one.schedule.definition for one, _ in done])
    if as_json:
        print_json(
            [
                {"id": one.id, "job_type": one.job_type, "version": one.schedule.version, "told": not problem}
                | ({"warnings": said} if said else {})
                for (one, problem), said in zip(done, warnings, strict=True)
            ]
        )
        return
    for one, problem in done:
        print_lines(one.id)
        say(
            f"{one.schedule.definition.name}: "
            + (f"saved; Temporal will be told later ({problem})" if problem else "running")
        )


def update(
    id: ScheduleId,
    file: Annotated[str, typer.Argument(help="JSON as for 'add'; it replaces what is there.")],
    as_json: Json = False,
) -> None:
    """Replace a schedule's definition.

    Example: alerts schedules update closing-report new.json
    """
    given = inputs.definitions_in(file)
    if len(given) != 1:
        raise InvalidInput(file, [Fault("$", f"expected one schedule, found {len(given)}")])

    async def work(context: Context) -> Any:
        definition = inputs.read_schedule(
            given[0][1], SchemaFolder(context.settings.alert_schema_dir), context.settings.scheduler_timezone
        )
        async with context.database.transaction() as unit:
            stored = await context.find(unit, id)
            if stored.row.job_type != given[0][1].get("job_type"):
                raise Refused(f"{id} is of type {stored.row.job_type}; delete it and add another")
            written = await edit(unit, context.who, stored, definition, now(), enabled=given[0][1].get("enabled"))
        return stored.version + (written is not None), await context.gateway.tell(written) if written else ""

    version, problem = run_command(work)
    _said(id, version, problem, as_json)


def enable(id: ScheduleId, as_json: Json = False) -> None:
    """Resume a schedule.

    Example: alerts schedules enable closing-report
    """
    _enable(id, True, "", as_json)


def disable(
    id: ScheduleId, reason: Annotated[str, typer.Option(help="Why, for whoever looks.")] = "", as_json: Json = False
) -> None:
    """Pause a schedule.

    Example: alerts schedules disable closing-report --reason holiday
    """
    _enable(id, False, reason, as_json)


def _enable(id: str, enabled: bool, reason: str, as_json: bool) -> None:
    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            stored = await context.find(unit, id)
            written = await definition_writes.enable(unit, context.who, stored, enabled, now(), reason)
        return stored.version + (written is not None), await context.gateway.tell(written) if written else ""

    version, problem = run_command(work)
    _said(id, version, problem, as_json)


def delete(id: ScheduleId, as_json: Json = False) -> None:
    """Delete a schedule; its runs stay.

    Example: alerts schedules delete closing-report
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            written = await remove(unit, context.who, await context.find(unit, id), now())
        return await context.gateway.tell(written)

    problem = run_command(work)
    if as_json:
        print_json({"id": id, "deleted": True, "told": not problem})
    else:
        say(f"{id} deleted" + (f"; Temporal will be told later ({problem})" if problem else ""))


def trigger(id: ScheduleId, as_json: Json = False) -> None:
    """Run a schedule now.

    Example: alerts schedules trigger closing-report
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            stored = await context.find(unit, id)
            run = await order(unit, stored.job_type, stored.user_id, stored)
        return run, await context.gateway.start(run)

    run, problem = run_command(work)
    if as_json:
        print_json({"run_id": run.run_id, "status": run.status, "told": not problem})
        return
    print_lines(run.run_id)
    say(
        "ordered"
        + (f"; Temporal will be told later ({problem})" if problem else f"; see: alerts runs show {run.run_id}")
    )


def audit(id: ScheduleId, limit: Limit = 50, as_json: Json = False) -> None:
    """List who changed a schedule, when, and from where.

    Example: alerts schedules audit closing-report
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.audit.of(id, limit)

    found = run_command(work)
    if as_json:
        print_json([vars(one) for one in found])
        return
    rows = [
        [short(one.at), one.actor, one.client, one.action, str(one.version or "-"), str(one.detail or "")]
        for one in found
    ]
    print_table(["time", "who", "from", "what", "version", "detail"], rows, "nothing is recorded of it")


def _said(id: str, version: int, problem: str, as_json: bool) -> None:
    if as_json:
        print_json({"id": id, "version": version, "told": not problem})
    else:
        say(f"{id}: version {version}" + (f"; Temporal will be told later ({problem})" if problem else ""))


def _row(one: Any) -> dict[str, Any]:
    names = ("id", "user_id", "name", "job_type", "target", "cron", "timezone", "enabled", "version", "status", "reason",
             "next_run_at", "created_at", "updated_at")  # fmt: skip
    params = one.task_params if isinstance(one.task_params, dict | list | str) else str(one.task_params)
    return {
        **{name: getattr(one, name) for name in names},
        "task_params": params,
        "errors": [fault.as_json() for fault in one.faults],
    }

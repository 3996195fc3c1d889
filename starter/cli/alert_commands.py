"""Commands that change alerts: add, pause, resume, update, delete."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Any

import typer

from domain.alert import Alert
from domain.definition import read_definition
from domain.errors import Fault, InvalidInput
from starter import alerts
from starter.cli import inputs
from starter.cli.advising import advise
from starter.cli.alert_view_commands import evaluate, explain, history, list_alerts, show
from starter.cli.definition_options import (
    Channel,
    Cooldown,
    Cron,
    Frame,
    Name,
    Persistence,
    Rearm,
    RemindEvery,
    RemindMax,
    Symbol,
    Tag,
    Urgency,
    Zone,
    named_fields,
    over,
)
from starter.cli.options import AlertId, Json
from starter.cli.output import (
    FAILED,
    INVALID,
    Failure,
    plain,
    print_json,
    print_lines,
    progress,
    say,
)
from starter.cli.session import run_command
from starter.clock import now
from starter.context import Context
from starter.definition_writes import new_id
from starter.quiet import span_of
from worker.schema_folder import SchemaFolder
from worker.settings import load_settings


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for name, command in (
        ("add", add), ("list", list_alerts), ("show", show), ("explain", explain), ("pause", pause),
        ("acknowledge", acknowledge), ("resume", resume), ("update", update), ("evaluate", evaluate), ("delete", delete),
        ("history", history),
    ):  # fmt: skip
        app.command(name)(command)


def add(
    what: Annotated[str, typer.Argument(metavar="FILE|EXPRESSION", help="A JSON file, '-', or e.g. 'AAPL > 150'.")],
    id: Annotated[str | None, typer.Option("--id", help="Its id; default: made from the ticker.")] = None,
    user: Annotated[str, typer.Option(help="Its owner; default: whom the file names, else ALERTS_USER_ID.")] = "",
    symbol: Symbol = None,
    timeframe: Frame = None,
    name: Name = None,
    cron: Cron = None,
    timezone: Zone = None,
    rearm: Rearm = None,
    cooldown: Cooldown = None,
    persistence: Persistence = None,
    channel: Channel = None,
    tag: Tag = None,
    priority: Urgency = None,
    remind_every: RemindEvery = None,
    remind_max: RemindMax = None,
    as_json: Json = False,
) -> None:
    """Define an alert and start it.

    Example: alerts add "AAPL > 150 and rsi(14) > 70" --timeframe 1h --channel log
    """
    overrides = named_fields(locals())
    from_file = inputs.is_file(what)
    settings = load_settings()
    own = SchemaFolder(settings.alert_schema_dir).own()
    given = (
        [(read_definition(inputs.merged(what, overrides)), None)]
        if not from_file
        else inputs.read_all(what, overrides, own)
    )
    if id is not None and len(given) > 1:
        raise Failure(f"{what} holds {len(given)} definitions; --id goes with one", INVALID)
    local = settings.alerts_user_id
    made = [
        Alert(
            id=inputs.alert_id(id) if id else new_id(one), user_id=inputs.user(user or owner or local), definition=one
        )
        for one, owner in given
    ]
    interrupted: alerts.PartlyAdded | None = None

    async def work(context: Context) -> list[alerts.Placed]:
        nonlocal interrupted
        try:
            with progress("adding alerts", len(made)) if len(made) > 1 else nullcontext(lambda done: None) as told:
                return await alerts.add(context, made, told)
        except alerts.PartlyAdded as error:
            interrupted = error
            return error.placed

    placed = run_command(work)
    added = [one.alert.definition for one in placed]
    warnings = advise(settings, added)
    if as_json:
        said = [_placed(one, own) for one, own in zip(placed, warnings, strict=True)]
        print_json(said if len(made) > 1 else said[0])
    else:
        for one in placed:
            print_lines(one.alert.id)
            say(f"{one.alert.definition.name}: {_running(one)}")
    if interrupted is not None:
        raise Failure(str(interrupted), FAILED)


def pause(
    id: AlertId,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks.")] = "",
    span: Annotated[str, typer.Option("--for", help="Resume by itself after 30m, 2h, 1d, or so many seconds.")] = "",
    until: Annotated[str, typer.Option(help="Resume by itself at an ISO time.")] = "",
    as_json: Json = False,
) -> None:
    """Stop evaluating an alert, for good or for a while.

    Example: alerts pause aapl-3f9c2a --reason earnings --for 2h
    """
    if span or until:
        if span and until:
            raise InvalidInput("options", [Fault("--for, --until", "give one of them, not both")])
        end = (
            inputs.moment(until, inputs.zone("UTC"), "--until") if until else now() + span_of(span, "--for", "options")
        )
        if end <= now():
            raise InvalidInput("options", [Fault("--until", "expected a time to come", until)])
        run_command(lambda context: alerts.snooze(context, id, end.isoformat(), reason))
        _answer({"alert": id, "status": "INACTIVE", "reason": "snoozed", "until": plain(end)}, as_json)
        return
    _answer(run_command(lambda context: alerts.enable(context, id, False, reason)), as_json)


def resume(id: AlertId, as_json: Json = False) -> None:
    """Go on evaluating; bars that closed meanwhile are left out.

    Example: alerts resume aapl-3f9c2a
    """
    _answer(run_command(lambda context: alerts.enable(context, id, True)), as_json)


def acknowledge(id: AlertId, as_json: Json = False) -> None:
    """Say that a fire was seen: no more reminders of it.

    Example: alerts acknowledge aapl-3f9c2a
    """
    run_command(lambda context: alerts.acknowledge(context, id))
    if as_json:
        print_json({"alert": id, "acknowledged": True})
    else:
        say(f"{id}: acknowledged; no more reminders until it fires again")


def update(
    id: AlertId,
    what: Annotated[str | None, typer.Argument(metavar="[FILE|EXPRESSION]", help="New rule or fields.")] = None,
    symbol: Symbol = None,
    timeframe: Frame = None,
    name: Name = None,
    cron: Cron = None,
    timezone: Zone = None,
    rearm: Rearm = None,
    cooldown: Cooldown = None,
    persistence: Persistence = None,
    channel: Channel = None,
    tag: Tag = None,
    priority: Urgency = None,
    remind_every: RemindEvery = None,
    remind_max: RemindMax = None,
    as_json: Json = False,
) -> None:
    """Change some fields of an alert; a new rule, ticker, timeframe or rearm arms it afresh.

    Example: alerts update aapl-3f9c2a "AAPL > 160" --cooldown 3600
    """
    changes = named_fields(locals())
    given = None if what is None else inputs.one_definition(what)
    beside = "options" in changes and not (isinstance(given, dict) and "options" in given)
    if given is not None:
        changes = inputs.merged(given, changes)
    if not changes:
        raise Failure("nothing to change; give an expression, a file or an option", INVALID)

    async def work(context: Context) -> Any:
        merged = dict(changes) if isinstance(changes, dict) else changes
        if isinstance(merged, dict) and isinstance(merged.get("rearm"), dict) and "type" not in merged["rearm"]:
            stored = await context.alert(id)
            merged["rearm"] = {
                **stored.alert.definition.rearm.model_dump(exclude_none=True),
                **merged["rearm"],
            }
            if merged["rearm"].get("type") != "persistence" and "persistence" not in changes["rearm"]:
                merged["rearm"].pop("persistence", None)
        if beside:
            stored = await context.alert(id)
            merged["options"] = over(stored.alert.definition.as_json().get("options", {}), merged["options"])
        return await alerts.update(context, id, merged)

    placed = run_command(work)
    (warnings,) = advise(load_settings(), [placed.alert.definition])
    if as_json:
        print_json(_placed(placed, warnings))
        return
    say(f"{placed.alert.definition.name}: version {placed.alert.version}, {_running(placed)}")


def delete(id: AlertId, as_json: Json = False) -> None:
    """Delete an alert and end its workflow; its history stays.

    Example: alerts delete aapl-3f9c2a
    """
    told = run_command(lambda context: alerts.delete(context, id))
    if as_json:
        print_json({"alert": id, "deleted": True, "workflow_told": told})
    elif told:
        say(f"{id} deleted")
    else:
        say(f"{id} deleted; its workflow ends when Temporal can be reached")


def _answer(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(said)
    else:
        until = f" until {said['until']}" if said.get("until") else ""
        later = "" if said.get("told", True) else "; Temporal will be told when it can be reached"
        say(f"{said['alert']}: {said['status']} ({said['reason']}){until}{later}")


def _placed(placed: Any, warnings: list[str]) -> dict[str, Any]:
    from activities.interface import alert_workflow_id

    alert = placed.alert
    return {
        "id": alert.id,
        "version": alert.version,
        "running": placed.running,
        "workflow": alert_workflow_id(alert.id),
        "definition": alert.definition.as_json(),
        **({"warnings": warnings} if warnings else {}),
    }


def _running(placed: Any) -> str:
    if placed.running:
        return placed.problem or "running"
    return f"saved, to be started by 'alerts up' ({placed.problem})"

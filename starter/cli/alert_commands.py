"""Commands that change alerts: add, pause, resume, update, delete."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import Annotated, Any

import typer

from domain.alert import Alert
from domain.definition import read_definition
from domain.errors import Fault, InvalidInput
from starter import alerts
from starter.cli import inputs
from starter.cli.advising import advise
from starter.cli.alert_view_commands import evaluate, explain, history, list_alerts, show
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
from worker.schema_folder import SchemaFolder
from worker.settings import load_settings

Symbol = Annotated[str | None, typer.Option(help="Ticker, when the rule does not name it.")]
Frame = Annotated[str | None, typer.Option("--timeframe", "-t", help="Bar length: 1m, 5m, 1h, 1d …")]
Name = Annotated[str | None, typer.Option(help="A name for people.")]
Cron = Annotated[str | None, typer.Option(help="When to look; default: as each bar closes.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="IANA zone of the cron.")]
Rearm = Annotated[str | None, typer.Option(help="edge, simple, hysteresis, cooldown, persistence, crossing or once.")]
Cooldown = Annotated[float | None, typer.Option(help="Seconds of pause after a fire.")]
Persistence = Annotated[int | None, typer.Option(help="Bars in a row that must be true.")]
Channel = Annotated[list[str] | None, typer.Option(help="log, webhook, webhook:NAME, notify … (repeat).")]
LONGEST_SNOOZE = 366 * 86_400
Tag = Annotated[list[str] | None, typer.Option(help="A tag (repeat).")]
Urgency = Annotated[
    str | None,
    typer.Option("--priority", help="normal, high or urgent, which is told in quiet hours, too; default: high."),
]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for name, command in (
        ("add", add), ("list", list_alerts), ("show", show), ("explain", explain), ("pause", pause),
        ("resume", resume), ("update", update), ("evaluate", evaluate), ("delete", delete), ("history", history),
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
    as_json: Json = False,
) -> None:
    """Define an alert and start it.

    Example: alerts add "AAPL > 150 and rsi(14) > 70" --timeframe 1h --channel log
    """
    overrides = _fields(symbol, timeframe, name, cron, timezone, rearm, cooldown, persistence, channel, tag, priority)
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
    seconds: Annotated[float, typer.Option("--for", help="Resume by itself after so many seconds.")] = 0,
    until: Annotated[str, typer.Option(help="Resume by itself at an ISO time.")] = "",
    as_json: Json = False,
) -> None:
    """Stop evaluating an alert, for good or for a while.

    Example: alerts pause aapl-3f9c2a --reason earnings --for 3600
    """
    if seconds or until:
        if seconds and until:
            raise InvalidInput("options", [Fault("--for, --until", "give one of them, not both")])
        if not until and not 0 < seconds <= LONGEST_SNOOZE:
            raise InvalidInput(
                "options", [Fault("--for", f"expected seconds above 0, at most {LONGEST_SNOOZE}", seconds)]
            )
        end = inputs.moment(until, inputs.zone("UTC"), "--until") if until else now() + timedelta(seconds=seconds)
        if end <= now():
            raise InvalidInput(
                "options",
                [Fault("--until" if until else "--for", "expected a time to come", until or seconds)],
            )
        run_command(lambda context: alerts.snooze(context, id, end.isoformat()))
        _answer({"alert": id, "status": "INACTIVE", "reason": "snoozed", "until": plain(end)}, as_json)
        return
    _answer(run_command(lambda context: alerts.enable(context, id, False, reason)), as_json)


def resume(id: AlertId, as_json: Json = False) -> None:
    """Go on evaluating; bars that closed meanwhile are left out.

    Example: alerts resume aapl-3f9c2a
    """
    _answer(run_command(lambda context: alerts.enable(context, id, True)), as_json)


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
    as_json: Json = False,
) -> None:
    """Change some fields of an alert; a new rule, ticker, timeframe or rearm arms it afresh.

    Example: alerts update aapl-3f9c2a "AAPL > 160" --cooldown 3600
    """
    changes = _fields(symbol, timeframe, name, cron, timezone, rearm, cooldown, persistence, channel, tag, priority)
    if what is not None:
        changes = inputs.merged(inputs.one_definition(what), changes)
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


def _fields(
    symbol: str | None,
    timeframe: str | None,
    name: str | None,
    cron: str | None,
    timezone: str | None,
    rearm: str | None,
    cooldown: float | None,
    persistence: int | None,
    channels: list[str] | None,
    tags: list[str] | None,
    priority: str | None,
) -> dict[str, Any]:
    """The definition's fields that options name."""
    given = {
        "symbol": symbol,
        "timeframe": timeframe,
        "name": name,
        "cron": cron,
        "timezone": timezone,
        "notification_channels": channels or None,
        "tags": tags or None,
        "priority": priority,
    }
    found: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    policy = {"type": rearm, "cooldown": cooldown, "persistence": persistence}
    policy = {key: value for key, value in policy.items() if value is not None}
    if policy:
        found["rearm"] = policy
    return found


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

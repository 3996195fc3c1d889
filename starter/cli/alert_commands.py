"""Commands that steer alerts, one or many: pause, snooze, resume, acknowledge, delete, restore."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from domain.errors import Fault, InvalidInput
from starter import alerts
from starter.cli import inputs
from starter.cli.many import All, Ids, OfGroup, OfStatus, OfSymbol, OfTag, Yes, on_many, say_many, selected
from starter.cli.options import AlertId, Json
from starter.cli.output import plain, print_json, print_table, say, short
from starter.cli.session import run_command
from starter.clock import now
from starter.context import Context
from starter.selection import Selection
from starter.times import moment_of, span_of, told
from storage.stored_schedule import StoredSchedule
from worker.settings import load_settings

Reason = Annotated[str, typer.Option("--reason", help="Why, for whoever looks.")]
For = Annotated[str, typer.Option("--for", help="Resume by itself after 30m, 2h, 1d, or so many seconds.")]
Until = Annotated[str, typer.Option("--until", help="Resume by itself then: 'tomorrow 9:30', friday, an ISO time.")]
Zone = Annotated[str, typer.Option("--timezone", help="IANA zone of --until; default: SCHEDULER_TIMEZONE.")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for name, command in (
        ("pause", pause), ("snooze", snooze), ("acknowledge", acknowledge), ("resume", resume), ("delete", delete),
        ("restore", restore),
    ):  # fmt: skip
        app.command(name)(command)


def pause(
    ids: Ids = None,
    reason: Reason = "",
    span: For = "",
    until: Until = "",
    timezone: Zone = "",
    tag: OfTag = "",
    symbol: OfSymbol = "",
    group: OfGroup = "",
    status: OfStatus = "",
    everything: All = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Stop evaluating alerts, for good or for a while.

    Example: alerts pause aapl-3f9c2a --reason earnings --for 2h
    """
    selection = selected(ids, tag, symbol, group, status, everything)
    if span or until:
        _snooze(selection, _end(span, until, timezone), reason, timezone, yes=yes, as_json=as_json)
        return

    async def work(context: Context, stored: StoredSchedule) -> Any:
        return await alerts.enable(context, stored.id, False, reason)

    if len(selection.ids) == 1:
        _answer(run_command(lambda context: alerts.enable(context, selection.ids[0], False, reason)), as_json)
    else:
        say_many("paused", on_many("pause", selection, work, yes=yes), as_json=as_json)


def snooze(
    ids: Ids = None,
    span: For = "",
    until: Until = "",
    timezone: Zone = "",
    reason: Reason = "",
    tag: OfTag = "",
    symbol: OfSymbol = "",
    group: OfGroup = "",
    status: OfStatus = "",
    everything: All = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Stop evaluating alerts for a while: a pause that ends by itself.

    Example: alerts snooze --symbol AAPL --until "tomorrow 9:30" --timezone America/New_York --yes
    """
    selection = selected(ids, tag, symbol, group, status, everything)
    if not span and not until:
        raise InvalidInput("options", [Fault("--for, --until", "say for how long, or until when")])
    _snooze(selection, _end(span, until, timezone), reason, timezone, yes=yes, as_json=as_json)


def _end(span: str, until: str, timezone: str) -> datetime:
    if span and until:
        raise InvalidInput("options", [Fault("--for, --until", "give one of them, not both")])
    if span:
        return now() + span_of(span, "--for", "options")
    zone = inputs.zone(timezone or load_settings().scheduler_timezone)
    end = moment_of(until, zone, now(), "--until")
    if end <= now():
        raise InvalidInput("options", [Fault("--until", f"expected a time to come, not {told(end, zone)}", until)])
    say(f"until {told(end, zone)}")
    return end


def _snooze(selection: Selection, end: datetime, reason: str, timezone: str, *, yes: bool, as_json: bool) -> None:
    zone = timezone or load_settings().scheduler_timezone

    async def work(context: Context, stored: StoredSchedule) -> Any:
        await alerts.snooze(context, stored.id, end.isoformat(), reason, zone)

    if len(selection.ids) == 1:
        run_command(lambda context: alerts.snooze(context, selection.ids[0], end.isoformat(), reason, zone))
        said = {"alert": selection.ids[0], "status": "INACTIVE", "reason": "snoozed", "until": plain(end)}
        _answer(said, as_json)
    else:
        say_many("snoozed", on_many("snooze", selection, work, yes=yes), as_json=as_json)


def resume(
    ids: Ids = None,
    tag: OfTag = "",
    symbol: OfSymbol = "",
    group: OfGroup = "",
    status: OfStatus = "",
    everything: All = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Go on evaluating; bars that closed meanwhile are left out.

    Example: alerts resume aapl-3f9c2a
    """
    selection = selected(ids, tag, symbol, group, status, everything)

    async def work(context: Context, stored: StoredSchedule) -> Any:
        return await alerts.enable(context, stored.id, True)

    if len(selection.ids) == 1:
        _answer(run_command(lambda context: alerts.enable(context, selection.ids[0], True)), as_json)
    else:
        say_many("resumed", on_many("resume", selection, work, yes=yes), as_json=as_json)


def acknowledge(id: AlertId, as_json: Json = False) -> None:
    """Say that a fire was seen: no more reminders of it.

    Example: alerts acknowledge aapl-3f9c2a
    """
    run_command(lambda context: alerts.acknowledge(context, id))
    if as_json:
        print_json({"alert": id, "acknowledged": True})
    else:
        say(f"{id}: acknowledged")


def delete(
    ids: Ids = None,
    tag: OfTag = "",
    symbol: OfSymbol = "",
    group: OfGroup = "",
    status: OfStatus = "",
    everything: All = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete alerts and end their workflows; their history stays, and 'alerts restore' brings them back for 30 days.

    Example: alerts delete aapl-3f9c2a
    """
    selection = selected(ids, tag, symbol, group, status, everything)

    async def work(context: Context, stored: StoredSchedule) -> Any:
        return await alerts.delete(context, stored.id)

    if len(selection.ids) != 1:
        say_many("deleted", on_many("delete", selection, work, yes=yes), as_json=as_json)
        return
    (id,) = selection.ids
    reached = run_command(lambda context: alerts.delete(context, id))
    if as_json:
        print_json({"alert": id, "deleted": True, "workflow_told": reached})
    elif reached:
        say(f"{id} deleted; 'alerts restore {id}' brings it back within 30 days")
    else:
        say(f"{id} deleted; its workflow ends when Temporal can be reached")


def restore(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="None: lists those that can be.")] = None,
    as_json: Json = False,
) -> None:
    """Bring deleted alerts back, armed afresh, within 30 days; without ids lists them.

    Example: alerts restore aapl-3f9c2a
    """
    if not ids:
        found = run_command(alerts.deleted)
        if as_json:
            print_json([one.as_json() for one in found])
            return
        rows = [[one.id, one.name, short(one.deleted_at), one.user_id] for one in found]
        print_table(["id", "name", "deleted", "owner"], rows, "no deleted alerts of the last 30 days")
        return
    placed = [run_command(lambda context, id=id: alerts.restore(context, id)) for id in dict.fromkeys(ids)]
    if as_json:
        print_json([{"id": one.alert.id, "version": one.alert.version, "running": one.running} for one in placed])
        return
    for one in placed:
        say(f"{one.alert.id}: back, version {one.alert.version}, {'running' if one.running else 'to be started'}")


def _answer(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(said)
    else:
        until = f" until {said['until']}" if said.get("until") else ""
        later = "" if said.get("told", True) else "; Temporal will be told when it can be reached"
        say(f"{said['alert']}: {said['status']} ({said['reason']}){until}{later}")

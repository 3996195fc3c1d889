"""Commands that carry alerts from one place to another: export and import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.alert import Alert
from domain.errors import Fault, InvalidInput
from domain.text import counted
from starter import alerts
from starter.cli import inputs
from starter.cli.many import Ids, OfGroup, OfStatus, OfSymbol, OfTag
from starter.cli.options import Json
from starter.cli.output import CONFLICT, FAILED, Failure, plain, print_json, progress, say
from starter.cli.session import run_command
from starter.context import Context
from starter.definition_writes import new_id
from starter.destination_checks import refuse_unknown
from starter.selection import Selection, chosen
from storage.database import UnitOfWork
from storage.stored_schedule import StoredSchedule
from worker.schema_folder import SchemaFolder
from worker.settings import load_settings

KEYS = ("id", "user_id", "enabled", "definition")


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("export")(export)
    app.command("import")(import_alerts)


def export(
    ids: Ids = None,
    to: Annotated[Path | None, typer.Option("--to", help="A file; default: stdout.")] = None,
    tag: OfTag = "",
    symbol: OfSymbol = "",
    group: OfGroup = "",
    status: OfStatus = "",
    everything: Annotated[bool, typer.Option("--all", help="All there are, as without any option.")] = False,
) -> None:
    """Write alerts as JSON that 'alerts import' and 'alerts add' read: ids, owners, whether enabled, definitions.

    Example: alerts export --tag tech --to tech.json
    """
    nothing = not (ids or tag or symbol or group or status)
    selection = Selection(tuple(ids or ()), tag, symbol.strip(), group, status.strip(), everything or nothing)
    selection.check()
    found = run_command(lambda context: chosen(context, selection))
    readable = [exported(one) for one in found if one.schedule is not None]
    if to is None:
        print_json(readable)
    else:
        try:
            to.write_text(json.dumps(plain(readable), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise Failure(f"{to} cannot be written: {error.strerror}", FAILED) from None
        say(f"{counted(len(readable), 'alert')} in {to}")
    if left := [one.id for one in found if one.schedule is None]:
        say(f"note: {', '.join(left)} cannot be read and were left out")


def exported(stored: StoredSchedule) -> dict[str, Any]:
    """As a file has it."""
    definition = stored.alert.definition.as_json()
    return {"id": stored.id, "user_id": stored.user_id, "enabled": bool(stored.enabled), "definition": definition}


def import_alerts(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="As 'alerts export' or 'alerts list --json' write it; '-' for stdin.")
    ],
    skip: Annotated[bool, typer.Option("--skip", help="Leave alone those whose id is there already.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Edit those whose id is there already.")] = False,
    user: Annotated[str, typer.Option("--user", help="Their owner; default: whom the file names.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would be.")] = False,
    as_json: Json = False,
) -> None:
    """Bring in alerts from a file: all of them, or none and every fault; ids that are there already are refused.

    Example: alerts import tech.json --skip
    """  # fmt: skip
    if skip and replace:
        raise InvalidInput("options", [Fault("--skip, --replace", "give one of them")])
    settings = load_settings()
    given = inputs.read_all(file, {}, SchemaFolder(settings.alert_schema_dir).own())
    made = [
        Alert(
            id=one.id or new_id(one.definition), user_id=inputs.user(user or one.owner or settings.alerts_user_id),
            definition=one.definition,
        )
        for one in given
    ]  # fmt: skip
    _refuse_doubles(file, made)
    off = {alert.id for alert, one in zip(made, given, strict=True) if not one.enabled}

    async def work(context: Context) -> dict[str, list[str]]:
        async with context.database.transaction() as unit:
            there = await unit.schedules.owners(*[one.id for one in made])
            await _check(context, unit, file, made, there, skip=skip, replace=replace)
        new = [one for one in made if one.id not in there]
        known = [one for one in made if one.id in there]
        said = {
            "added": [one.id for one in new],
            "edited": [one.id for one in known] if replace else [],
            "left": [one.id for one in known] if skip else [],
        }
        if dry_run:
            return said
        with progress("importing alerts", len(made)) as told:
            try:
                await alerts.add(context, new, told, disabled=off & {one.id for one in new})
            except alerts.PartlyAdded as error:
                raise Failure(str(error), FAILED) from None
            for number, one in enumerate(known if replace else [], len(new) + 1):
                await alerts.replace(context, one, enabled=one.id not in off)
                told(number)
        return said

    try:
        said = run_command(work)
    except Failure as error:
        hint = "; --skip leaves those alone, --replace edits them" if error.code == CONFLICT else ""
        raise Failure(f"{str(error).removesuffix('; choose another with --id')}{hint}", error.code) from None
    if as_json:
        print_json({**said, "dry_run": dry_run})
        return
    words = ", ".join(f"{counted(len(ids), 'alert')} {what}" for what, ids in said.items() if ids) or "nothing to do"
    say(f"{words}{'; nothing was written' if dry_run else ''}")


async def _check(
    context: Context,
    unit: UnitOfWork,
    file: str,
    made: list[Alert],
    there: Mapping[str, str],
    *,
    skip: bool,
    replace: bool,
) -> None:
    """Whether all of it can be written, before any of it is.

    Raises:
        InvalidInput, DuplicateAlert: it cannot.
    """
    foreign = [one.id for one in made if one.id in there and there[one.id] != one.user_id]
    if foreign and replace:
        raise InvalidInput(file, [Fault("$", f"{', '.join(foreign[:20])} belong to somebody else")])
    if there and not skip and not replace:
        await unit.schedules.refuse_taken(list(there))
    faults, folder = [], SchemaFolder(context.settings.alert_schema_dir)
    for place, one in enumerate(made):
        try:
            folder.check_definition(one.definition)
            await refuse_unknown(unit, one.user_id, one.definition)
        except InvalidInput as error:
            faults += error.under(f"$[{place}]")
    if faults:
        raise InvalidInput(file, faults)


def _refuse_doubles(file: str, made: list[Alert]) -> None:
    seen: set[str] = set()
    faults = []
    for place, one in enumerate(made):
        if one.id in seen:
            faults.append(Fault(f"$[{place}].id", "stands in the file twice", one.id))
        seen.add(one.id)
    if faults:
        raise InvalidInput(file, faults)

"""Registers files of alerts and schedules, as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import Fault, InvalidInput
from domain.schedule_draft import read_alert
from starter import registration
from starter.cli import inputs
from starter.cli.advising import advise
from starter.cli.options import ConfigFile, Json
from starter.cli.output import print_json, print_table, progress, say
from starter.cli.session import run_command
from starter.clock import now
from starter.context import Context
from starter.registration import Draft, Registered, id_of
from worker.schema_folder import SchemaFolder
from worker.settings import Settings, load_settings


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("register")(register_files)


def register_files(
    paths: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER...", help="Files (JSON), or folders of them.")],
    user: Annotated[str, typer.Option(help="The owner of what names none; default: ALERTS_USER_ID.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Register the alerts and schedules of files: what is new is created, what differs edited, the rest left alone.

    Example: alerts register examples/
    """
    settings = load_settings()
    drafts = _drafts(paths, settings, inputs.user(user) if user else settings.alerts_user_id)

    async def work(context: Context) -> list[tuple[Registered, str]]:
        async with context.database.transaction() as unit:
            done = await registration.register(unit, context.who, drafts, now())
            if dry_run:
                await unit.session.rollback()
                return [(one, "") for one in done]
        with progress("telling Temporal", len(done)) as told:
            found = []
            for place, one in enumerate(done):
                found.append((one, await context.gateway.tell(one.written) if one.written else ""))
                told(place + 1)
            return found

    done = run_command(work)
    warnings = advise(settings, [one.draft.definition for one, _ in done])
    if as_json:
        print_json([_said(one, problem, own) for (one, problem), own in zip(done, warnings, strict=True)])
        return
    rows = [
        [("would be " if dry_run and one.written else "") + one.did, one.draft.job_type, one.draft.id,
         one.draft.definition.name, one.draft.source, f"Temporal will be told later ({problem})" if problem else ""]
        for one, problem in done
    ]  # fmt: skip
    print_table(["", "type", "id", "name", "file", ""], rows)
    say(
        ", ".join(
            f"{sum(one.did is did for one, _ in done)} {did}" for did in dict.fromkeys(one.did for one, _ in done)
        )
    )


def _said(one: Registered, problem: str, warnings: list[str]) -> dict[str, Any]:
    return {
        "action": one.did,
        "job_type": one.draft.job_type,
        "id": one.draft.id,
        "name": one.draft.definition.name,
        "file": one.draft.source,
        "told": not problem,
    } | ({"warnings": warnings} if warnings else {})


def _drafts(paths: list[str], settings: Settings, owner: str) -> list[Draft]:
    """Every definition of every file, or every fault of them all."""
    faults: list[Fault] = []
    found: list[Draft] = []
    folder = SchemaFolder(settings.alert_schema_dir)
    for path in paths:
        for file in _files(path, faults):
            try:
                given = inputs.definitions_in(file)
            except InvalidInput as error:
                faults += error.under(f"{file}:$")
                continue
            for place, (base, data) in enumerate(given):
                try:
                    found.append(_draft(f"{file}", place, len(given) > 1, data, folder, settings, owner))
                except InvalidInput as error:
                    faults += error.under(f"{file}:{base}")
    if faults:
        raise InvalidInput("registration", faults)
    return found


def _files(path: str, faults: list[Fault]) -> Iterator[str]:
    if not Path(path).is_dir():
        yield path
        return
    files = sorted(Path(path).rglob("*.json"))
    if not files:
        faults.append(Fault(path, "has no file that ends in .json"))
    yield from map(str, files)


def _draft(
    file: str, place: int, several: bool, data: Any, folder: SchemaFolder, settings: Settings, owner: str
) -> Draft:
    own: dict[str, Any] = data if isinstance(data, dict) else {}
    id = str(own.get("id") or id_of(Path(file).stem, place, several))
    _, named = inputs.owned(own)
    enabled = own.get("enabled")
    faults = (
        [] if enabled is None or isinstance(enabled, bool) else [Fault("$.enabled", "expected true or false", enabled)]
    )
    faults += inputs.faults_of_id(id)
    if faults:
        raise InvalidInput("definition", faults)
    if "job_type" in own:
        definition = inputs.read_schedule(own, folder, settings.scheduler_timezone)
    else:
        rest = {name: value for name, value in own.items() if name not in ("id", "user_id", "enabled")}
        definition = read_alert(rest if own else {"rule": data}, folder.own())
        folder.check_definition(definition)
    return Draft(file, id, named or owner, definition, enabled)

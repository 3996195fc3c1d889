"""Commands on the database: its schema, what an earlier service left in it, and what is old."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from domain.errors import Fault, InvalidInput
from domain.job import Job
from starter.cli import backup_commands
from starter.cli.databases import in_database
from starter.cli.options import Json
from starter.cli.output import FAILED, Failure, print_json, print_table, progress, say
from starter.cli.session import run_command
from starter.clock import now
from starter.context import Context
from storage.adoption import ADDED, Change, Found, NotAdopted
from storage.database import HEAD, Database, migrate
from storage.stored_schedule import StoredSchedule
from worker.settings import load_settings

MOST_WORDS = 200


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    db = typer.Typer(help="The database: its schema, what is old, backups.", no_args_is_help=True)
    for name, command in (
        ("upgrade", upgrade), ("downgrade", downgrade), ("current", current), ("adopt", adopt), ("prune", prune),
        ("backup", backup_commands.backup), ("backups", backup_commands.backups), ("restore", backup_commands.restore),
    ):  # fmt: skip
        db.command(name)(command)
    app.add_typer(db, name="db")


def upgrade(as_json: Json = False) -> None:
    """Migrate the database to the schema of this version; the tables of an earlier service are taken over as they are.

    Example: alerts db upgrade
    """

    async def work(database: Database) -> str | None:
        try:
            await database.upgrade()
        except NotAdopted:
            return None
        return await database.revision()

    found = in_database(work)
    if found is None:
        adopt(dry_run=False, as_json=as_json)
    else:
        _said_schema(found, as_json)


def adopt(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would become of each row.")] = False,
    as_json: Json = False,
) -> None:
    """Take over the tables of an earlier service: every row, id, index and right stays, and old SQL goes on working.

    Example: alerts db adopt --dry-run
    """
    zone = load_settings().scheduler_timezone

    async def work(database: Database) -> tuple[Found, list[Change]]:
        if not await _is_foreign(database):
            raise Failure("there is nothing to adopt: no earlier service's job_schedules is there", FAILED)
        found = await database.look()
        return found, found.changes if dry_run else list(await database.adopt(zone))

    found, changes = in_database(work)
    rows = [_outcome(one) for one in found.schedules]
    done = _in_words(changes)
    if as_json:
        print_json({"dry_run": dry_run, "timezone": zone, "schedules": rows, "runs": found.runs, "changes": done})
        return
    table = [[one["id"], one["user_id"], one["job_type"], one["name"], one["outcome"], _said(one)] for one in rows]
    print_table(["id", "user", "type", "name", "", "what becomes of it"], table, "no schedules")
    said = ", ".join(f"{count} {status}" for status, count in found.runs.items()) or "none"
    say(f"runs: {said}")
    for words in done:
        say(f"{'would be done' if dry_run else 'done'}: {words}")
    say(f"crons are {'' if dry_run else 'now '}meant in {zone} (SCHEDULER_TIMEZONE)")
    if not dry_run:
        say(f"adopted, schema {HEAD}; 'alerts up' or 'alerts worker' runs what is enabled")


def _in_words(changes: list[Change]) -> list[str]:
    """Columns that are added in one sentence; the rest as it is."""
    added = [one.words.removesuffix(ADDED) for one in changes if one.words.endswith(ADDED)]
    others = [one.words for one in changes if one.words and not one.words.endswith(ADDED)]
    return [*([f"columns are added: {', '.join(added)}"] if added else []), *others]


async def _is_foreign(database: Database) -> bool:
    return await database.revision() != HEAD and await database.is_foreign()


def _outcome(stored: StoredSchedule) -> dict[str, Any]:
    """What becomes of one row."""
    one = stored.schedule
    warnings = one.definition.warnings() if isinstance(one, Job) else []
    return {
        "id": stored.id,
        "user_id": stored.user_id,
        "job_type": stored.job_type,
        "name": stored.name,
        "enabled": bool(stored.enabled),
        "outcome": "refused" if one is None else "warned" if warnings else "accepted",
        "runs_as": None if one is None else f"{stored.job_type}-{stored.id}",
        "warnings": warnings,
        "errors": [fault.as_json() for fault in stored.faults],
    }


def _said(one: dict[str, Any]) -> str:
    if one["errors"]:
        why = "; ".join(f"{fault['path']}: {fault['message']}" for fault in one["errors"])
        return f"stays as it is, INVALID: {why}"[:MOST_WORDS]
    runs = f"runs as {one['runs_as']}" if one["enabled"] else "disabled"
    return "; ".join([runs, *one["warnings"]])[:MOST_WORDS]


def downgrade(
    revision: Annotated[str, typer.Argument(help="The revision to go back to, such as 0001, or 'base'.")],
    yes: Annotated[bool, typer.Option("--yes", help="Data that the older schema cannot hold is lost.")] = False,
    as_json: Json = False,
) -> None:
    """Migrate the database back; what the older schema cannot hold is lost.

    Example: alerts db downgrade 0001 --yes
    """
    if not yes:
        raise InvalidInput("options", [Fault("--yes", "is needed: data that the older schema cannot hold is lost")])

    async def work(database: Database) -> str | None:
        await asyncio.to_thread(migrate, database.url, revision, down=True)
        return await database.revision()

    _said_schema(in_database(work), as_json)


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Remove rows that have been kept for as long as RETENTION_… says; the Schedule 'retention' does so every night.

    Example: alerts db prune --dry-run
    """
    from activities.retention import Retention
    from storage.retention import RULES

    async def work(context: Context) -> dict[str, int]:
        retention = Retention(context.database, context.settings.retention, now)
        if dry_run:
            return await retention.due()
        with progress("removing old rows") as told:
            return await retention.run(lambda name, rows: told(rows))

    counts, kept = run_command(work), load_settings().retention
    if as_json:
        print_json({"dry_run": dry_run, "rows": counts})
        return
    rows = [
        [
            rule.name,
            f"{kept[rule.name]} days" if kept[rule.name] else "for ever",
            str(counts.get(rule.name, 0)),
            rule.what,
        ]
        for rule in RULES
    ]
    print_table(["what", "kept", "would go" if dry_run else "removed", ""], rows)


def current(as_json: Json = False) -> None:
    """Show which schema the database has, and which this version needs.

    Example: alerts db current
    """

    async def work(database: Any) -> Any:
        return await database.revision()

    found = in_database(work)
    if as_json:
        print_json({"schema": found, "needed": HEAD})
    else:
        say(f"schema {found or 'none'}, this version needs {HEAD}")
    if found != HEAD:
        raise typer.Exit(FAILED)


def _said_schema(found: str | None, as_json: bool) -> None:
    if as_json:
        print_json({"schema": found})
    else:
        say(f"schema {found or 'none'}")

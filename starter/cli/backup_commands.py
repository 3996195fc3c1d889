"""Commands on backups: made now, listed, put back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.engine import make_url

from domain.errors import Fault, InvalidInput
from starter.cli.databases import in_database
from starter.cli.options import Json
from starter.cli.output import FAILED, Failure, print_json, print_lines, print_table, say
from starter.clock import now
from storage.database import Database
from storage.heartbeats import STOPPED
from worker.settings import Settings, load_settings

ALIVE = timedelta(seconds=60)


def backup(
    keep: Annotated[int, typer.Option(min=1, max=1000, help="How many backups stay.")] = 7,
    as_json: Json = False,
) -> None:
    """Make a backup now, restore it into a scratch database, and compare every table.

    Example: alerts db backup
    """
    from activities.jobs.backup import Backup
    from activities.jobs.executor import JobFailed, JobRefused

    settings = load_settings()

    async def work(database: Database) -> dict[str, Any]:
        return await Backup(database, _folder(settings), clock=now).make("by-hand", keep)

    try:
        made = in_database(work)
    except (JobFailed, JobRefused) as error:
        raise Failure(str(error), FAILED) from None
    if as_json:
        print_json(made)
        return
    print_lines(str(_folder(settings) / str(made["file"])))
    checked = "restored into a scratch database, the same" if made["checked"] == "restored" else "read back"
    say(f"{made['rows']:,} rows of {made['tables']} tables, {checked}")


def backups(as_json: Json = False) -> None:
    """List the backups there are, newest first.

    Example: alerts db backups
    """
    from activities.jobs.backup import backups_in

    found = [_described(one) for one in backups_in(_folder(load_settings()))]
    if as_json:
        print_json(found)
        return
    rows = [[one["file"], f"{one['bytes']:,}", f"{one['rows']:,}", one["schema"], one["checked"]] for one in found]
    print_table(["file", "bytes", "rows", "schema", "checked"], rows, "no backup yet; see: alerts db backup")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup: a path, or a name of 'alerts db backups'.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Also where a database is there, or processes were heard of.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a backup in place of the database; what was there stays beside it. Stop workers and the API first.

    Example: alerts db restore alerts-20260105T030000-293a1564.db --yes
    """
    from storage.backups.restore import restore as put_back

    settings = load_settings()
    path = file if file.exists() else _folder(settings) / file.name

    async def work(database: Database) -> Any:
        await _refuse_busy(database, yes)
        await database.close()
        done = await put_back(database.url, path, f"{now():%Y%m%d%H%M%S}")
        try:
            await database.upgrade()
            async with database.transaction() as unit:
                await unit.deliveries.hand_all_again()
        except Exception as error:
            before = done.before or "nothing"
            said = f"restored, but not brought to this version's schema: {error}; what was there before is {before}"
            raise Failure(said, FAILED) from None
        return done, await database.revision()

    done, revision = in_database(work)
    rows = sum(done.rows.values())
    if as_json:
        print_json({"file": str(path), "rows": dict(done.rows), "schema": revision, "before": done.before or None})
        return
    say(f"restored {rows:,} rows of {len(done.rows)} tables, schema {revision}")
    if done.before:
        say(f"what was there before is {done.before}")
    say("'alerts up' or 'alerts worker' begins every alert anew in Temporal, with the memory that the backup has of it")


async def _refuse_busy(database: Database, yes: bool) -> None:
    """Who works on the database would go on with what is no longer there; what cannot be looked at may be worked on."""
    if yes or not await asyncio.to_thread(_may_be_there, database.url):
        return
    try:
        async with database.transaction() as unit:
            beats = [one for one in await unit.heartbeats.list() if one.status != STOPPED]
    except Exception as error:  # another schema, no server, or broken: that may be why it is restored
        said = (
            f"is needed: whether anybody works on the database cannot be told ({type(error).__name__}); stop them first"
        )
        raise InvalidInput("options", [Fault("--yes", said)]) from None
    alive = [f"{one.system} {one.instance}" for one in beats if now() - one.last_heartbeat < ALIVE]
    said = f"is needed: {', '.join(alive)} lived within the last minute; stop them first"
    if not alive:
        said = "is needed: a database is there; it would stay beside the restored one"
    raise InvalidInput("options", [Fault("--yes", said)])


def _may_be_there(url: str) -> bool:
    """Looking at a SQLite file that is not there would make it."""
    where = make_url(url)
    return where.get_backend_name() != "sqlite" or Path(str(where.database)).exists()


def _described(path: Path) -> dict[str, Any]:
    from storage.backups.restore import beside, held

    said, rows = beside(path), sum(one.rows for one in held(path).values())
    about = {"schema": str(said.get("schema", "?")), "checked": str(said.get("checked", "?"))}
    return {"file": path.name, "bytes": path.stat().st_size, "rows": rows, **about}


def _folder(settings: Settings) -> Path:
    return settings.alerts_home / "backups"

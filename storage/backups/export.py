"""An export of our own for PostgreSQL servers without ``pg_dump``: each table as ``COPY`` writes it, in one zip with a list."""

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from storage.backups.contents import Contents, NotTheSame, as_json, of_json, postgres_contents, refuse_unlike
from storage.backups.postgres import connected, scratch
from storage.database import migrate

LIST, FORMAT = "contents.json", 1
VERSIONS = "alembic_version"
MOST_LIST = 5_000_000  # bytes
_SEQUENCES = (
    "SELECT a.attname, pg_get_serial_sequence(quote_ident(c.relname), a.attname) FROM pg_attribute a "
    "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped "
    "AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL"
)


async def export(url: URL, path: Path, names: tuple[str, ...]) -> Contents:
    """Those of our tables that are there, of one snapshot; what they hold."""
    async with connected(url) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        every = await postgres_contents(connection)
        contents = {name: one for name, one in every.items() if name in names}
        revision = await connection.fetchval(f"SELECT version_num FROM {VERSIONS}")  # noqa: S608
        said = {"format": FORMAT, "revision": revision, "tables": as_json(contents)}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(LIST, json.dumps(said, indent=1))
            for name in contents:
                with archive.open(f"{name}.copy", "w", force_zip64=True) as file:

                    async def write(data: bytes, file: Any = file) -> None:
                        await asyncio.to_thread(file.write, data)  # to deflate takes time

                    await connection.copy_from_table(name, output=write)
    return contents


def listed(path: Path) -> tuple[str, Contents]:
    """The schema's revision and what an export says that it holds. Blocking.

    Raises:
        NotTheSame: it is no export of ours, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            if broken is not None:
                raise NotTheSame(f"{path.name} is damaged at {broken}")
            if archive.getinfo(LIST).file_size > MOST_LIST:
                raise NotTheSame(f"{path.name} is no export of ours")
            said = json.loads(archive.read(LIST))
        if said["format"] != FORMAT:
            raise NotTheSame(f"{path.name} was made by another version (format {said['format']}, not {FORMAT})")
        return str(said["revision"]), of_json(said["tables"])
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, OSError) as error:
        raise NotTheSame(f"{path.name} is no export of ours: {error}") from None


async def checked_export(url: URL, path: Path) -> str:
    """How it was checked: ``restored`` into a scratch database and compared, or only ``read`` where none may be made.

    Raises:
        NotTheSame: what came back is not what was there.
    """
    async with scratch(url) as name:
        if name is None:
            await asyncio.to_thread(listed, path)
            return "read"
        await restore_export(url.set(database=name), path)
        return "restored"


async def restore_export(url: URL, path: Path) -> None:
    """Into an empty database, whose schema is made first; the rows come all or not at all.

    Raises:
        NotTheSame: what came back is not what was there.
    """
    revision, contents = await asyncio.to_thread(listed, path)
    await asyncio.to_thread(migrate, url.render_as_string(hide_password=False), revision)
    async with connected(url) as connection, connection.transaction():
        with zipfile.ZipFile(path) as archive:
            for name in contents:
                await _fill(connection, name, archive)
        found = await postgres_contents(connection)
        refuse_unlike(contents, {name: one for name, one in found.items() if name in contents})


async def _fill(connection: Any, name: str, archive: zipfile.ZipFile) -> None:
    """Our triggers would take the rows for news, so that they sleep meanwhile."""
    await connection.execute(f'ALTER TABLE "{name}" DISABLE TRIGGER USER')
    await connection.execute(f'DELETE FROM "{name}"')  # noqa: S608 (what a migration has put there)
    with archive.open(f"{name}.copy") as file:
        await connection.copy_to_table(name, source=file)
    await connection.execute(f'ALTER TABLE "{name}" ENABLE TRIGGER USER')
    for column, sequence in await connection.fetch(_SEQUENCES, name):
        newest = await connection.fetchval(f'SELECT max("{column}") FROM "{name}"')  # noqa: S608
        await connection.execute("SELECT setval($1::regclass, $2, $3)", sequence, newest or 1, newest is not None)

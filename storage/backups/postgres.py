"""PostgreSQL: archives of ``pg_dump``, checked by restoring them into a scratch database."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from storage.backups.contents import Contents, postgres_contents, refuse_unlike

PLAIN = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "LD_LIBRARY_PATH", "SYSTEMROOT")
OPTIONS = {
    "host": "PGHOST",
    "port": "PGPORT",
    "ssl": "PGSSLMODE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "passfile": "PGPASSFILE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
MAINTENANCE = ("postgres", "template1")  # databases from which others are made
LONGEST_NAME = 63  # bytes


class ToolFailed(Exception):
    """``pg_dump`` or ``pg_restore`` ended with an error."""


class NoTool(Exception):
    """It is not there, or not of the server's version."""


class NoDatabase(Exception):
    """The server has none of that name."""


@asynccontextmanager
async def connected(url: URL) -> AsyncIterator[Any]:
    """An asyncpg connection as ours are, TLS included, outside of any transaction.

    Raises:
        NoDatabase: there is none of that name.
        DBAPIError: the server cannot be reached.
    """
    engine = create_async_engine(url)
    try:
        try:
            connection = await engine.connect()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", "") == asyncpg.InvalidCatalogNameError.sqlstate:
                raise NoDatabase(url.database) from None
            raise
        try:
            yield (await connection.get_raw_connection()).driver_connection
        finally:
            await connection.close()
    finally:
        await engine.dispose()


async def dump(url: URL, path: Path) -> Contents:
    """An archive of ``pg_dump`` of one snapshot, and what that holds.

    Raises:
        NoTool: there is none, or it is older than the server.
        ToolFailed: it ended with an error.
    """
    if shutil.which("pg_dump") is None or shutil.which("pg_restore") is None:
        raise NoTool("pg_dump is not there")
    async with connected(url) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        contents = await postgres_contents(connection)
        command = [
            "pg_dump",
            "--no-password",
            "--format=custom",
            f"--snapshot={snapshot}",
            "--file",
            str(path),
            str(url.database),
        ]
        try:
            await run_tool(command, url)
        except ToolFailed as error:
            if "server version" in str(error):
                raise NoTool(str(error)) from None
            raise
    return contents


async def checked_dump(url: URL, path: Path, contents: Contents) -> str:
    """How an archive was checked: ``restored`` into a scratch database and compared, or only ``read`` where none may be made.

    Raises:
        NotTheSame: what came back is not what was there.
        ToolFailed: it cannot be read.
    """
    async with scratch(url) as name:
        if name is None:
            await run_tool(["pg_restore", "--file", os.devnull, str(path)], url)
            return "read"
        await restore_dump(url.set(database=name), path)
        async with connected(url.set(database=name)) as connection:
            refuse_unlike(contents, await postgres_contents(connection))
        return "restored"


async def restore_dump(url: URL, path: Path) -> None:
    """Into an empty database, all or nothing.

    Raises:
        ToolFailed: it ended with an error.
    """
    words = ["--single-transaction", "--no-owner", "--no-privileges", "--exit-on-error", "--dbname", str(url.database)]
    await run_tool(["pg_restore", "--no-password", *words, str(path)], url)


@asynccontextmanager
async def scratch(url: URL) -> AsyncIterator[str | None]:
    """The name of a new, empty database beside the one of the URL, which goes in the end; None where none may be made."""
    name = f"alerts_check_{uuid.uuid4().hex[:12]}"
    if not await create_database(url, name):
        yield None
        return
    try:
        yield name
    finally:
        await asyncio.shield(drop_database(url, name))


async def create_database(url: URL, name: str) -> bool:
    """Whether a database of that name could be made."""
    try:
        async with on_server(url) as connection:
            await connection.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0")
    except (asyncpg.InsufficientPrivilegeError, NoDatabase):
        return False
    return True


async def drop_database(url: URL, name: str) -> None:
    """Whoever is still connected."""
    async with on_server(url) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


async def swap(url: URL, fresh: str, before: str | None) -> None:
    """``fresh`` takes the name of the URL's database, which is called ``before`` then; both or neither.

    Raises:
        asyncpg.PostgresError: it was refused: somebody is connected, or the user owns it not.
    """
    name = str(url.database)
    async with on_server(url) as connection:
        if before is not None:
            ending = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
            )
            await connection.fetch(ending, name)
        async with connection.transaction():
            if before is not None:
                await connection.execute(f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(before)}")
            await connection.execute(f"ALTER DATABASE {quoted(fresh)} RENAME TO {quoted(name)}")


def quoted(name: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def named_beside(name: str, ending: str) -> str:
    """A name of a database beside another; PostgreSQL cuts what is longer."""
    return name.encode()[: LONGEST_NAME - len(ending.encode())].decode(errors="ignore") + ending


@asynccontextmanager
async def on_server(url: URL) -> AsyncIterator[Any]:
    """A connection to a database other than the URL's own, from which others are made.

    Raises:
        NoDatabase: there is none that lets us in.
    """
    for name in (one for one in MAINTENANCE if one != url.database):
        try:
            opened = connected(url.set(database=name))
            connection = await opened.__aenter__()
        except (NoDatabase, DBAPIError):
            continue
        try:
            yield connection
        finally:
            await opened.__aexit__(None, None, None)
        return
    raise NoDatabase("no database lets us make others")


async def run_tool(command: list[str], url: URL) -> None:
    """One of PostgreSQL's own programs, connected as we are.

    Raises:
        ToolFailed: it ended with an error; what it said, without the password.
    """
    process = await asyncio.create_subprocess_exec(
        *command, env=environment_of(url), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await asyncio.shield(process.wait())
        raise
    if process.returncode:
        words = re.sub(r"\s+", " ", said.decode(errors="replace")).strip()
        raise ToolFailed(f"{command[0]}: {words[:500]}")


def environment_of(url: URL) -> dict[str, str]:
    """What the tools of PostgreSQL need to connect as we do, TLS included, and nothing else of ours: no vendor's keys."""
    own = {name: value for name, value in os.environ.items() if name.startswith(("PG", "LC_")) or name in PLAIN}
    asked = [(variable, url.query.get(name)) for name, variable in OPTIONS.items()]
    given = [("PGHOST", url.host), ("PGPORT", url.port), ("PGUSER", url.username), ("PGPASSWORD", url.password)]
    named = {
        name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in [*asked, *given] if value
    }
    if named.get("PGSSLMODE", "").lower() in ("true", "1"):
        named["PGSSLMODE"] = "verify-full"
    return {**own, **named}

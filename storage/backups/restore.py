"""A backup in place of the database. What was there stays beside it under another name."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.engine import URL, make_url

from domain.errors import ErrorKind, ExpectedError
from storage.backups.contents import Contents, NotTheSame, of_json, postgres_contents, refuse_unlike
from storage.backups.export import listed, restore_export
from storage.backups.postgres import (
    NoDatabase,
    NoTool,
    ToolFailed,
    connected,
    create_database,
    drop_database,
    named_beside,
    restore_dump,
    run_tool,
    swap,
)
from storage.backups.sqlite_file import VERSIONS, checked_sqlite, put_back_sqlite, schema_of
from storage.database import HEAD, async_url

SQLITE, DUMP, EXPORT = ".db", ".dump", ".zip"
BESIDE = ".json"  # the file that says what a backup holds


class CannotRestore(ExpectedError):
    """The backup cannot be put back; the text says what to do. Nothing is changed."""

    kind = ErrorKind.STATE


@dataclass(frozen=True)
class Restored:
    """What is there now, and where what was there before is (empty: there was nothing)."""

    rows: Mapping[str, int]
    before: str


async def restore(url: str, backup: Path, stamp: str) -> Restored:
    """Puts the backup in place of the database, and compares every table with what was backed up.

    Raises:
        CannotRestore: it is damaged, of another kind of database, or may not be put there.
    """
    where = make_url(async_url(url))
    is_postgres, kind = where.get_backend_name() == "postgresql", backup.suffix
    if not await asyncio.to_thread(backup.is_file):
        raise CannotRestore(f"there is no file {backup}; 'alerts db backups' lists those there are")
    if kind not in ((DUMP, EXPORT) if is_postgres else (SQLITE,)):
        wanted = f"{DUMP} or {EXPORT}" if is_postgres else SQLITE
        raise CannotRestore(
            f"{backup.name} is no backup of this kind of database; expected a file that ends with {wanted}"
        )
    try:
        if is_postgres:
            return await _postgres(where, backup, stamp)
        if not where.database or where.database == ":memory:":
            raise CannotRestore("a database in memory cannot be restored")
        contents = await asyncio.to_thread(checked_sqlite, backup)
        if known := held(backup):
            refuse_unlike(known, contents)
        _refuse_unknown(await asyncio.to_thread(schema_of, backup))
        before = await asyncio.to_thread(put_back_sqlite, backup, contents, Path(where.database), stamp)
        return Restored({name: one.rows for name, one in contents.items()}, str(before or ""))
    except (NotTheSame, ToolFailed, NoTool) as error:
        raise CannotRestore(str(error)) from None
    except OSError as error:
        raise CannotRestore(f"cannot be written: {error}") from None


def _refuse_unknown(revision: str) -> None:
    """Lets schemas pass that this version can bring to its own.

    Raises:
        CannotRestore: it is newer, or none of ours.
    """
    if not re.fullmatch(r"\d{4}", revision) or revision > HEAD:
        raise CannotRestore(
            f"the backup has schema {revision or 'none'}, and this version knows those up to {HEAD}: restore it with its own"
        )


def beside(backup: Path) -> dict[str, Any]:
    """What the file beside a backup says of it; empty where there is none."""
    try:
        return dict(json.loads(backup.with_name(backup.name + BESIDE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def held(backup: Path) -> Contents:
    """What a backup says that it holds; empty where it does not."""
    try:
        return of_json(beside(backup).get("tables") or {})
    except (ValueError, KeyError, TypeError):
        return {}


async def _postgres(url: URL, backup: Path, stamp: str) -> Restored:
    """Into a new database, which takes the old one's name once it is whole; straight into an empty one where none may be made."""
    await _refuse_unreadable(url, backup)
    name = str(url.database)
    fresh, before = (named_beside(name, f"_{what}_{stamp}") for what in ("restored", "before"))
    there = await _tables(url)
    if await create_database(url, fresh):
        try:
            rows = await _filled(url.set(database=fresh), backup)
            await swap(url, fresh, None if there is None else before)
        except BaseException as error:
            await asyncio.shield(drop_database(url, fresh))
            if isinstance(error, asyncpg.PostgresError):
                raise CannotRestore(
                    f"{name} cannot be replaced: {error}; stop whoever works on it, or restore as its owner"
                ) from None
            raise
        return Restored(rows, before if there is not None else "")
    if there is None or there:
        raise CannotRestore(
            f"this user may not make databases, and {name} is {'not there' if there is None else 'not empty'}: "
            "make an empty one, name it in DATABASE_URL, and restore into that"
        )
    return Restored(await _filled(url, backup), "")


async def _refuse_unreadable(url: URL, backup: Path) -> None:
    if backup.suffix == EXPORT:
        await asyncio.to_thread(listed, backup)
        return
    try:
        await run_tool(["pg_restore", "--file", "/dev/null", str(backup)], url)
    except FileNotFoundError:
        raise CannotRestore("pg_restore is not there; install PostgreSQL's client programs") from None


async def _filled(url: URL, backup: Path) -> dict[str, int]:
    if backup.suffix == EXPORT:
        await restore_export(url, backup)
    else:
        await restore_dump(url, backup)
    async with connected(url) as connection:
        found = await postgres_contents(connection)
        if VERSIONS not in found:
            raise CannotRestore(f"{backup.name} is no backup of this program: it has no schema of ours")
        _refuse_unknown(str(await connection.fetchval(f"SELECT version_num FROM {VERSIONS}")))  # noqa: S608
    known = held(backup) if backup.suffix == DUMP else {}
    if known:
        refuse_unlike(known, {name: one for name, one in found.items() if name in known})
    return {name: one.rows for name, one in found.items()}


async def _tables(url: URL) -> list[Any] | None:
    """The tables that are there; None where there is no such database."""
    try:
        async with connected(url) as connection:
            return list(await postgres_contents(connection))
    except NoDatabase:
        return None

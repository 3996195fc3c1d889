"""What is in a database, in so few words that two can be compared: rows and a hash of each table, whatever their order."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from typing import Any

UNLIKE = 3  # tables that are named in an error
SAME_WORDS = ("TimeZone = 'UTC'", "DateStyle = 'ISO'", "extra_float_digits = 1", "bytea_output = 'hex'")
_TABLES = (
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND n.nspname = current_schema() ORDER BY 1"
)


@dataclass(frozen=True)
class TableContents:
    """How many rows, and the sum of their hashes."""

    rows: int
    digest: str


Contents = dict[str, TableContents]


class NotTheSame(Exception):
    """A copy does not hold what it was made from."""


def refuse_unlike(original: Contents, copy: Contents) -> None:
    """Lets a copy pass that holds the same.

    Raises:
        NotTheSame: naming tables that differ.
    """
    unlike = [name for name in sorted({*original, *copy}) if original.get(name) != copy.get(name)]
    if unlike:
        said = ", ".join(
            f"{name} ({_rows(original, name)} rows, the copy has {_rows(copy, name)})" for name in unlike[:UNLIKE]
        )
        raise NotTheSame(f"the copy does not hold the same: {said}")


def _rows(contents: Contents, name: str) -> str:
    return f"{contents[name].rows:,}" if name in contents else "no"


def as_json(contents: Contents) -> dict[str, Any]:
    """For a file beside the copy."""
    return {name: {"rows": one.rows, "digest": one.digest} for name, one in contents.items()}


def of_json(data: Any) -> Contents:
    """From such a file."""
    return {str(name): TableContents(int(one["rows"]), str(one["digest"])) for name, one in dict(data).items()}


def sqlite_contents(connection: sqlite3.Connection) -> Contents:
    """Of all tables, as the connection's transaction sees them. Blocking."""
    connection.text_factory = bytes  # another program may have written anything
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return {name.decode(): _of_table(connection, name.decode()) for (name,) in names.fetchall()}


def _of_table(connection: sqlite3.Connection, name: str) -> TableContents:
    rows = total = 0
    quoted = '"' + name.replace('"', '""') + '"'
    for row in connection.execute(f"SELECT * FROM {quoted}"):  # noqa: S608
        digest = hashlib.blake2b(repr(row).encode(), digest_size=8).digest()
        total = (total + int.from_bytes(digest)) % 2**64
        rows += 1
    return TableContents(rows, f"{total:016x}")


async def postgres_contents(connection: Any) -> Contents:
    """Of all tables of the schema, as the asyncpg connection's transaction sees them."""
    for setting in SAME_WORDS:
        await connection.execute(f"SET {setting}")
    found: Contents = {}
    for (name,) in await connection.fetch(_TABLES):
        quoted = '"' + name.replace('"', '""') + '"'
        rows, digest = await connection.fetchrow(
            "SELECT count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0)::text "  # noqa: S608
            f"FROM {quoted} t"
        )
        found[name] = TableContents(int(rows), str(digest))
    return found

"""A PostgreSQL with the tables of earlier services is taken over as it is: its rows, ids, indexes and rights stay.

What differs from a database of ours is told first (``look``) and then changed in one transaction (``adopt``): columns are added,
types that are too narrow widened, and what would forbid our rows is lifted. Nothing is copied, and no row is removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Identity, Table, UniqueConstraint, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from domain.errors import ErrorKind, ExpectedError
from storage import data_tables  # noqa: F401 (its tables are Base's)
from storage.migrations import triggers_0007 as triggers
from storage.tables import Base, RunRow, ScheduleRow

SCHEDULES, RUNS = ScheduleRow.__tablename__, RunRow.__tablename__
ADOPTED = (SCHEDULES, RUNS)
LOCK = 7_233_800_220_260_105  # that of the migrations
VERSIONS = "alembic_version"
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_FILLED = {  # what a row has that was written before the column was ours
    "key": "id::text",
    "owner": "coalesce(user_id::text, 'local')",
    "timezone": ":zone",
    "job_key": "job_id::text",
    "run_id": "gen_random_uuid()",
    "scheduled_for": "coalesce(scheduled_for, enqueued_at, started_at, now())",
    "created_at": "now()",
    "updated_at": "now()",
}
_UUID = "'^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$'"


class CannotAdopt(ExpectedError):
    """The database cannot be taken over as it is; the text says what to do."""

    kind = ErrorKind.STATE


class NotAdopted(ExpectedError):
    """The database holds tables of earlier services, and nobody has said yet that they are to be taken over."""

    kind = ErrorKind.STATE

    def __init__(self) -> None:
        super().__init__(
            f"the database has the tables {SCHEDULES} and {RUNS} of an earlier service; 'alerts db adopt --dry-run' shows what "
            "would become of each row, 'alerts db upgrade' takes them over. Stop that service first: both would tell its alerts"
        )


@dataclass(frozen=True)
class Change:
    """One thing that is done to the database, in words, and the statement that does it."""

    words: str
    statement: str


async def is_foreign(connection: Any) -> bool:
    """Whether the database has a ``job_schedules`` that no migration of ours made."""
    return bool(await connection.run_sync(_is_foreign))


def _is_foreign(connection: Connection) -> bool:
    found = inspect(connection)
    if SCHEDULES not in found.get_table_names():
        return False
    return "definition_hash" not in {one["name"] for one in found.get_columns(SCHEDULES)}


def look(connection: Connection) -> list[Change]:
    """What would be done, in order.

    Raises:
        CannotAdopt: when it is no PostgreSQL, or has other tables with names of ours.
    """
    if connection.dialect.name != "postgresql":
        raise CannotAdopt(
            f"{SCHEDULES} in this SQLite file was made by another program; use another file (DATABASE_URL)"
        )
    present = set(inspect(connection).get_table_names())
    taken = sorted((set(Base.metadata.tables) - set(ADOPTED)) & present)
    if taken:
        raise CannotAdopt(
            f"the database has tables of another program with names of ours: {', '.join(taken)}; rename them, or move those two "
            "into a database of their own"
        )
    changes = [Change("their table of migrations is kept as alembic_version_before",
                      f"ALTER TABLE {VERSIONS} RENAME TO alembic_version_before")] if VERSIONS in present else []  # fmt: skip
    for name in ADOPTED:
        if name in present:
            changes += _Fitting(connection, Base.metadata.tables[name]).changes()
    return changes


class _Fitting:
    """What one table of theirs needs to serve as ours."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self.connection, self.table = connection, table
        found = inspect(connection)
        self.columns = {one["name"]: one for one in found.get_columns(table.name)}
        named = (*found.get_indexes(table.name), *found.get_unique_constraints(table.name))
        self.names = {str(one["name"]) for one in named}
        self.checks = found.get_check_constraints(table.name)
        self.foreign = found.get_foreign_keys(table.name)

    def changes(self) -> list[Change]:
        """In the order in which they can be done."""
        found = [*self._lifted(), *self._untyped()]
        for column in self.table.columns:
            found += self._widened(column) if column.name in self.columns else self._added(column)
        found += self._filled()
        for column in self.table.columns:
            found += self._default(column)
        if self.table.name == RUNS:
            found += self._runs()
        return [*found, *self._keys()]

    def _alter(self, column: str, what: str, words: str = "") -> Change:
        return Change(words, f'ALTER TABLE {self.table.name} ALTER COLUMN "{column}" {what}')

    def _lifted(self) -> list[Change]:
        """What would forbid rows of ours: checks on types and statuses, references, columns that must be filled."""
        name = self.table.name
        found = [
            Change(f"the check {one['name']} is lifted", f'ALTER TABLE {name} DROP CONSTRAINT "{one["name"]}"')
            for one in self.checks
            if any(word in one["sqltext"] for word in ("job_type", "status"))
        ]
        for one in self.foreign:
            if one["referred_table"] == SCHEDULES and name == RUNS:
                column, key = one["constrained_columns"][0], one["name"]
                found.append(
                    Change(
                        "runs stay when their schedule is removed",
                        f'ALTER TABLE {name} DROP CONSTRAINT "{key}", ADD CONSTRAINT "{key}" FOREIGN KEY ("{column}") '
                        f"REFERENCES {SCHEDULES} (id) ON DELETE SET NULL",
                    )
                )
        for column, kept in self.columns.items():
            ours = self.table.columns.get(column)
            if kept["nullable"] or column == "id" or (ours is not None and not ours.nullable):
                continue
            if ours is not None or kept["default"] is None:
                words = f"{name}.{column} may be empty" if ours is None else ""
                found.append(self._alter(column, "DROP NOT NULL", words))
        return found

    def _untyped(self) -> list[Change]:
        """A type of few words becomes a text, since ours has more of them."""
        return [
            change
            for column, kept in self.columns.items()
            if column in self.table.columns and isinstance(kept["type"], postgresql.ENUM)
            for change in (
                self._alter(column, "DROP DEFAULT"),
                self._alter(
                    column, f'TYPE VARCHAR(50) USING "{column}"::text', f"{self.table.name}.{column} is a text"
                ),
            )
        ]

    def _widened(self, column: Column[Any]) -> list[Change]:
        kept, ours = self.columns[column.name]["type"], column.type.dialect_impl(_DIALECT)
        wanted = column.type.compile(dialect=_DIALECT)
        where = f"{self.table.name}.{column.name}"
        if isinstance(kept, postgresql.TIMESTAMP) and not kept.timezone:
            return [
                self._alter(
                    column.name, f"TYPE TIMESTAMPTZ USING \"{column.name}\" AT TIME ZONE 'UTC'", f"{where} is UTC"
                )
            ]
        if isinstance(kept, postgresql.JSON) and not isinstance(kept, postgresql.JSONB):
            return [
                self._alter(column.name, "DROP DEFAULT"),
                self._alter(column.name, f'TYPE JSONB USING "{column.name}"::jsonb', f"{where} is JSONB"),
            ]
        if column.name == "run_id" and not isinstance(kept, postgresql.UUID):
            to_uuid = f"CASE WHEN run_id ~ {_UUID} THEN run_id::uuid ELSE md5(run_id || id::text)::uuid END"
            return [
                self._alter("run_id", "DROP DEFAULT"),
                self._alter("run_id", f"TYPE UUID USING {to_uuid}", f"{where} is a UUID"),
            ]
        length, needed = getattr(kept, "length", None), getattr(ours, "length", None)
        if length and needed and length < needed:
            return [self._alter(column.name, f"TYPE {wanted}", f"{where} holds {needed} characters")]
        return []

    def _added(self, column: Column[Any]) -> list[Change]:
        kind = column.type.compile(dialect=_DIALECT)
        return [
            Change(
                f"{self.table.name}.{column.name} is added",
                f"ALTER TABLE {self.table.name} ADD COLUMN {column.name} {kind}",
            )
        ]

    def _filled(self) -> list[Change]:
        """Values for what their rows do not have."""
        found = []
        for column in self.table.columns:
            value = _FILLED.get(column.name) or _default_of(column)
            if value is not None and not (column.nullable and column.name not in _FILLED) and column.name != "id":
                statement = f"UPDATE {self.table.name} SET {column.name} = {value} WHERE {column.name} IS NULL"
                found.append(Change("", statement))
        return found

    def _default(self, column: Column[Any]) -> list[Change]:
        kept = self.columns.get(column.name)
        found = []
        if column.name == "id":
            if (
                kept is not None
                and not kept.get("autoincrement")
                and kept["default"] is None
                and not kept.get("identity")
            ):
                found.append(self._alter("id", "ADD GENERATED BY DEFAULT AS IDENTITY", "new rows get the next number"))
                found.append(Change("", f"SELECT setval(pg_get_serial_sequence('{self.table.name}', 'id'), "
                                        f"(SELECT coalesce(max(id), 0) + 1 FROM {self.table.name}), false)"))  # fmt: skip
            return found
        default = _default_of(column)
        lost = (
            kept is None
            or kept["default"] is None
            or not isinstance(kept["type"], type(column.type.dialect_impl(_DIALECT)))
        )
        if default is not None and lost:
            found.append(self._alter(column.name, f"SET DEFAULT {default}"))
        if not column.nullable and (kept is None or kept["nullable"]):
            found.append(self._alter(column.name, "SET NOT NULL"))
        return found

    def _runs(self) -> list[Change]:
        """Statuses as we spell them; what the earlier service left open is closed, since nothing of ours runs it."""
        why = "left open by the earlier service, which ran it last"
        twins = f"SELECT id, row_number() OVER (PARTITION BY job_key, scheduled_for ORDER BY id) AS place FROM {RUNS}"
        close = "finished_at = coalesce(finished_at, now()), error = coalesce(error, '{}')"
        return [
            Change("", f"UPDATE {RUNS} SET status = upper(status) WHERE status <> upper(status)"),
            Change("runs that were RUNNING are FAILED",
                   f"UPDATE {RUNS} SET status = 'FAILED', {close.format(why)} WHERE status = 'RUNNING'"),
            Change("runs that are PENDING for more than ten minutes are MISSED",
                   f"UPDATE {RUNS} SET status = 'MISSED', {close.format('not run by the earlier service in time')} "
                   "WHERE status = 'PENDING' AND scheduled_for < now() - interval '10 minutes'"),
            Change("of several runs of one slot the first is the schedule's; the others keep their number alone",
                   f"UPDATE {RUNS} one SET job_key = NULL FROM ({twins}) other WHERE one.id = other.id AND other.place > 1"),
        ]  # fmt: skip

    def _keys(self) -> list[Change]:
        """Our keys and indexes."""
        name, found = self.table.name, []
        for one in self.table.constraints:
            if isinstance(one, UniqueConstraint) and one.name not in self.names:
                found.append(
                    Change("", f"ALTER TABLE {name} ADD CONSTRAINT {one.name} UNIQUE ({_listed(one.columns)})")
                )
        if name == SCHEDULES:
            found.append(Change("", f"ALTER TABLE {name} ADD CONSTRAINT uq_job_schedules_key UNIQUE (key)"))
        for index in self.table.indexes:
            if index.name not in self.names:
                found.append(Change("", f"CREATE INDEX {index.name} ON {name} ({_listed(index.columns)})"))
        return found


def _listed(columns: Iterable[Column[Any]]) -> str:
    return ", ".join(column.name for column in columns)


def _default_of(column: Column[Any]) -> str | None:
    given = column.server_default
    if given is None or isinstance(given, Identity):
        return None
    value = given.arg  # type: ignore[attr-defined]
    if isinstance(value, str):
        return f"'{value}'"
    return str(value.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def adopt(connection: Connection, zone: str, head: str) -> Sequence[Change]:
    """Does it all; ``zone`` is where the earlier service's crons were meant, ``head`` the migration that this equals.

    Raises:
        CannotAdopt: as ``look`` does.
    """
    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    if not _is_foreign(connection):
        return ()
    changes = look(connection)
    for one in changes:
        statement = text(one.statement.replace("::", "\\:\\:"))
        connection.execute(statement, {"zone": zone} if ":zone" in one.statement else {})
    Base.metadata.create_all(connection)
    kinds = {one["name"]: str(one["type"]).lower() for one in inspect(connection).get_columns(RUNS)}
    for made in triggers.postgres_create(kinds["job_id"]):
        connection.exec_driver_sql(made)
    connection.execute(text(f"INSERT INTO job_schedule_changes (schedule_id) SELECT key FROM {SCHEDULES}"))
    connection.execute(text(f"CREATE TABLE {VERSIONS} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text(f"INSERT INTO {VERSIONS} VALUES (:head)"), {"head": head})
    return changes


def adopt_in(url: str, zone: str, head: str) -> Sequence[Change]:
    """The same in a transaction of its own. Blocking."""

    async def whole() -> Sequence[Change]:
        engine = create_async_engine(make_url(url))
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(adopt, zone, head)
        finally:
            await engine.dispose()

    return asyncio.run(whole())

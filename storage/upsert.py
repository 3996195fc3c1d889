"""``INSERT … ON CONFLICT`` in the words both databases share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import Base

BATCH = 2000


async def insert_new(session: AsyncSession, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts the rows whose keys are not there yet; the others stay as they are."""
    await _insert(session, table, rows, None)


async def upsert(
    session: AsyncSession, table: type[Base], rows: Sequence[Mapping[str, Any]], update: Iterable[str]
) -> None:
    """Inserts rows, or sets ``update``'s columns where the primary key is there already."""
    await _insert(session, table, rows, list(update))


async def _insert(
    session: AsyncSession, table: type[Base], rows: Sequence[Mapping[str, Any]], update: list[str] | None
) -> None:
    """One prepared statement, executed for each row: compiled once, however many there are."""
    if not rows:
        return
    names = _names(table)
    statement = _statement(table, session.get_bind().dialect.name, None if update is None else tuple(update))
    connection = await session.connection()
    for start in range(0, len(rows), BATCH):
        batch = [{names.get(name, name): value for name, value in row.items()} for row in rows[start : start + BATCH]]
        await connection.execute(statement, batch)


@cache
def _names(table: type[Base]) -> dict[str, str]:
    """Columns' names by those of their attributes."""
    return {attribute.key: attribute.columns[0].key for attribute in inspect(table).column_attrs}


@cache
def _statement(table: type[Base], dialect: str, update: tuple[str, ...] | None) -> Any:
    """Built once: building costs as much as executing."""
    names, statement = _names(table), _insert_of(dialect)(table.__table__)
    if update is None:
        return statement.on_conflict_do_nothing()
    keys = [column.name for column in table.__table__.primary_key]
    values = {names.get(name, name): statement.excluded[names.get(name, name)] for name in update}
    return statement.on_conflict_do_update(index_elements=keys, set_=values)


def _insert_of(dialect: str) -> Any:
    """The dialect's own ``INSERT``; the other's module need not be imported."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert
    from sqlalchemy.dialects import sqlite

    return sqlite.insert

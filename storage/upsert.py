"""``INSERT … ON CONFLICT`` in the words both databases share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import Base

BATCH = 500


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
    dialect = session.get_bind().dialect.name
    for start in range(0, len(rows), BATCH):
        batch = [dict(row) for row in rows[start : start + BATCH]]
        make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
        statement = make(table).values(batch)
        if update is None:
            statement = statement.on_conflict_do_nothing()
        else:
            keys = [column.name for column in table.__table__.primary_key]
            values = {name: statement.excluded[name] for name in update}
            statement = statement.on_conflict_do_update(index_elements=keys, set_=values)
        await session.execute(statement)

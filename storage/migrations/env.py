"""Alembic's entry: runs the migrations on the URL handed over by ``storage.database.migrate``."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage import data_tables  # noqa: F401 (its tables are Base's)
from storage.tables import Base


def run(connection: Connection) -> None:
    """All pending migrations in one transaction; processes that start together take turns."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7233800220260105)"))
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    """Connects, migrates, disconnects."""
    engine = create_async_engine(context.config.attributes["url"])
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())

"""Alembic's entry: runs the migrations on the URL handed over by ``storage.database.migrate``.

All that are pending run in one transaction under one lock, on both databases: processes that start together take turns, and one
that is killed in the middle leaves the database as it was.
"""

from __future__ import annotations

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage import every_table  # noqa: F401 (their tables are Base's)
from storage.tables import Base

LOCK = 7_233_800_220_260_105
WAIT_SECONDS = 300  # for another process's migrations, which may have a large table to rewrite


def engine_for(url: str) -> AsyncEngine:
    """An engine whose transactions hold DDL too: SQLite's driver begins none for it unless it is told."""
    if not url.startswith("sqlite"):
        return create_async_engine(url)
    engine = create_async_engine(url, connect_args={"timeout": WAIT_SECONDS})

    @event.listens_for(engine.sync_engine, "connect")
    def by_hand(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")  # now, since nobody else may look on while it is changed

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def run(connection: Connection) -> None:
    """Waits for its turn, then does what is left to be done."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    """Connects, migrates, disconnects."""
    engine = engine_for(context.config.attributes["url"])
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


asyncio.run(main())

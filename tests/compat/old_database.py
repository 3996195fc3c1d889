"""A PostgreSQL as the earlier scheduler left it: its tables, and the rows that its documentation gives."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url

from tests.postgres import Cluster, execute

TABLES = Path(__file__).with_name("old_tables.sql")


async def old_database(cluster: Cluster, more: str = "") -> str:
    """URL of a new one; ``more`` are statements that come after."""
    url = await cluster.new(migrated=False)
    await execute(make_url(url), TABLES.read_text() + more)
    return url

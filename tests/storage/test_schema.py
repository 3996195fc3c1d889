"""The tables on both databases: migrations up and down, and the columns that were asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.database import Database, async_url, migrate
from storage.tables import Base
from tests.postgres import Cluster
from tests.storage.test_contract import sql


async def _empty(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of that kind that nobody has migrated yet."""
    if kind == "sqlite":
        return async_url(f"sqlite:///{tmp_path / 'm.db'}")
    cluster: Cluster = request.getfixturevalue("cluster")
    return await cluster.new(migrated=False)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_migrations_go_up_are_the_tables_and_go_down(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = await _empty(kind, request, tmp_path)
    engine = create_async_engine(url)
    for _ in range(2):
        await asyncio.to_thread(migrate, url, "head")
        async with engine.connect() as connection:
            assert (
                await connection.run_sync(
                    lambda c: compare_metadata(
                        MigrationContext.configure(c, opts={"compare_type": True}), Base.metadata
                    )
                )
                == []
            )
        await asyncio.to_thread(migrate, url, "base")
        async with engine.connect() as connection:
            assert await connection.run_sync(lambda c: inspect(c).get_table_names()) == ["alembic_version"]
    await engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_alerts_of_the_first_version_survive_up_and_down(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = await _empty(kind, request, tmp_path)
    await asyncio.to_thread(migrate, url, "0001")
    database = Database(url)
    await sql(
        database,
        "INSERT INTO job_schedules (id, user_id, name, job_type, target, task_params, cron, timezone, enabled, version, definition_hash, created_at, updated_at, status, reason, state_version, trigger_count)"
        " VALUES ('old', 'u', 'n', 'alert', 'X', :params, '* * * * *', 'UTC', true, 3, 'abc', '2026-01-05 10:00:00.000000', '2026-01-05 10:00:00.000000', 'ARMED', 'created', 3, 0)",
        params='{"symbol": "X", "rule": "close > 5"}',
    )
    await database.upgrade()
    async with database.transaction() as work:
        found = await work.schedules.get("old")
        assert found is not None
        assert (found.alert.version, str(found.alert.definition.rule)) == (3, "close > 5")
    await asyncio.to_thread(migrate, url, "0001", down=True)
    async with database.engine.connect() as connection:
        assert (await connection.execute(text("SELECT id, version FROM job_schedules"))).all() == [("old", 3)]
    await database.close()


async def test_columns_are_those_of_the_requirements(any_database: Database) -> None:
    async with any_database.engine.connect() as connection:
        names = await connection.run_sync(
            lambda c: {
                table: {one["name"] for one in inspect(c).get_columns(table)}
                for table in ("job_schedules", "job_schedule_runs")
            }
        )
    assert names["job_schedules"] >= {
        "id",
        "user_id",
        "name",
        "job_type",
        "target",
        "task_params",
        "cron",
        "enabled",
        "next_run_at",
        "created_at",
        "updated_at",
        "timezone",
        "version",
    }
    assert names["job_schedule_runs"] == {
        "progress",
        "id",
        "run_id",
        "job_type",
        "job_id",
        "job_key",
        "user_id",
        "owner",
        "status",
        "scheduled_for",
        "enqueued_at",
        "started_at",
        "finished_at",
        "job_snapshot",
        "result",
        "error",
        "worker_id",
    }

"""Lists on both databases: paged, filtered, with an index each; rows of any program keep their place."""

from __future__ import annotations

from sqlalchemy import inspect

from domain.alert import Alert
from domain.errors import Fault
from storage.database import Database
from storage.stored_schedule import Filter
from tests.conftest import START, make_alert
from tests.storage.test_contract import SECOND, make_job, sql


async def test_lists_are_paged_and_filtered(any_database: Database) -> None:
    async with any_database.transaction() as work:
        for index in range(7):
            await work.schedules.add(
                Alert(
                    id=f"p{index}", user_id="u" if index % 2 else "v", definition=make_alert(f"T{index} > 1").definition
                ),
                START + (index // 2) * SECOND,
            )
        await work.schedules.add(make_job(), START, enabled=False)
        await work.schedules.mark("p6", 1, None, [Fault("$.x", "bad")])
    async with any_database.transaction() as work:
        seen, after = [], None
        while page := await work.schedules.page(Filter(job_type="alert"), after, 3):
            seen += [one.id for one in page]
            after = (page[-1].created_at, page[-1].id)
        assert seen == [f"p{index}" for index in range(7)]
        wanted = {
            "user_id": "u",
            "target": "T2",
            "enabled": False,
            "invalid": True,
            "status": "TRIGGERED",
            "job_type": "report",
        }
        found = {
            name: [one.id for one in await work.schedules.page(Filter(**{name: value}), None, 10)]
            for name, value in wanted.items()
        }  # type: ignore[arg-type]
    assert found == {
        "user_id": ["p1", "p3", "p5"],
        "target": ["p2"],
        "enabled": ["j1"],
        "invalid": ["p6"],
        "status": [],
        "job_type": ["j1"],
    }


async def test_every_list_has_its_index(any_database: Database) -> None:
    """Each filter of a list is the beginning of an index that also gives its order."""
    async with any_database.engine.connect() as connection:
        found = await connection.run_sync(
            lambda c: {
                tuple(index["column_names"])
                for (_, table), these in inspect(c).get_multi_indexes().items()
                if table in ("job_schedules", "job_schedule_runs")
                for index in these
            }
        )
    assert found >= {(name, "created_at", "key") for name in ("owner", "job_type", "status", "target")}
    assert found >= {(name, "id") for name in ("owner", "job_key", "job_type", "status")} | {("created_at", "key")}
    assert found >= {("user_id",), ("job_id",)}  # for the statements of other programs


async def test_rows_of_other_programs_keep_their_place_in_pages(any_database: Database) -> None:
    """Whatever way a time is written: pages neither lose rows nor repeat them."""
    await sql(
        any_database,
        "INSERT INTO job_schedules (key, task_params) VALUES ('s0', '{}'), ('s1', '{}'), ('s2', '{}'), ('s3', '{}'), ('s4', '{}')",
    )
    if any_database.engine.dialect.name == "sqlite":
        for id, created in (
            ("t0", "'2026-01-05T10:00:00Z'"),
            ("t1", "1767600000"),
            ("t2", "'once'"),
            ("t3", "'2026-01-05 10:00'"),
        ):
            await sql(
                any_database,
                f"INSERT INTO job_schedules (key, task_params, created_at) VALUES ('{id}', '{{}}', {created})",
            )
        await sql(any_database, "UPDATE job_schedules SET created_at = '2026-01-05T11:00:00+00:00' WHERE key = 't3'")
    seen, after = [], None
    async with any_database.transaction() as work:
        total = len(await work.schedules.page(Filter(), None, 100))
        while page := await work.schedules.page(Filter(), after, 2):
            seen += [one.id for one in page]
            assert len(seen) <= total
            after = (page[-1].created_at, page[-1].id)
    assert len(seen) == len(set(seen)) == total

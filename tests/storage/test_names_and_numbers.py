"""Schedules and users have a name and a number: whichever another program writes, the other follows (ADR 17)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.run import RunStatus
from storage.database import Database
from storage.runs import RunFilter
from tests.conftest import START, make_alert
from tests.storage.test_contract import make_job, make_run, sql

RULE = '{"symbol": "X", "rule": "close > 5"}'


async def rows(database: Database, statement: str, **values: object) -> list[tuple[Any, ...]]:
    async with database.engine.begin() as connection:
        return [tuple(row) for row in await connection.execute(text(statement), values)]


def is_postgres(database: Database) -> bool:
    return database.engine.dialect.name == "postgresql"


async def test_what_has_no_name_is_named_by_its_number(any_database: Database) -> None:
    for _ in range(2):
        await sql(any_database, "INSERT INTO job_schedules (user_id, name, task_params) VALUES (123, 'n', :p)", p=RULE)
    found = await rows(
        any_database, "SELECT id, key, user_id, owner FROM job_schedules WHERE user_id = 123 ORDER BY id"
    )
    assert found == [(1, "1", 123, "123"), (2, "2", 123, "123")]
    assert await rows(any_database, "SELECT key FROM job_schedules WHERE id = 2") == [("2",)]
    async with any_database.transaction() as work:
        stored = await work.schedules.get("2")
        assert stored is not None
        assert (stored.id, stored.user_id) == ("2", "123")


async def test_a_name_that_is_a_number_is_the_number_and_is_given_to_nobody_else(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.schedules.add(make_alert(id="3"), START)
    for _ in range(4):
        await sql(any_database, "INSERT INTO job_schedules (task_params) VALUES (:p)", p=RULE)
    found = await rows(any_database, "SELECT id, key FROM job_schedules ORDER BY id")
    assert [key for _, key in found] == [str(id) for id, _ in found]
    assert found[0][0] == 3


async def test_users_and_names_follow_each_other(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.schedules.add(make_alert(id="named"), START)
    number, key, user, owner = (await rows(any_database, "SELECT id, key, user_id, owner FROM job_schedules"))[0]
    assert (key, owner) == ("named", "local")
    assert (number, user) == ((1, None) if is_postgres(any_database) else ("named", "local"))

    async def version() -> int | None:
        async with any_database.transaction() as work:
            return await work.schedules.version("named")

    await sql(any_database, "UPDATE job_schedules SET user_id = 7 WHERE key = 'named'")
    assert await rows(any_database, "SELECT user_id, owner FROM job_schedules") == [(7, "7")]
    assert await version() == 2
    await sql(any_database, "UPDATE job_schedules SET owner = 'ann' WHERE key = 'named'")
    after = (None if is_postgres(any_database) else "ann", "ann")
    assert await rows(any_database, "SELECT user_id, owner FROM job_schedules") == [after]
    assert await version() == 3
    await sql(any_database, "INSERT INTO job_schedules (task_params) VALUES (:p)", p=RULE)
    ((made,),) = await rows(any_database, "SELECT id FROM job_schedules WHERE key <> 'named'")
    await sql(any_database, "UPDATE job_schedules SET id = 40 WHERE id = :i", i=made)
    assert await rows(any_database, "SELECT id, key FROM job_schedules WHERE id = 40") == [(40, "40")]
    async with any_database.transaction() as work:
        assert {str(made), "40"} <= set((await work.schedules.changes()).values())


async def test_sqlite_takes_a_name_where_the_number_belongs(database: Database) -> None:
    """It knows no types: a name in ``id`` is kept there, and found there."""
    await sql(database, "INSERT INTO job_schedules (id, user_id, task_params) VALUES ('by-sql', 'ann', :p)", p=RULE)
    assert await rows(database, "SELECT key, owner FROM job_schedules WHERE id = 'by-sql'") == [("by-sql", "ann")]
    await sql(database, "UPDATE job_schedules SET enabled = 0 WHERE id = 'by-sql' AND user_id = 'ann'")
    async with database.transaction() as work:
        stored = await work.schedules.get("by-sql")
        assert stored is not None
        assert (stored.enabled, stored.version) == (False, 2)


@pytest.mark.parametrize("given", ["job_id", "job_key"])
async def test_a_run_without_what_can_be_known_is_filled(any_database: Database, given: str) -> None:
    async with any_database.transaction() as work:
        await work.schedules.add(make_job(id="5").model_copy(update={"user_id": "123"}), START)
    value = "'5'" if given == "job_key" else "5"
    await sql(any_database, f"INSERT INTO job_schedule_runs ({given}, status) VALUES ({value}, 'pending')")
    ((run_id, user),) = await rows(any_database, "SELECT run_id, user_id FROM job_schedule_runs WHERE job_id = 5")
    assert user == 123
    async with any_database.transaction() as work:
        run = await work.runs.get(str(run_id))
        assert run is not None
        assert (run.job_id, run.user_id, run.job_type, run.status) == ("5", "123", "report", "PENDING")
        assert run.enqueued_at is not None
        assert abs((run.scheduled_for - run.enqueued_at).total_seconds()) < 2
        assert UUID(run.run_id).version == 4
        assert [one.run_id for one in await work.runs.page(RunFilter(job_id="5"), None, 9)] == [run.run_id]


async def test_runs_of_ours_have_numbers_for_others(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.schedules.add(make_job(id="7"), START)
        await work.runs.add([make_run(1, job_id="7", user_id="123")])
    ((job, user, run_id),) = await rows(
        any_database,
        "SELECT job_id, user_id, run_id FROM job_schedule_runs"
        " WHERE job_id = 7 AND user_id = 123 AND run_id = '00000000-0000-0000-0000-000000000001'",
    )
    assert (job, user, str(run_id)) == (7, 123, "00000000-0000-0000-0000-000000000001")


async def test_old_statements_on_jsonb(any_database: Database) -> None:
    if not is_postgres(any_database):
        pytest.skip("SQLite has no JSONB operators")
    await sql(any_database, "INSERT INTO job_schedules (user_id, task_params) VALUES (1, :p)", p=RULE)
    contained = 'SELECT id FROM job_schedules WHERE task_params @> \'{"symbol": "X"}\''
    assert await rows(any_database, contained) == [(1,)]
    changed = "UPDATE job_schedules SET task_params = jsonb_set(task_params, '{symbol}', '\"Y\"') WHERE id = 1"
    await sql(any_database, changed)
    async with any_database.transaction() as work:
        stored = await work.schedules.get("1")
        assert stored is not None
        assert (stored.alert.definition.symbol, stored.version) == ("Y", 2)


async def test_a_result_with_what_jsonb_cannot_hold_is_kept(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.runs.add([make_run(1)])
        await work.runs.finish(make_run(1).run_id, RunStatus.COMPLETED, START, {"a\0": ["b\0", "\ud800", "😀"]})
        run = await work.runs.get(make_run(1).run_id)
        assert run is not None
        assert run.result is not None
        assert "😀" in next(iter(run.result.values()))


async def test_names_that_look_like_numbers_stay_what_they_are(any_database: Database) -> None:
    """Another spelling of a number is another name, and another user: none is taken for the other."""
    names = ["007", "7", "1e3", "1000", "20240101000000000001", "20240101000000000002", "0", "9876543210"]
    async with any_database.transaction() as work:
        for name in names:
            await work.schedules.add(make_alert(id=name).model_copy(update={"user_id": name}), START)
        assert {name: (await work.schedules.get(name)).user_id for name in names} == {name: name for name in names}  # type: ignore[union-attr]
    await sql(any_database, "UPDATE job_schedules SET name = 'x', owner = '008' WHERE key = '007'")
    assert await rows(any_database, "SELECT key, owner FROM job_schedules WHERE owner = '008'") == [("007", "008")]
    assert await rows(any_database, "SELECT key FROM job_schedules WHERE user_id = 9876543210") == [("9876543210",)]
    await sql(any_database, "INSERT INTO job_schedules (task_params) VALUES (:p)", p=RULE)
    assert len(await rows(any_database, "SELECT id FROM job_schedules")) == len(names) + 1


async def test_a_number_that_a_named_row_has_may_be_claimed(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.schedules.add(make_alert(id="named"), START)
        await work.schedules.add(make_alert(id="1"), START)
    found = dict(await rows(any_database, "SELECT key, id FROM job_schedules"))
    assert found["1"] == 1
    assert found["named"] != 1
    if is_postgres(any_database):
        await sql(any_database, "INSERT INTO job_schedules (id, task_params) VALUES (50, :p)", p=RULE)
    await sql(any_database, "INSERT INTO job_schedules (task_params) VALUES (:p)", p=RULE)
    assert len(await rows(any_database, "SELECT id FROM job_schedules WHERE id > 50 OR id < 50")) >= 3


async def test_a_status_of_another_program_hides_no_run(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.runs.add([make_run(1), make_run(2), make_run(3)])
    for slot, status in ((1, "completed"), (2, "SUCCESS")):
        await sql(
            any_database,
            "UPDATE job_schedule_runs SET status = :s WHERE run_id = :r",
            s=status,
            r=make_run(slot).run_id,
        )
    async with any_database.transaction() as work:
        found = {run.run_id: run for run in await work.runs.page(RunFilter(), None, 9)}
    assert found[make_run(1).run_id].status is RunStatus.COMPLETED
    odd = found[make_run(2).run_id]
    assert (odd.status, odd.error) == (RunStatus.FAILED, "its status is 'SUCCESS', which is none")
    assert len(found) == 3


async def test_a_role_of_another_program_needs_no_rights_on_our_tables(any_database: Database) -> None:
    if not is_postgres(any_database):
        pytest.skip("SQLite has no roles")
    role = f"trader_{uuid4().hex[:8]}"
    await sql(any_database, f"CREATE ROLE {role}")
    await sql(any_database, f"GRANT SELECT, INSERT, UPDATE, DELETE ON job_schedules, job_schedule_runs TO {role}")
    await sql(any_database, f"GRANT USAGE ON SEQUENCE job_schedule_runs_id_seq TO {role}")
    async with any_database.engine.begin() as connection:
        await connection.execute(text(f"SET LOCAL ROLE {role}"))
        await connection.execute(text("SET LOCAL search_path TO pg_catalog"))
        insert = "INSERT INTO public.job_schedules (user_id, task_params) VALUES (1, :p) RETURNING id"
        id = (await connection.execute(text(insert), {"p": RULE})).scalar()
        await connection.execute(text("UPDATE public.job_schedules SET enabled = false WHERE id = :i"), {"i": id})
        await connection.execute(text("INSERT INTO public.job_schedule_runs (job_id) VALUES (:i)"), {"i": id})
        await connection.execute(text("DELETE FROM public.job_schedules WHERE id = :i"), {"i": id})
    await sql(any_database, f"DROP OWNED BY {role}")
    await sql(any_database, f"DROP ROLE {role}")

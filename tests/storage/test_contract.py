"""One suite for both databases: what a repository promises, it promises on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.alert import AlertState
from domain.job import Job, read_job
from domain.rearm import step
from domain.run import Run, RunStatus
from storage.access import ApiKey, KeptAnswer
from storage.audit import AuditEntry
from storage.database import Database
from storage.runs import RunFilter
from storage.stored_schedule import DefinitionConflict, DuplicateAlert, Filter
from tests.conftest import START, closes, make_alert
from worker.settings import Settings
from worker.wiring import build_database

SECOND = timedelta(seconds=1)


async def sql(database: Database, statement: str, **values: object) -> None:
    """What another program would do: SQL of its own, none of our code."""
    async with database.engine.begin() as connection:
        await connection.execute(text(statement), values)


def make_job(id: str = "j1", version: int = 1, **params: object) -> Job:
    return Job(
        id=id,
        version=version,
        definition=read_job(
            "report", {"symbols": ["AAPL"], **params}, name="daily", cron="0 30 16 * * 1-5", timezone="America/New_York"
        ),
    )


def run_id(slot: int) -> str:
    return str(UUID(int=slot))


def make_run(slot: int = 0, **values: object) -> Run:
    at = START + slot * SECOND
    given = {
        "run_id": run_id(slot),
        "job_type": "report",
        "job_id": "j1",
        "user_id": "local",
        "status": RunStatus.PENDING,
        "scheduled_for": at,
        "enqueued_at": at,
    }
    return Run(**{**given, **values})  # type: ignore[arg-type]


async def test_a_bare_insert_is_an_alert(any_database: Database) -> None:
    await sql(
        any_database,
        "INSERT INTO job_schedules (name, target, task_params) VALUES ('bare', 'AAPL', :p)",
        p='{"condition": "price_above", "threshold": 150}',
    )
    async with any_database.transaction() as work:
        changes = await work.schedules.changes()
        (id,) = changes.values()
        found = await work.schedules.get(id)
        assert found is not None
        assert found.faults == ()
        assert (found.alert.definition.symbol, str(found.alert.definition.rule)) == ("AAPL", "close > 150")
        assert (found.enabled, found.version, found.definition_hash, found.user_id) == (True, 1, None, "local")
        assert found.created_at.tzinfo is not None
        await work.schedules.forget_changes(changes)
        assert await work.schedules.changes() == {}


async def test_whoever_writes_a_row_moves_its_version_and_is_heard_of(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.schedules.add(make_alert(), START)
        await work.schedules.forget_changes(await work.schedules.changes())
    digest = make_alert().definition.digest

    async def seen() -> tuple[object, ...]:
        async with any_database.transaction() as work:
            row = await work.schedules.get("a1")
            changes = await work.schedules.changes()
            await work.schedules.forget_changes(changes)
            ids = sorted(set(changes.values()))
            return (row.version, row.definition_hash, row.enabled, ids) if row else (None, ids)

    await sql(any_database, "UPDATE job_schedules SET name = 'other' WHERE key = 'a1'")
    assert await seen() == (2, None, True, ["a1"])
    async with any_database.transaction() as work:
        await work.schedules.mark("a1", 2, digest, [])
    await sql(any_database, "UPDATE job_schedules SET enabled = false WHERE key = 'a1'")
    assert await seen() == (3, digest, False, ["a1"])
    await sql(
        any_database, "UPDATE job_schedules SET task_params = :p, version = 9 WHERE key = 'a1'", p='{"rule": "X > 7"}'
    )
    assert await seen() == (9, None, False, ["a1"])
    await sql(any_database, "UPDATE job_schedules SET name = 'other', trigger_count = 5 WHERE key = 'a1'")
    assert await seen() == (9, None, False, [])  # nothing of the definition differs
    async with any_database.transaction() as work:
        await work.schedules.replace(make_alert("X > 8", version=10), 9, START, enabled=True)
    assert await seen() == (10, make_alert("X > 8").definition.digest, True, ["a1"])
    await sql(any_database, "DELETE FROM job_schedules WHERE key = 'a1'")
    assert await seen() == (None, ["a1"])


async def test_a_change_that_commits_late_is_not_overlooked(any_database: Database) -> None:
    """Numbers are given before commits: a reader that kept only the highest would lose the slow writer's."""
    if any_database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    async with any_database.transaction() as slow:
        await slow.schedules.add(make_alert(id="slow"), START)
        async with any_database.transaction() as quick:
            await quick.schedules.add(make_alert(id="quick"), START)
        async with any_database.transaction() as reader:
            changes = await reader.schedules.changes()
            assert list(changes.values()) == ["quick"]
            await reader.schedules.forget_changes(changes)
    async with any_database.transaction() as reader:
        assert list((await reader.schedules.changes()).values()) == ["slow"]


async def test_versions_guard_every_write(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.schedules.add_all([make_alert(), make_job()], START)
    with pytest.raises(DuplicateAlert):
        async with any_database.transaction() as work:
            await work.schedules.add_all([make_alert(id="new"), make_alert()], START)
    async with any_database.transaction() as work:
        assert await work.schedules.get("new") is None
        await work.schedules.replace(make_job(version=2, report_type="portfolio_analysis"), 1, START)
    for attempt in (1, 3):
        with pytest.raises(DefinitionConflict, match="it is at version 2"):
            async with any_database.transaction() as work:
                await work.schedules.replace(make_job(version=attempt + 1), attempt, START)
    with pytest.raises(DefinitionConflict, match="it is at version 2"):
        async with any_database.transaction() as work:
            await work.schedules.delete("j1", 1)
    async with any_database.transaction() as work:
        found = await work.schedules.get("j1")
        assert found is not None
        assert found.job == make_job(version=2, report_type="portfolio_analysis")
        assert await work.schedules.get("j1", "alert") is None
        assert await work.schedules.delete("j1", 2)
        assert not await work.schedules.delete("j1")


async def test_one_of_many_writers_wins(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.schedules.add(make_alert(), START)

    async def write(number: int) -> int | None:
        try:
            async with any_database.transaction() as work:
                await work.schedules.replace(make_alert(f"X > {number}", version=2), 1, START)
        except DefinitionConflict:
            return None
        return number

    winners = [one for one in await asyncio.gather(*(write(number) for number in range(1, 9))) if one]
    async with any_database.transaction() as work:
        found = await work.schedules.get("a1")
    assert found is not None
    assert len(winners) == 1
    assert str(found.alert.definition.rule) == f"close > {winners[0]}"


BAD_ROWS = [
    ("alert", '{"rule": "X >"}', "* * * * *", "$.task_params.rule"),
    ("alert", '{"rule": "X > 1"}', "61 * * * *", "$.cron"),
    ("alert", '{"rule": "close > 1"}', "", "$.task_params.symbol"),
    ("report", '{"symbols": []}', "0 9 * * *", "$.task_params.symbols"),
    ("report", '{"symbols": ["A"]}', "", "$.cron"),
    (
        "screener",
        '{"filter_criteria": {"conditions": ["rsi(14) <"]}, "symbols": ["A"]}',
        "0 9 * * *",
        "$.task_params.filter_criteria.conditions",
    ),
    ("dance", "{}", "0 9 * * *", "$.job_type"),
    ("backup", "[]", "0 9 * * *", "$.task_params"),
]


@pytest.mark.parametrize(("job_type", "params", "cron", "path"), BAD_ROWS)
async def test_a_row_that_cannot_be_read_says_where(
    any_database: Database, job_type: str, params: str, cron: str, path: str
) -> None:
    await sql(
        any_database,
        "INSERT INTO job_schedules (key, job_type, task_params, cron) VALUES ('b', :t, :p, :c)",
        t=job_type,
        p=params,
        c=cron,
    )
    async with any_database.transaction() as work:
        found = await work.schedules.get("b")
    assert found is not None
    assert found.schedule is None
    assert path in [fault.path for fault in found.faults]


async def test_garbage_that_sqlite_lets_in_hides_no_other_row(database: Database) -> None:
    await sql(
        database,
        "INSERT INTO job_schedules (key, task_params, next_run_at, created_at) VALUES ('g1', 'no json', 'soon', 'once')",
    )
    await sql(database, "INSERT INTO job_schedules (key, task_params, version) VALUES ('g2', '{}', 'many')")
    await sql(database, "INSERT INTO job_schedules (key, task_params) VALUES ('g 3/../', '{\"rule\": \"X > 1\"}')")
    async with database.transaction() as work:
        await work.schedules.add(make_alert(id="good"), START)
        found = {one.id: one for one in await work.schedules.page(Filter(), None, 10)}
    assert found["good"].schedule is not None
    assert [found[id].faults[0].path for id in ("g1", "g2", "g 3/../")] == ["$.task_params", "$.version", "$.id"]


async def test_the_whole_state_is_kept_and_read_back(any_database: Database) -> None:
    alert = make_alert({"rule": "X > 100 and close crosses_above 50", "rearm": {"type": "edge", "persistence": 3}})
    state = AlertState()
    for snapshot in closes(40, 101, 102):
        state, _ = step(alert, state, snapshot)
    async with any_database.transaction() as work:
        await work.schedules.add(alert, START)
        await work.schedules.forget_changes(await work.schedules.changes())
        await work.schedules.project(alert.id, 1, state, START, START + SECOND, alert.definition.memory_key)
        found = await work.schedules.get(alert.id)
        assert found is not None
        assert (found.state_under(alert), found.snoozed_until, found.version) == (state, START + SECOND, 1)
        assert await work.schedules.changes() == {}  # a projection is no edit
        assert await work.schedules.counts() == [("alert", True, "ARMED", 1)]


async def test_a_slot_has_one_run(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.runs.add([make_run(0), make_run(1)])
        await work.runs.add(
            [
                make_run(0, run_id=run_id(99), status=RunStatus.FAILED),
                make_run(2, job_id=None),
                make_run(3, job_id=None, scheduled_for=START + 2 * SECOND),
            ]
        )
        page = await work.runs.page(RunFilter(), None, 10)
        assert [run.run_id for run in page] == [
            run_id(3),
            run_id(2),
            run_id(1),
            run_id(0),
        ]  # runs by hand have no slot to share
        first = await work.runs.of_slot("j1", START)
        assert first is not None
        assert replace(first, id=0) == make_run(0)


async def test_runs_move_only_forward(any_database: Database) -> None:
    async with any_database.transaction() as work:
        await work.runs.add([make_run(slot) for slot in range(4)])
        assert await work.runs.begin(run_id(0), START, "w")
        assert await work.runs.finish(run_id(0), RunStatus.COMPLETED, START + 3 * SECOND, {"n": 1})
        assert not await work.runs.finish(run_id(0), RunStatus.FAILED, START, error="late")
        assert not await work.runs.begin(run_id(0), START, "w")
        assert await work.runs.finish(run_id(1), RunStatus.CANCELLED, START)
        assert not await work.runs.begin(run_id(1), START, "w")
        assert await work.runs.begin(run_id(2), START, "w")
        assert [run.run_id for run in await work.runs.waiting(START + 9 * SECOND)] == [run_id(3)]
        assert [run.run_id for run in await work.runs.running(START + SECOND)] == [run_id(2)]
        counts = {
            (one.status, one.count, one.seconds and round(one.seconds, 3))
            for one in await work.runs.statistics(RunFilter(user_id="local"))
        }
        assert counts == {("CANCELLED", 1, None), ("COMPLETED", 1, 3.0), ("PENDING", 1, None), ("RUNNING", 1, None)}
        assert await work.runs.statistics(RunFilter(since=START + 9 * SECOND)) == []
        assert await work.runs.clean(START + 9 * SECOND) == 2  # what is under way stays
        done = await work.runs.page(RunFilter(status="RUNNING"), None, 5)
        assert [run.run_id for run in done] == [run_id(2)]


async def test_access_audit_and_notes(any_database: Database) -> None:
    key = ApiKey("k1", "u", "laptop", "0" * 64, ("read", "write"), START)
    answer = KeptAnswer("u", "abc", "h", 201, {"etag": '"1"'}, {"id": 1}, START)
    async with any_database.transaction() as work:
        await work.keys.add(key)
        assert await work.keys.get("k1") == key
        assert await work.keys.revoke("k1", START)
        assert not await work.keys.revoke("k1", START)
        assert [one.revoked_at for one in await work.keys.list()] == [START]
        assert await work.answers.keep(answer)
        await work.audit.add(AuditEntry(START, "u", "api", "created", "schedule", "a1", 1, {"name": "n"}))
        assert [(one.actor, one.action, one.detail) for one in await work.audit.of("a1")] == [
            ("u", "created", {"name": "n"})
        ]
        for count in (1, 2):
            await work.reports.put("sweep", START, {"count": count})
        assert await work.reports.get("sweep") == (START, {"count": 2})
    async with any_database.transaction() as work:
        assert await work.answers.get("u", "abc", START) == answer
        assert await work.answers.get("u", "abc", START + SECOND) is None
        assert await work.answers.clean(START + SECOND) == 1


async def test_the_pool_is_as_large_as_the_settings_say(postgres_url: str) -> None:
    settings = Settings(database_url=postgres_url, db_pool_size=2, db_max_overflow=1)
    database = build_database(settings)
    assert database.engine.pool.size() == 2  # type: ignore[attr-defined]
    async with database.engine.connect(), database.engine.connect(), database.engine.connect():
        assert database.engine.pool.checkedout() == 3  # type: ignore[attr-defined]
        assert database.engine.pool.overflow() == 1  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), database.engine.connect():
                pass
    await database.close()

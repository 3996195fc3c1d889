"""A PostgreSQL of the earlier scheduler is taken over as it is: every row stays, and its programs' SQL goes on working."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from domain.errors import InvalidInput
from domain.run import RunStatus
from storage.adoption import CannotAdopt, NotAdopted
from storage.database import HEAD, Database
from storage.runs import RunFilter
from storage.stored_schedule import Filter
from tests.compat import test_old_alerts, test_old_jobs
from tests.compat.old_database import old_database
from tests.conftest import START, make_alert
from tests.postgres import Cluster
from tests.storage.test_contract import make_job, make_run, sql
from tests.storage.test_names_and_numbers import rows

LEAF = {"indicator": "rsi", "operator": ">", "value": 70, "params": {"length": 7}}
ALERTS: list[Any] = [
    test_old_alerts.DOCUMENTED,
    {"rule": LEAF},
    {
        "rule": {
            "operator": "or",
            "conditions": [LEAF, {"operator": "not", "conditions": ["close > 5"]}, {"and": [LEAF]}],
        }
    },
    {
        "rule": {
            "indicator": "ema",
            "operator": "cross_above",
            "value": {"indicator": "sma", "params": {"period": 50}},
        },
        "rearm": None,
    },
    {"condition": "price_above", "threshold": 150},
    {"expression": "rsi(14) > 70", "timeframe": "1d"},
]
BAD_ALERTS: list[Any] = [
    {},
    {"rule": {"operator": "nor", "conditions": [LEAF]}},
    {"rule": {"indicator": "rsi", "operator": ">"}},
    {"rule": LEAF, "notify": {"channels": ["Pigeon!"]}},
    {"ticker": "MSFT", "rule": LEAF},
    {"rule": LEAF, "rearm": {"type": "sometimes"}},
]


def cases_of(test: Any) -> list[Any]:
    """The cases of a parametrized test."""
    return [case for mark in test.pytestmark for case in mark.args[1]]


ODDITIES = """
ALTER TABLE job_schedules DROP CONSTRAINT job_schedules_job_type_check;
CREATE TYPE kind AS ENUM ('report', 'screener', 'alert', 'notification', 'data_processing', 'backup');
ALTER TABLE job_schedules ALTER COLUMN job_type TYPE kind USING job_type::kind;
ALTER TABLE job_schedules ALTER COLUMN task_params DROP DEFAULT, ALTER COLUMN created_at TYPE TIMESTAMP;
DROP INDEX idx_job_schedules_params;
ALTER TABLE job_schedules ALTER COLUMN task_params TYPE JSON USING task_params::json;
ALTER TABLE job_schedules ADD COLUMN tenant INTEGER;
UPDATE job_schedules SET tenant = 5;
ALTER TABLE job_schedules ALTER COLUMN tenant SET NOT NULL;
ALTER TABLE job_schedule_runs DROP CONSTRAINT job_schedule_runs_job_id_fkey, DROP CONSTRAINT job_schedule_runs_status_check;
ALTER TABLE job_schedule_runs ALTER COLUMN job_id TYPE VARCHAR(50), ALTER COLUMN run_id TYPE VARCHAR(64);
ALTER TABLE job_schedule_runs ALTER COLUMN scheduled_for DROP NOT NULL, ALTER COLUMN scheduled_for TYPE TIMESTAMP;
UPDATE job_schedule_runs SET run_id = 'run-of-yore', status = 'completed', scheduled_for = NULL WHERE id = 1;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
INSERT INTO alembic_version VALUES ('0003');
ALTER TABLE job_schedules ALTER COLUMN id DROP DEFAULT;
"""
CATALOGUE = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'public' ORDER BY 1, 2"
)
THEIR_COLUMNS = "id, user_id, name, job_type, target, task_params, cron, enabled, created_at"


@pytest.fixture
async def old(cluster: Cluster) -> AsyncIterator[Database]:
    url = await old_database(cluster)
    database = Database(url)
    yield database
    await database.close()
    await cluster.drop(url)


@pytest.fixture
async def adopted(old: Database) -> Database:
    await old.adopt("Europe/Berlin")
    return old


async def test_every_row_stays_as_it_is(old: Database) -> None:
    before = await rows(old, f"SELECT {THEIR_COLUMNS} FROM job_schedules ORDER BY id")
    runs = await rows(
        old,
        "SELECT id, run_id, job_type, job_id, user_id, scheduled_for, job_snapshot FROM job_schedule_runs ORDER BY id",
    )
    indexes = {
        one for (one,) in await rows(old, "SELECT indexname FROM pg_indexes WHERE tablename LIKE 'job_schedule%'")
    }
    assert await old.adopt("Europe/Berlin")
    assert await rows(old, f"SELECT {THEIR_COLUMNS} FROM job_schedules ORDER BY id") == before
    assert (
        await rows(
            old,
            "SELECT id, run_id, job_type, job_id, user_id, scheduled_for, job_snapshot FROM job_schedule_runs ORDER BY id",
        )
        == runs
    )
    assert indexes <= {
        one for (one,) in await rows(old, "SELECT indexname FROM pg_indexes WHERE tablename LIKE 'job_schedule%'")
    }
    assert await old.revision() == HEAD
    assert await old.adopt("UTC") == (), "once is enough"
    await old.upgrade()


async def test_each_row_is_accepted_warned_or_refused_with_its_reason(adopted: Database) -> None:
    async with adopted.transaction() as work:
        found = {one.id: one for one in await work.schedules.page(Filter(), None, 99)}
        assert sorted((await work.schedules.changes()).values()) == sorted(found)
    assert {id: one.status for id, one in found.items()} == {
        "1": "ARMED", "2": "ARMED", "3": "ARMED", "4": "ARMED", "5": "ARMED", "6": "INVALID", "7": "ARMED",
    }  # fmt: skip
    assert str(found["1"].alert.definition.rule) == "rsi(14) > 70 and close > 150"
    assert {one.timezone for one in found.values()} == {"Europe/Berlin"}
    assert (found["7"].enabled, found["7"].alert.definition.symbol) == (False, "AAPL")
    assert found["4"].job.definition.params.symbols == ("AAPL", "MSFT", "GOOGL")
    assert {id: len(one.job.definition.warnings()) for id, one in found.items() if id in "2345"} == {
        "2": 0,
        "3": 0,
        "4": 0,
        "5": 1,
    }
    assert [fault.path for fault in found["6"].faults] == ["$.task_params.rule.conditions"]


async def test_runs_are_history_and_none_is_run_again(adopted: Database) -> None:
    async with adopted.transaction() as work:
        found = {run.id: run for run in await work.runs.page(RunFilter(), None, 99)}
        assert await work.runs.waiting(START.replace(year=2100)) == []
    assert {id: (run.job_id, run.status.value) for id, run in found.items()} == {
        1: ("1", "COMPLETED"), 2: (None, "FAILED"), 3: ("2", "FAILED"), 4: ("2", "MISSED"),
    }  # fmt: skip
    assert found[3].error == "left open by the earlier service, which ran it last"
    assert await rows(adopted, "SELECT id FROM job_schedule_runs WHERE job_id = 1 ORDER BY id") == [(1,), (2,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT name FROM job_schedules WHERE user_id = 123 AND id = 1",
        "SELECT id FROM job_schedules WHERE task_params @> '{\"ticker\": \"AAPL\"}' AND job_type = 'alert'",
        "SELECT task_params->'rule'->>'operator' FROM job_schedules WHERE id = 1",
        "SELECT status FROM job_schedule_runs WHERE run_id = '550e8400-e29b-41d4-a716-446655440000'",
        "SELECT status FROM job_schedule_runs WHERE run_id = '550e8400-e29b-41d4-a716-446655440000'::uuid",
        "SELECT s.name FROM job_schedules s JOIN job_schedule_runs r ON r.job_id = s.id WHERE r.status = 'COMPLETED'",
        "UPDATE job_schedules SET task_params = jsonb_set(task_params, '{rule,conditions,0,value}', '75') WHERE id = 1",
        "UPDATE job_schedules SET enabled = false, updated_at = NOW() WHERE id = 1 AND user_id = 123",
        "INSERT INTO job_schedules (user_id, name, job_type, target, task_params, cron) VALUES"
        " (123, 'n', 'alert', 'AAPL', '{\"rule\": \"close > 1\"}', '* * * * *') RETURNING id",
        "INSERT INTO job_schedule_runs (job_type, job_id, user_id, status, scheduled_for, job_snapshot) VALUES"
        " ('alert', 1, 123, 'PENDING', NOW(), '{}') RETURNING run_id",
        "DELETE FROM job_schedules WHERE id = 1",
        "SELECT job_type, COUNT(*) FROM job_schedule_runs WHERE started_at > NOW() - INTERVAL '10 years' GROUP BY job_type",
    ],
)  # fmt: skip
async def test_old_statements_go_on_working(adopted: Database, statement: str) -> None:
    async with adopted.engine.begin() as connection:
        done = await connection.execute(text(statement.replace("::", "\\:\\:")))
        assert done.rowcount >= 1


async def test_an_edit_by_old_sql_is_heard_of(adopted: Database) -> None:
    async with adopted.transaction() as work:
        await work.schedules.forget_changes(await work.schedules.changes())
    await sql(
        adopted,
        "UPDATE job_schedules SET task_params = jsonb_set(task_params, '{rule,conditions,0,value}', '75') WHERE id = 1",
    )
    async with adopted.transaction() as work:
        assert list((await work.schedules.changes()).values()) == ["1"]
        stored = await work.schedules.get("1")
        assert stored is not None
        assert (str(stored.alert.definition.rule), stored.version) == ("rsi(14) > 75 and close > 150", 2)
    await sql(adopted, "DELETE FROM job_schedules WHERE id = 1")
    assert await rows(adopted, "SELECT job_id FROM job_schedule_runs WHERE job_key = '1'") == [(None,)]


async def test_what_we_write_has_numbers(adopted: Database) -> None:
    async with adopted.transaction() as work:
        await work.schedules.add(make_alert(id="named").model_copy(update={"user_id": "123"}), START)
        await work.schedules.add(make_alert(id="20"), START)
        await work.schedules.add(make_job(id="nightly"), START)
        await work.runs.add([make_run(1, job_id="named", user_id="123")])
        assert await work.runs.finish(make_run(1).run_id, RunStatus.COMPLETED, START, {"n": 1})
    found = await rows(adopted, "SELECT id, user_id, key, owner FROM job_schedules WHERE id > 7 ORDER BY key")
    assert [(key, user, owner) for _, user, key, owner in found] == [
        ("20", None, "local"), ("named", 123, "123"), ("nightly", None, "local"),
    ]  # fmt: skip
    assert await rows(adopted, "SELECT user_id FROM job_schedule_runs WHERE job_id = 8") == [(123,)]
    with pytest.raises(InvalidInput, match="its table of users has no such user"):
        async with adopted.transaction() as work:
            await work.schedules.add(make_alert(id="of-nobody").model_copy(update={"user_id": "999"}), START)


async def test_a_look_changes_nothing(old: Database) -> None:
    before = await rows(old, CATALOGUE)
    found = await old.look()
    assert await rows(old, CATALOGUE) == before
    assert {one.id: len(one.faults) for one in found.schedules}["6"] == 1
    assert found.runs == {"COMPLETED": 1, "FAILED": 1, "PENDING": 1, "RUNNING": 1}
    with pytest.raises(NotAdopted, match="alerts db adopt --dry-run"):
        await old.upgrade()
    assert await rows(old, CATALOGUE) == before


async def test_tables_of_another_shape(cluster: Cluster) -> None:
    """Enums, JSON, times without a zone, texts for ids, columns and a table of migrations of their own."""
    database = Database(await old_database(cluster, ODDITIES))
    await database.adopt("UTC")
    async with database.transaction() as work:
        found = {one.id: one for one in await work.schedules.page(Filter(), None, 99)}
        assert (len(found), sum(bool(one.faults) for one in found.values())) == (7, 1)
        await work.schedules.add(make_alert(id="new"), START)
        (first, *_) = [run for run in await work.runs.page(RunFilter(), None, 99) if run.id == 1]
        assert (first.status, first.job_id) == (RunStatus.COMPLETED, "1")
        await work.runs.add([make_run(1, job_id="new")])
    await sql(database, "INSERT INTO job_schedule_runs (job_type, job_id) VALUES ('report', '2')")
    assert await rows(database, "SELECT id, tenant FROM job_schedules WHERE key = 'new'") == [(8, None)]
    assert await rows(database, "SELECT job_id, job_key FROM job_schedule_runs WHERE id > 4 ORDER BY id") == [
        ("8", "new"), ("2", "2"),
    ]  # fmt: skip
    assert await rows(database, "SELECT version_num FROM alembic_version_before") == [("0003",)]
    assert await database.revision() == HEAD
    await database.close()
    await cluster.drop(database.url)


async def test_schedules_alone_are_enough(cluster: Cluster) -> None:
    database = Database(await old_database(cluster, "DROP TABLE job_schedule_runs;"))
    assert (await database.look()).runs == {}
    await database.adopt("UTC")
    async with database.transaction() as work:
        await work.runs.add([make_run(1, job_id="2")])
    await database.close()
    await cluster.drop(database.url)


async def test_names_of_ours_that_are_taken_are_told(cluster: Cluster) -> None:
    database = Database(
        await old_database(cluster, "CREATE TABLE bars (x INTEGER); CREATE TABLE deliveries (x INTEGER);")
    )
    before = await rows(database, CATALOGUE)
    with pytest.raises(CannotAdopt, match="bars, deliveries"):
        await database.adopt("UTC")
    assert await rows(database, CATALOGUE) == before
    await database.close()
    await cluster.drop(database.url)


async def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "alerts.db") as raw:
        raw.execute("CREATE TABLE job_schedules (id INTEGER PRIMARY KEY, name TEXT)")
    database = Database(f"sqlite:///{tmp_path / 'alerts.db'}")
    with pytest.raises(NotAdopted):
        await database.upgrade()
    with pytest.raises(CannotAdopt, match="SQLite"):
        await database.look()
    await database.close()


def alerts(url: str, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "starter.cli.main", *words],
        capture_output=True, text=True, check=False,
        env=os.environ | {"DATABASE_URL": url.replace("+asyncpg", ""), "ALERTS_HOME": str(home)},
    )  # fmt: skip


async def test_the_commands(old: Database, tmp_path: Path) -> None:
    def said(*words: str) -> subprocess.CompletedProcess[str]:
        return alerts(old.url, tmp_path, *words)

    async def run(*words: str) -> Any:
        return await asyncio.to_thread(said, *words)

    refused = await run("list")
    assert (refused.returncode, refused.stdout) == (5, "")
    assert "'alerts db upgrade' takes them over" in refused.stderr
    looked = await run("db", "adopt", "--dry-run")
    assert looked.returncode == 0
    assert "runs as alert-1" in looked.stdout
    assert "INVALID: $.task_params.rule.conditions" in looked.stdout
    assert "would be done: columns are added: job_schedules.key" in looked.stderr
    done = await run("db", "upgrade")
    assert done.returncode == 0, done.stderr
    assert f"adopted, schema {HEAD}" in done.stderr
    assert (await run("list")).returncode == 0
    assert (await run("db", "adopt")).returncode == 1


CASES = [
    *(("alert", params, None, True) for params in ALERTS),
    *(("alert", params, None, False) for params in BAD_ALERTS),
    *((kind, params, target, True) for kind, params, target, *_ in cases_of(test_old_jobs.test_what_was_written_is_what_is_run)),
    *((kind, params, target, False) for kind, params, target, _ in cases_of(test_old_jobs.test_faults_are_told_where_they_were_written)),
]  # fmt: skip


async def test_every_example_row_by_row(cluster: Cluster) -> None:
    """All examples of the older structure as rows of the older table, written before ours came."""
    values = ",".join(
        f"(1, 'n{number}', '{kind}', {_quoted(target or 'AAPL' if kind == 'alert' else target or '')}, {_quoted(json.dumps(params))}, '0 9 * * *')"
        for number, (kind, params, target, _) in enumerate(CASES)
    )
    insert = f"INSERT INTO job_schedules (user_id, name, job_type, target, task_params, cron) VALUES {values};"
    database = Database(await old_database(cluster, insert))
    looked = {one.row.name: one for one in (await database.look()).schedules}
    await database.adopt("UTC")
    async with database.transaction() as work:
        found = {one.row.name: one for one in await work.schedules.page(Filter(), None, 500)}
    for number, (kind, params, _, good) in enumerate(CASES):
        one = found[f"n{number}"]
        assert (one.schedule is not None) is good, (kind, params, one.faults)
        assert [fault.path for fault in looked[f"n{number}"].faults] == [fault.path for fault in one.faults]
    assert len(found) == len(CASES) + 7
    await database.close()
    await cluster.drop(database.url)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

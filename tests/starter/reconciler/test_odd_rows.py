"""What other programs do to rows, and what happens while nothing runs: nothing is lost, and nobody else is stopped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from domain.run import RunStatus
from starter.clock import now
from storage.database import Database
from storage.runs import RunFilter
from tests.starter.reconciler.support import Installation, end_all, installed
from tests.starter.reconciler.test_reconciler import _at, _projected, _swept, _version

NEVER = '{"symbol": "X", "rule": "close > 99999999"}'


async def test_a_row_deleted_and_inserted_anew_is_the_new_one(home: Installation) -> None:
    await home.insert("again", NEVER)
    await home.reconciler.sweep(full=False)
    handle = home.client.get_workflow_handle("alert-again")
    await handle.execute_update("update_definition", {"name": "edited"}, result_type=dict)
    await home.becomes(lambda: _version(home, "again", 2))
    await home.becomes(lambda: _swept(home, {}, full=False))
    await home.sql("DELETE FROM job_schedules WHERE key = 'again'")
    await home.insert("again", '{"symbol": "X", "rule": "close > 222"}')
    assert (await home.row("again")).version > 2
    await home.becomes(lambda: _swept(home, {}, full=False))
    state = await home.state("again")
    assert state["definition"]["rule"]["right"] == 222
    assert str((await home.row("again")).alert.definition.rule) == "close > 222"


async def test_a_copied_hash_fools_nobody(home: Installation) -> None:
    await home.insert("first", NEVER)
    await home.reconciler.sweep(full=False)
    for id, params in (("good", '{"symbol": "X", "rule": "close > 99999998"}'), ("bad", "[]")):
        await home.sql(
            "INSERT INTO job_schedules (key, task_params, cron, definition_hash)"
            " SELECT :i, :p, cron, definition_hash FROM job_schedules WHERE key = 'first'",
            i=id,
            p=params,
        )
    await home.reconciler.sweep(full=False)
    await home.becomes(lambda: _swept(home, {}))
    assert (await home.row("bad")).errors
    good = await home.row("good")
    assert good.definition_hash == good.alert.definition.digest


async def test_an_alert_disabled_while_it_is_gone_does_not_judge_those_bars(home: Installation) -> None:
    await home.insert("gone", '{"symbol": "X", "rule": "close > 1", "rearm": "simple"}')
    await home.reconciler.sweep(full=False)
    handle = home.client.get_workflow_handle("alert-gone")
    await handle.execute_update("evaluate_now", result_type=dict)
    await home.becomes(lambda: _kept(home, "gone"))
    await handle.terminate("by hand")
    await home.sql("UPDATE job_schedules SET enabled = false WHERE key = 'gone'")
    await home.becomes(lambda: _swept(home, {"pause": 1}, full=False))
    await home.becomes(lambda: _projected(home, "gone", "INACTIVE"))
    await home.becomes(lambda: _swept(home, {}))
    disabled_until = now()
    await home.sql("UPDATE job_schedules SET enabled = true WHERE key = 'gone'")
    await home.reconciler.sweep(full=False)
    state = (await home.state("gone"))["state"]
    assert state["last_bar_close"] >= disabled_until.isoformat()[:19]
    assert (state["status"], state["trigger_count"]) == ("ARMED", 1)


async def test_a_slot_that_jitter_delays_is_not_missed_and_a_late_one_is_run(home: Installation) -> None:
    params = '{"message": "hi", "options": {"jitter": 3600, "catchup": 10}}'
    await home.insert("late", params, "notification", "*/5 * * * *")
    await home.reconciler.sweep(full=False)
    ago = now() - timedelta(minutes=40)
    await home.sql("UPDATE job_schedules SET updated_at = :u WHERE key = 'late'", u=_at(home, ago))
    await home.reconciler.sweep(full=True)
    async with home.database.transaction() as work:
        assert await work.runs.page(RunFilter(status="MISSED"), None, 10) == []

    from activities.interface import OpenRun, RunInput

    slot = now().replace(second=0, microsecond=0) - timedelta(minutes=now().minute % 5)
    opening = OpenRun(RunInput("notification", "late"), slot, "notification-late-x")
    first = await home.services.jobs.open(opening)
    assert first.run_id is not None
    await home.sql("UPDATE job_schedule_runs SET status = 'MISSED'")
    assert (await home.services.jobs.open(opening)).run_id == first.run_id
    async with home.database.transaction() as work:
        run = await work.runs.get(first.run_id)
    assert run is not None
    assert run.status is RunStatus.PENDING
    other = OpenRun(opening.given, slot, "notification-late-y")
    assert (await home.services.jobs.open(other)).run_id is None


async def test_garbage_in_any_cell_stops_no_sweep(dev_server: WorkflowEnvironment, tmp_path: Path) -> None:
    """SQLite lets any program write anything into any column."""
    url = f"sqlite:///{tmp_path / 'odd.db'}"
    database = Database(url)
    await database.upgrade()
    await database.close()
    async with installed(dev_server.client, url, tmp_path) as home:
        await home.insert("good", NEVER)
        odd = {
            "updated_at": "1700000000", "created_at": "'once'", "next_run_at": "'9999-12-31 23:59:59-05:00'", "version": "'many'",
            "name": "CAST(x'fffe41' AS TEXT)", "target": "x'00ff'", "job_type": "x'00ff'", "user_id": "x'ff'", "enabled": "'yes'",
            "task_params": "'{\"symbol\": \"X\", \"rule\": \"close > 1e999\"}'", "state_version": "'x'", "cron": "x'00'", "timezone": "5",
        }  # fmt: skip
        await home.database.engine.dispose()
        for column, value in odd.items():
            columns = ["id", column, *(["task_params"] if column != "task_params" else [])]
            values = [f"'odd_{column}'", value, *([f"'{NEVER}'"] if column != "task_params" else [])]
            await home.sql(
                f"INSERT INTO job_schedules ({', '.join(columns)}) VALUES ({', '.join(values)})".replace(":", "\\:")
            )
        await home.insert("job", '{"message": "m"}', "notification", "*/5 * * * *")
        await home.sql("UPDATE job_schedules SET updated_at = 'soon' WHERE key = 'job'")
        await home.sql(
            "INSERT INTO job_schedule_runs (run_id, job_type, user_id, status, scheduled_for, enqueued_at, job_snapshot) VALUES ('r', 'dance', 'u', 'PENDING', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', '{}')"
        )
        await home.reconciler.sweep(full=False)
        await home.reconciler.sweep(full=True)
        assert (await home.state("good"))["version"] == 1
        async with home.database.transaction() as work:
            assert await work.reports.get("reconciler-full") is not None
            assert await work.schedules.invalid() >= 5
    await end_all(dev_server.client)


async def _kept(home: Installation, id: str) -> bool:
    found = await home.row(id)
    return found.state_under(found.alert) is not None and found.trigger_count == 1

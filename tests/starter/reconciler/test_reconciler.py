"""Rows and Temporal against a real server: whatever drifts apart is brought together again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus

from storage.database import Database
from storage.destinations import Destination
from storage.runs import RunFilter
from tests.starter.reconciler.support import Installation
from workflows.messages import PauseRequest


async def test_an_insert_an_update_a_disable_and_a_delete_follow(home: Installation) -> None:
    await home.insert("i1")
    report = await home.reconciler.sweep(full=False)
    assert (report.actions, report.rows) == ({"create": 1}, 1)
    assert (await home.state("i1"))["version"] == 1
    assert (await home.row("i1")).definition_hash is not None
    assert (await home.reconciler.sweep(full=False)).rows == 0  # nothing changed, nothing looked at

    await home.sql(
        "UPDATE job_schedules SET task_params = :p WHERE key = 'i1'", p='{"symbol": "X", "rule": "close > 99999999"}'
    )
    assert (await home.reconciler.sweep(full=False)).actions == {"update": 1}
    await home.becomes(lambda: _version(home, "i1", 2))

    await home.sql("UPDATE job_schedules SET enabled = false WHERE key = 'i1'")
    assert (await home.reconciler.sweep(full=False)).actions == {"pause": 1}
    await home.becomes(lambda: _status(home, "i1", "INACTIVE"))
    await home.sql("UPDATE job_schedules SET enabled = true WHERE key = 'i1'")
    assert (await home.reconciler.sweep(full=False)).actions == {"resume": 1}
    await home.becomes(lambda: _status(home, "i1", "ARMED"))
    assert (await home.reconciler.sweep(full=False)).actions == {}
    await home.becomes(lambda: _swept(home, {}))  # the list of workflows comes a moment after them

    await home.sql("DELETE FROM job_schedules WHERE key = 'i1'")
    assert (await home.reconciler.sweep(full=False)).actions == {"delete": 1}
    await home.becomes(lambda: _gone(home, "i1"))


async def test_a_cosmetic_edit_keeps_the_state_and_a_new_rule_does_not(home: Installation) -> None:
    await home.insert("c1", '{"symbol": "X", "rule": "close > 1"}')
    await home.reconciler.sweep(full=False)
    handle = home.client.get_workflow_handle("alert-c1")
    said = await handle.execute_update("evaluate_now", result_type=dict)
    assert said["status"] == "TRIGGERED"
    await home.sql("UPDATE job_schedules SET name = 'renamed', cron = '0 12 1 1 *' WHERE key = 'c1'")
    await home.reconciler.sweep(full=False)
    await home.becomes(lambda: _version(home, "c1", 2))
    state = (await home.state("c1"))["state"]
    assert (state["status"], state["trigger_count"]) == ("TRIGGERED", 1)
    await home.sql(
        "UPDATE job_schedules SET task_params = :p WHERE key = 'c1'", p='{"symbol": "X", "rule": "close > 99999999"}'
    )
    await home.reconciler.sweep(full=False)
    await home.becomes(lambda: _version(home, "c1", 3))
    await home.becomes(lambda: _status(home, "c1", "ARMED"))


async def test_a_terminated_alert_comes_back_with_its_memory(home: Installation) -> None:
    await home.insert("t1", '{"symbol": "X", "rule": "close > 1", "rearm": {"type": "edge", "cooldown": 86400}}')
    await home.reconciler.sweep(full=False)
    handle = home.client.get_workflow_handle("alert-t1")
    await handle.execute_update("evaluate_now", result_type=dict)
    before = (await home.state("t1"))["state"]
    await home.becomes(lambda: _projected(home, "t1", "COOLDOWN"))
    await handle.terminate("by hand")
    await home.becomes(lambda: _swept(home, {"create": 1}))
    assert (await home.state("t1"))["state"] == before
    async with home.database.transaction() as work:
        assert [event.kind.value for event in await work.events.of_alert("t1")] == ["triggered", "returned"]


async def test_orphans_end_but_not_those_of_another_database(home: Installation, tmp_path: Path) -> None:
    await home.insert("o1")
    await home.insert("o2", '{"message": "hello"}', "notification")
    await home.reconciler.sweep(full=False)
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    await other.upgrade()
    from starter.reconciler.sweep import Reconciler

    stranger = Reconciler(home.client, other, "someone-else")
    assert (await stranger.sweep(full=True)).actions == {}
    async with home.database.engine.begin() as connection:  # a row lost without a trace, as from a backup
        await connection.exec_driver_sql("DELETE FROM job_schedules WHERE key IN ('o1', 'o2')")
        await connection.exec_driver_sql("DELETE FROM job_schedule_changes")
    await home.becomes(lambda: _swept(home, {"delete": 2}))
    await home.becomes(lambda: _gone(home, "o1"))
    await other.close()


async def test_rows_that_cannot_be_read_are_marked_and_stop_nobody(home: Installation) -> None:
    await home.insert("good")
    await home.insert("bad", '{"symbol": "X", "rule": "close >"}')
    await home.insert("worse", "[]", "report")
    report = await home.reconciler.sweep(full=False)
    assert (report.actions, report.invalid, report.failed) == ({"create": 1}, 2, 0)
    bad = await home.row("bad")
    assert bad.errors[0]["path"] == "$.task_params.rule"
    assert (await home.reconciler.sweep(full=True)).actions in ({}, {"create": 1})
    await home.sql("UPDATE job_schedules SET task_params = :p WHERE key = 'good'", p='{"symbol": "X", "rule": 5}')
    assert (await home.reconciler.sweep(full=False)).invalid == 3
    assert (await home.state("good"))["version"] == 1  # the last definition that could be read goes on
    handle = home.client.get_workflow_handle("alert-good")
    await handle.signal("definition_changed")
    assert (await home.state("good"))["version"] == 1
    await home.sql(
        "UPDATE job_schedules SET task_params = :p WHERE key = 'bad'", p='{"symbol": "X", "rule": "close > 1"}'
    )
    report = await home.reconciler.sweep(full=False)
    assert (report.actions, report.invalid) == ({"create": 1}, 2)
    assert (await home.row("bad")).errors is None


async def test_a_pause_by_signal_is_written_through(home: Installation) -> None:
    await home.insert("p1")
    await home.reconciler.sweep(full=False)
    handle = home.client.get_workflow_handle("alert-p1")
    await handle.signal("pause", PauseRequest("lunch"))
    await home.becomes(lambda: _enabled(home, "p1", False))
    assert (await home.row("p1")).version == 2
    for full in (False, True):
        await home.becomes(lambda full=full: _swept(home, {}, full))  # type: ignore[misc]
    await handle.signal("resume")
    await home.becomes(lambda: _enabled(home, "p1", True))
    await home.becomes(lambda: _swept(home, {}))
    assert (await home.state("p1"))["version"] == 3
    async with home.database.transaction() as work:
        assert [one.client for one in await work.audit.of("p1")] == ["temporal", "temporal", "sql"]


async def test_both_sides_edited_the_row_wins(home: Installation) -> None:
    await home.insert("b1")
    await home.reconciler.sweep(full=False)
    handle = home.client.get_workflow_handle("alert-b1")
    await home.sql("UPDATE job_schedules SET name = 'by sql' WHERE key = 'b1'")
    await handle.execute_update("update_definition", {"name": "by update"}, result_type=dict)
    await home.becomes(lambda: _swept(home, {}, full=False))
    state = await home.state("b1")
    row = await home.row("b1")
    assert (row.name, row.version, row.alert.version) == ("by sql", 3, state["version"])  # 2 was made twice
    assert state["definition"]["name"] == "by sql"


async def test_a_job_is_a_schedule_that_runs_once_a_slot(home: Installation) -> None:
    await home.insert("j1", '{"message": "hello"}', "notification", "* * * * * *")
    await home.reconciler.sweep(full=False)

    async def ran() -> bool:
        async with home.database.transaction() as work:
            runs = await work.runs.page(RunFilter(job_id="j1", status="COMPLETED"), None, 10)
        return len(runs) >= 3 and len({run.scheduled_for for run in runs}) == len(runs)

    await home.becomes(ran)
    schedule = home.client.get_schedule_handle("notification-j1")
    await schedule.pause(note="holiday")
    await home.becomes(lambda: _swept(home, {"adopt": 1}))
    assert not (await home.row("j1")).enabled
    found = (await schedule.describe()).schedule
    assert (found.state.paused, found.state.note) == (True, "holiday")
    assert (await home.reconciler.sweep(full=False)).actions == {}
    await home.sql("UPDATE job_schedules SET enabled = true, cron = '0 9 * * *' WHERE key = 'j1'")
    await home.reconciler.sweep(full=False)
    assert not (await schedule.describe()).schedule.state.paused
    assert (await home.row("j1")).next_run_at.hour == 9
    await schedule.delete()
    await home.becomes(lambda: _swept(home, {"create": 1}))
    await home.sql(
        "UPDATE job_schedules SET job_type = 'alert', task_params = :p WHERE key = 'j1'",
        p='{"symbol": "X", "rule": "close > 1"}',
    )
    await home.reconciler.sweep(full=False)
    assert (await home.state("j1"))["version"] >= 3
    await home.becomes(lambda: _swept(home, {}))


async def test_runs_that_were_lost_are_found(home: Installation) -> None:
    from domain.run import RunStatus
    from starter.clock import now
    from tests.storage.test_contract import make_run

    old = now() - timedelta(hours=2)
    snapshot = {"task_params": {"message": "hi"}}
    lost = make_run(
        0,
        run_id=str(uuid4()),
        job_id=None,
        job_type="notification",
        job_snapshot=snapshot,
        enqueued_at=old,
    )
    stuck = make_run(
        1,
        run_id=str(uuid4()),
        job_id=None,
        job_type="notification",
        status=RunStatus.RUNNING,
        started_at=old,
        enqueued_at=old,
    )
    await home.insert("m1", '{"message": "hello"}', "notification", "*/30 * * * *")
    async with home.database.transaction() as work:
        await work.runs.add([lost, stuck])
    await home.reconciler.sweep(full=False)
    await home.sql("UPDATE job_schedules SET updated_at = :u WHERE key = 'm1'", u=_at(home, old))
    await home.reconciler.sweep(full=True)

    async def told() -> bool:
        async with home.database.transaction() as work:
            run = await work.runs.get(lost.run_id)
        return run is not None and run.status is RunStatus.COMPLETED

    await home.becomes(told)
    async with home.database.transaction() as work:
        closed = await work.runs.get(stuck.run_id)
        missed = await work.runs.page(RunFilter(status="MISSED"), None, 10)
    assert closed is not None
    assert (closed.status, closed.error) == (RunStatus.FAILED, "stuck: Temporal knows nothing of it")
    assert 2 <= len(missed) <= 4
    await home.reconciler.sweep(full=True)
    async with home.database.transaction() as work:
        assert len(await work.runs.page(RunFilter(status="MISSED"), None, 10)) == len(missed)


async def test_a_change_that_could_not_be_applied_is_tried_again(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.insert("f1")

    async def broken(action: object) -> None:
        raise OSError("network")

    monkeypatch.setattr(home.reconciler.applier, "apply", broken)
    assert (await home.reconciler.sweep(full=False)).failed == 1
    monkeypatch.undo()
    assert (await home.reconciler.sweep(full=False)).actions == {"create": 1}


async def test_dry_run_changes_nothing(home: Installation) -> None:
    await home.insert("d1")
    await home.insert("d2", "{}")
    for full in (True, False):
        planned = await home.reconciler.plan(full=full, write=False)
        assert [(one.kind, one.id) for one in planned.actions] == [("create", "d1")]
        assert [one.id for one in planned.invalid] == ["d2"]
    assert (await home.row("d1")).definition_hash is None
    handle = home.client.get_workflow_handle("alert-d1")
    with pytest.raises(Exception, match="not found"):
        await handle.describe()


async def _version(home: Installation, id: str, version: int) -> bool:
    return bool((await home.state(id))["version"] == version)


async def _status(home: Installation, id: str, status: str) -> bool:
    return bool((await home.state(id))["state"]["status"] == status)


async def _projected(home: Installation, id: str, status: str) -> bool:
    return bool((await home.row(id)).status == status)


async def _enabled(home: Installation, id: str, enabled: bool) -> bool:
    return (await home.row(id)).enabled is enabled


async def _swept(home: Installation, actions: dict[str, int], full: bool = True) -> bool:
    """Lists are eventually consistent: sweeps until one does just this."""
    return bool((await home.reconciler.sweep(full=full)).actions == actions)


async def _gone(home: Installation, id: str) -> bool:
    found = await home.client.get_workflow_handle(f"alert-{id}").describe()
    return found.status is not WorkflowExecutionStatus.RUNNING


def _at(home: Installation, at: object) -> object:
    return at if home.database.engine.dialect.name == "postgresql" else str(at).split("+")[0]


async def test_a_row_whose_destination_is_not_there_is_invalid_until_it_is(home: Installation) -> None:
    params = '{"symbol": "X", "rule": "close > 99999999", "notification_channels": ["desk", "log"]}'
    await home.insert("of-desk", params)
    await home.reconciler.sweep(full=False)
    row = await home.row("of-desk")
    (fault,) = row.errors
    assert fault["path"] == "$.task_params.notification_channels"
    assert "there is no destination 'desk'" in fault["message"]
    at = row.created_at
    async with home.database.transaction() as work:
        await work.destinations.put(Destination("local", "desk", "webhook", "sealed", at, at))
        await work.schedules.read_again("local")
    await home.reconciler.sweep(full=True)
    assert (await home.row("of-desk")).errors is None
    assert await home.state("of-desk"), "and it runs"

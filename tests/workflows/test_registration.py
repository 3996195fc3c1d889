"""Bringing definitions to Temporal: started once, told of edits, ended when deleted, and never confused (DESIGN 3)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from domain.alert import Alert, AlertState, Reason, Status
from starter import registration
from storage.schedules import StoredSchedule
from tests.conftest import START, make_alert
from tests.workflows.support import World, serving
from workflows.alert import AlertWorkflow

YEARLY = "0 0 1 1 *"


def stored(alert: Alert, **more: object) -> StoredSchedule:
    fields: dict[str, object] = {
        "enabled": True, "status": "ARMED", "reason": "created", "state_version": 0, "last_bar_close": None,
        "last_values": None, "triggered_at": None, "trigger_count": 0, "created_at": START, "updated_at": START,
    }  # fmt: skip
    return StoredSchedule(alert=alert, **{**fields, **more})  # type: ignore[arg-type]


def quiet(id: str, rule: str = "close > 100", version: int = 1) -> Alert:
    return make_alert({"symbol": "X", "rule": rule, "cron": YEARLY}, id=id, version=version)


async def test_starting_twice_is_one_alert_and_a_newer_row_is_adopted(dev_server: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    async with serving(dev_server.client, world):
        first = await registration.ensure_running(dev_server.client, quiet("one"))
        await first.execute_update(AlertWorkflow.evaluate_now)
        again = await registration.ensure_running(dev_server.client, quiet("one"))
        assert (await again.query(AlertWorkflow.state_query)).state.trigger_count == 1
        newer = world.rows["one"] = quiet("one", "close > 200", version=2)
        await registration.ensure_running(dev_server.client, newer)
        report = await first.execute_update(AlertWorkflow.evaluate_now)
        assert (report.truth, (await first.query(AlertWorkflow.state_query)).version) == ("FALSE", 2)
        await first.cancel()


async def test_a_new_alert_never_inherits_the_workflow_of_a_deleted_one(dev_server: WorkflowEnvironment) -> None:
    async with serving(dev_server.client, World(price=lambda at: 101.0)):
        old = await registration.start_afresh(dev_server.client, quiet("reused"))
        await old.execute_update(AlertWorkflow.evaluate_now)
        await registration.stop_running(dev_server.client, "reused")
        new = await registration.start_afresh(dev_server.client, quiet("reused", "close > 500", version=2))
        state = await new.query(AlertWorkflow.state_query)
        assert (state.version, state.state.trigger_count) == (2, 0)
        assert (await new.describe()).status is WorkflowExecutionStatus.RUNNING
        await new.cancel()


async def test_orphans_end_and_the_missing_start(dev_server: WorkflowEnvironment) -> None:
    async with serving(dev_server.client, World()):
        orphan = await registration.start_afresh(dev_server.client, quiet("orphan"))
        rows = [stored(quiet("kept")), stored(quiet("off"), enabled=False)]
        assert await registration.ensure_all_running(dev_server.client, rows) == 1
        ended = 0
        while not ended:  # listing is eventually consistent
            ended = await registration.end_orphans(dev_server.client, rows)
        with pytest.raises(WorkflowFailureError):
            await orphan.result()
        kept = dev_server.client.get_workflow_handle("alert-kept")
        assert (await kept.describe()).status is WorkflowExecutionStatus.RUNNING
        await kept.cancel()
        assert not await registration.stop_running(dev_server.client, "never-was")


def test_what_sql_remembers_is_restored() -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 1", "rearm": {"type": "edge", "cooldown": 60}})
    assert registration.restored_state(stored(alert)) == AlertState()
    cooling = stored(
        alert,
        status="COOLDOWN",
        reason="fired",
        state_version=1,
        last_bar_close=START,
        triggered_at=START,
        trigger_count=3,
    )
    state = registration.restored_state(cooling)
    assert (state.status, state.cooldown_until, state.trigger_count) == (
        Status.COOLDOWN,
        START + timedelta(seconds=60),
        3,
    )
    done = stored(alert, status="INACTIVE", reason=Reason.DONE.value, state_version=1)
    assert registration.is_over(done)
    assert not registration.is_over(stored(Alert(id=alert.id, version=2, definition=alert.definition), **{
        "status": "INACTIVE", "reason": "done", "state_version": 1,
    }))  # fmt: skip

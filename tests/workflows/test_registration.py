"""Bringing definitions to Temporal: started once, told of edits, ended when deleted, and never confused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pydantic import TypeAdapter
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from domain.alert import Alert, AlertState, Reason, Status
from domain.compiled_rule import Side
from domain.definition import edited
from starter import alert_workflows
from storage.stored_schedule import StoredSchedule
from storage.tables import ScheduleRow
from tests.conftest import START, make_alert
from tests.workflows.support import World, serving
from workflows.alert import AlertWorkflow

YEARLY = "0 0 1 1 *"


def stored(alert: Alert, state: AlertState, version: int = 1, **more: object) -> StoredSchedule:
    kept = {"of": alert.definition.memory_key, "memory": TypeAdapter(AlertState).dump_python(state, mode="json")}
    return StoredSchedule(
        ScheduleRow(id=alert.id, state=kept, state_version=version, version=alert.version, enabled=True, **more), alert
    )


def quiet(id: str, rule: str = "close > 100", version: int = 1) -> Alert:
    return make_alert({"symbol": "X", "rule": rule, "cron": YEARLY}, id=id, version=version)


async def test_starting_twice_is_one_alert_and_a_newer_row_is_adopted(dev_server: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    async with serving(dev_server.client, world):
        first = await alert_workflows.ensure_running(dev_server.client, quiet("one"))
        await first.execute_update(AlertWorkflow.evaluate_now)
        again = await alert_workflows.ensure_running(dev_server.client, quiet("one"))
        assert (await again.query(AlertWorkflow.state_query)).state.trigger_count == 1
        newer = world.rows["one"] = quiet("one", "close > 200", version=2)
        await alert_workflows.ensure_running(dev_server.client, newer)
        report = await first.execute_update(AlertWorkflow.evaluate_now)
        assert (await first.query(AlertWorkflow.state_query)).version == 2
        assert (report.truth, report.why) == ("UNKNOWN", "the rule was edited: it is judged from the next close")
        await first.cancel()


async def test_a_new_alert_never_inherits_the_workflow_of_a_deleted_one(dev_server: WorkflowEnvironment) -> None:
    async with serving(dev_server.client, World(price=lambda at: 101.0)):
        old = await alert_workflows.start_afresh(dev_server.client, quiet("reused"))
        await old.execute_update(AlertWorkflow.evaluate_now)
        await alert_workflows.stop_running(dev_server.client, "reused")
        new = await alert_workflows.start_afresh(dev_server.client, quiet("reused", "close > 500", version=2))
        state = await new.query(AlertWorkflow.state_query)
        assert (state.version, state.state.trigger_count) == (2, 0)
        assert (await new.describe()).status is WorkflowExecutionStatus.RUNNING
        await new.cancel()


async def test_telling_and_ending_say_whether_there_was_anybody(dev_server: WorkflowEnvironment) -> None:
    async with serving(dev_server.client, World()):
        assert not await alert_workflows.stop_running(dev_server.client, "never-was")
        assert not await alert_workflows.tell(dev_server.client, "never-was")
        handle = await alert_workflows.start_afresh(dev_server.client, quiet("told"))
        assert await alert_workflows.tell(dev_server.client, "told")
        await handle.cancel()


def test_what_sql_remembers_is_restored() -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 1", "rearm": {"type": "edge", "cooldown": 60}})
    cooling = AlertState(
        status=Status.COOLDOWN,
        reason="fired",
        last_bar_close=START,
        cooldown_until=START,
        trigger_count=3,
        sides={"0": Side.ABOVE},
        persistence_count=2,
    )
    assert alert_workflows.restored(stored(alert, cooling), START).memory.state == cooling
    renamed = Alert(id=alert.id, version=2, definition=edited(alert.definition, {"name": "other"}))
    assert alert_workflows.restored(stored(renamed, cooling), START).memory.state == cooling
    other = make_alert("X > 2")
    assert (
        alert_workflows.restored(StoredSchedule(stored(alert, cooling).row, other), START).memory.state == AlertState()
    )


def test_a_pause_is_over_when_its_row_is_enabled_and_a_snooze_goes_on() -> None:
    alert, until = make_alert("X > 1"), START + timedelta(hours=1)
    paused = AlertState(status=Status.INACTIVE, reason=Reason.PAUSED, before_pause=Status.TRIGGERED)
    given = alert_workflows.restored(stored(alert, paused), START)
    assert (given.memory.state.status, [event.kind.value for event in given.memory.outbox.events]) == (
        Status.TRIGGERED,
        ["resumed"],
    )
    snoozed = replace(paused, reason=Reason.SNOOZED)
    given = alert_workflows.restored(stored(alert, snoozed, snoozed_until=until), START)
    assert (given.memory.state, given.memory.due.snoozed_until) == (snoozed, until)
    assert alert_workflows.restored(stored(alert, snoozed), START).memory.state.status is Status.TRIGGERED


def test_what_is_over_stays_so_unless_an_edit_ended_that() -> None:
    done = AlertState(status=Status.INACTIVE, reason=Reason.DONE, trigger_count=2)
    spent = {"symbol": "X", "rule": "close > 1", "options": {"max_triggers": 2}}
    raised = {**spent, "options": {"max_triggers": 5}}
    for definition, status in ((spent, Status.INACTIVE), (raised, Status.ARMED)):
        assert (
            alert_workflows.restored(stored(make_alert(definition, version=2), done), START).memory.state.status
            is status
        )

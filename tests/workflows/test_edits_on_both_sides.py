"""Edits from Temporal and from SQL that meet: the row's wins, nobody's is lost in silence, a version names one definition."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.events import EventStore
from activities.interface import Freshness, SaveInput
from domain.alert import Alert, AlertState, EventKind
from domain.alert_memory import AlertMemory
from domain.definition import edited
from starter.alert_workflows import restored
from storage.database import Database
from tests.conftest import START, make_alert
from tests.workflows.support import World, serving, start
from tests.workflows.test_alert_messages import YEARLY, eventually, quiet
from tests.workflows.test_registration import stored
from tests.workflows.test_write_through import _is
from workflows.alert import AlertWorkflow
from workflows.messages import AlertInput, DefinitionChanged


def renamed(alert: Alert, name: str, version: int) -> Alert:
    return Alert(id=alert.id, version=version, definition=edited(alert.definition, {"name": name}))


async def test_an_edit_of_the_row_is_not_overwritten_by_two_older_ones_from_temporal(
    dev_server: WorkflowEnvironment,
) -> None:
    """Database away, two edits through Temporal (the workflow at 3, from 1); database back, a PATCH takes the row to 2."""
    world, alert = World(), quiet("both-sides")
    world.rows[alert.id] = alert
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, alert)
        await handle.execute_update(AlertWorkflow.evaluate_now)
        world.store_down = True
        await handle.execute_update(AlertWorkflow.pause_update)
        await handle.execute_update(AlertWorkflow.resume_update)
        world.rows[alert.id] = renamed(alert, "by the API", 2)
        world.store_down = False
        await handle.signal("definition_changed", DefinitionChanged(4))
        await eventually(lambda: _is(lambda: "updated" in world.recorded), 40)

        async def agreed() -> bool:
            report = await handle.query(AlertWorkflow.state_query)
            return report.version == world.rows[alert.id].version

        await eventually(agreed)
        assert world.rows[alert.id].definition.name == "by the API"
        assert world.rows[alert.id].version == 4  # neither side's: both had made a version 2
        (told,) = [event for event in world.events.values() if event.kind is EventKind.UPDATED]
        assert "discarded what was edited through Temporal (versions 2 to 3)" in told.detail
        await handle.cancel()


async def test_a_discarded_edit_is_in_the_audit_log(any_database: Database) -> None:
    store, alert = EventStore(any_database, clock=lambda: START), quiet("audited")
    async with any_database.transaction() as work:
        await work.schedules.add(alert, START)
        await work.schedules.replace(renamed(alert, "by the API", 2), 1, START)
    found = await store.save(SaveInput(renamed(alert, "by Temporal", 3), 1, True))
    assert found.alert is not None
    assert (found.alert.version, found.alert.definition.name) == (2, "by the API")
    async with any_database.transaction() as work:
        (entry,) = [one for one in await work.audit.of(alert.id, 10) if one.action == "discarded"]
    assert (entry.actor, entry.version) == ("temporal", 3)
    assert entry.detail == {"from_version": 1, "found_version": 2, "enabled": True, "fields": ["name"]}


async def test_a_restored_backup_is_overwritten(any_database: Database) -> None:
    """A row that is older than what the workflow began with."""
    store, alert = EventStore(any_database, clock=lambda: START), quiet("restored")
    async with any_database.transaction() as work:
        await work.schedules.add(alert, START)
    found = await store.save(SaveInput(renamed(alert, "kept", 8), 7, True))
    assert found.alert is not None
    assert found.alert.version == 1
    async with any_database.transaction() as work:
        assert not [one for one in await work.audit.of(alert.id, 10) if one.action == "discarded"]
    assert (await store.save(SaveInput(renamed(alert, "kept", 8), 1, True))).alert == renamed(alert, "kept", 8)


async def test_a_row_that_is_said_to_have_changed_while_an_edit_waits_is_read_all_the_same(
    dev_server: WorkflowEnvironment,
) -> None:
    """Else an alert that is over never ends, and one that is paused does not see the row's edit until somebody writes to it."""
    world = World(price=lambda at: 101.0)
    alert = quiet("both-wait", rearm="once")
    world.rows[alert.id] = alert
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, alert)
        world.database_down = world.store_down = True
        await handle.execute_update(AlertWorkflow.evaluate_now)
        await handle.execute_update(AlertWorkflow.update_definition, {"name": "after the end"})
        await handle.signal("definition_changed")

        async def told() -> bool:
            memory = await handle.query(AlertWorkflow.state_query)
            return memory.version == 2

        await eventually(told, 60)
        world.database_down = world.store_down = False

        async def ended() -> bool:
            return (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED

        await eventually(ended, 60)
    assert world.rows[alert.id].definition.name == "after the end"


async def test_an_edit_of_a_finished_alert_is_saved_before_it_ends(dev_server: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    alert = quiet("finished", rearm="once")
    world.rows[alert.id] = alert
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, alert)
        world.database_down = True  # its end cannot be written, so that it is still there to be edited
        await handle.execute_update(AlertWorkflow.evaluate_now)
        answer = await handle.execute_update(AlertWorkflow.update_definition, {"name": "after the end"})
        assert answer.version == 2
        world.database_down = False
        await handle.signal("definition_changed")
        await eventually(lambda: _is(lambda: world.rows[alert.id].definition.name == "after the end"), 60)

        async def ended() -> bool:
            return (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED

        await eventually(ended, 60)
        assert world.rows[alert.id].version == 2


async def test_an_edit_while_the_end_is_written_is_saved_or_refused(dev_server: WorkflowEnvironment) -> None:
    """It comes while the last events are on their way, after the edits of that round were looked at."""
    world = World(price=lambda at: 101.0)
    alert = quiet("ending", rearm="once")
    world.rows[alert.id] = alert
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, alert)
        edits: list[asyncio.Task[object]] = []

        async def edit(_given: object) -> None:
            if world.projection is not None and not edits:
                update = handle.execute_update(AlertWorkflow.update_definition, {"name": "last moment"})
                edits.append(asyncio.create_task(update))
                await asyncio.sleep(0.3)  # the local activity's time, in which the update arrives

        await eventually(lambda: _is(lambda: world.projection is not None))
        world.on_record = edit
        await handle.execute_update(AlertWorkflow.evaluate_now)
        await handle.result()
        (answer,) = await asyncio.gather(*edits, return_exceptions=True)
    was_saved = world.rows[alert.id].definition.name == "last moment"
    assert was_saved is not isinstance(answer, RPCError), answer


async def test_evaluations_by_hand_do_not_cancel_each_others_fetch(dev_server: WorkflowEnvironment) -> None:
    world = World(freshness=Freshness.UNAVAILABLE)
    world.fetch_gate = asyncio.Event()
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, quiet("by-hand"))
        calls = [asyncio.create_task(handle.execute_update(AlertWorkflow.evaluate_now)) for _ in range(3)]
        await eventually(lambda: _is(lambda: world.fetches >= 1))
        calls += [asyncio.create_task(handle.execute_update(AlertWorkflow.evaluate_now)) for _ in range(2)]
        await asyncio.sleep(0.2)  # they have arrived
        world.fetch_fails = False
        world.fetch_gate.set()
        await asyncio.gather(*calls)
        assert world.fetches == 1
        await handle.cancel()


async def test_looks_without_data_count_though_evaluations_by_hand_overlap(dev_server: WorkflowEnvironment) -> None:
    world = World(freshness=Freshness.REFUSED)
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, quiet("stale-by-hand"))
        for _ in range(3):
            await asyncio.gather(*(handle.execute_update(AlertWorkflow.evaluate_now) for _ in range(2)))
        await eventually(lambda: _is(lambda: "data_stale" in world.recorded))
        await handle.cancel()


async def test_a_worker_whose_clock_is_behind_looks_again_in_seconds(dev_server: WorkflowEnvironment) -> None:
    """At the tick the bar has closed by the server's clock, and has not by the worker's; the next tick is a year away."""
    world = World(price=lambda at: 101.0)
    alert = make_alert({"symbol": "X", "timeframe": "1s", "rule": "close > 100", "cron": YEARLY}, id="slow-clock")
    async with serving(dev_server.client, world):
        world.clock_behind = timedelta(seconds=1.5)
        memory = AlertState(last_bar_close=datetime.now(UTC).replace(microsecond=0))
        handle = await start(dev_server.client, AlertInput(alert, AlertMemory(state=memory)))
        await handle.execute_update(AlertWorkflow.evaluate_now)
        assert not world.recorded
        await eventually(lambda: _is(lambda: "triggered" in world.recorded))
        await handle.cancel()


async def test_a_restored_alert_looks_at_once(dev_server: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    alert = quiet("back-again")
    now = datetime.now(UTC)
    memory = AlertState(last_bar_close=now.replace(second=0, microsecond=0) - timedelta(minutes=3))
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, restored(stored(alert, memory), now))
        await eventually(lambda: _is(lambda: "triggered" in world.recorded))
        await handle.cancel()

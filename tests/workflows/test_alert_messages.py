"""Signals, updates and queries, as the Web UI and the ``temporal`` CLI send them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from activities.interface import RecordInput
from domain.alert import Alert, EventKind
from domain.definition import read_definition
from tests.conftest import binary, make_alert
from tests.workflows.support import World, serving, start
from workflows.alert import AlertWorkflow
from workflows.messages import PauseRequest, SnoozeRequest, StateReport

YEARLY = "0 0 1 1 *"


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 90.0) -> None:
    """Polls a condition; fails when it does not come true."""
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.02)


def quiet(id: str, **more: Any) -> Alert:
    """An alert that does not tick by itself during the test."""
    return make_alert({"symbol": "X", "rule": "close > 100", "cron": YEARLY, **more}, id=id)


async def state(handle: WorkflowHandle[AlertWorkflow, Any]) -> StateReport:
    return await handle.query(AlertWorkflow.state_query)


async def test_evaluate_now_answers_and_keeps_the_schedule(dev_server: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, quiet("now"))
        before = await state(handle)
        report = await handle.execute_update(AlertWorkflow.evaluate_now)
        again = await handle.execute_update(AlertWorkflow.evaluate_now)
        explained = await handle.query(AlertWorkflow.explain_query)
        after = await state(handle)
        await handle.cancel()
    assert (report.truth, report.status, report.events) == ("TRUE", "TRIGGERED", ["triggered"])
    assert report.values == {"close": 101.0}
    assert again.events == []
    assert after.next_tick == before.next_tick
    assert explained["conditions"] == [{"condition": "close > 100", "left": 101.0, "right": [100.0], "truth": "TRUE"}]
    assert explained["why"] == "it fired on this bar"


async def recorded(world: World, kind: EventKind, count: int) -> bool:
    return [event.kind for event in world.events.values()].count(kind) >= count


async def test_an_edit_by_signal_is_as_good_as_the_update(dev_server: WorkflowEnvironment) -> None:
    """As old clients send it; they hear no answer, so that a bad one is an event, told once, and the alert's problem."""
    world = World(price=lambda at: 101.0)
    async with serving(dev_server.client, world):
        world.rows["by-signal"] = quiet("by-signal")
        handle = await start(dev_server.client, world.rows["by-signal"])
        await handle.signal("update_definition", {"rule": {"indicator": "price", "operator": ">", "value": 200}})
        edited = await state(handle)
        for bad in ({"rule": "rsx(14) > 1"}, {"rule": "rsx(14) > 1"}, ["x"], None):
            await handle.signal("update_definition", bad)
        refused = await state(handle)
        await handle.execute_update(AlertWorkflow.evaluate_now)
        await handle.signal("updat_definition", {"rule": "close > 300"})
        unknown = await state(handle)
        await eventually(lambda: recorded(world, EventKind.ERROR, 3))
        await handle.cancel()
    assert (edited.version, edited.definition["rule"]["right"], edited.problem) == (2, 200.0, "")
    assert world.rows["by-signal"].definition == read_definition(edited.definition)
    assert (refused.version, refused.definition) == (2, edited.definition)
    told = [event.detail for event in world.events.values() if event.kind is EventKind.ERROR]
    assert len(told) == 3
    assert told[0].startswith("signal update_definition: definition refused: $.rule: ")
    assert "expected an object with the fields to change" in told[1]
    assert unknown.problem.startswith("signal 'updat_definition' is unknown; known are pause, resume, snooze")
    assert unknown.version == 2


async def test_pause_resume_and_what_they_refuse(dev_server: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    async with serving(dev_server.client, world):
        world.rows["pause"] = quiet("pause")
        handle = await start(dev_server.client, world.rows["pause"])
        paused = await handle.execute_update(AlertWorkflow.pause_update, PauseRequest("earnings"))
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(AlertWorkflow.evaluate_now)
        assert (await state(handle)).next_tick is None
        resumed = await handle.execute_update(AlertWorkflow.resume_update)
        await eventually(lambda: _recorded(world, 2))
        await handle.cancel()
    assert (paused.status, paused.reason) == ("INACTIVE", "paused")
    assert "is paused" in str(refused.value.cause)
    assert resumed.status == "ARMED"
    assert [e.kind for e in world.events.values()] == [EventKind.PAUSED, EventKind.RESUMED]
    assert next(e.detail for e in world.events.values()) == "earnings"


async def _recorded(world: World, count: int) -> bool:
    return len(world.recorded) >= count


async def test_no_timer_while_paused(dev_server: WorkflowEnvironment) -> None:
    async with serving(dev_server.client, World()):
        handle = await start(
            dev_server.client,
            make_alert({"symbol": "X", "rule": "close > 1", "cron": "* * * * * *"}, id="still"),
        )
        await handle.signal("pause")
        await eventually(lambda: _status(handle, "INACTIVE"))
        description = await handle.describe()
        assert not description.raw_description.pending_activities
        events = (await handle.fetch_history()).events
        started = [e for e in events if e.HasField("timer_started_event_attributes")]
        ended = [
            e
            for e in events
            if e.HasField("timer_fired_event_attributes") or e.HasField("timer_canceled_event_attributes")
        ]
        await handle.cancel()
    assert len(started) == len(ended)


async def _status(handle: WorkflowHandle[AlertWorkflow, Any], wanted: str) -> bool:
    return bool((await state(handle)).state.status == wanted)


async def test_snooze_ends_by_itself(dev_server: WorkflowEnvironment) -> None:
    async with serving(dev_server.client, World()):
        handle = await start(dev_server.client, quiet("snooze"))
        await handle.signal(AlertWorkflow.snooze, SnoozeRequest(seconds=1.5))
        await eventually(lambda: _status(handle, "INACTIVE"))
        await eventually(lambda: _status(handle, "ARMED"))
        await handle.signal(AlertWorkflow.snooze, SnoozeRequest(until="tomorrow"))
        await eventually(lambda: _problem(handle, "snooze ignored"))
        await handle.cancel()


async def _problem(handle: WorkflowHandle[AlertWorkflow, Any], text: str) -> bool:
    return text in (await state(handle)).problem


async def test_update_is_written_through_and_a_bad_one_leaves_no_trace(
    dev_server: WorkflowEnvironment,
) -> None:
    world = World(price=lambda at: 101.0)
    alert = quiet("edit")
    world.rows[alert.id] = alert
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, alert)
        await handle.execute_update(AlertWorkflow.evaluate_now)
        await eventually(lambda: _recorded(world, 1))
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(AlertWorkflow.update_definition, {"rule": "rsx(14) > 1", "timezone": "Mars"})
        history = (await handle.fetch_history()).events
        accepted = [one for one in history if one.HasField("workflow_execution_update_accepted_event_attributes")]
        assert len(accepted) == 1  # that of evaluate_now: what is refused leaves no trace
        assert not any("rsx" in str(event) for event in history), "a refused update writes no history"
        cosmetic = await handle.execute_update(AlertWorkflow.update_definition, {"name": "renamed"})
        edited = await handle.execute_update(AlertWorkflow.update_definition, {"rule": "X > 200"})
        await eventually(lambda: _version(world, alert.id, 3))
        await handle.cancel()
    assert "rsx" in str(refused.value.cause)
    assert "Mars" in str(refused.value.cause)
    assert (cosmetic.version, cosmetic.status) == (2, "TRIGGERED")
    assert (edited.version, edited.status, edited.reason) == (3, "ARMED", "updated")
    assert str(world.rows[alert.id].definition.rule) == "close > 200"


async def _version(world: World, alert_id: str, version: int) -> bool:
    return world.rows[alert_id].version == version


async def test_a_newer_row_wins(dev_server: WorkflowEnvironment) -> None:
    world = World()
    alert = quiet("race")
    newer = Alert(id=alert.id, version=5, definition=make_alert("X > 7").definition)
    world.rows[alert.id] = newer
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, alert)
        await handle.execute_update(AlertWorkflow.update_definition, {"rule": "X > 200"})
        await eventually(lambda: _has_version(handle, 5))
        report = await state(handle)
        await handle.cancel()
    assert report.definition["rule"]["right"] == 7


async def _has_version(handle: WorkflowHandle[AlertWorkflow, Any], version: int) -> bool:
    return (await state(handle)).version == version


async def test_a_changed_row_is_adopted_and_a_deleted_one_ends_the_alert(
    dev_server: WorkflowEnvironment,
) -> None:
    world = World()
    alert = quiet("row")
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, alert)
        world.rows[alert.id] = Alert(id=alert.id, version=2, definition=alert.definition)
        await handle.signal("definition_changed", {"version": 2})
        await eventually(lambda: _has_version(handle, 2))
        del world.rows[alert.id]
        await handle.signal("definition_changed")
        result = await handle.result()
    assert result.version == 2


async def test_acknowledge_lasts_until_the_next_fire(dev_server: WorkflowEnvironment) -> None:
    async with serving(dev_server.client, World(price=lambda at: 101.0)):
        handle = await start(dev_server.client, quiet("ack"))
        await handle.execute_update(AlertWorkflow.evaluate_now)
        await handle.signal(AlertWorkflow.acknowledge)
        assert (await state(handle)).state.acknowledged
        await handle.cancel()


async def test_status_is_searchable_and_details_are_shown(dev_server: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, quiet("seen", tags=["tech"]))
        await handle.execute_update(AlertWorkflow.evaluate_now)
        query = f"AlertStatus = 'TRIGGERED' AND AlertTags = 'tech' AND WorkflowId = '{handle.id}'"

        async def listed() -> bool:
            return [one.id async for one in dev_server.client.list_workflows(query)] == [handle.id]

        await eventually(listed)
        details = await handle.query("__temporal_workflow_metadata")
        description = await handle.describe()
        await handle.cancel()
    assert "TRIGGERED" in str(details)
    assert "AlertLastTriggeredAt" in str(description.search_attributes)


async def test_the_temporal_command_steers_an_alert(dev_server: WorkflowEnvironment) -> None:
    """What the README shows, run."""
    world = World(price=lambda at: 101.0)
    alert = quiet("cli")
    world.rows[alert.id] = alert

    async def temporal(*words: str) -> str:
        address = dev_server.client.service_client.config.target_host
        process = await asyncio.create_subprocess_exec(
            binary("temporal"), *words, "--address", address, "--output", "json",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, alert)
        update = ("workflow", "update", "execute", "--workflow-id", handle.id, "--name")
        evaluated = json.loads(await temporal(*update, "evaluate_now"))
        await temporal(*update, "update_definition", "--input", '{"rule": "X > 300"}')
        await temporal(
            "workflow",
            "signal",
            "--workflow-id",
            handle.id,
            "--name",
            "pause",
            "--input",
            '{"reason": "lunch"}',
        )
        await eventually(lambda: _status(handle, "INACTIVE"))
        explained = await temporal("workflow", "query", "--workflow-id", handle.id, "--type", "explain")
        await temporal("workflow", "signal", "--workflow-id", handle.id, "--name", "resume")
        await eventually(lambda: _status(handle, "ARMED"))
        await handle.cancel()
    assert "TRIGGERED" in json.dumps(evaluated)
    assert "close > 300" in explained


async def test_history_is_small(dev_server: WorkflowEnvironment) -> None:
    """A quiet tick costs at most seven events (with two local activities it was 7.5)."""
    async with serving(dev_server.client, World(price=lambda at: 1.0)):
        handle = await start(
            dev_server.client,
            make_alert({"symbol": "X", "timeframe": "1s", "rule": "close > 100"}, id="small"),
        )

        async def ticked() -> bool:
            events = (await handle.fetch_history()).events
            return sum(e.HasField("timer_fired_event_attributes") for e in events) >= 5

        await eventually(ticked)
        events = (await handle.fetch_history()).events
        await handle.cancel()
    fired = [e.event_id for e in events if e.HasField("timer_fired_event_attributes")]
    assert (fired[-1] - fired[0]) / (len(fired) - 1) <= 7
    assert timedelta(seconds=1)


@pytest.mark.parametrize("channels", [[], ["log"]])
async def test_a_fire_is_in_the_history_before_sql_is_told(
    dev_server: WorkflowEnvironment, channels: list[str]
) -> None:
    """Else a worker that dies in between forgets it, and an edit meanwhile makes the same bar fire under another id."""
    world, kept = World(price=lambda at: 101.0), list[bool]()
    async with serving(dev_server.client, world):

        async def look(given: RecordInput) -> None:
            if any(event.kind is EventKind.TRIGGERED for event in given.events):
                seen = [event async for event in handle.fetch_history_events()]
                kept.append(any(event.HasField("marker_recorded_event_attributes") for event in seen))

        world.on_record = look
        handle = await start(dev_server.client, quiet("kept", notification_channels=channels))
        await handle.execute_update(AlertWorkflow.evaluate_now)

        async def looked() -> bool:
            return bool(kept)

        await eventually(looked)
        await handle.cancel()
    assert kept == [True]

"""What is changed through Temporal reaches the row, and what the row says reaches the workflow."""

from __future__ import annotations

from collections.abc import Callable

from temporalio.testing import WorkflowEnvironment

from activities.interface import Freshness
from domain.alert import Alert
from tests.conftest import make_alert
from tests.workflows.support import World, serving, start
from tests.workflows.test_alert_messages import eventually
from workflows.alert import AlertWorkflow
from workflows.messages import DefinitionChanged, PauseRequest


def quiet(id: str, version: int = 1) -> Alert:
    """An alert that does not tick by itself during the test."""
    return make_alert({"symbol": "X", "rule": "close > 100", "cron": "0 0 1 1 *"}, id=id, version=version)


async def test_a_pause_is_an_edit_of_the_row_and_the_row_is_followed(dev_server: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    async with serving(dev_server.client, world):
        world.rows["through"] = quiet("through")
        handle = await start(dev_server.client, world.rows["through"])
        await handle.execute_update(AlertWorkflow.pause_update, PauseRequest("lunch"))
        await eventually(lambda: _is(lambda: "through" in world.disabled and world.rows["through"].version == 2))
        newer = world.rows["through"] = make_alert(world.rows["through"].definition.as_json(), id="through", version=3)
        world.disabled.clear()
        await handle.signal("definition_changed", DefinitionChanged(newer.version))
        await eventually(lambda: _is(lambda: world.recorded == ["paused", "resumed"]))
        world.rows["through"] = make_alert(newer.definition.as_json(), id="through", version=4)
        world.disabled.add("through")
        await handle.signal("definition_changed", DefinitionChanged(4, "by the row"))
        await eventually(lambda: _is(lambda: world.recorded == ["paused", "resumed", "paused"]))
        assert [event.detail for event in world.events.values()] == ["lunch", "", "by the row"]
        stamp = {"version": 4, "hash": newer.definition.digest, "enabled": False}

        async def stamped() -> bool:
            return bool((await (await handle.describe()).memo())["definition"] == stamp)

        await eventually(stamped)
        await handle.cancel()


async def test_an_edit_that_was_lost_with_its_row_is_written_again(dev_server: WorkflowEnvironment) -> None:
    """The database came back from an older backup: what the workflow has is newer, and is not lost."""
    world = World(price=lambda at: 101.0)
    async with serving(dev_server.client, world):
        world.rows["older"] = quiet("older", 7)
        handle = await start(dev_server.client, world.rows["older"])
        await handle.execute_update(AlertWorkflow.update_definition, {"name": "kept"})
        await eventually(lambda: _is(lambda: world.rows["older"].version == 8))
        world.rows["older"] = quiet("older", 5)
        await handle.signal("definition_changed")
        await eventually(lambda: _is(lambda: world.rows["older"].definition.name == "kept"))
        assert world.rows["older"].version == 8
        await handle.cancel()


async def test_runs_of_what_changed_and_of_every_bar_when_wanted(dev_server: WorkflowEnvironment) -> None:
    for record, operator, expected in (("changes", False, 2), ("all", False, 5), ("changes", True, 5)):
        every = operator or record == "all"
        world = World(price=lambda at: 101.0 if at.second % 2 else 99.0)
        if every:
            world = World(price=lambda at: 99.0, record_all=operator)
        definition = {
            "symbol": "X",
            "rule": "close > 100",
            "timeframe": "1s",
            "cron": "* * * * * *",
            "options": {"record": record},
        }
        async with serving(dev_server.client, world):
            handle = await start(dev_server.client, make_alert(definition, id=f"runs-{record}-{operator}"))
            await eventually(lambda world=world, wanted=expected: _is(lambda: len(world.runs) >= wanted))  # type: ignore[misc]
            await handle.cancel()
        slots = [run.slot for run in world.runs]
        assert len(set(slots)) == len(slots)
        if not every:
            assert [run.events for run in world.runs[:2]] == [("triggered",), ("rearmed",)]
        else:
            assert slots == sorted(slots)
            assert {run.events for run in world.runs} == {()}


async def test_a_tick_without_data_is_a_failed_run(dev_server: WorkflowEnvironment) -> None:
    world = World(freshness=Freshness.REFUSED)
    second = {"symbol": "X", "timeframe": "1s", "rule": "close > 100", "cron": "* * * * * *"}
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, make_alert(second, id="failing"))
        await eventually(lambda: _is(lambda: len(world.runs) >= 2))
        await handle.cancel()
    assert {run.error for run in world.runs} == {"vendor is away"}


async def _is(check: Callable[[], bool]) -> bool:
    return check()

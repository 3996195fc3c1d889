"""Messages of any size: what an alert keeps of them is short, so that none can end it or stop its workflow tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from activities.updates import updated
from domain.alert import EventKind
from tests.workflows.support import World, serving, start
from tests.workflows.test_alert_messages import eventually, quiet, state
from workflows.alert import AlertWorkflow
from workflows.messages import AlertInput, PauseRequest

HUGE = "\x1b" + "x" * 1_900_000
MESSAGES: dict[str, Any] = {
    "pause": {"reason": HUGE},
    "snooze": {"until": HUGE},
    "definition_changed": {"version": 0, "reason": HUGE},
    "update_definition": {"rule": HUGE},
    "x" * 900: {"rule": HUGE},
}


@pytest.mark.parametrize("name", MESSAGES)
async def test_a_message_of_two_megabytes_leaves_little_behind(dev_server: WorkflowEnvironment, name: str) -> None:
    world = World(price=lambda at: 101.0)
    async with serving(dev_server.client, world):
        world.rows[f"huge-{name}"] = quiet(f"huge-{name}")
        handle = await start(dev_server.client, AlertInput(world.rows[f"huge-{name}"], history_limit=20))
        for _ in range(3):
            await handle.signal(name, MESSAGES[name])
            await updated(handle, "resume")
        report = await updated(handle, "evaluate_now")
        await eventually(lambda: _continued(handle))
        seen = await state(handle)
        await handle.cancel()
    assert report["alert"] == f"huge-{name}"
    assert seen.version >= 1
    assert len(seen.problem) <= 500
    assert all(len(event.detail) <= 500 and "\x1b" not in event.detail for event in world.events.values())
    if name == "pause":
        assert [e.kind for e in world.events.values()].count(EventKind.PAUSED) == 3


async def _continued(handle: WorkflowHandle[AlertWorkflow, Any]) -> bool:
    described = await handle.describe()
    return bool(described.run_id != described.raw_info.first_run_id)


async def test_an_update_of_two_megabytes_is_refused_in_a_few_words(dev_server: WorkflowEnvironment) -> None:
    async with serving(dev_server.client, World()):
        handle = await start(dev_server.client, quiet("update"))
        for changes in ({"description": HUGE}, {"tags": ["x"] * 400_000}, {"rule": {"and": ["close > 1"] * 100_000}}):
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update(AlertWorkflow.update_definition, changes)
            assert len(str(refused.value.cause)) < 400
        assert (await state(handle)).version == 1
        await handle.cancel()


async def test_a_snooze_ends_within_ten_years_and_is_kept_in_utc(dev_server: WorkflowEnvironment) -> None:
    async with serving(dev_server.client, World()) as _:
        handle = await start(dev_server.client, quiet("ages"))
        for until in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"):
            await handle.signal("snooze", {"until": until})
            refused = await state(handle)
            assert refused.snoozed_until is None
            assert "within the next ten years" in refused.problem or "range" in refused.problem
        await handle.signal("snooze", {"until": "2031-01-01T00:00:00+05:30"})
        kept = (await state(handle)).snoozed_until
        assert kept is not None
        assert kept.utcoffset() == timedelta(0)
        await handle.execute_update(AlertWorkflow.pause_update, PauseRequest("enough"))
        await handle.cancel()


async def test_an_update_that_meets_the_end_of_a_run_is_sent_again() -> None:
    """Temporal refuses it while a workflow continues as new; the same id keeps it from being done twice."""

    class Between:
        ids: ClassVar[list[str]] = []

        async def execute_update(self, name: str, *, args: list[Any], id: str, result_type: type) -> dict[str, Any]:
            self.ids.append(id)
            if len(self.ids) < 3:
                raise RPCError("unexpected workflow task failure", RPCStatusCode.FAILED_PRECONDITION, b"")
            if name == "gone":
                raise RPCError("not found", RPCStatusCode.NOT_FOUND, b"")
            return {"name": name}

    handle: Any = Between()
    assert await updated(handle, "resume") == {"name": "resume"}
    assert len(handle.ids) == 3
    assert len(set(handle.ids)) == 1
    with pytest.raises(RPCError, match="not found"):
        await updated(handle, "gone")
    assert len(handle.ids) == 4

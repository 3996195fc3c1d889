"""AlertWorkflow over long stretches of skipped time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.interface import Freshness
from domain.alert import Alert, AlertEvent, AlertState, EventKind, Reason, Status
from domain.bar import BarSnapshot
from domain.rearm import step
from tests.conftest import make_alert
from tests.workflows.support import World, serving, start
from workflows.alert import AlertWorkflow
from workflows.messages import AlertInput, DefinitionChanged, SnoozeRequest

# This server stops skipping time when a parent ends or continues as new while its abandoned child runs.
SILENT: dict[str, object] = {"notification_channels": []}


async def test_ticks_over_a_day_and_continues_as_new(time_skipping: WorkflowEnvironment) -> None:
    """Each closed hour once, over several runs, exactly as ``step`` alone would have it."""
    world = World(price=lambda at: 101.0 if at.hour % 4 == 0 else 99.0)
    definition = {"symbol": "X", "timeframe": "1h", "rule": "close > 100", **SILENT}
    alert = make_alert(definition, id="day")
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, AlertInput(alert=alert, history_limit=40))
        await time_skipping.sleep(timedelta(hours=30))
        report = await handle.query(AlertWorkflow.state_query)
        first_run = handle.first_execution_run_id
        description = await handle.describe()
        await handle.cancel()
    assert description.run_id != first_run
    seen = [e for e in world.evaluations if e.after is not None]
    assert len({e.after for e in seen}) == len(seen), "no bar was asked for twice"
    closes = sorted({e.bar_close for e in world.events.values() if e.bar_close})
    state, expected = AlertState(), []
    first = min(e.now for e in world.evaluations).replace(minute=0, second=0, microsecond=0)
    newest = report.state.last_bar_close
    assert newest is not None
    close = first
    while close <= newest:
        bar = BarSnapshot(close - timedelta(hours=1), close, {"close": world.price(close)})
        state, events = step(alert, state, bar)
        expected += events
        close += timedelta(hours=1)
    assert {e.id for e in expected} == set(world.events)
    assert closes
    assert replace(report.state, revision=0) == state


async def test_late_fires_are_told_once(time_skipping: WorkflowEnvironment) -> None:
    """After a gap of hours each fire is recorded as late, and one notice tells their number."""
    world = World(price=lambda at: 101.0 if at.minute % 10 == 0 else 99.0)
    alert = make_alert({"symbol": "X", "rule": "close > 100", "cron": "0 */6 * * *"}, id="late")
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        await time_skipping.sleep(timedelta(hours=13))
        await handle.cancel()
    late = [e for e in world.events.values() if e.kind is EventKind.TRIGGERED and e.late]
    notices = [e for e in world.events.values() if e.kind is EventKind.LATE]
    assert len(notices) >= 1
    assert sum(e.count for e in notices) == len(late) > 20
    assert {e.source for e in world.events.values()} == {"stand-in"}, "each says whose bars it was judged on"
    assert [kind for kind, _ in world.told].count("late") == len(notices)
    in_time = [e for e in world.events.values() if e.kind is EventKind.TRIGGERED and not e.late]
    assert [kind for kind, _ in world.told].count("triggered") == len(in_time) <= 4  # the start and at most three ticks


async def test_a_fire_is_told_again_until_somebody_has_seen_it(time_skipping: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    definition = {"symbol": "X", "timeframe": "1h", "rule": "close > 100", "options": {"remind_every": 600}, **SILENT}
    async with serving(time_skipping.client, world):
        handle = await start(
            time_skipping.client, AlertInput(alert=make_alert(definition, id="again"), history_limit=40)
        )
        while world.recorded.count("reminder") < 6:  # a long sleep may skip several, where the worker is slow
            await time_skipping.sleep(timedelta(minutes=1))
        await handle.signal("acknowledge")
        await time_skipping.sleep(timedelta(hours=3))
        report = await handle.query(AlertWorkflow.state_query)
        await handle.cancel()
    assert world.recorded == ["triggered", *["reminder"] * 6, "acknowledged"]
    assert (report.state.reminders, report.state.acknowledged) == (6, True)
    again = [event for event in world.events.values() if event.kind is EventKind.REMINDER]
    assert len({event.id for event in again}) == 6
    assert all(later.at - earlier.at >= timedelta(minutes=10) for earlier, later in pairwise(again))


async def test_missing_data_is_told_at_the_third_tick(time_skipping: WorkflowEnvironment) -> None:
    world = World(freshness=Freshness.UNAVAILABLE)
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, make_alert({"symbol": "X", "timeframe": "1h", "rule": "close > 1"}))
        await time_skipping.sleep(timedelta(hours=6))
        state = await handle.query(AlertWorkflow.state_query)
        await handle.cancel()
    assert world.fetches > 3
    assert state.problem == "vendor is away"
    assert [(e.kind, e.detail) for e in world.events.values()] == [(EventKind.DATA_STALE, "vendor is away")]


async def test_refused_symbol_is_told_once(time_skipping: WorkflowEnvironment) -> None:
    world = World(freshness=Freshness.REFUSED)
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, make_alert())
        await time_skipping.sleep(timedelta(minutes=10))
        await handle.cancel()
    assert world.fetches == 0
    assert [e.kind for e in world.events.values()] == [EventKind.ERROR, EventKind.DATA_STALE]


async def test_done_and_expired_alerts_end(time_skipping: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0)
    now = await time_skipping.get_current_time()
    once = make_alert({"symbol": "X", "rule": "close > 100", "rearm": "once", **SILENT}, id="once")
    expires = (now + timedelta(minutes=5)).isoformat()
    brief = make_alert({"symbol": "X", "rule": "close > 500", "options": {"expires_at": expires}, **SILENT}, id="brief")
    async with serving(time_skipping.client, world):
        done = await (await start(time_skipping.client, once)).result()
        expired = await (await start(time_skipping.client, brief)).result()
    assert (done.status, done.reason) == ("INACTIVE", "done")
    assert (expired.status, expired.reason) == ("INACTIVE", "expired")
    assert [e.kind for e in world.events.values() if e.alert_id == "brief"] == [EventKind.EXPIRED]


async def test_unsettled_bar_is_asked_for_again_soon(time_skipping: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0, settle=2)
    alert = make_alert({"symbol": "X", "timeframe": "1h", "rule": "close > 100"}, id="settling")
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        await time_skipping.sleep(timedelta(minutes=61))
        await handle.cancel()
    asked = [e.now for e in world.evaluations[:3]]
    assert asked[2] - asked[0] < timedelta(seconds=15)
    assert world.events


async def test_forming_bar_fires_once(time_skipping: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0 if at.minute >= 20 else 99.0)
    definition = {
        "symbol": "X", "timeframe": "1h", "rule": "close > 100", "cron": "*/5 * * * *",
        "options": {"evaluate_on": "tick"},
    }  # fmt: skip
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, make_alert(definition, id="tick"))
        await time_skipping.sleep(timedelta(hours=3))
        await handle.cancel()
    fired = [e for e in world.events.values() if e.kind is EventKind.TRIGGERED]
    assert fired
    assert len({e.bar_close for e in fired}) == len(fired)


async def test_a_dead_database_loses_nothing(dev_server: WorkflowEnvironment) -> None:
    world = World(price=lambda at: 101.0 if at.second % 2 else 99.0, database_down=True)
    alert = make_alert({"symbol": "X", "timeframe": "1s", "rule": "close > 100", **SILENT}, id="nodb")
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, alert)

        async def pending() -> int:
            return (await handle.query(AlertWorkflow.state_query)).pending_events

        while await pending() < 3:
            assert not world.recorded
            await asyncio.sleep(0.05)
        world.database_down = False
        while len(world.recorded) < 4:
            await asyncio.sleep(0.05)
        await handle.cancel()
    kinds = world.recorded
    assert kinds[:4] in (["triggered", "rearmed"] * 2, ["rearmed", "triggered"] * 2)


@pytest.mark.parametrize("kind", ["triggered"])
async def test_a_dead_channel_is_buried_and_harms_no_other(time_skipping: WorkflowEnvironment, kind: str) -> None:
    world = World(price=lambda at: 101.0, refuse={"webhook"})
    definition = {"symbol": "X", "rule": "close > 100", "notification_channels": ["webhook", "log"]}
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, make_alert(definition, id="dead"))
        await time_skipping.sleep(timedelta(minutes=3))
        await handle.cancel()
    assert world.told == [(kind, "log")]
    assert [(task.channel, task.error) for task in world.buried] == [("webhook", "gone")]


async def test_a_silent_move_reaches_the_lists_too(time_skipping: WorkflowEnvironment) -> None:
    """A cooldown that ends without an event must not leave the row saying COOLDOWN."""
    world = World(price=lambda at: 101.0 if at.minute % 30 == 0 else 99.0)
    rearm = {"type": "cooldown", "cooldown": 180}
    alert = make_alert({"symbol": "X", "rule": "close > 100", "rearm": rearm, **SILENT}, id="silent")
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        for _ in range(60):
            await time_skipping.sleep(timedelta(minutes=1))
            state = await handle.query(AlertWorkflow.state_query)
            if state.state.trigger_count and state.state.status is Status.ARMED:
                break
        await handle.cancel()
    assert world.projection is not None
    assert world.projection.status is Status.ARMED
    assert world.projection.trigger_count == 1


def test_status_names_are_the_contract() -> None:
    assert [status.value for status in Status] == ["ARMED", "TRIGGERED", "COOLDOWN", "INACTIVE"]
    assert AlertEvent.__dataclass_fields__


async def test_a_move_without_an_event_reaches_sql_when_the_database_is_back(
    time_skipping: WorkflowEnvironment,
) -> None:
    """Of an alert that is snoozed, disabling the row makes no event; SQL must not show it as snoozed for that."""
    world = World(price=lambda at: 99.0)
    alert = make_alert({"symbol": "X", "rule": "close > 100", **SILENT}, id="silent")
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        await handle.signal(AlertWorkflow.snooze, SnoozeRequest(seconds=86_400))
        while world.projection is None or world.projection.reason != Reason.SNOOZED:
            await time_skipping.sleep(timedelta(seconds=5))
        world.database_down = True
        newer = world.rows[alert.id].version + 1
        world.rows[alert.id] = Alert(id=alert.id, version=newer, definition=alert.definition)
        world.disabled.add(alert.id)
        await handle.signal(AlertWorkflow.definition_changed, DefinitionChanged(newer))
        await time_skipping.sleep(timedelta(minutes=5))
        assert (await handle.query(AlertWorkflow.state_query)).state.reason == Reason.PAUSED
        world.database_down = False
        await time_skipping.sleep(timedelta(minutes=2))
        await handle.cancel()
    assert world.projection.reason == Reason.PAUSED


async def test_a_pauses_reason_is_kept_until_its_row_can_be_read(time_skipping: WorkflowEnvironment) -> None:
    """Over any number of runs of the workflow."""
    world = World(price=lambda at: 99.0)
    alert = make_alert({"symbol": "X", "rule": "close > 100", **SILENT}, id="why")
    world.rows[alert.id] = Alert(id=alert.id, version=2, definition=alert.definition)
    world.disabled.add(alert.id)
    world.store_down = True
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, AlertInput(alert=alert, history_limit=15))
        await handle.signal(AlertWorkflow.definition_changed, DefinitionChanged(2, "earnings today"))
        await time_skipping.sleep(timedelta(minutes=8))
        assert (await handle.describe()).run_id != handle.first_execution_run_id
        world.store_down = False
        await time_skipping.sleep(timedelta(minutes=3))
        await handle.cancel()
    (paused,) = [event for event in world.events.values() if event.kind is EventKind.PAUSED]
    assert paused.detail == "earnings today"

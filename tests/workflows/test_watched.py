"""An alert that is watched: it sleeps until a bar matters, and trusts no nudge that does not fit its own state."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.interface import BARS_OBSERVED, BarsObserved, EvaluateResult, Freshness, Watching
from domain.alert import Alert, AlertState
from domain.bar import BarSnapshot
from domain.observing import observe
from tests.conftest import make_alert
from tests.workflows.support import World, serving, start
from workflows.alert import AlertWorkflow
from workflows.messages import DefinitionChanged, StateReport

MINUTE = timedelta(minutes=1)
TASK = "EVENT_TYPE_WORKFLOW_TASK_COMPLETED"
QUIET: dict[str, Any] = {"symbol": "X", "timeframe": "1m", "rule": "close > 100", "notification_channels": []}


def nudge(alert: Alert, state: AlertState, *closes: float, **more: Any) -> BarsObserved:
    """Of the bars after the last that the alert has seen."""
    assert state.last_bar_close is not None
    bars = [
        BarSnapshot(state.last_bar_close + n * MINUTE, state.last_bar_close + (n + 1) * MINUTE, {"close": close})
        for n, close in enumerate(closes)
    ]
    found = observe(alert, state, bars)
    as_of = bars[-1].bar_close if bars else state.last_bar_close
    result = EvaluateResult(Freshness.FRESH, as_of, found.snapshots, source="watch", before=found.before)
    result = replace(result, quiet=found.quiet, sides=found.sides, **more)
    return BarsObserved(state.revision, alert.version, result)


async def watched(handle: WorkflowHandle[Any, Any], env: WorkflowEnvironment) -> StateReport:
    """Its state once the watch looks for it."""
    for _ in range(20):
        report = await handle.query(AlertWorkflow.state_query)
        if report.watched_until is not None:
            return report
        await env.sleep(MINUTE / 4)
    raise AssertionError("not watched")


async def told(handle: WorkflowHandle[Any, Any], env: WorkflowEnvironment, one: BarsObserved) -> StateReport:
    """After it has dealt with a nudge."""
    await handle.signal(BARS_OBSERVED, one)
    await env.sleep(timedelta(seconds=1))
    return await handle.query(AlertWorkflow.state_query)


async def history(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Kinds of events so far."""
    return [EventType.Name(event.event_type) async for event in handle.fetch_history_events()]


def quiet_world() -> World:
    return World(price=lambda at: 99.0, watched_for=timedelta(hours=3))


async def test_it_sleeps_until_its_self_check(time_skipping: WorkflowEnvironment) -> None:
    world, alert = quiet_world(), make_alert(QUIET, id="sleeper")
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        report = await watched(handle, time_skipping)
        looks = len(world.evaluations)
        await time_skipping.sleep(timedelta(hours=2, minutes=50))
        assert len(world.evaluations) == looks, "nobody woke it"
        assert report.next_tick is not None
        assert report.watched_until is not None
        assert report.next_tick < report.watched_until, "lists show the tick at which the watch looks"
        await time_skipping.sleep(timedelta(minutes=15))
        check = world.evaluations[looks]
        assert check.checks
        again = await handle.query(AlertWorkflow.state_query)
        assert again.watched_until is not None
        assert again.watched_until > report.watched_until
        await handle.cancel()
    assert [one.watching for one in world.records if one.watching is not Watching.ITSELF][:2] == [Watching.OFFERED] * 2


async def test_a_nudge_is_taken_once(time_skipping: WorkflowEnvironment) -> None:
    world, alert = quiet_world(), make_alert(QUIET, id="nudged")
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        report = await watched(handle, time_skipping)
        looks = len(world.evaluations)
        one = nudge(alert, report.state, 98, 97, 101)
        before = await history(handle)
        after = await told(handle, time_skipping, one)
        assert [kind for kind in (await history(handle))[len(before) :] if "TIMER" in kind] == [], (
            "the one it has goes on"
        )
        assert (await history(handle)).count(TASK) == before.count(TASK) + 1, "the signal is in history: no other wait"
        assert after.state.trigger_count == 1
        assert after.state.last_bar_close == report.state.last_bar_close + 3 * MINUTE
        assert after.state.revision > report.state.revision
        twice = await told(handle, time_skipping, one)
        assert (twice.state, len(world.evaluations)) == (after.state, looks), "doubled, and of bars it has seen"
        assert twice.watched_until == report.watched_until
        await handle.cancel()
    event = next(one for one in world.events.values() if one.kind == "triggered")
    assert (event.source, event.values) == ("watch", {"close": 101})
    assert world.records[-1].watching is Watching.WATCHED
    assert world.records[-1].state.revision == after.state.revision, "the watch sees in SQL that it was taken"


@pytest.mark.parametrize("kind", ["older revision", "other version", "look yourself"])
async def test_a_nudge_that_does_not_fit_makes_it_look_for_itself(
    time_skipping: WorkflowEnvironment, kind: str
) -> None:
    world, alert = quiet_world(), make_alert(QUIET, id=f"stale-{kind[:5]}")
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        report = await watched(handle, time_skipping)
        looks = len(world.evaluations)
        await time_skipping.sleep(2 * MINUTE)
        one = nudge(alert, report.state, 101)
        changed = {
            "older revision": replace(one, revision=one.revision - 1),
            "other version": replace(one, version=7),
            "look yourself": replace(one, result=None),
        }[kind]
        after = await told(handle, time_skipping, changed)
        assert len(world.evaluations) == looks + 1
        assert after.state.trigger_count == 0, "the market says otherwise"
        assert after.watched_until is not None
        await handle.cancel()


async def test_what_is_paused_or_edited_is_watched_no_more(time_skipping: WorkflowEnvironment) -> None:
    world, alert = quiet_world(), make_alert(QUIET, id="moody")
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        report = await watched(handle, time_skipping)
        await handle.signal("pause")
        paused = await handle.query(AlertWorkflow.state_query)
        assert paused.watched_until is None
        assert world.records[-1].watching is Watching.ENDED
        assert (await told(handle, time_skipping, nudge(alert, report.state, 101))).state.trigger_count == 0
        await handle.signal("resume")
        await watched(handle, time_skipping)
        edited = make_alert({**QUIET, "rule": "close > 98.5"}, id="moody", version=9)
        world.rows[alert.id] = edited
        await handle.signal("definition_changed", DefinitionChanged(9))
        assert (await handle.query(AlertWorkflow.state_query)).watched_until is None
        assert (await watched(handle, time_skipping)).version == 9
        await handle.cancel()


async def test_a_nudge_that_was_on_its_way_for_long_is_told_as_late(time_skipping: WorkflowEnvironment) -> None:
    world, alert = quiet_world(), make_alert(QUIET, id="slow")
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        report = await watched(handle, time_skipping)
        await time_skipping.sleep(timedelta(minutes=30))
        await told(handle, time_skipping, nudge(alert, report.state, 101))
        await handle.cancel()
    fired = next(one for one in world.events.values() if one.kind == "triggered")
    assert fired.late
    assert [one.count for one in world.events.values() if one.kind == "late"] == [1]


async def test_without_its_database_it_looks_for_itself(time_skipping: WorkflowEnvironment) -> None:
    world, alert = quiet_world(), make_alert(QUIET, id="alone")
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        report = await watched(handle, time_skipping)
        world.database_down = True
        after = await told(handle, time_skipping, nudge(alert, report.state, 101))
        assert after.state.trigger_count == 1
        assert after.watched_until is None, "what the watch waits for cannot be written"
        looks = len(world.evaluations)
        await time_skipping.sleep(5 * MINUTE)
        assert len(world.evaluations) > looks
        world.database_down = False
        await watched(handle, time_skipping)
        await handle.cancel()
    assert [event.kind for event in world.events.values()].count("triggered") == 1


async def test_looks_without_data_are_told_with_the_vendors_trouble(time_skipping: WorkflowEnvironment) -> None:
    world, alert = quiet_world(), make_alert(QUIET, id="dark")
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        report = await watched(handle, time_skipping)
        lacking = nudge(alert, replace(report.state, unknown_count=2), freshness=Freshness.UNAVAILABLE)
        assert lacking.result is not None
        gone = replace(lacking, result=replace(lacking.result, problem="polygon: HTTP 503", snapshots=()))
        after = await told(handle, time_skipping, gone)
        assert (after.state.unknown_count, after.problem) == (3, "polygon: HTTP 503")
        await handle.cancel()
    (stale,) = [event for event in world.events.values() if event.kind == "data_stale"]
    assert stale.detail == "polygon: HTTP 503"


async def test_its_end_comes_in_time_though_it_is_watched(time_skipping: WorkflowEnvironment) -> None:
    now = await time_skipping.get_current_time()
    end: datetime = now + timedelta(minutes=40)
    alert = make_alert({**QUIET, "options": {"expires_at": end.isoformat()}}, id="ending")
    world = quiet_world()
    world.rows[alert.id] = alert
    async with serving(time_skipping.client, world):
        handle = await start(time_skipping.client, alert)
        await watched(handle, time_skipping)
        status = await handle.result()
    assert status.reason == "expired"
    assert [event.at for event in world.events.values() if event.kind == "expired"] == [end]

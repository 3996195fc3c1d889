"""Records the histories that ``test_replay`` replays: ``python -m tests.histories.record [NAME …]`` against a real dev server.

Each scenario drives one alert through messages and transitions and saves its whole history as JSON. Nothing is released yet, so
that they are recorded anew when behaviour changes; those of released versions will stay, and new code will stand behind
``workflow.patched``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from activities.interface import BARS_OBSERVED, BarsObserved, EvaluateResult, Freshness, Watching
from domain.alert import Alert, AlertState, Status
from domain.alert_memory import AlertMemory, DueTimes
from domain.bar import BarSnapshot
from tests.conftest import make_alert, start_dev_server
from tests.histories.jobs import OFFICES, history_of, history_of_retention, history_of_watch
from tests.workflows.support import World, serving, start
from workflows.alert import AlertWorkflow
from workflows.messages import AlertInput, PauseRequest, SnoozeRequest

FOLDER = Path(__file__).parent
NEWEST = "v1"
Handle = WorkflowHandle[AlertWorkflow, Any]
SECONDS = "* * * * * *"


@dataclass(frozen=True)
class Scenario:
    """One alert in one world, and what is done to it."""

    name: str
    definition: dict[str, Any]
    world: World
    drive: Callable[[Handle, World], Awaitable[None]]
    history_limit: int = 1000
    state: AlertState = AlertState()
    due: DueTimes = DueTimes()
    version: str = NEWEST


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not check():
            await asyncio.sleep(0.05)


async def fires(handle: Handle, world: World) -> None:
    await until(lambda: {"triggered", "rearmed"} <= set(world.recorded) and len(world.recorded) >= 4)


async def pauses(handle: Handle, world: World) -> None:
    await handle.signal("pause", PauseRequest("lunch"))
    await until(lambda: "paused" in world.recorded)
    await handle.signal("resume")
    await until(lambda: "resumed" in world.recorded)
    await handle.execute_update(AlertWorkflow.pause_update, PauseRequest())
    await handle.execute_update(AlertWorkflow.resume_update)
    await handle.signal(AlertWorkflow.snooze, SnoozeRequest(seconds=1.2))
    await until(lambda: world.recorded.count("resumed") >= 3)
    await handle.signal(AlertWorkflow.acknowledge)


async def edits(handle: Handle, world: World) -> None:
    await handle.execute_update(AlertWorkflow.evaluate_now)
    await handle.execute_update(AlertWorkflow.update_definition, {"name": "renamed"})
    await handle.execute_update(AlertWorkflow.update_definition, {"rule": "close > 300"})
    with contextlib.suppress(WorkflowUpdateFailedError):
        await handle.execute_update(AlertWorkflow.update_definition, {"rule": "nonsense("})
    (alert,) = world.rows.values()
    world.rows[alert.id] = Alert(id=alert.id, version=alert.version + 1, definition=alert.definition)
    await handle.signal("definition_changed", {"version": alert.version + 1})
    await until(lambda: world.recorded.count("updated") >= 3)


async def is_edited_by_signal(handle: Handle, world: World) -> None:
    await handle.signal("update_definition", {"rule": {"indicator": "price", "operator": ">", "value": 300}})
    await until(lambda: "updated" in world.recorded)
    await handle.signal("update_definition", {"rule": "nonsense("})
    await until(lambda: "error" in world.recorded)
    await handle.signal("no_such_signal", {"x": 1})
    await handle.execute_update(AlertWorkflow.evaluate_now)


async def goes_without_data(handle: Handle, world: World) -> None:
    await until(lambda: world.fetches >= 1)
    await handle.signal("pause")
    await until(lambda: "paused" in world.recorded)
    world.fetch_fails = False
    await handle.signal("resume")
    await until(lambda: "triggered" in world.recorded)


async def is_refused(handle: Handle, world: World) -> None:
    await until(lambda: {"error", "data_stale"} <= set(world.recorded))


async def ends(handle: Handle, world: World) -> None:
    await handle.result()


async def is_deleted(handle: Handle, world: World) -> None:
    world.rows.clear()
    await handle.signal("definition_changed")
    await handle.result()


async def loses_its_database(handle: Handle, world: World) -> None:
    await asyncio.sleep(3)
    world.database_down = False
    await until(lambda: len(world.recorded) >= 3)


async def is_late(handle: Handle, world: World) -> None:
    await until(lambda: "late" in world.recorded)


async def is_written_through(handle: Handle, world: World) -> None:
    await handle.signal("pause", PauseRequest("lunch"))
    await until(lambda: bool(world.disabled))
    (alert,) = world.rows.values()
    world.rows[alert.id] = Alert(id=alert.id, version=alert.version + 1, definition=alert.definition)
    world.disabled.clear()
    await handle.signal("definition_changed", {"version": alert.version + 1})
    await until(lambda: "resumed" in world.recorded)
    await handle.execute_update(AlertWorkflow.pause_update, PauseRequest())
    await handle.signal(AlertWorkflow.snooze, SnoozeRequest(seconds=1.2))
    await until(lambda: world.recorded.count("resumed") >= 2)


async def finds_an_older_row(handle: Handle, world: World) -> None:
    await handle.execute_update(AlertWorkflow.update_definition, {"name": "kept"})
    (id,) = world.rows
    await until(lambda: world.rows[id].version == 2)
    world.rows[id] = Alert(id=id, version=1, definition=make_alert({"symbol": "X", "rule": "close > 7"}).definition)
    await handle.signal("definition_changed")
    await until(lambda: world.rows[id].definition.name == "kept")


async def is_edited_on_both_sides(handle: Handle, world: World) -> None:
    ((id, _),) = world.rows.items()
    world.store_down = True
    await handle.execute_update(AlertWorkflow.pause_update, PauseRequest())
    await handle.execute_update(AlertWorkflow.resume_update)
    world.rows[id] = Alert(id=id, version=2, definition=make_alert({"symbol": "X", "rule": "close > 7"}).definition)
    world.store_down = False
    await handle.signal("definition_changed", {"version": 4})
    await until(lambda: world.rows[id].version == 4)


async def catches_up(handle: Handle, world: World) -> None:
    await handle.execute_update(AlertWorkflow.evaluate_now)
    await until(lambda: "late" in world.recorded)


async def sees_it_later(handle: Handle, world: World) -> None:
    await handle.execute_update(AlertWorkflow.evaluate_now)
    await until(lambda: "triggered" in world.recorded)


async def records_every_bar(handle: Handle, world: World) -> None:
    await until(lambda: len(world.runs) >= 6)


async def is_paused_without_database(handle: Handle, world: World) -> None:
    world.database_down = True
    await handle.signal("pause")
    await handle.execute_update(AlertWorkflow.update_definition, {"name": "meanwhile"})
    await asyncio.sleep(2)
    world.database_down = False
    await until(lambda: "paused" in world.recorded)


async def is_edited_with_a_tick(handle: Handle, world: World) -> None:
    for number in range(2, 12):
        (alert,) = world.rows.values()
        definition = make_alert({"symbol": "X", "rule": f"close > {number}", "cron": "0 0 1 1 *"}).definition
        world.rows[alert.id] = Alert(id=alert.id, version=number, definition=definition)
        await asyncio.gather(
            handle.signal("definition_changed", {"version": number}), handle.execute_update(AlertWorkflow.evaluate_now)
        )


async def has_an_unreadable_row(handle: Handle, world: World) -> None:
    world.unreadable = True
    await handle.signal("definition_changed")
    await handle.execute_update(AlertWorkflow.evaluate_now)
    await until(lambda: bool(world.events))


async def is_reminded(handle: Handle, world: World) -> None:
    await until(lambda: "reminder" in world.recorded)
    await handle.signal("acknowledge")
    await until(lambda: "acknowledged" in world.recorded)


async def is_watched(handle: Handle, world: World) -> None:
    await until(lambda: bool(world.records) and world.records[-1].watching is Watching.OFFERED)
    report = await handle.query(AlertWorkflow.state_query)
    one = nudge(report.state, 101.0)
    await handle.signal(BARS_OBSERVED, one)
    await until(lambda: "triggered" in world.recorded)
    await handle.signal(BARS_OBSERVED, one)  # doubled
    looks = len(world.evaluations)
    await handle.signal(BARS_OBSERVED, BarsObserved(one.revision, one.version))
    await until(lambda: len(world.evaluations) > looks)
    await handle.signal("pause")
    await until(lambda: "paused" in world.recorded)


def nudge(state: AlertState, close: float) -> BarsObserved:
    """As the watch tells it: a quiet bar, then one that matters."""
    assert state.last_bar_close is not None
    bars = [state.last_bar_close + n * timedelta(seconds=1) for n in range(3)]
    quiet = replace(state, last_bar_close=bars[1], last_snapshot=BarSnapshot(bars[0], bars[1], {"close": 99.0}))
    told = BarSnapshot(bars[1], bars[2], {"close": close})
    result = EvaluateResult(Freshness.FRESH, bars[2], (told,), source="watch", before=quiet, quiet=1)
    return BarsObserved(state.revision, 1, result)


def alternating(at: Any) -> float:
    return 101.0 if at.minute % 2 else 99.0


def flipping(at: Any) -> float:
    return 101.0 if at.second % 2 else 99.0


def scenarios() -> list[Scenario]:
    """All of them; every message and every transition is in one."""
    second = {"symbol": "X", "timeframe": "1s", "rule": "close > 100", "cron": SECONDS}
    yearly = {"symbol": "X", "rule": "close > 100", "cron": "0 0 1 1 *"}
    high = lambda at: 101.0  # noqa: E731
    now = datetime.now(UTC)
    soon = {"expires_at": (now + timedelta(seconds=20)).isoformat()}
    away = AlertState(last_bar_close=now.replace(second=0, microsecond=0) - timedelta(minutes=20))
    return [
        Scenario("edge", second, World(price=flipping), fires),
        Scenario("cooldown", {**second, "rearm": {"type": "edge", "cooldown": 2}}, World(price=flipping), fires),
        Scenario("continue-as-new", second, World(price=flipping), fires, history_limit=20),
        Scenario("pause-resume-snooze", yearly, World(price=high), pauses),
        Scenario("edit", yearly, World(price=high), edits),
        Scenario("edit-by-signal", yearly, World(price=high), is_edited_by_signal),
        Scenario("unavailable", second, World(price=high, freshness=Freshness.UNAVAILABLE), goes_without_data),
        Scenario("refused", second, World(freshness=Freshness.REFUSED), is_refused),
        Scenario("settling", second, World(price=flipping, settle=2), fires),
        Scenario("once", {**second, "rearm": "once"}, World(price=high), ends),
        Scenario("expired", {**second, "rule": "close > 500", "options": soon}, World(price=high), ends),
        Scenario("late", {**second, "timeframe": "1m"}, World(price=alternating), is_late, state=away),
        Scenario("deleted", yearly, World(), is_deleted),
        Scenario("database-down", second, World(price=flipping, database_down=True), loses_its_database),
        Scenario("forming", {**second, "timeframe": "1m", "options": {"evaluate_on": "tick"}}, World(price=high), one_fire),
        Scenario("dead-channel", {**yearly, "notification_channels": ["webhook", "log"]}, World(price=high, refuse={"webhook"}), buries),
        Scenario("written-through", yearly, World(price=high), is_written_through),
        Scenario("older-row", yearly, World(price=high), finds_an_older_row),
        Scenario("failed-runs", second, World(price=high, freshness=Freshness.REFUSED), is_refused),
        Scenario("every-run", {**second, "options": {"record": "all"}}, World(price=lambda at: 99.0), records_every_bar, history_limit=25),
        Scenario("paused-without-database", yearly, World(price=high), is_paused_without_database),
        Scenario("edit-with-tick", yearly, World(price=high), is_edited_with_a_tick),
        Scenario("kept-first", {**second, "notification_channels": []}, World(price=flipping), fires),
        Scenario("both-sides", yearly, World(price=high), is_edited_on_both_sides),
        Scenario("catch-up", {**second, "notification_channels": [], "cron": "0 0 1 1 *", "rearm": "simple", "options": {"record": "all"}}, World(price=high), catches_up, history_limit=40, state=AlertState(last_bar_close=now.replace(microsecond=0) - timedelta(seconds=1100))),
        Scenario("slow-clock", {**second, "cron": "0 0 1 1 *"}, World(price=high, clock_behind=timedelta(seconds=1.5)), sees_it_later, state=AlertState(last_bar_close=now.replace(microsecond=0))),
        Scenario("reminder", {**yearly, "options": {"remind_every": 60}}, World(price=high), is_reminded, state=AlertState(Status.TRIGGERED, triggered_at=now), due=DueTimes(reminder=now + timedelta(seconds=2))),
        Scenario("watched", {**second, "notification_channels": []}, World(price=lambda at: 99.0, watched_for=timedelta(hours=1)), is_watched),
        Scenario("unreadable-row", yearly, World(price=high), has_an_unreadable_row),
    ]  # fmt: skip


async def one_fire(handle: Handle, world: World) -> None:
    await until(lambda: "triggered" in world.recorded)


async def buries(handle: Handle, world: World) -> None:
    await handle.execute_update(AlertWorkflow.evaluate_now)
    await until(lambda: bool(world.buried))


def save(version: str, name: str, text: str) -> None:
    """Writes a history without what says where and by whom it was recorded."""
    folder = FOLDER / version
    folder.mkdir(exist_ok=True)
    for earlier in folder.glob(
        f"{name.partition('.')[0]}.*.json"
    ):  # workflow ids differ from one recording to the next
        earlier.unlink()
    (folder / f"{name}.json").write_text(json.dumps(anonymous(json.loads(text)), indent=1) + "\n", encoding="utf-8")


def anonymous(value: Any) -> Any:
    """The same JSON with stack traces and process names blanked; replays do not look at them."""
    if isinstance(value, list):
        return [anonymous(one) for one in value]
    if isinstance(value, str):
        return re.sub(r"\d+@[A-Za-z0-9._-]+", "recorder", value)
    if not isinstance(value, dict):
        return value
    blank = {"stackTrace": "", "identity": "recorder"}
    return {key: blank[key] if key in blank else anonymous(one) for key, one in value.items()}


async def record(client: Client, scenario: Scenario) -> None:
    alert = make_alert(scenario.definition, id=scenario.name)
    scenario.world.rows[alert.id] = alert
    async with serving(client, scenario.world):
        given = AlertInput(alert, AlertMemory(state=scenario.state, due=scenario.due), scenario.history_limit)
        handle = await start(client, given)
        await scenario.drive(handle, scenario.world)
        history = await client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).fetch_history()
        save(scenario.version, f"{scenario.name}.{handle.id}", history.to_json())
        async for one in client.list_workflows(f"WorkflowType = 'DeliveryWorkflow' AND StartTime > '{BEGAN}'"):
            if scenario.name in ("edge", "dead-channel"):
                delivery = await client.get_workflow_handle(one.id).fetch_history()
                save(scenario.version, f"delivery-{scenario.name}.{one.id}", delivery.to_json())
                break
        try:
            await handle.cancel()
        except Exception as error:  # it has ended by itself
            sys.stderr.write(f"{scenario.name}: {type(error).__name__}\n")
    sys.stdout.write(f"{scenario.name}: {len(history.events)} events\n")


BEGAN = "2000-01-01T00:00:00Z"


async def main() -> None:
    async with await start_dev_server() as env:
        for scenario in scenarios():
            if scenario.version == NEWEST if not sys.argv[1:] else scenario.name in sys.argv[1:]:
                await record(env.client, scenario)
        for name in OFFICES:
            if not sys.argv[1:] or name in sys.argv[1:]:
                for id, text in (await history_of(env.client, name)).items():
                    save(NEWEST, f"{'delivery-' * id.startswith('delivery')}{name}.{id}", text)
        if not sys.argv[1:] or "watch" in sys.argv[1:]:
            for id, text in (await history_of_watch(env.client)).items():
                save(NEWEST, f"watch.{id}", text)
        if not sys.argv[1:] or "retention" in sys.argv[1:]:
            for id, text in (await history_of_retention(env.client)).items():
                save(NEWEST, f"retention.{id}", text)


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)

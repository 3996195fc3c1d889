"""A long catch-up on the real server: bounded in bytes whatever it has to look at, so that the server ends no alert."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.evaluation import Evaluation
from activities.events import EventStore
from activities.interface import TaskQueue
from activities.market_data.failover import MarketData
from activities.market_data.vendors.local.simulated import SimulatedMarket
from domain.alert import AlertState
from domain.alert_memory import AlertMemory
from storage.database import Database
from tests.conftest import make_alert
from tests.workflows.support import World, serving, start
from tests.workflows.test_alert_messages import eventually
from workflows.alert import AlertWorkflow
from workflows.messages import AlertInput

NOW = datetime.now(UTC).replace(microsecond=0)
A_MESSAGE, A_PAYLOAD = 4 * 1024 * 1024, 2 * 1024 * 1024  # what the server takes
FIELDS = ("open", "high", "low", "close", "volume")


def fields(count: int) -> str:
    """Comparisons that name so many operands and are never true."""
    names = [f"{FIELDS[number % 5]}[{number // 5}]" for number in range(count)]
    return " and ".join(f"{name} < 0" for name in names)


def pairs(count: int) -> dict[str, Any]:
    """The same with three operands a comparison, more than a text may hold."""
    names = [f"{FIELDS[number % 5]}[{number // 5}]" for number in range(count)]
    triples = zip(names[0::3], names[1::3], names[2::3], strict=True)
    return {"and": [{"left": one, "op": "between", "right": [two, three]} for one, two, three in triples]}


class Stopped(SimulatedMarket):
    """A market whose time stands still, so that the catch-up has an end."""

    def market_time(self, now: datetime) -> datetime:
        return NOW


@asynccontextmanager
async def really_serving(client: Client, database: Database) -> AsyncIterator[None]:
    """An alert's worker with the real evaluation and the real database."""
    evaluation, store = Evaluation(MarketData([Stopped()])), EventStore(database)
    activities = [evaluation.evaluate, store.record, store.load, store.save]
    async with Worker(client, task_queue=TaskQueue.ALERTS, workflows=[AlertWorkflow], activities=activities):
        yield


async def task_bytes(client: Client, workflow_id: str, first: str) -> list[int]:
    """Bytes of events each workflow task of all runs brought, in order."""
    found: Counter[tuple[str, int]] = Counter()
    run: str | None = first
    while run:
        following = None
        async for event in client.get_workflow_handle(workflow_id, run_id=run).fetch_history_events():
            kind = event.WhichOneof("attributes")
            attributes = getattr(event, kind or "")
            task = getattr(attributes, "workflow_task_completed_event_id", 0)
            if task:
                found[run, task] += event.ByteSize()
            if kind == "workflow_execution_continued_as_new_event_attributes":
                following = attributes.new_execution_run_id
        run = following
    return list(found.values())


@pytest.mark.parametrize(("rule", "bars"), [(fields(32), 10_000), (pairs(300), 1_200)], ids=["32x10000", "300x1200"])
async def test_a_long_catch_up_is_bounded_in_bytes(
    dev_server: WorkflowEnvironment, database: Database, rule: Any, bars: int, capsys: pytest.CaptureFixture[str]
) -> None:
    client = dev_server.client
    alert = make_alert(
        {
            "symbol": "X",
            "timeframe": "1s",
            "rule": rule,
            "cron": "* * * * * *",
            "name": "n",
            "notification_channels": [],
        },
        id=f"long-{bars}",
    )
    async with database.transaction() as work:
        await work.schedules.add(alert, NOW)
    async with really_serving(client, database):
        state = AlertState(last_bar_close=NOW - timedelta(seconds=bars))
        handle = await start(client, AlertInput(alert, AlertMemory(state=state)))

        async def caught_up() -> bool:
            running = client.get_workflow_handle(handle.id)
            assert (await running.describe()).status is WorkflowExecutionStatus.RUNNING
            said = await running.query(AlertWorkflow.state_query)
            return said.state.last_bar_close is not None and said.state.last_bar_close >= NOW

        await eventually(caught_up, 100)
        sizes = await task_bytes(client, handle.id, handle.first_execution_run_id or "")
        await client.get_workflow_handle(handle.id).cancel()
    with capsys.disabled():
        print(f"\n{alert.id}: {sum(sizes):,} bytes in {len(sizes)} tasks, the largest {max(sizes):,}")  # noqa: T201
    assert max(sizes) < A_PAYLOAD


async def test_every_bar_of_a_catch_up_has_its_run_and_one_notice_tells_of_all_fires(
    dev_server: WorkflowEnvironment,
) -> None:
    world = World(price=lambda at: 101.0)
    away = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2500)
    definition = {"symbol": "X", "timeframe": "1s", "rule": "close > 100", "cron": "0 0 1 1 *", "rearm": "simple"}
    alert = make_alert({**definition, "options": {"record": "all"}}, id="every-bar")
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, AlertInput(alert, AlertMemory(state=AlertState(last_bar_close=away))))
        await handle.execute_update(AlertWorkflow.evaluate_now)  # a slice is enough for the answer
        await eventually(lambda: _is(lambda: world.recorded.count("late") > 0), 60)
        await handle.cancel()
    slots = sorted({run.slot for run in world.runs})
    assert len(slots) >= 2500
    assert slots == [away + timedelta(seconds=number) for number in range(1, len(slots) + 1)]
    assert world.recorded.count("late") == 1
    late = next(event for event in world.events.values() if event.kind.value == "late")
    assert late.count >= 2300


async def test_what_the_database_lacks_for_long_is_bounded_and_told(dev_server: WorkflowEnvironment) -> None:
    """More than is kept is lost, the oldest first, and the alert says how many."""
    world = World(price=lambda at: 101.0, database_down=True)
    away = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1500)
    definition = {"symbol": "X", "timeframe": "1s", "rule": "close > 100", "cron": "0 0 1 1 *", "rearm": "simple"}
    alert = make_alert({**definition, "notification_channels": []}, id="without-database")
    world.rows[alert.id] = alert
    async with serving(dev_server.client, world):
        handle = await start(dev_server.client, AlertInput(alert, AlertMemory(state=AlertState(last_bar_close=away))))
        await handle.execute_update(AlertWorkflow.evaluate_now)

        async def is_through() -> bool:
            report = await handle.query(AlertWorkflow.state_query)
            assert report.pending_events <= 2000
            return bool(report.state.trigger_count >= 1500 and report.pending_events <= 201)

        await eventually(is_through, 60)
        world.database_down = False
        await handle.signal("pause")
        await eventually(lambda: _is(lambda: "error" in world.recorded), 30)
        await handle.cancel()
    (error,) = [event for event in world.events.values() if event.kind.value == "error"]
    lost = int(error.detail.split()[0])
    kept = [event for event in world.events.values() if event.kind.value == "triggered"]
    runs = [run for run in world.runs if run.events]
    assert world.projection is not None
    assert lost + len(kept) + len(runs) == 2 * world.projection.trigger_count
    newest = max(event.at for event in kept)
    assert {event.at for event in kept} == {newest - timedelta(seconds=number) for number in range(len(kept))}


async def _is(check: Any) -> bool:
    return bool(check())

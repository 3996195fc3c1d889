"""``alerts add FILE`` with many alerts while the reconciler runs: each is started once, and fires once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from domain.alert import Alert
from starter import alert_workflows, alerts
from starter.context import Context
from starter.who import Who
from storage.stored_schedule import DuplicateAlert
from tests.conftest import make_alert
from tests.starter.reconciler.support import Installation
from worker.settings import Settings

MANY = 210


def context_of(home: Installation) -> Context:
    settings = Settings(temporal_address=home.client.service_client.config.target_host)
    return Context(settings, home.database, Who("ann", "cli"))


def quick(number: int, **more: Any) -> Alert:
    definition = {
        "symbol": f"S{number % 7}",
        "timeframe": "1s",
        "rule": "close > 0",
        "cron": "* * * * * *",
        "rearm": "once",
    }
    return make_alert({**definition, "notification_channels": [], **more}, id=f"many-{number:04d}")


async def test_many_are_added_beside_the_reconciler(home: Installation) -> None:
    made = [quick(number) for number in range(MANY)]
    added, told = asyncio.Event(), list[int]()

    async def sweeps() -> None:
        while not added.is_set():
            await home.reconciler.sweep(full=False)
            await asyncio.sleep(0.2)

    sweeping = asyncio.create_task(sweeps())
    placed = await alerts.add(context_of(home), made, told.append)
    added.set()
    await sweeping
    assert [one.alert.id for one in placed] == [one.id for one in made]
    assert told == list(range(1, MANY + 1))

    async def all_done() -> bool:
        async with home.database.transaction() as work:
            return ("alert", True, "INACTIVE", MANY) in await work.schedules.counts()

    await home.becomes(all_done, "each fires once")
    async with home.database.transaction() as work:
        fires = Counter(
            [event.alert_id for one in made for event in await work.events.of_alert(one.id, kinds=["triggered"])]
        )
    assert fires == Counter(one.id for one in made)
    ended = Counter(
        [
            one.status.name
            async for one in home.client.list_workflows("WorkflowId STARTS_WITH 'alert-many-'")
            if one.status
        ]
    )
    assert "TERMINATED" not in ended, ended


async def test_what_is_running_already_is_started_afresh_only_when_it_is_older(home: Installation) -> None:
    alert = quick(0, cron="0 0 1 1 *")
    ours = home.reconciler.ours
    first = await alert_workflows.start_afresh(home.client, alert, None, ours)
    again = await alert_workflows.start_afresh(home.client, alert, None, ours)
    assert (await again.describe()).run_id == (await first.describe()).run_id
    newer = alert.model_copy(update={"version": 2})
    await alert_workflows.start_afresh(home.client, newer, None, ours)
    assert (await home.client.get_workflow_handle("alert-many-0000").describe()).run_id != first.first_execution_run_id


async def test_a_taken_id_is_told_before_anything_is_written(home: Installation) -> None:
    await alerts.add(context_of(home), [quick(MANY - 1, cron="0 0 1 1 *")])
    with pytest.raises(DuplicateAlert, match=f"many-{MANY - 1:04d}"):
        await alerts.add(context_of(home), [quick(number, cron="0 0 1 1 *") for number in range(MANY)])
    with pytest.raises(DuplicateAlert, match="many-0001"):
        await alerts.add(context_of(home), [quick(1), quick(1)])
    async with home.database.transaction() as work:
        assert len(await work.schedules.briefs()) == 1


async def test_what_comes_between_two_batches_is_told_with_what_was_added(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "BATCH", 2)
    create, batches = alerts.definition_writes.create, 0

    async def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == 2:
            raise OperationalError("INSERT", {}, OSError("the disk is full"))
        return await create(*arguments, **options)

    monkeypatch.setattr(alerts.definition_writes, "create", failing)
    with pytest.raises(alerts.PartlyAdded, match=r"2 of 5 alerts were added, then: the disk is full") as caught:
        await alerts.add(context_of(home), [quick(number, cron="0 0 1 1 *") for number in range(5)])
    assert [one.alert.id for one in caught.value.placed] == ["many-0000", "many-0001"]

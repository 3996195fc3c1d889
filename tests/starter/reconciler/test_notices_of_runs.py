"""What jobs have to say goes through deliveries: one row a (run, channel), told once, tried again where it can be."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from activities.notifications.channel import ChannelRefused
from domain.run import RunStatus
from storage.deliveries import DeliveryFilter
from storage.destinations import Destination
from storage.runs import RunFilter
from tests.activities.notifications.test_deliveries_under_trouble import Phone
from tests.starter.reconciler.support import Installation


async def ended(home: Installation, slot_of: str) -> Any:
    """The schedule's only run, at its end."""
    found: list[Any] = []

    async def is_over() -> bool:
        async with home.database.transaction() as work:
            runs = await work.runs.page(RunFilter(job_id=slot_of), None, 10)
        found[:] = [run for run in runs if run.status not in (RunStatus.PENDING, RunStatus.RUNNING)]
        return bool(found)

    await home.becomes(is_over, "the run ends")
    (run,) = found
    return run


async def trigger(home: Installation, job_type: str, params: str) -> Any:
    """A job's row under an id of its own, brought to Temporal and run once."""
    name = f"job-{uuid.uuid4().hex[:8]}"
    await home.insert(name, params, job_type)
    await home.reconciler.sweep(full=False)
    await home.client.get_schedule_handle(f"{job_type}-{name}").trigger()
    return await ended(home, name)


def _by_name(home: Installation) -> Any:
    async def channel(user_id: str, name: str, *, disabled: bool = False) -> tuple[Any, None]:
        return home.services.notifier.directory.channels[name], None

    return channel


async def test_a_notification_is_not_repeated_to_a_channel_that_has_it(home: Installation) -> None:
    well, engaged = Phone(), Phone(fails=2)
    home.services.notifier.directory.channels.update(log=well, webhook=engaged)
    run = await trigger(home, "notification", '{"message": "lunch", "notification_channels": ["log", "webhook"]}')
    assert (run.status, run.result) == (RunStatus.COMPLETED, {"deliveries": {"log": "SENT", "webhook": "SENT"}})
    assert (well.asked, engaged.asked, len(engaged.heard)) == (1, 3, 1)
    async with home.database.transaction() as work:
        rows = {row.channel: row for row in await work.deliveries.page(DeliveryFilter(alert_id=run.job_id), None, 100)}
    assert {(row.event_id, row.kind, row.body) for row in rows.values()} == {
        (run.run_id.replace("-", ""), "notification", "lunch")
    }


async def test_a_notification_that_a_channel_refuses_fails_its_run_and_is_a_dead_letter(home: Installation) -> None:
    well = Phone()
    home.services.notifier.directory.channels.update(log=well, webhook=Phone(fails=1, breaks=ChannelRefused))
    run = await trigger(home, "notification", '{"message": "lunch", "notification_channels": ["log", "webhook"]}')
    assert (run.status, run.error, well.asked) == (RunStatus.FAILED, "webhook: engaged", 1)
    async with home.database.transaction() as work:
        assert await work.deliveries.counts() == {"SENT": 1, "DEAD": 1}


async def test_an_urgent_one_that_is_refused_is_told_by_the_fallback(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.notifications.fallback.LOOK", timedelta(milliseconds=100))
    stood_in = Phone()
    home.services.notifier.directory.channels.update(webhook=Phone(fails=1, breaks=ChannelRefused), oncall=stood_in)
    at = home.services.notifier.clock()
    async with home.database.transaction() as work:
        await work.destinations.put(Destination("local", "oncall", "log", "", at, at, fallback_after=600))
    home.services.notifier.directory.channel = _by_name(home)  # type: ignore[method-assign]
    run = await trigger(
        home, "notification", '{"message": "up!", "priority": "urgent", "notification_channels": ["webhook"]}'
    )
    assert (run.status, run.error, stood_in.asked) == (RunStatus.FAILED, "webhook: engaged", 1)
    assert run.result == {"deliveries": {"webhook": "DEAD", "oncall": "SENT"}}


async def test_an_urgent_one_that_arrives_spares_the_fallback(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.notifications.fallback.LOOK", timedelta(milliseconds=100))
    at = home.services.notifier.clock()
    home.services.notifier.directory.channels.update(log=Phone())
    async with home.database.transaction() as work:
        await work.destinations.put(Destination("local", "oncall", "log", "", at, at, fallback_after=600))
    run = await trigger(
        home, "notification", '{"message": "up!", "priority": "urgent", "notification_channels": ["log"]}'
    )
    assert (run.status, run.result) == (RunStatus.COMPLETED, {"deliveries": {"log": "SENT", "oncall": "SPARED"}})


@pytest.mark.parametrize("job_type", ["report", "screener"])
async def test_reports_and_screeners_try_theirs_again(home: Installation, job_type: str) -> None:
    engaged = Phone(fails=2)
    home.services.notifier.directory.channels.update(webhook=engaged)
    params = '{"symbols": ["X"], "timeframe": "1m", "notification_channels": ["webhook"]}'
    run = await trigger(home, job_type, params)
    assert run.status is RunStatus.COMPLETED

    async def noted() -> bool:
        async with home.database.transaction() as work:
            found = await work.runs.get(run.run_id)
        assert found is not None
        assert found.result is not None
        return bool(found.result["deliveries"] == {"webhook": "SENT"})

    await home.becomes(noted, "the notice is told")
    assert (engaged.asked, len(engaged.heard)) == (3, 1)


async def test_a_channel_that_is_away_keeps_no_run_from_its_schedule(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.interface.TOLD_WITHIN", timedelta(seconds=1))
    engaged = Phone(fails=3)
    home.services.notifier.directory.channels.update(webhook=engaged)
    run = await trigger(home, "notification", '{"message": "lunch", "notification_channels": ["webhook"]}')
    assert (run.status, engaged.heard) == (RunStatus.COMPLETED, []), "it ends before it is told"

    async def noted() -> bool:
        async with home.database.transaction() as work:
            found = await work.runs.get(run.run_id)
        return found is not None and found.result == {"deliveries": {"webhook": "SENT"}}

    await home.becomes(noted, "what came of it is noted when it is known")

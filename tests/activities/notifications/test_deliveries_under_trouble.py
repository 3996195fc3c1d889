"""A database that is away is waited out: it uses up nobody's attempts, and makes nobody hear a thing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.interface import DeliveryInput, DeliveryTask, TaskQueue
from activities.notifications.channel import ChannelRefused, ChannelUnavailable, Letter, Unconfigured
from activities.notifications.delivery import Notifier
from activities.notifications.directory import Directory
from activities.notifications.patience import Patience
from starter.reconciler.notices import deliver_again
from storage.database import Database
from storage.deliveries import DeliveryFilter, DeliveryStatus
from tests.activities.notifications.test_notifications import fired
from tests.conftest import START
from workflows.delivery import DeliveryWorkflow


class Phone:
    """A channel that counts how often it is asked, and answers when told to."""

    def __init__(self, fails: int = 0, breaks: type[Exception] = ChannelUnavailable) -> None:
        self.asked, self.heard, self.fails, self.breaks = 0, list[str](), fails, breaks

    async def send(self, letter: Letter) -> None:
        self.asked += 1
        if self.asked <= self.fails:
            raise self.breaks("engaged")
        self.heard.append(letter.key)

    async def close(self) -> None:
        return


class Flaky(Database):
    """A database that is away for so many transactions, from the moment it is told."""

    away = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        if self.away > 0:
            self.away -= 1
            raise OperationalError("SELECT 1", {}, OSError("connection refused"))
        async with super().transaction() as work:
            yield work


@pytest.fixture
async def flaky(database: Database) -> AsyncIterator[Flaky]:
    made = Flaky(database.url)
    yield made
    await made.close()


async def outcome(client: Client, notifier: Notifier, given: DeliveryInput) -> dict[str, str]:
    """The delivery from its start to its end."""
    async with Worker(
        client, task_queue=TaskQueue.NOTIFICATIONS, workflows=[DeliveryWorkflow], activities=notifier.activities
    ):
        handle = await client.start_workflow(
            DeliveryWorkflow.run, given, id=given.workflow_id, task_queue=TaskQueue.NOTIFICATIONS
        )
        result = await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        return result.channels


async def test_an_outage_uses_up_no_attempts(time_skipping: WorkflowEnvironment, flaky: Flaky) -> None:
    """Ten tries in vain, which is more than a channel gets; then the channel is asked for the first time."""
    phone = Phone()
    notifier = Notifier(flaky, Directory(flaky, {"log": phone}, Unconfigured("")))
    alert, event = fired(["log"])
    await notifier.open(DeliveryInput(alert, event))
    flaky.away = 10
    assert await outcome(time_skipping.client, notifier, DeliveryInput(alert, event)) == {"log": "SENT"}
    assert phone.heard == [f"{event.id}:log"]
    async with flaky.transaction() as work:
        row = await work.deliveries.get(event.id, "log")
    assert row is not None
    assert (row.status, row.attempts) == (DeliveryStatus.SENT, 1)


async def test_what_was_told_and_could_not_be_written_is_not_told_again(
    time_skipping: WorkflowEnvironment, flaky: Flaky
) -> None:
    class Cutting(Phone):
        async def send(self, letter: Letter) -> None:
            await super().send(letter)
            flaky.away = 4  # from the moment it was told

    phone = Cutting()
    notifier = Notifier(flaky, Directory(flaky, {"log": phone}, Unconfigured("")))
    alert, event = fired(["log"])
    assert await outcome(time_skipping.client, notifier, DeliveryInput(alert, event)) == {"log": "SENT"}
    assert phone.asked == 1
    async with flaky.transaction() as work:
        row = await work.deliveries.get(event.id, "log")
    assert row is not None
    assert row.status is DeliveryStatus.SENT


class Waiting:
    """Time passes when somebody waits: the worker's clock goes as the server's does, which skips."""

    def __init__(self, patience: Patience) -> None:
        self.patience, self.at, self.waits = patience, datetime(2026, 1, 5, 14, 30, tzinfo=UTC), list[timedelta]()

    def __call__(self) -> datetime:
        return self.at

    def next_try(self, *given: Any) -> timedelta | None:
        wait = self.patience.next_try(*given, chance=0.0)
        if wait is not None:
            self.at += wait
            self.waits.append(wait)
        return wait


def with_clock(database: Database, waiting: Waiting, **channels: Any) -> Notifier:
    return Notifier(database, Directory(database, channels, Unconfigured("")), waiting, patience=waiting)  # type: ignore[arg-type]


@pytest.mark.parametrize("breaks", [ChannelUnavailable, KeyError], ids=["unavailable", "a fault of ours"])
async def test_a_channel_is_asked_for_a_day_whatever_the_database_does_in_between(
    time_skipping: WorkflowEnvironment, flaky: Flaky, breaks: type[Exception]
) -> None:
    class Cutting(Phone):
        async def send(self, letter: Letter) -> None:
            if self.asked % 8 == 1:
                flaky.away = 3
            await super().send(letter)

    phone, waiting = Cutting(fails=1000, breaks=breaks), Waiting(Patience())
    alert, event = fired(["log"])
    notifier = with_clock(flaky, waiting, log=phone)
    assert await outcome(time_skipping.client, notifier, DeliveryInput(alert, event)) == {"log": "DEAD"}
    quick, slow = waiting.waits[:5], waiting.waits[5:11]
    assert [wait.total_seconds() for wait in quick] == [2, 4, 8, 16, 32]
    assert [wait.total_seconds() / 60 for wait in slow] == [1, 2, 4, 8, 16, 32]
    assert set(waiting.waits[11:]) == {timedelta(hours=1)}
    assert timedelta(hours=23) <= sum(waiting.waits, timedelta()) <= timedelta(hours=24)
    assert phone.asked == len(waiting.waits) + 1


async def test_a_receiver_that_is_away_for_an_hour_hears_it_once(
    time_skipping: WorkflowEnvironment, flaky: Flaky
) -> None:
    waiting = Waiting(Patience())
    back = waiting.at + timedelta(hours=1)

    class Away(Phone):
        async def send(self, letter: Letter) -> None:
            self.asked += 1
            if waiting.at < back:
                raise ChannelUnavailable("HTTP 503")
            self.heard.append(letter.key)

    phone = Away()
    alert, event = fired(["log"])
    notifier = with_clock(flaky, waiting, log=phone)
    assert await outcome(time_skipping.client, notifier, DeliveryInput(alert, event)) == {"log": "SENT"}
    assert phone.heard == [f"{event.id}:log"]
    assert waiting.at - back < timedelta(minutes=40)
    async with flaky.transaction() as work:
        row = await work.deliveries.get(event.id, "log")
    assert row is not None
    assert (row.status, row.attempts, row.last_error) == (DeliveryStatus.SENT, phone.asked, "")


async def test_a_dead_one_is_told_again_and_the_others_are_not(
    time_skipping: WorkflowEnvironment, flaky: Flaky
) -> None:
    dead, well = Phone(fails=1, breaks=ChannelRefused), Phone()
    alert, event = fired(["log", "webhook"])
    notifier = with_clock(flaky, Waiting(Patience()), log=dead, webhook=well)
    first = await outcome(time_skipping.client, notifier, DeliveryInput(alert, event))
    assert first == {"log": "DEAD", "webhook": "SENT"}
    async with flaky.transaction() as work:
        (row,) = await work.deliveries.page(DeliveryFilter(status="DEAD"), None, 9)
        assert await work.deliveries.reopen(row.id, START)
        assert not await work.deliveries.reopen(row.id, START), "it waits already"
    again = DeliveryInput(again=event.id)
    async with Worker(
        time_skipping.client,
        task_queue=TaskQueue.NOTIFICATIONS,
        workflows=[DeliveryWorkflow],
        activities=notifier.activities,
    ):
        await deliver_again(time_skipping.client, again.source_id, START)
        await deliver_again(time_skipping.client, again.source_id, START)
        name = f"delivery-{event.id}-{START:%Y%m%dT%H%M%S}"
        assert (await time_skipping.client.get_workflow_handle(name).result())["channels"] == {"log": "SENT"}
    assert (dead.asked, well.asked) == (2, 1)


def test_pauses() -> None:
    patience, at = Patience(quick=2, lasting=timedelta(hours=3)), START
    pauses = [patience.next_try(attempts, at, at, None, chance=0.0) for attempts in range(1, 11)]
    assert [one.total_seconds() for one in pauses if one] == [2, 4, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert patience.next_try(9, at, at + timedelta(hours=2, minutes=1), None, chance=0.0) is None
    asked = timedelta(minutes=35)
    assert patience.next_try(1, at, at, asked, chance=0.0) == asked
    assert patience.next_try(1, at, at, timedelta(hours=4), chance=0.0) is None, "longer than it may last"
    assert patience.next_try(1, at, at, asked, chance=1.0) == asked * 1.1


async def test_the_last_attempt_says_so(database: Database) -> None:
    waiting = Waiting(Patience(quick=1, lasting=timedelta(seconds=3)))
    notifier = with_clock(database, waiting, log=Phone(fails=100))
    alert, event = fired(["log"])
    await notifier.open(DeliveryInput(alert, event))
    for is_last in (False, True):
        with pytest.raises(ApplicationError) as caught:
            await notifier.deliver(DeliveryTask(event.id, "log"))
        assert caught.value.non_retryable is is_last

"""A database that is away is waited out: it uses up nobody's attempts, and makes nobody hear a thing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.interface import DeliveryInput, DeliveryTask, TaskQueue
from activities.notifications.channel import ChannelUnavailable, Letter, Unconfigured
from activities.notifications.delivery import Notifier
from storage.database import Database
from storage.deliveries import DeliveryStatus
from tests.activities.notifications.test_notifications import fired
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
            DeliveryWorkflow.run, given, id=f"delivery-{given.source_id}", task_queue=TaskQueue.NOTIFICATIONS
        )
        result = await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        return result.channels


async def test_an_outage_uses_up_no_attempts(time_skipping: WorkflowEnvironment, flaky: Flaky) -> None:
    """Ten tries in vain, which is more than a channel gets; then the channel is asked for the first time."""
    phone = Phone()
    notifier = Notifier(flaky, {"log": phone}, Unconfigured(""))
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
    notifier = Notifier(flaky, {"log": phone}, Unconfigured(""))
    alert, event = fired(["log"])
    assert await outcome(time_skipping.client, notifier, DeliveryInput(alert, event)) == {"log": "SENT"}
    assert phone.asked == 1
    async with flaky.transaction() as work:
        row = await work.deliveries.get(event.id, "log")
    assert row is not None
    assert row.status is DeliveryStatus.SENT


@pytest.mark.parametrize("breaks", [ChannelUnavailable, KeyError], ids=["unavailable", "a fault of ours"])
async def test_a_channel_is_asked_six_times_whatever_the_database_did_in_between(
    time_skipping: WorkflowEnvironment, flaky: Flaky, breaks: type[Exception]
) -> None:
    class Cutting(Phone):
        async def send(self, letter: Letter) -> None:
            if self.asked % 2:
                flaky.away = 3
            await super().send(letter)

    phone = Cutting(fails=100, breaks=breaks)
    notifier = Notifier(flaky, {"log": phone}, Unconfigured(""))
    alert, event = fired(["log"])
    assert await outcome(time_skipping.client, notifier, DeliveryInput(alert, event)) == {"log": "DEAD"}
    assert phone.asked == 6


async def test_the_last_attempt_says_so(database: Database) -> None:
    notifier = Notifier(database, {"log": Phone(fails=100)}, Unconfigured(""), retries=1)
    alert, event = fired(["log"])
    await notifier.open(DeliveryInput(alert, event))
    for is_last in (False, True):
        with pytest.raises(ApplicationError) as caught:
            await notifier.deliver(DeliveryTask(event.id, "log"))
        assert caught.value.non_retryable is is_last

"""Many notices to one chat: its limit is kept, few letters name them all, in their order, and nothing is lost or told twice."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.interface import DeliveryTask
from activities.notifications.channel import ChannelRefused, ChannelUnavailable, Letter, Pace, Unconfigured
from activities.notifications.delivery import Notifier
from activities.notifications.directory import Directory
from activities.notifications.patience import Patience
from storage.database import Database
from storage.deliveries import DeliveryFilter, DeliveryStatus, NewDelivery

SECOND = timedelta(seconds=1)
BEGIN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> datetime:
        return self.at


class Chat:
    """It notes when each letter came, by the test's clock, and refuses more than one a second."""

    pace = Pace(timedelta(seconds=1.1))

    def __init__(self, clock: Clock) -> None:
        self.clock, self.letters, self.poison, self.away_until = clock, list[tuple[datetime, str]](), "", BEGIN

    async def send(self, letter: Letter) -> None:
        if self.clock.at < self.away_until:
            raise ChannelUnavailable("Too Many Requests", self.away_until - self.clock.at)
        assert not self.letters or self.clock.at - self.letters[-1][0] >= SECOND, "the limit is kept"
        text = f"{letter.delivery.subject}\n{letter.delivery.body}"
        if self.poison and self.poison in text:
            raise ChannelRefused("cannot be read")
        assert len(text) <= 4096
        self.letters.append((self.clock.at, text))

    async def close(self) -> None:
        return


class Desk:
    """Notices, the workers that tell them, and Temporal's retries on the test's clock."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, Clock()
        self.chat = Chat(self.clock)
        self.start()
        self.queue: list[tuple[datetime, int, str, DeliveryTask]] = []
        self.attempts = 0
        self.dead: list[str] = []

    def start(self) -> None:
        """A worker; one that is started again knows nothing but the database."""
        directory = Directory(self.database, {"telegram": self.chat, "other": Chat(self.clock)}, Unconfigured(""))
        self.notifier = Notifier(self.database, directory, self.clock, patience=Patience())

    async def put(self, count: int, channel: str = "telegram", **fields: Any) -> list[str]:
        ids = [f"e{channel}{number:04}" for number in range(count)]
        rows = [NewDelivery(id, f"a{id}", "ann", channel, f"AAPL fires {id}", "words", **fields) for id in ids]
        async with self.database.transaction() as work:
            await work.deliveries.open(rows, self.clock.at)
        for number, id in enumerate(ids):
            heapq.heappush(self.queue, (self.clock.at, number, id, DeliveryTask(id, channel)))
        return ids

    async def run(self, until: int | None = None) -> None:
        while self.queue and (until is None or self.attempts < until):
            at, number, id, task = heapq.heappop(self.queue)
            self.clock.at = max(self.clock.at, at)
            self.attempts += 1
            try:
                assert await self.notifier.deliver(task) == "SENT"
            except ApplicationError as error:
                if error.non_retryable:
                    self.dead.append(task.event_id)
                    await self.notifier.bury(DeliveryTask(task.event_id, task.channel, str(error)))
                    continue
                pause = error.next_retry_delay or SECOND
                heapq.heappush(self.queue, (self.clock.at + pause, number, id, task))

    async def statuses(self) -> set[str]:
        async with self.database.transaction() as work:
            return {one.status.value for one in await work.deliveries.page(DeliveryFilter(), None, 2000)}

    def told(self) -> list[str]:
        """The ids in the order in which they were told."""
        return [word for _, text in self.chat.letters for word in text.split() if word.startswith("etelegram")]


@pytest.fixture
async def desk(any_database: Database) -> Desk:
    return Desk(any_database)


async def test_five_hundred_at_once_are_a_handful_of_letters(desk: Desk) -> None:
    ids = await desk.put(500)
    await desk.run()
    assert desk.told() == ids, "each once, in its order"
    assert len(desk.chat.letters) <= 12
    assert desk.chat.letters[0][0] - BEGIN < SECOND, "and the first at once"
    assert desk.clock.at - BEGIN < timedelta(seconds=30)
    assert desk.attempts < 4 * len(ids), "nobody asks again and again"
    assert await desk.statuses() == {DeliveryStatus.SENT}


async def test_a_few_come_one_by_one_with_their_own_words(desk: Desk) -> None:
    ids = await desk.put(3)
    await desk.run()
    assert [text for _, text in desk.chat.letters] == [f"AAPL fires {id}\nwords" for id in ids]


async def test_a_restart_in_the_middle_loses_and_doubles_nothing(desk: Desk) -> None:
    ids = await desk.put(300)
    await desk.run(until=60)
    desk.start()
    await desk.put(0)
    await desk.run()
    assert desk.told() == ids


async def test_a_chat_that_wants_to_be_left_alone_is(desk: Desk) -> None:
    ids = await desk.put(200)
    desk.chat.away_until = BEGIN + timedelta(seconds=35)
    await desk.run()
    assert desk.told() == ids
    assert desk.chat.letters[0][0] >= desk.chat.away_until
    assert desk.chat.letters[-1][0] - desk.chat.away_until < timedelta(minutes=2)


async def test_one_that_is_refused_takes_no_other_with_it(desk: Desk) -> None:
    ids = await desk.put(20)
    desk.chat.poison = ids[7]
    await desk.run()
    assert desk.dead == [ids[7]]
    assert sorted(desk.told()) == sorted(set(ids) - {ids[7]})


async def test_urgent_ones_wait_for_nobody(desk: Desk) -> None:
    desk.chat.pace = Pace(timedelta(hours=1))
    (quiet,) = await desk.put(1)
    await desk.run()
    desk.chat.letters[0] = (BEGIN - SECOND, desk.chat.letters[0][1])
    async with desk.database.transaction() as work:
        await work.deliveries.open(
            [NewDelivery("urgent", "a", "ann", "telegram", "FIRE", "now", priority="urgent")], desk.clock.at
        )
    assert await desk.notifier.deliver(DeliveryTask("urgent", "telegram")) == "SENT"
    assert desk.chat.letters[-1][1] == "FIRE\nnow"
    assert quiet


async def test_destinations_do_not_wait_for_each_other(desk: Desk) -> None:
    await desk.put(50)
    await desk.put(1, "other")
    await desk.run(until=52)
    async with desk.database.transaction() as work:
        other = await work.deliveries.get("eother0000", "other")
    assert other is not None
    assert other.status is DeliveryStatus.SENT

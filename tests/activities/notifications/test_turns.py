"""Many notices to one chat: its limit is kept, few letters name them all, in their order, and nothing is lost or told twice."""

from __future__ import annotations

import asyncio
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
from domain.quiet import read_hours
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

    async def put_one(self, id: str, subject: str, **fields: Any) -> None:
        async with self.database.transaction() as work:
            row = NewDelivery(id, f"a{id}", "ann", "telegram", subject, "words", **fields)
            await work.deliveries.open([row], self.clock.at)
        number = len(self.queue) + 1
        heapq.heappush(self.queue, (self.clock.at, number, id, DeliveryTask(id, "telegram")))

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


async def test_two_workers_tell_nothing_twice(desk: Desk) -> None:
    """One sends while the other looks: the turn is the first's, as the table says."""
    ids = await desk.put(6)
    sending, go_on = asyncio.Event(), asyncio.Event()
    first, tell = desk.notifier, desk.chat.send

    async def slowly(letter: Letter) -> None:
        sending.set()
        await go_on.wait()
        await tell(letter)

    desk.chat.send = slowly  # type: ignore[method-assign]
    one = asyncio.create_task(first.deliver(DeliveryTask(ids[0], "telegram")))
    await sending.wait()
    desk.start()
    with pytest.raises(ApplicationError, match="waits its turn"):
        await desk.notifier.deliver(DeliveryTask(ids[1], "telegram"))
    go_on.set()
    assert await one == "SENT"
    desk.chat.send = tell  # type: ignore[method-assign]
    await desk.run()
    assert desk.told() == ids


async def test_a_worker_that_died_with_the_turn_gives_it_back(desk: Desk) -> None:
    ids = await desk.put(2)

    class Killed(BaseException):
        pass

    async def dies(_letter: Letter) -> None:
        raise Killed

    tell, desk.chat.send = desk.chat.send, dies  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await desk.notifier.deliver(DeliveryTask(ids[0], "telegram"))
    desk.chat.send = tell  # type: ignore[method-assign]
    desk.start()
    await desk.run()
    assert desk.told() == ids
    assert desk.clock.at - BEGIN < timedelta(minutes=2)


async def test_an_outage_is_met_with_patience_whoever_waits(desk: Desk) -> None:
    ids = await desk.put(20)
    desk.chat.away_until = BEGIN + timedelta(minutes=10)
    posts = 0
    tell = desk.chat.send

    async def counted(letter: Letter) -> None:
        nonlocal posts
        posts += 1
        if desk.clock.at < desk.chat.away_until:
            raise ChannelUnavailable("HTTP 502")
        await tell(letter)

    desk.chat.send = counted  # type: ignore[method-assign]
    await desk.run()
    assert sorted(desk.told()) == ids
    assert posts < 20, "2, 4, 8 … seconds, then minutes, for the destination and not for each notice"
    assert desk.clock.at - desk.chat.away_until < timedelta(minutes=15)
    assert desk.dead == []


async def test_a_young_notice_is_not_buried_with_an_old_one(desk: Desk) -> None:
    old = await desk.put(1)
    desk.clock.at += timedelta(hours=23, minutes=59, seconds=59)
    young = [f"etelegramyoung{number}" for number in range(5)]
    async with desk.database.transaction() as work:
        await work.deliveries.open([NewDelivery(id, "a", "ann", "telegram", id, "b") for id in young], desk.clock.at)
    desk.chat.away_until = desk.clock.at + timedelta(minutes=1)
    with pytest.raises(ApplicationError) as caught:
        await desk.notifier.deliver(DeliveryTask(young[2], "telegram"))
    assert not caught.value.non_retryable
    with pytest.raises(ApplicationError) as caught:
        await desk.notifier.deliver(DeliveryTask(old[0], "telegram"))
    assert caught.value.non_retryable


async def test_one_that_always_fails_lets_the_others_by(desk: Desk) -> None:
    ids = await desk.put(3)
    tell = desk.chat.send

    async def picky(letter: Letter) -> None:
        if ids[0] in letter.delivery.subject:
            raise ChannelUnavailable("HTTP 500")
        await tell(letter)

    desk.chat.send = picky  # type: ignore[method-assign]
    await desk.run(until=200)
    assert desk.told()[:2] == ids[1:]
    assert desk.chat.letters[1][0] - BEGIN < timedelta(minutes=2)


async def test_what_is_over_stays_so(desk: Desk) -> None:
    dead, sent = await desk.put(2)
    await desk.notifier.bury(DeliveryTask(dead, "telegram", "gone"))
    with pytest.raises(ApplicationError, match="gone") as caught:
        await desk.notifier.deliver(DeliveryTask(dead, "telegram"))
    assert caught.value.non_retryable
    assert await desk.notifier.deliver(DeliveryTask(sent, "telegram")) == "SENT"
    await desk.notifier.bury(DeliveryTask(sent, "telegram", "cancelled"))
    async with desk.database.transaction() as work:
        row = await work.deliveries.get(sent, "telegram")
    assert row is not None
    assert row.status is DeliveryStatus.SENT, "what was told is not dead"


async def test_what_was_told_and_could_not_be_written_is_in_no_later_letter(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await desk.put(2)
    with monkeypatch.context() as patch:
        patch.setattr("storage.deliveries.Deliveries.sent", None)
        assert await desk.notifier.deliver(DeliveryTask(ids[0], "telegram")) == "UNSAVED"
    desk.clock.at += timedelta(seconds=2)
    assert await desk.notifier.deliver(DeliveryTask(ids[1], "telegram")) == "SENT"
    assert desk.told() == ids
    assert await desk.notifier.deliver(DeliveryTask(ids[0], "telegram")) == "SENT"
    assert desk.told() == ids


async def test_a_digest_of_fires_is_heard(desk: Desk) -> None:
    from activities.notifications.turns import digest

    await desk.put(5, priority="high")
    async with desk.database.transaction() as work:
        queued = await work.deliveries.queued("ann", "telegram", desk.clock.at, 9)
    assert (digest(queued).priority, digest([*queued][:1]).priority) == ("high", "high")


async def test_quiet_hours_hold_what_can_wait_and_tell_it_together(desk: Desk) -> None:
    async with desk.database.transaction() as work:
        await work.quiet.set_hours("ann", read_hours("09:00-10:00", "America/New_York"))  # 14:00 to 15:00 UTC
    ids = await desk.put(30)
    await desk.run()
    assert desk.told() == ids
    assert desk.chat.letters[0][0] >= datetime(2026, 1, 5, 15, tzinfo=UTC)
    assert len(desk.chat.letters) == 1


async def test_urgent_ones_are_told_in_quiet_hours(desk: Desk) -> None:
    async with desk.database.transaction() as work:
        await work.quiet.set_hours("ann", read_hours("09:00-10:00", "America/New_York"))
        await work.deliveries.open(
            [NewDelivery("urgent", "a", "ann", "telegram", "FIRE", "now", priority="urgent")], desk.clock.at
        )
    assert await desk.notifier.deliver(DeliveryTask("urgent", "telegram")) == "SENT"
    assert desk.chat.letters == [(BEGIN, "FIRE\nnow")]


async def test_destinations_do_not_wait_for_each_other(desk: Desk) -> None:
    await desk.put(50)
    await desk.put(1, "other")
    await desk.run(until=52)
    async with desk.database.transaction() as work:
        other = await work.deliveries.get("eother0000", "other")
    assert other is not None
    assert other.status is DeliveryStatus.SENT

"""What is urgent and does not arrive is told elsewhere, and only then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.interface import DeliveryInput, DeliveryTask
from activities.notifications.channel import ChannelRefused, ChannelUnavailable, Letter, Unconfigured
from activities.notifications.delivery import Notifier
from activities.notifications.directory import Directory
from activities.notifications.fallback import WHY
from domain.alert import AlertState
from domain.rearm import step
from storage.database import Database
from storage.deliveries import DeliveryStatus
from storage.destinations import Destination
from tests.activities.notifications.test_deliveries_under_trouble import outcome
from tests.conftest import closes, make_alert

BEGIN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TEN = 600


class Phone:
    """Takes letters, unless it is away or refuses them."""

    def __init__(self) -> None:
        self.letters, self.trouble = list[str](), None

    trouble: Exception | None

    async def send(self, letter: Letter) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.letters.append(letter.delivery.body)

    async def close(self) -> None:
        pass


class Desk:
    """One alert of the user ``local``, told by ``notify``; ``oncall`` and ``boss`` are fallbacks by words that are set up for all."""

    def __init__(self, database: Database) -> None:
        self.database, self.at = database, BEGIN
        self.phones = {name: Phone() for name in ("notify", "oncall", "boss")}
        self.notifier = Notifier(
            database, Directory(database, dict(self.phones), Unconfigured("set it up")), lambda: self.at
        )

    async def fire(self, *, priority: str = "urgent", channels: tuple[str, ...] = ("notify",)) -> str:
        fields = {"symbol": "AAPL", "rule": "close > 100", "notification_channels": channels, "priority": priority}
        alert = make_alert(fields)
        event = step(alert, AlertState(), closes(101.5)[0])[1][0]
        self.names = await self.notifier.open(DeliveryInput(alert, event))
        return event.id

    async def tell(self, event_id: str, channel: str) -> str:
        """The status, or for how long it waits; ``dead`` when it is given up."""
        try:
            return await self.notifier.deliver(DeliveryTask(event_id, channel))
        except ApplicationError as error:
            if error.non_retryable:
                await self.notifier.bury(DeliveryTask(event_id, channel, str(error)))
                return "dead"
            assert error.next_retry_delay is not None
            return f"{error.next_retry_delay.total_seconds():.0f} s"

    async def status(self, event_id: str, channel: str) -> DeliveryStatus:
        async with self.database.transaction() as work:
            found = await work.deliveries.get(event_id, channel)
        assert found is not None
        return found.status


@pytest.fixture
async def desk(database: Database) -> Desk:
    async with database.transaction() as work:
        for name, after in (("oncall", TEN), ("boss", 3 * TEN)):
            await work.destinations.put(Destination("local", name, "log", "", BEGIN, BEGIN, fallback_after=after))
    found = Desk(database)

    async def channel(user_id: str, name: str, *, disabled: bool = False) -> tuple[Phone, None]:
        return found.phones[name], None

    found.notifier.directory.channel = channel  # type: ignore[method-assign,assignment]
    return found


async def test_what_arrives_spares_the_fallbacks(desk: Desk) -> None:
    event = await desk.fire()
    assert desk.names == ["notify", "oncall", "boss"]
    assert await desk.tell(event, "oncall") == "10 s", "it leaves the others their time"
    assert await desk.tell(event, "notify") == "SENT"
    assert [await desk.tell(event, name) for name in ("oncall", "boss", "oncall")] == ["SPARED"] * 3
    assert await desk.status(event, "oncall") is DeliveryStatus.SPARED
    assert [len(phone.letters) for phone in desk.phones.values()] == [1, 0, 0]


async def test_what_does_not_arrive_in_time_is_told_elsewhere(desk: Desk) -> None:
    desk.phones["notify"].trouble = ChannelUnavailable("HTTP 503")
    event = await desk.fire()
    for minute in range(10):
        desk.at = BEGIN + minute * MINUTE
        assert (await desk.tell(event, "notify")).endswith(" s")
        assert await desk.tell(event, "oncall") == "10 s"
    desk.at = BEGIN + 9 * MINUTE + timedelta(seconds=57)
    assert await desk.tell(event, "oncall") == "3 s", "not a moment too late"
    desk.at = BEGIN + 10 * MINUTE
    assert await desk.tell(event, "oncall") == "SENT"
    assert desk.phones["oncall"].letters[0].endswith(WHY)
    assert await desk.tell(event, "boss") == "SPARED", "the first fallback has it"
    assert (await desk.tell(event, "notify")).endswith(" s"), "and the other is still tried"


async def test_where_all_fail_the_next_one_is_told(desk: Desk) -> None:
    desk.phones["notify"].trouble = desk.phones["oncall"].trouble = ChannelUnavailable("HTTP 503")
    event = await desk.fire()
    desk.at = BEGIN + 29 * MINUTE
    assert (await desk.tell(event, "oncall")) != "10 s", "it was tried, and has its own back-off"
    assert await desk.tell(event, "boss") == "10 s"
    desk.at = BEGIN + 30 * MINUTE
    assert await desk.tell(event, "boss") == "SENT"


async def test_what_is_refused_is_told_elsewhere_at_once(desk: Desk) -> None:
    desk.phones["notify"].trouble = ChannelRefused("blocked")
    event = await desk.fire()
    assert await desk.tell(event, "notify") == "dead"
    assert await desk.tell(event, "boss") == "10 s", "one after the other"
    assert await desk.tell(event, "oncall") == "SENT"
    assert await desk.tell(event, "boss") == "SPARED"


async def test_one_of_two_that_is_refused_is_enough(desk: Desk) -> None:
    """Whoever names two wants both told."""
    desk.phones["log"] = Phone()
    desk.phones["notify"].trouble = ChannelRefused("blocked")
    event = await desk.fire(channels=("log", "notify"))
    assert [await desk.tell(event, name) for name in ("log", "notify", "oncall")] == ["SENT", "dead", "SENT"]


async def test_only_what_is_urgent_and_is_not_told_there_already(desk: Desk) -> None:
    await desk.fire(priority="high")
    assert desk.names == ["notify"]


async def test_a_fallback_that_is_named_is_told_at_once(desk: Desk) -> None:
    event = await desk.fire(channels=("notify", "oncall"))
    assert desk.names == ["notify", "oncall", "boss"]
    assert await desk.tell(event, "oncall") == "SENT"


async def test_one_that_is_disabled_is_none(desk: Desk) -> None:
    async with desk.database.transaction() as work:
        one = await work.destinations.get("local", "oncall")
        assert one is not None
        await work.destinations.disable(one, "blocked", BEGIN)
        await work.destinations.put(replace(one, secret="other", updated_at=BEGIN + MINUTE))
        again = await work.destinations.get("local", "oncall")
        assert again is not None
        assert again.fallback_after == TEN, "another address keeps it"
        await work.destinations.disable(again, "blocked", BEGIN)
        await work.destinations.fall_back("local", "boss", None)
    await desk.fire()
    assert desk.names == ["notify"]


async def test_a_delivery_says_what_was_spared(time_skipping: WorkflowEnvironment, desk: Desk) -> None:
    """Each look at the clock is some seconds later: the first fallback is told before the channel answers again."""
    desk.phones["notify"].trouble = ChannelUnavailable("HTTP 503")

    def later() -> datetime:
        desk.at += MINUTE / 4
        if desk.phones["oncall"].letters:
            desk.phones["notify"].trouble = None
        return desk.at

    desk.notifier.clock = later
    fields = {"symbol": "AAPL", "rule": "close > 100", "notification_channels": ["notify"], "priority": "urgent"}
    alert = make_alert(fields)
    event = step(alert, AlertState(), closes(101.5)[0])[1][0]
    found = await outcome(time_skipping.client, desk.notifier, DeliveryInput(alert, event))
    assert found == {"notify": "SENT", "oncall": "SENT", "boss": "SPARED"}

"""Every channel against everything that its other side may do: told at least once, recorded once, twice only where nobody can know.

Real receivers on loopback, the worker's own code, Temporal's retries on the test's clock. Processes that are killed between sending
and recording are in ``e2e/test_killed_while_telling.py``.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError

from activities import outgoing
from activities.interface import DeliveryInput, DeliveryTask
from activities.notifications.delivery import Notifier
from activities.notifications.directory import directory
from activities.notifications.patience import Patience
from domain.alert import AlertEvent, EventKind, Status, event_id
from storage.database import Database
from storage.deliveries import Delivery
from storage.destinations import Destination
from storage.sealing import new_key, sealer
from tests.activities.notifications.test_deliveries_under_trouble import Flaky
from tests.activities.notifications.test_turns import BEGIN, Clock
from tests.conftest import make_alert
from tests.stand_ins.bot_api import TOKEN, bot_api
from tests.stand_ins.mail import PASSWORD, USER, mail_server
from tests.stand_ins.receiver import receiver
from worker.settings import Settings

CHANNELS = ("telegram", "email", "webhook", "notify", "apprise")
QUICK = 0.3  # a time-out that is waited for
HOUR = timedelta(hours=1)
OF_MAIL = {"flood": "busy", "server_error": "later", "blocked": "refused", "reset": "hangs_up"}
KEYS = {  # by what the other side can tell a repeat
    "telegram": lambda one: one["shown"].rpartition("event ")[2][:12],
    "email": lambda one: one["Message-ID"],
    "webhook": lambda one: one.headers["webhook-id"],
    "notify": lambda one: one.headers["idempotency-key"],
    "apprise": lambda one: one.body.partition(b"event ")[2][:12],
}


@dataclass
class Desk:
    """One alert that fires once, told by one channel."""

    channel: str
    other: Any  # the stand-in
    heard: Callable[[], list[Any]]
    database: Flaky
    clock: Clock
    notifier: Notifier
    attempts: int = 0
    end: str = ""

    def fail(self, fault: str, times: int = 10**9) -> None:
        self.other.fault = OF_MAIL.get(fault, fault) if self.channel == "email" else fault
        self.other.faults_left = times

    async def tell(self, most: int = 60) -> Delivery:
        """From the fire to its end, as Temporal would have it tried."""
        alert = make_alert({"symbol": "X", "rule": "close > 1", "notification_channels": ["me"]}, id="fault")
        id = event_id(alert.id, 1, BEGIN, EventKind.TRIGGERED, 0)
        event = AlertEvent(id, alert.id, 1, EventKind.TRIGGERED, BEGIN, Status.TRIGGERED, "fired")
        assert await self.notifier.open(DeliveryInput(alert, event)) == ["me"]
        queue = [self.clock.at]
        while queue and self.attempts < most:
            self.clock.at = max(self.clock.at, heapq.heappop(queue))
            self.attempts += 1
            try:
                self.end = await self.notifier.deliver(DeliveryTask(id, "me"))
                if self.end == "UNSAVED":
                    self.database.away = 0
                    await self.notifier.mark_sent(DeliveryTask(id, "me"))
            except ApplicationError as error:
                if error.non_retryable:
                    self.end = "DEAD"
                    await self.notifier.bury(DeliveryTask(id, "me", str(error)))
                    break
                heapq.heappush(queue, self.clock.at + (error.next_retry_delay or timedelta(seconds=1)))
            except OSError:
                heapq.heappush(queue, self.clock.at + timedelta(seconds=1))
            except Exception as error:
                if "connection refused" not in str(error):
                    raise
                heapq.heappush(queue, self.clock.at + timedelta(seconds=1))
        async with Database(self.database.url).transaction() as work:
            found = await work.deliveries.of_events([id])
        (row,) = found[id]
        return row

    def told(self) -> list[Any]:
        """How a repeat could be told, of each that was taken."""
        return [KEYS[self.channel](one) for one in self.heard()]


@pytest.fixture(params=CHANNELS)
async def desk(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    name = request.param
    async with AsyncExitStack() as exits:
        given: dict[str, Any] = {"alerts_secret_key": SecretStr(new_key()), "notification_timeout": QUICK}
        if name == "telegram":
            other: Any = await exits.enter_async_context(bot_api())
            address = "telegram://42"
            given |= {"telegram_bot_token": SecretStr(TOKEN), "telegram_api_url": other.url}
        elif name == "email":
            other = await exits.enter_async_context(mail_server(tmp_path))
            monkeypatch.setenv("SSL_CERT_FILE", str(other.certificate))
            outgoing.tls.cache_clear()
            exits.callback(outgoing.tls.cache_clear)
            address = "mailto:ann@example.com"
            given |= {
                "smtp_host": "localhost", "smtp_port": other.port, "smtp_user": USER, "smtp_password": SecretStr(PASSWORD),
                "smtp_from": "alerts@example.com", "notification_timeout": 4 * QUICK,  # its handshake is longer
            }  # fmt: skip
        else:
            other = await exits.enter_async_context(receiver())
            address = {"webhook": other.url, "notify": "notify://7"}.get(name, f"json://127.0.0.1:{other.port}/in")
            given |= {"notification_service_url": f"http://127.0.0.1:{other.port}", "alert_webhook_private": True}
        settings = Settings(alerts_home=tmp_path, **given)
        seal = sealer(given["alerts_secret_key"].get_secret_value(), tmp_path)
        async with database.transaction() as work:
            await work.destinations.put(Destination("local", "me", name, seal.seal(address), BEGIN, BEGIN))
        flaky, clock = Flaky(database.url), Clock()
        exits.push_async_callback(flaky.close)
        notifier = Notifier(flaky, directory(settings, flaky, lambda: seal), clock, patience=Patience())
        exits.push_async_callback(notifier.close)
        taken = (lambda: other.taken) if hasattr(other, "taken") else (lambda: other.messages)
        yield Desk(name, other, taken, flaky, clock, notifier)


@pytest.mark.parametrize("fault", ["flood", "server_error", "reset", "silent"])
async def test_what_was_not_taken_is_told_once(desk: Desk, fault: str) -> None:
    desk.fail(fault, 2)
    row = await desk.tell()
    assert (row.status.value, desk.end) == ("SENT", "SENT")
    assert len(set(desk.told())) == 1, desk.told()
    assert len(desk.told()) == 1
    assert row.attempts == 3
    assert row.last_error == ""


async def test_what_was_taken_and_not_confirmed_may_be_told_twice_and_says_so(desk: Desk) -> None:
    """The other side has it, and nobody hears of that: the same words come again, and can be known for the same."""
    desk.fail("slow", 1)
    row = await desk.tell()
    assert row.status.value == "SENT"
    assert len(desk.told()) == 2, desk.told()
    assert len(set(desk.told())) == 1, desk.told()
    assert row.attempts == 2


async def test_what_is_refused_is_dead_at_once_and_says_why(desk: Desk) -> None:
    desk.fail("blocked")
    row = await desk.tell()
    if desk.channel == "apprise":  # it says only whether it went well, so that it is tried again, for a day
        assert (row.status.value, row.attempts > 20) == ("DEAD", True)
        assert desk.clock.at - BEGIN > timedelta(hours=20)
        return
    assert (row.status.value, row.attempts, desk.attempts) == ("DEAD", 1, 1)
    assert any(word in row.last_error for word in ("403", "blocked", "refused")), row.last_error
    assert desk.heard() == []


async def test_a_receiver_that_is_away_for_an_hour_is_told_when_it_is_back(desk: Desk) -> None:
    desk.fail("server_error")
    back = BEGIN + HOUR
    deliver = desk.notifier.deliver

    async def later(task: DeliveryTask) -> str:
        if desk.clock.at >= back:
            desk.fail("")
        return await deliver(task)

    desk.notifier.deliver = later  # type: ignore[method-assign]
    row = await desk.tell()
    assert row.status.value == "SENT"
    assert len(desk.told()) == 1
    assert desk.clock.at - back < HOUR, "no longer than it was away"
    assert row.attempts <= 14, "an hour is a dozen attempts"
    assert desk.attempts <= 2 * row.attempts, "and nobody asks again and again whether it is time"


async def test_a_database_that_is_away_costs_no_attempt_and_no_second_notice(desk: Desk) -> None:
    deliver, times = desk.notifier.deliver, 0

    async def away(task: DeliveryTask) -> str:
        nonlocal times
        times += 1
        if times <= 3:
            desk.database.away = 1  # before it is looked at, three times
        return await deliver(task)

    desk.notifier.deliver = away  # type: ignore[method-assign]
    row = await desk.tell()
    assert (row.status.value, row.attempts) == ("SENT", 1)
    assert len(desk.told()) == 1


async def test_a_database_that_goes_away_while_it_is_told_makes_no_second_notice(desk: Desk) -> None:
    send = desk.notifier.sender.send

    async def cut(letter: Any) -> None:
        await send(letter)
        desk.database.away = 10**6

    desk.notifier.sender.send = cut  # type: ignore[method-assign]
    row = await desk.tell()
    assert row.status.value == "SENT"
    assert len(desk.told()) == 1, "this process knows that it was told"

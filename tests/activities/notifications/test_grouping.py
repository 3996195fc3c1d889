"""Notices of one ticker, or of one tag, in one letter: what is held, for how long, and what never is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from activities.interface import DeliveryInput
from activities.notifications.grouping import group_of
from domain.alert import AlertEvent, EventKind, Status, event_id
from domain.quiet import Grouping
from storage.database import Database
from storage.deliveries import DeliveryFilter
from storage.destinations import Destination
from tests.activities.notifications.test_turns import BEGIN, Desk
from tests.conftest import make_alert

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def desk(any_database: Database) -> Desk:
    return Desk(any_database)


def groups(desk: Desk, name: str, **fields: Any) -> dict[str, Any]:
    return {"group_key": name, "group_until": desk.clock.at + MINUTE, **fields}


async def put(desk: Desk, *names: str, first: int = 0, **fields: Any) -> None:
    """A notice of each group, at once."""
    for number, name in enumerate(names, first):
        own = groups(desk, name) if name else {}
        await desk.put_one(f"etelegram{number}", f"{name} fires {number}", **own, **fields)


async def test_what_belongs_together_goes_in_one_letter(desk: Desk) -> None:
    await put(desk, "AAPL", "MSFT", "AAPL", "AAPL")
    await desk.run()
    (first, one), (second, two) = desk.chat.letters
    assert one == "AAPL: 3 notices\n• AAPL fires 0\n• AAPL fires 2\n• AAPL fires 3"
    assert two == "MSFT fires 1\nwords", "one alone has its own words"
    assert MINUTE <= first - BEGIN < second - BEGIN < MINUTE + timedelta(seconds=5)
    assert desk.attempts <= 12


async def test_those_who_come_later_go_with_the_first(desk: Desk) -> None:
    await put(desk, "AAPL")
    desk.clock.at += MINUTE / 2
    await put(desk, "AAPL", "AAPL", first=1)
    await desk.run()
    ((at, text),) = desk.chat.letters
    assert text.startswith("AAPL: 3 notices")
    assert at - BEGIN < MINUTE + timedelta(seconds=5), "the first waits no longer for them"


async def test_others_do_not_wait(desk: Desk) -> None:
    await put(desk, "AAPL", "", "AAPL")
    await put(desk, "", first=3, priority="urgent")
    await desk.run()
    assert [text.partition("\n")[0] for _, text in desk.chat.letters][2] == "AAPL: 2 notices"
    assert all(at - BEGIN < timedelta(seconds=5) for at, _ in desk.chat.letters[:2])


async def test_a_flood_of_groups_is_still_a_handful_of_letters(desk: Desk) -> None:
    names = [f"T{number}" for number in range(200)]
    await put(desk, *names, *names)
    await desk.run()
    assert len(desk.chat.letters) <= 12
    assert sum(text.count("fires") for _, text in desk.chat.letters) == 400


async def test_a_restart_keeps_groups(desk: Desk) -> None:
    await put(desk, "AAPL", "AAPL")
    await desk.run(until=2)
    desk.start()
    await desk.run()
    assert [text.partition("\n")[0] for _, text in desk.chat.letters] == ["AAPL: 2 notices"]


@pytest.mark.parametrize(
    ("by", "tags", "expected"),
    [("ticker", (), "X"), ("tag", ("tech", "us"), "tech"), ("tag", (), ""), ("all", (), "*")],
)
def test_the_group_of_an_alert(by: str, tags: tuple[str, ...], expected: str) -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 1", "tags": list(tags)})
    assert group_of(alert.definition, Grouping(by)) == expected


async def test_a_destination_says_what_it_wants(desk: Desk) -> None:
    async with desk.database.transaction() as work:
        await work.destinations.put(Destination("local", "desk", "telegram", "sealed", BEGIN, BEGIN))
        await work.destinations.group("local", "desk", "ticker", 60)
    for priority in ("high", "urgent"):
        alert = make_alert(
            {"symbol": "X", "rule": "close > 1", "notification_channels": ["desk", "telegram"], "priority": priority},
            id=priority,
        )
        id = event_id(alert.id, 1, BEGIN, EventKind.TRIGGERED, 0)
        event = AlertEvent(id, alert.id, 1, EventKind.TRIGGERED, BEGIN, Status.TRIGGERED, "fired")
        await desk.notifier.open(DeliveryInput(alert, event))
    async with desk.database.transaction() as work:
        rows = await work.deliveries.page(DeliveryFilter(), None, 10)
    assert {(one.alert_id, one.channel): (one.group_key, one.group_until) for one in rows} == {
        ("high", "desk"): ("X", BEGIN + MINUTE),
        ("high", "telegram"): ("", None),
        ("urgent", "desk"): ("", None),
        ("urgent", "telegram"): ("", None),
    }

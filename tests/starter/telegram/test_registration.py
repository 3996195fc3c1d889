"""Who may steer: a code once, a chat of the user's, nobody else; and how often."""

from __future__ import annotations

from datetime import timedelta

import pytest

from starter.clock import now
from starter.telegram import registration
from storage.destinations import Destination
from tests.starter.telegram.conftest import ANN, Desk


async def test_a_code_makes_a_chat_its_users(desk: Desk) -> None:
    assert "is not registered" in await desk.write("/list")
    said = await desk.register()
    assert said.startswith("Registered for user ann. What names the channel telegram is told here.")
    async with desk.database.transaction() as work:
        (chat,) = await work.chats.list("ann")
        (own,) = await work.destinations.list("ann")
    assert (chat.chat_id, chat.sender_id, chat.destination, chat.title) == (ANN, ANN, "telegram", "Ann")
    assert (own.name, own.kind) == ("telegram", "telegram")
    assert str(ANN) not in own.secret
    assert "No alerts yet" in await desk.write("/list")


async def test_a_code_is_good_once_and_for_a_while(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    code = await desk.code()
    assert "Registered" in await desk.write(f"/start {code}")
    assert "not valid" in await desk.write(f"/start {code}", 43)
    late = await desk.code("bob")
    monkeypatch.setattr(registration, "now", lambda: now() + timedelta(minutes=15))
    assert "not valid" in await desk.write(f"/start {late}", 43)
    async with desk.database.transaction() as work:
        assert [one.user_id for one in await work.chats.list()] == ["ann"]


async def test_guessing_ends_soon(desk: Desk) -> None:
    for _ in range(5):
        assert "not valid" in await desk.write("/start guess")
    code = await desk.code()
    assert "Try again in an hour" in await desk.write(f"/start {code}")
    assert "Registered" in await desk.write(f"/start {code}", 43), "others are not kept from it"


async def test_a_second_chat_has_a_destination_of_its_own(desk: Desk) -> None:
    await desk.register()
    assert "the channel telegram-2 is told here" in await desk.register(43)
    assert "the channel telegram is told here" in await desk.register(), "again, the same"
    async with desk.database.transaction() as work:
        assert [one.name for one in await work.destinations.list("ann")] == ["telegram", "telegram-2"]


async def test_a_destination_that_is_there_is_not_written_over(desk: Desk) -> None:
    async with desk.database.transaction() as work:
        await work.destinations.put(Destination("ann", "telegram", "telegram", "another chat", now(), now()))
    assert "the channel telegram-2 is told here" in await desk.register()


async def test_a_chat_that_stops_is_nobodys(desk: Desk) -> None:
    await desk.register()
    assert "hears nothing any more" in await desk.write("/stop")
    assert "is not registered" in await desk.write("/list")
    async with desk.database.transaction() as work:
        assert await work.destinations.list("ann") == []


async def test_a_chat_that_another_user_registers_is_that_users(desk: Desk) -> None:
    await desk.register()
    await desk.write("/alert AAPL > 150")
    await desk.register(user_id="bob")
    assert "No alerts yet" in await desk.write("/list"), "ann's are ann's"


async def test_only_chats_that_are_allowed(desk: Desk) -> None:
    strict = desk.again(telegram_allowed_chats=" 43, -1001 ")
    assert "is private" in await strict.register()
    assert "Registered" in await strict.register(43)
    async with desk.database.transaction() as work:
        assert [one.chat_id for one in await work.chats.list()] == [43]


async def test_in_a_group_the_one_who_registered_it_steers(desk: Desk) -> None:
    assert "Registered" in await desk.register(-1001, sender=7, title="Traders")
    assert await desk.write("good morning", -1001, sender=8) == "", "people talk in groups"
    assert "Only who registered" in await desk.write("/list@alerts_bot", -1001, sender=8)
    assert "1 alert" not in await desk.write("/list", -1001, sender=7)
    await desk.write("/alert AAPL > 150", -1001, sender=7)
    before = len(desk.telegram.messages)
    desk.telegram.press("Delete", -1001, sender=8)
    await desk.hear()
    assert len(desk.telegram.messages) == before
    assert desk.telegram.toasts[-1].startswith("Only who registered")


async def test_a_group_that_moves_stays_registered(desk: Desk) -> None:
    await desk.register(-55, sender=7, title="Traders")
    desk.telegram.write("", -55, sender=7)
    desk.telegram.updates[-1]["message"]["migrate_to_chat_id"] = -1001999
    await desk.hear()
    assert "No alerts yet" in await desk.write("/list", -1001999, sender=7)


async def test_who_writes_too_fast_is_told_so_once(desk: Desk) -> None:
    await desk.register()
    before = len(desk.telegram.messages)
    for _ in range(60):
        desk.telegram.write("/help")
    await desk.hear()
    said = [one["shown"] for one in desk.telegram.messages[before:]]
    assert len(said) == 30, "with the one that registered: thirty a minute, and one that says so"
    assert said.count("Slowly, please: at most 30 messages a minute.") == 1
    assert "is not registered" in await desk.write("/list", 43), "others are not kept from it"

"""How updates come and answers go, on the worst of ways: nothing is lost, nothing stops the bot, limits are kept."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from starter.telegram import api as telegram_api
from starter.telegram import intake
from starter.telegram.api import connected
from starter.telegram.intake import Polling, secret_of, telegram_bot
from starter.telegram.replies import Button, Reply
from tests.e2e.processes import free_port
from tests.stand_ins.bot_api import TOKEN
from tests.starter.telegram.conftest import ANN, Desk
from worker.temporal_server import ServerFailed


async def until(check: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.01)


async def polled(desk: Desk, then: Callable[[], Awaitable[None]]) -> None:
    """The bot asks, until ``then`` has seen enough."""
    asking = asyncio.create_task(Polling(desk.bot, desk.api).run())
    try:
        await then()
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


def said(desk: Desk) -> list[str]:
    return [str(one["shown"]) for one in desk.telegram.messages]


async def test_what_was_answered_is_confirmed(desk: Desk) -> None:
    await desk.register()
    desk.telegram.write("/list")
    last = desk.telegram.write("/help")
    await polled(desk, lambda: until(lambda: desk.telegram.confirmed == last + 1))
    assert [one.partition("\n")[0] for one in said(desk)[1:]] == ["No alerts yet. Try /alert AAPL > 150", "Alerts"]


async def test_what_was_not_answered_comes_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.register()
    desk.telegram.write("/alert AAPL > 150")
    handle = desk.bot.handle_all

    async def dies(updates: Any) -> None:
        await handle(updates)
        raise asyncio.CancelledError  # the process is gone before it could confirm

    monkeypatch.setattr(desk.bot, "handle_all", dies)
    await asyncio.gather(Polling(desk.bot, desk.api).run(), return_exceptions=True)
    monkeypatch.setattr(desk.bot, "handle_all", handle)
    await polled(desk, lambda: until(lambda: any(one.startswith("Already there.") for one in said(desk))))
    async with desk.database.transaction() as work:
        assert len(await work.schedules.alerts()) == 1


@pytest.mark.parametrize("fault", ["server_error", "reset", "flood", "conflict"])
async def test_telegram_may_be_away(desk: Desk, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(intake, "CONFLICT_PAUSE", 0.01)
    await desk.register()
    desk.telegram.write("/list")
    desk.telegram.retry_after = 0
    desk.telegram.fault, desk.telegram.faults_left = fault, 4
    await polled(desk, lambda: until(lambda: any("No alerts yet" in one for one in said(desk))))


async def test_an_answer_goes_when_telegram_is_back(desk: Desk) -> None:
    desk.telegram.fault, desk.telegram.faults_left = "server_error", 2
    await desk.api.say(ANN, Reply("hello"))
    assert said(desk) == ["hello"]
    desk.telegram.fault = "blocked"
    desk.telegram.faults_left = 1
    await desk.api.say(ANN, Reply("never heard"))
    assert said(desk) == ["hello"], "and nothing is raised"


async def test_markup_that_is_refused_goes_without(desk: Desk) -> None:
    desk.telegram.fault, desk.telegram.faults_left = "markup", 1
    await desk.api.say(ANN, Reply("<b>x</b>"))
    assert said(desk) == ["<b>x</b>"]


async def test_a_message_that_would_not_change_is_left_alone(desk: Desk) -> None:
    reply = Reply("same", ((Button("Again", "list"),),))
    await desk.api.say(ANN, reply)
    await desk.api.change(ANN, desk.telegram.messages[0]["message_id"], reply)
    assert said(desk) == ["same"]
    await desk.api.change(ANN, 1, Reply("too old to be changed"))
    assert said(desk) == ["same", "too old to be changed"]


async def test_answers_to_a_chat_are_paced(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most three at once, and no faster than one in a third of the time after that."""
    monkeypatch.setattr(telegram_api, "A_CHAT", (3, 0.6))
    async with connected(desk.settings) as api:
        at: list[float] = []
        for _ in range(6):
            await api.say(ANN, Reply("x"))
            at.append(time.monotonic())
    gaps = [later - earlier for earlier, later in itertools.pairwise(at[2:])]
    assert all(gap >= 0.15 for gap in gaps), gaps


async def test_telegram_calls_us_where_that_is_wanted(desk: Desk) -> None:
    await desk.register()
    port = free_port()
    settings = desk.settings.model_copy(
        update={"telegram_webhook_url": "https://alerts.example.com/telegram", "alerts_telegram_port": port}
    )
    async with telegram_bot(settings, desk.database) as name:
        assert name == "@alerts_bot"
        assert desk.telegram.webhook["url"] == "https://alerts.example.com/telegram"
        secret = desk.telegram.webhook["secret_token"]
        assert secret == secret_of(TOKEN)
        assert TOKEN not in str(desk.telegram.webhook)
        desk.telegram.write("/list")
        (update,) = desk.telegram.updates
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            header = {"X-Telegram-Bot-Api-Secret-Token": secret}
            assert (await http.post("/telegram", json=update)).status_code == 401
            assert (
                await http.post(
                    "/telegram", json=update, headers={**header, "X-Telegram-Bot-Api-Secret-Token": "other"}
                )
            ).status_code == 401
            assert said(desk)[1:] == []
            assert (await http.post("/telegram", json=update, headers=header)).status_code == 200
            assert said(desk)[1:] == ["No alerts yet. Try /alert AAPL > 150"]
            for body in (b"[]", b"nonsense", b'{"update_id": "x", "message": 7}'):
                assert (await http.post("/telegram", content=body, headers=header)).status_code in (200, 400), body
            assert (await http.post("/telegram", content=b" " * 1_000_001, headers=header)).status_code == 413
    assert desk.telegram.polls == 0


async def test_a_token_that_is_none_is_told(desk: Desk) -> None:
    from pydantic import SecretStr

    for token, words in (("", "needs TELEGRAM_BOT_TOKEN"), ("1:wrong", "not that of a bot")):
        with pytest.raises(ServerFailed, match=words) as raised:
            async with telegram_bot(
                desk.settings.model_copy(update={"telegram_bot_token": SecretStr(token)}), desk.database
            ):
                raise AssertionError("it answers")
        assert "1:wrong" not in str(raised.value)
    assert {one["command"] for one in desk.telegram.menu} == set()

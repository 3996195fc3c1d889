"""A day with the bot: the real command and server, and a stand-in for Telegram that behaves as it does."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from tests.e2e.processes import Home, eventually
from tests.stand_ins.bot_api import TOKEN, BotApi, bot_api


async def test_from_the_code_to_the_fire_and_its_buttons(tmp_path: Path) -> None:
    async with bot_api() as telegram:
        home = Home(
            tmp_path / "home", TELEGRAM_BOT_TOKEN=TOKEN, TELEGRAM_API_URL=telegram.url, LOG_LEVEL="DEBUG",
            NOTIFICATION_CHARTS="off",
        )  # fmt: skip
        try:
            await _a_day(home, telegram)
        finally:
            home.end()
        logs = [one.read_bytes() for one in home.folder.rglob("*.log")]
        assert any(b"worker" in one or b"Bot" in one for one in logs)
        assert not any(TOKEN.encode() in one for one in logs), "no log has the token"


async def _a_day(home: Home, telegram: BotApi) -> None:
    def said() -> list[str]:
        return [str(one["shown"]) for one in telegram.messages]

    async def answered(begin: str, what: str) -> None:
        async def seen() -> bool:
            return any(one.startswith(begin) for one in said())

        try:
            await eventually(seen, 90, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; said were {said()}") from None

    up = home.spawn("up", "--telegram")
    code = (await asyncio.to_thread(home.data, "telegram", "code"))["code"]
    telegram.write(f"/start {code}")
    await answered("Registered for user local", "the code registers the chat")
    telegram.write("/alert SIM > 0 on 1s")
    await answered("Running.", "the alert runs")
    await answered("SIM ", "it fires, and the chat is told")
    telegram.write("/list")
    await answered("1 alert", "it is listed")
    telegram.press("SIM")
    await answered("SIM 1s: close > 0\n🔴 TRIGGERED (fired)", "its card")
    telegram.press("Explain")
    await answered("close > 0: TRUE", "the workflow explains itself")
    telegram.press("Back")
    await answered("SIM 1s: close > 0\n🔴", "and back")
    telegram.press("Snooze")
    await answered("Snoozed for an hour.\n\nSIM 1s: close > 0\n⏸ snoozed until", "it is snoozed")
    telegram.write("/report SIM")
    await answered("The report on SIM is on its way.", "a report is ordered")
    await answered("Daily summary ", "and comes")
    (chat,) = await asyncio.to_thread(home.data, "telegram", "chats")
    assert (chat["chat_id"], chat["user_id"], chat["destination"]) == (42, "local", "telegram")

    # killed: what people wrote meanwhile is answered by the next process
    os.killpg(up.pid, signal.SIGKILL)
    up.wait()
    telegram.write("/alert SIM > 1 on 1s")
    before = len(said())
    up = home.spawn("up", "--telegram")

    async def both() -> bool:
        listed: list[Any] = await asyncio.to_thread(home.data, "list")
        return len(listed) == 2 and len(said()) > before

    await eventually(both, 90, "what was written while it was away is done")
    assert (await asyncio.to_thread(home.run, "telegram", "remove", "42")).returncode == 0
    telegram.write("/list")
    await answered("This chat is not registered", "a chat that was removed steers nothing")
    up.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(up.wait, 60) == 0

"""Each channel's receiver has the notice, and the process that told it is killed before it could write that down."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.e2e.processes import Home, eventually
from tests.stand_ins.bot_api import TOKEN, bot_api
from tests.stand_ins.mail import PASSWORD, USER, mail_server
from tests.stand_ins.receiver import receiver

NAMES = ("chat", "box", "hook", "service", "tail")


async def test_each_is_told_again_recorded_once_and_no_tick_waits(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        chat, mail = await exits.enter_async_context(bot_api()), await exits.enter_async_context(mail_server(tmp_path))
        hook, service, tail = [await exits.enter_async_context(receiver()) for _ in range(3)]
        sides: dict[str, Any] = {"chat": chat, "box": mail, "hook": hook, "service": service, "tail": tail}
        home = Home(
            tmp_path / "home", TELEGRAM_BOT_TOKEN=TOKEN, TELEGRAM_API_URL=chat.url, SMTP_HOST="localhost", SMTP_PORT=str(mail.port),
            SMTP_USER=USER, SMTP_PASSWORD=PASSWORD, SMTP_FROM="alerts@example.com", SSL_CERT_FILE=str(mail.certificate),
            ALERT_WEBHOOK_PRIVATE="true", NOTIFICATION_SERVICE_URL=f"http://127.0.0.1:{service.port}", NOTIFICATION_TIMEOUT="30",
            NOTIFICATION_CHARTS="off", ALERTS_WATCH="off",
        )  # fmt: skip
        try:
            addresses = (
                "telegram://42",
                "mailto:ann@example.com",
                hook.url,
                "notify://7",
                f"json://127.0.0.1:{tail.port}/in?rto=60",
            )
            for name, address in zip(NAMES, addresses, strict=True):
                added = await asyncio.to_thread(home.run, "channels", "add", name, address)
                assert added.returncode == 0, added.stderr
            await _kill(home, sides)
        finally:
            home.end()


def heard(side: Any) -> list[Any]:
    found: list[Any] = side.taken if hasattr(side, "taken") else side.messages
    return found


async def _kill(home: Home, sides: dict[str, Any]) -> None:
    async def data(*words: str) -> Any:
        return await asyncio.to_thread(home.data, *words)

    async def all_heard(times: int) -> bool:
        return all(len(heard(side)) >= times for side in sides.values())

    up = home.spawn("up")
    for side in sides.values():
        side.fault = "slow"
    words = ["add", "SIM > 0", "--id", "killed", "--timeframe", "1s", "--cron", "* * * * * *", "--channel", "log"]
    added = await asyncio.to_thread(home.run, *words, *[word for name in NAMES for word in ("--channel", name)])
    assert added.returncode == 0, added.stderr
    await eventually(lambda: all_heard(1), 60, "each receiver has it, and nobody was told so")
    before = (await data("evaluate", "killed"))["bar_close"]

    async def later() -> bool:
        shown = await data("show", "killed")
        return bool(shown["live"]) and shown["live"]["state"]["last_bar_close"] > before

    await eventually(later, 20, "the ticks go on while five receivers keep us waiting")
    os.killpg(up.pid, signal.SIGKILL)
    up.wait()
    for side in sides.values():
        side.fault = ""
    home.spawn("up")
    await eventually(lambda: all_heard(2), 90, "each is told again")

    async def recorded() -> bool:
        rows = await data("deliveries", "list", "--alert", "killed")
        return {one["channel"]: one["status"] for one in rows} == dict.fromkeys((*NAMES, "log"), "SENT")

    await eventually(recorded, 60, "and it is recorded")
    rows = await data("deliveries", "list", "--alert", "killed")
    assert len(rows) == len(NAMES) + 1, "once a channel"
    assert {one["channel"]: one["attempts"] for one in rows if one["channel"] != "log"} == dict.fromkeys(NAMES, 2)
    keys: dict[str, Callable[[Any], Any]] = {
        "chat": lambda one: one["shown"],
        "box": lambda one: one["Message-ID"],
        "hook": lambda one: one.headers["webhook-id"],
        "service": lambda one: one.headers["idempotency-key"],
        "tail": lambda one: json.loads(one.body)["message"],
    }
    for name, side in sides.items():
        assert len(heard(side)) == 2, name
        assert len({keys[name](one) for one in heard(side)}) == 1, "the second can be known for the first"

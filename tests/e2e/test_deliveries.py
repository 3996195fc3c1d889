"""A receiver that is away: the notice is dead, looked at and told again, by the real command against the real server."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from storage.sealing import new_key
from tests.e2e.processes import Home, eventually
from tests.stand_ins.bot_api import TOKEN, BotApi, bot_api
from tests.stand_ins.mail import PASSWORD, USER, Mail, mail_server
from tests.stand_ins.receiver import Receiver, receiver


@pytest.fixture
async def home(tmp_path: Path, httpserver: HTTPServer) -> AsyncIterator[Home]:
    home = Home(tmp_path / "home", ALERT_WEBHOOK_URL=httpserver.url_for("/hook"))
    yield home
    home.end()


async def test_a_dead_notice_is_told_again(home: Home, httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request("/hook", method="POST").respond_with_data("gone", 404)
    httpserver.expect_ordered_request("/hook", method="POST").respond_with_data("ok")
    home.spawn("up")

    async def data(*words: str) -> Any:
        return await asyncio.to_thread(home.data, *words)

    added = await asyncio.to_thread(
        home.run, "add", "SIM > 0", "--id", "one", "--timeframe", "1s", "--cron", "* * * * * *", "--rearm", "once",
        "--channel", "webhook",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr

    async def dead() -> bool:
        return bool(await data("deliveries", "list", "--dead"))

    await eventually(dead, 60, "the notice is refused for good")
    (one,) = await data("deliveries", "list", "--dead", "--alert", "one")
    assert (one["channel"], one["last_error"], one["attempts"]) == ("webhook", "HTTP 404", 1)
    (fired,) = [event for event in await data("history", "one") if event["kind"] == "triggered"]
    assert fired["deliveries"] == [{"channel": "webhook", "status": "DEAD", "attempts": 1, "error": "HTTP 404"}]
    table = await asyncio.to_thread(home.run, "history", "one")
    assert "webhook DEAD (HTTP 404)" in table.stdout
    (told,) = await data("deliveries", "retry", str(one["id"]))
    assert told["told"] is True

    async def sent() -> bool:
        return (await data("deliveries", "show", str(one["id"])))["status"] == "SENT"

    await eventually(sent, 60, "it is told again")
    bodies = [request.data for request, _ in httpserver.log]
    ids = [request.headers["webhook-id"] for request, _ in httpserver.log]
    assert (len(bodies), len(set(bodies)), len(set(ids))) == (2, 1, 1), "with the same words and the same id"
    assert await data("deliveries", "list", "--dead") == []
    again = await asyncio.to_thread(home.run, "deliveries", "retry", str(one["id"]))
    assert again.returncode == 5
    assert (await asyncio.to_thread(home.run, "deliveries", "retry", "--all")).returncode == 0
    assert (await asyncio.to_thread(home.run, "deliveries", "retry", "--all", "3")).returncode == 2
    assert (await asyncio.to_thread(home.run, "deliveries", "show", "999")).returncode == 3


PLANTED = {
    "chat": "7310984265", "mailbox": "planted.mailbox@example.com", "hook": "planted-hook-path", "key": "",
    "token": TOKEN, "password": PASSWORD, "service key": "planted-key-of-the-service", "tail": "planted-password-of-apprise",
}  # fmt: skip


async def test_every_channel_is_told_and_no_secret_is_anywhere(tmp_path: Path, httpserver: HTTPServer) -> None:
    """Histories, database, logs, what is printed and processes' arguments hold names alone."""
    httpserver.expect_request("/planted-hook-path", method="POST").respond_with_data("ok")
    secrets = {**PLANTED, "key": new_key()}
    async with bot_api() as api, mail_server(tmp_path) as mail, receiver() as other:
        home = Home(
            tmp_path / "home", TELEGRAM_BOT_TOKEN=TOKEN, TELEGRAM_API_URL=api.url, SMTP_HOST="localhost", SMTP_PORT=str(mail.port),
            SMTP_USER=USER, SMTP_PASSWORD=PASSWORD, SMTP_FROM="alerts@example.com", SSL_CERT_FILE=str(mail.certificate),
            ALERT_WEBHOOK_PRIVATE="true", ALERTS_SECRET_KEY=secrets["key"], LOG_LEVEL="DEBUG",
            NOTIFICATION_SERVICE_URL=f"http://127.0.0.1:{other.port}", NOTIFICATION_SERVICE_KEY=secrets["service key"],
        )  # fmt: skip
        try:
            await _tell_all(home, api, mail, httpserver, other, secrets)
        finally:
            home.end()


async def _tell_all(
    home: Home, api: BotApi, mail: Mail, httpserver: HTTPServer, other: Receiver, secrets: dict[str, str]
) -> None:
    said: list[str] = []

    async def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = await asyncio.to_thread(home.run, *words, stdin=stdin)
        said.append(done.stdout + done.stderr)
        return done

    addresses = {
        "chat": f"telegram://{secrets['chat']}", "box": f"mailto:{secrets['mailbox']}",
        "hook": httpserver.url_for("/planted-hook-path"), "service": "notify://7",
        "tail": f"json://ann:{secrets['tail']}@127.0.0.1:{other.port}/in",
    }  # fmt: skip
    for name, address in addresses.items():
        added = await run("channels", "add", name, "-", stdin=address + "\n")
        assert added.returncode == 0, added.stderr
        if name == "hook":
            secrets["signing"] = said.pop().partition("whsec_")[2].split(";")[0]
    home.spawn("up", "--telegram")
    words = ["add", "SIM > 0", "--id", "all", "--timeframe", "1s", "--cron", "* * * * * *", "--rearm", "once"]
    await eventually(lambda: _works(run, "status"), 60, "it runs")
    added = await run(*words, *[word for name in addresses for word in ("--channel", name)])
    assert added.returncode == 0, added.stderr

    async def told() -> bool:
        return bool(api.messages and mail.messages and httpserver.log and len(other.taken) >= 2)

    await eventually(told, 60, "each channel is told")
    api.fault, mail.fault = "blocked", "refused"
    falls_back = await run("channels", "fallback", "hook", "--after", "10m")
    assert falls_back.returncode == 0, falls_back.stderr
    words[words.index("all")] = "wake-me"
    added = await run(*words, "--channel", "chat", "--priority", "urgent")
    assert added.returncode == 0, added.stderr

    async def woken() -> bool:
        return any(b"wake-me" in request.data for request, _ in httpserver.log)

    await eventually(woken, 60, "what the blocked chat did not take is told by the fallback")
    for name in addresses:
        await run("channels", "test", name)
    await run("channels", "list")
    await run("history", "all", "--json")
    await run("deliveries", "list", "--json")
    await run("config", "--json")
    arguments = [line.read_bytes() for line in Path("/proc").glob("[0-9]*/cmdline") if _readable(line)]
    files = [one for one in home.folder.rglob("*") if one.is_file()]
    everything = {str(one): one.read_bytes() for one in files} | {"what was said": "".join(said).encode()}
    everything |= {f"arguments {number}": line for number, line in enumerate(arguments)}
    assert any(name.endswith("temporal.db") for name in everything)
    for what, secret in secrets.items():
        assert len(secret) > 8
        assert [name for name, data in everything.items() if secret.encode() in data] == [], what


async def _works(run: Any, *words: str) -> bool:
    return bool((await run(*words)).returncode == 0)


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True

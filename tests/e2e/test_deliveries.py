"""A receiver that is away: the notice is dead, looked at and told again, by the real command against the real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.e2e.processes import Home, eventually


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

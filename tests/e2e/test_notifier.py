"""The notification service beside the rest: what it took while everything else was away is told when it is back."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.processes import Home, eventually, free_port
from tests.stand_ins.bot_api import TOKEN, bot_api


async def test_a_service_passes_on_what_it_took_while_temporal_was_away(tmp_path: Path) -> None:
    async with bot_api() as api:
        home = Home(tmp_path / "home", TELEGRAM_BOT_TOKEN=TOKEN, TELEGRAM_API_URL=api.url)
        try:
            await _pass_on(home, api)
        finally:
            home.end()


async def _pass_on(home: Home, api: Any) -> None:
    async def run(*words: str) -> Any:
        return await asyncio.to_thread(home.data, *words)

    await run("channels", "add", "me", "telegram://42", "--user", "7")
    key = (await run("keys", "create", "old-service", "--user", "root", "--scope", "admin"))["key"]
    port = free_port()
    service = home.spawn("notifier", ALERTS_NOTIFIER_PORT=str(port))
    body = {"user_id": 7, "message": "AAPL is at 151.20", "priority": "high", "notification_type": "alert"}
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:

        async def answers() -> bool:
            try:
                return (await http.get("/healthz")).status_code == 200
            except httpx.HTTPError:
                return False

        await eventually(answers, 60, "the service answers")
        taken = await http.post("/api/notify", json=body, headers={"Idempotency-Key": "one"})
        assert (taken.status_code, taken.headers["Temporal-Told"]) == (202, "false"), taken.text
        os.killpg(service.pid, signal.SIGKILL)
        service.wait()
        home.spawn("up")

        async def told() -> bool:
            return bool(api.messages)

        await eventually(told, 90, "what it took before it died is told")
        home.spawn("notifier", ALERTS_NOTIFIER_PORT=str(port))
        await eventually(answers, 60, "the service answers again")
        again = await http.post("/api/notify", json=body, headers={"Idempotency-Key": "one"})
        assert again.json() == taken.json(), "a repeat is answered as the first"
        # an alert that is told by the service, as in the replaced services: the same road once more
        told_by = {"NOTIFICATION_SERVICE_URL": f"http://127.0.0.1:{port}", "NOTIFICATION_SERVICE_KEY": key}
        tested = await asyncio.to_thread(home.run, "channels", "test", "notify", "--user", "7", **told_by)
        assert tested.returncode == 0, tested.stderr

        async def both() -> bool:
            return len(api.messages) == 2

        await eventually(both, 60, "a message of ours goes through the service, too")
    assert api.messages[0]["shown"] == "AAPL is at 151.20"
    assert api.messages[1]["shown"].startswith("Test message")

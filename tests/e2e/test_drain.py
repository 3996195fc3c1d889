"""SIGTERM under load: every queue has work that hangs, and the process ends within what compose and Kubernetes allow."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from storage.database import Database
from tests.e2e.processes import Home, eventually
from worker.runner import GRACE, LONGEST_END

ALLOWED = 30


@asynccontextmanager
async def nobody_answers() -> AsyncIterator[tuple[str, set[str]]]:
    """A server that takes every request and never answers; the paths it was asked for."""
    asked: set[str] = set()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode()
        asked.add(line.split(" ")[1].split("?")[0] if " " in line else "")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", asked
    finally:
        server.close()


@pytest.mark.e2e
async def test_sigterm_under_load_ends_within_what_is_allowed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    database = Database(f"sqlite:///{home.folder / 'alerts.db'}")
    await database.upgrade()
    async with nobody_answers() as (url, asked):
        more = {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{home.temporal_port}",
            "ALERTS_PROVIDERS": "polygon",
            "POLYGON_BASE_URL": f"{url}/vendor",
            "POLYGON_API_KEY": "k",
            "POLYGON_RATE": "100000/minute",
            "DATA_TIMEOUT": "60",
            "ALERT_WEBHOOK_URL": f"{url}/hook",
            "NOTIFICATION_TIMEOUT": "60",
        }
        try:
            home.server()
            worker = home.spawn("worker", **more)
            rows = [
                (f"alert-{n}", "alert", f'{{"symbol": "S{n}", "rule": "close > 1"}}', "* * * * * *") for n in range(30)
            ]
            rows += [("job-1", "notification", '{"message": "m", "notification_channels": ["webhook"]}', "* * * * * *")]
            rows += [("job-2", "report", '{"symbols": ["JOB"], "timeframe": "1m"}', "* * * * * *")]
            async with database.engine.begin() as connection:
                for row in rows:
                    await connection.exec_driver_sql(
                        "INSERT INTO job_schedules (key, job_type, task_params, cron) VALUES (?, ?, ?, ?)", row
                    )

            async def all_hang() -> bool:
                paths = " ".join(asked)
                return "/hook" in asked and "/JOB/" in paths and "/S1/" in paths

            await eventually(all_hang, 60, f"an alert, a job and a delivery wait for an answer: {asked}")
            worker.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(worker.wait, ALLOWED) == 0
        finally:
            home.end()
            await database.close()


def test_what_is_allowed_is_what_compose_gives() -> None:
    compose = yaml.safe_load(Path("docker-compose.yml").read_text())
    given = {name: one["stop_grace_period"] for name, one in compose["services"].items() if "stop_grace_period" in one}
    assert given
    assert set(given.values()) == {f"{ALLOWED}s"}
    assert GRACE.total_seconds() < LONGEST_END < ALLOWED


@pytest.mark.e2e
async def test_sigterm_before_it_is_up_is_heard(tmp_path: Path) -> None:
    """It waits for a Temporal server that is not there yet."""
    home = Home(tmp_path / "home")
    try:
        worker = home.spawn("worker", TEMPORAL_ADDRESS=f"127.0.0.1:{home.temporal_port}")

        async def waits() -> bool:
            return (home.folder / "alerts.db").exists()

        await eventually(waits, 60, "it has begun")
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, ALLOWED) == 0
    finally:
        home.end()

"""A day with the old client, on a PostgreSQL that the earlier scheduler left: its SQL, its requests, its signals, its checks."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy.engine import make_url

from tests.compat.old_database import old_database
from tests.conftest import binary
from tests.e2e.processes import Home, eventually
from tests.postgres import Cluster

RULE = {"operator": "and", "conditions": [{"indicator": "price", "operator": ">", "value": 0}]}
INSERT = """INSERT INTO job_schedules (user_id, name, job_type, target, task_params, cron)
            VALUES (123, 'By SQL', 'alert', 'SIM', $1, '*/2 * * * * *') RETURNING id"""


@pytest.fixture
async def home(tmp_path: Path, cluster: Cluster, httpserver: HTTPServer) -> AsyncIterator[Home]:
    httpserver.expect_request("/api/notify", method="POST").respond_with_json({"status": "queued"})
    url = await old_database(cluster, "UPDATE job_schedules SET enabled = FALSE WHERE id <> 7;")
    home = Home(
        tmp_path / "home", SCHEDULER_DATABASE_URL=url.replace("+asyncpg", ""), ALERTS_API_STRICT="false",
        NOTIFICATION_SERVICE_URL=httpserver.url_for("").rstrip("/"), ALERTS_RECORD="all", SCHEDULER_MAX_WORKER="5",
    )  # fmt: skip
    yield home
    home.end()
    await cluster.drop(url)


async def connected(home: Home) -> Any:
    url = make_url(home.variables["SCHEDULER_DATABASE_URL"])
    return await asyncpg.connect(
        user=url.username, password=url.password or None, database=url.database,
        host=url.host or url.query.get("host"), port=url.port,
    )  # fmt: skip


def temporal(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    command = [binary("temporal"), *words, "--address", f"127.0.0.1:{home.temporal_port}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_the_day(home: Home, httpserver: HTTPServer) -> None:
    refused = home.run("up")
    assert refused.returncode == 5
    assert (
        "note: SCHEDULER_MAX_WORKER is none of this program's settings; did you mean SCHEDULER_MAX_WORKERS?"
        in refused.stderr
    )
    assert "'alerts db upgrade' takes them over" in refused.stderr
    adopted = home.run("db", "upgrade")
    assert adopted.returncode == 0, adopted.stderr
    home.spawn("start", "--env", "staging")
    key = home.data(
        "keys", "create", "old client", "--user", "123", "--scope", "read", "--scope", "write", "--scope", "run"
    )["key"]
    sql = await connected(home)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{home.api_port}", headers=headers, timeout=30) as http:
        await _day(home, sql, http, httpserver)
    await sql.close()


async def _day(home: Home, sql: Any, http: httpx.AsyncClient, httpserver: HTTPServer) -> None:
    async def is_up() -> bool:
        try:
            return (await http.get("/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    await eventually(is_up, 60, "the API answers")

    # an insert by old SQL becomes an alert that fires, and one post tells its user by both channels
    params = {"ticker": "SIM", "timeframe": "1s", "rule": RULE, "rearm": None,
              "notify": {"channels": ["telegram", "email"], "message_template": "Alert triggered for {ticker}"}}  # fmt: skip
    id = await sql.fetchval(INSERT, json.dumps(params))
    assert id == 8

    async def status(wanted: str) -> bool:
        return bool(
            await sql.fetchval("SELECT status FROM job_schedules WHERE id = $1 AND user_id = 123", id) == wanted
        )

    await eventually(lambda: status("TRIGGERED"), 40, "the inserted alert fires")

    async def posted() -> bool:
        return len(httpserver.log) >= 1

    await eventually(posted, 30, "its user is told")
    ((request, _), *more) = httpserver.log
    told = json.loads(request.data)
    assert (more, told["user_id"], told["channels"], told["notification_type"]) == (
        [],
        123,
        ["telegram", "email"],
        "alert",
    )

    # requests without If-Match, with what changes alone, by number
    assert (await http.get(f"/api/schedules/{id}")).json()["user_id"] == "123"
    renamed = await http.put(f"/api/schedules/{id}", json={"name": "Renamed", "cron": "* * * * * *"})
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["target"]) == (200, "Renamed", "SIM"), (
        renamed.text
    )
    triggered = await http.post(f"/api/schedules/{id}/trigger")
    assert triggered.status_code == 202
    ours = triggered.json()["run_id"]

    async def done(run_id: str) -> bool:
        found = await sql.fetchval("SELECT status FROM job_schedule_runs WHERE run_id = $1", run_id)
        return bool(found == "COMPLETED")

    await eventually(lambda: done(ours), 30, "the run by hand is done")

    # a run ordered by old SQL, which says neither run_id nor enqueued_at
    theirs = await sql.fetchval(
        "INSERT INTO job_schedule_runs (job_type, job_id, user_id, status, scheduled_for, job_snapshot)"
        " VALUES ('alert', $1, 123, 'PENDING', NOW(), '{}') RETURNING run_id",
        id,
    )
    await eventually(lambda: done(theirs), 60, "the run that SQL ordered is done")

    # a signal with an edit, good and bad
    def signal(data: Any) -> None:
        words = ("--workflow-id", f"alert-{id}", "--name", "update_definition", "--input", json.dumps(data))
        sent = temporal(home, "workflow", "signal", *words)
        assert sent.returncode == 0, sent.stderr

    await asyncio.to_thread(
        signal, {"rule": {"operator": "and", "conditions": [{"indicator": "price", "operator": "<", "value": 0}]}}
    )

    async def edited() -> bool:
        kept = await sql.fetchval("SELECT task_params->>'rule' FROM job_schedules WHERE id = $1", id)
        return bool("<" in kept)

    await eventually(edited, 30, "the signal's edit is in the row")
    await eventually(lambda: status("ARMED"), 30, "and it is armed under its new rule")
    await asyncio.to_thread(signal, {"rule": "nonsense("})

    async def refused() -> bool:
        items = (await http.get(f"/api/alerts/{id}/history")).json()["items"]
        return "error" in [one["kind"] for one in items]

    await eventually(refused, 30, "a bad one is told as an error event")

    # every evaluation has its row, and the next run is never long past
    async def recorded() -> bool:
        return bool(await sql.fetchval("SELECT count(*) FROM job_schedule_runs WHERE job_id = $1", id) > 5)

    await eventually(recorded, 30, "a row an evaluation")

    async def is_current() -> bool:
        at = await sql.fetchval("SELECT next_run_at FROM job_schedules WHERE id = $1", id)
        return bool(at is not None and at > datetime.now(UTC) - timedelta(seconds=5))

    await asyncio.sleep(0)
    await eventually(is_current, 60, "next_run_at goes on though nothing happens")

    # an edit, a disable and a delete by old SQL
    await sql.execute(
        "UPDATE job_schedules SET task_params = jsonb_set(task_params, '{rule}', '\"close > 0\"'), updated_at = NOW() WHERE id = $1",
        id,
    )
    await eventually(lambda: status("TRIGGERED"), 40, "an edit by SQL is followed")
    await sql.execute("UPDATE job_schedules SET enabled = FALSE WHERE id = $1 AND user_id = 123", id)
    await eventually(lambda: status("INACTIVE"), 40, "a disable by SQL is followed")
    await sql.execute("DELETE FROM job_schedules WHERE id = $1", id)

    async def is_gone() -> bool:
        shown = await asyncio.to_thread(
            temporal, home, "workflow", "describe", "--workflow-id", f"alert-{id}", "--output", "json"
        )
        return "RUNNING" not in shown.stdout

    await eventually(is_gone, 40, "a delete by SQL ends it")

    # the old checks, without a key
    async with httpx.AsyncClient(base_url=http.base_url, timeout=30) as nobody:
        health, stats = await nobody.get("/health"), await nobody.get("/stats")
    assert (health.status_code, health.json()["environment"]) == (200, "staging")
    assert stats.json()["schedules"]["alert"] == {"enabled": 0, "disabled": 3}
    assert stats.json()["alerts"]["INVALID"] == 1
    assert await sql.fetchval("SELECT count(*) FROM job_schedule_runs WHERE job_id = 1") == 2, "history stays"

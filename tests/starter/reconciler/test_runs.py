"""Runs that are cancelled while they run, and what the API wrote while Temporal was away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from temporalio.service import RPCError

from activities.jobs.executor import Task
from domain.job import JobType
from domain.run import RunStatus
from starter.api.app import create_app
from starter.gateway import Gateway
from starter.keys import Scope
from starter.reconciler.sweep import SCHEDULE, ensure_schedule, keep_schedule
from tests.starter.api.conftest import client_of, key_of
from tests.starter.reconciler.support import Installation
from worker.settings import Settings

ALERT = {"id": "later", "expression": "X > 99999999", "cron": "0 0 1 1 *"}


async def test_a_run_is_cancelled_while_it_runs(home: Installation, tmp_path: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(task: Task) -> dict[str, Any]:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        return {}

    home.services.jobs.executors = {**home.services.jobs.executors, JobType.REPORT: endless}
    target = home.client.service_client.config.target_host
    settings = Settings(temporal_address=target, alerts_home=tmp_path)
    app = create_app(settings, home.database, Gateway(settings, home.database))
    client = client_of(app, await key_of(home.database, "ann", Scope.READ, Scope.RUN))
    ordered = await client.post("/api/reports/run", json={"symbols": ["X"]})
    assert ordered.headers["Temporal-Told"] == "true"
    where = ordered.headers["Location"]
    await asyncio.wait_for(begun.wait(), 20)
    assert (await client.get(where)).json()["status"] == "RUNNING"
    cancelled = await client.delete(where)
    assert (cancelled.json()["status"], cancelled.headers["Temporal-Told"]) == ("CANCELLED", "true")
    await asyncio.wait_for(ended.wait(), 40)  # by the next heartbeat
    found = (await client.get(where)).json()
    assert (found["status"], found["result"]) == (RunStatus.CANCELLED, None)
    await client.aclose()


async def test_what_was_written_while_temporal_was_away_is_delivered(home: Installation, tmp_path: Path) -> None:
    settings = Settings(temporal_address="127.0.0.1:1", alerts_home=tmp_path)
    app = create_app(settings, home.database, Gateway(settings, home.database))
    client = client_of(app, await key_of(home.database, "ann", Scope.READ, Scope.WRITE, Scope.RUN))
    made = await client.post("/api/alerts", json=ALERT)
    assert (made.status_code, made.headers["Temporal-Told"]) == (201, "false")
    assert (await client.post("/api/alerts/later/pause", json={"reason": "x"})).headers["Temporal-Told"] == "false"
    assert (await client.post("/api/alerts/later/resume")).status_code == 200
    edited = await client.patch("/api/alerts/later", json={"tags": ["t"]}, headers={"If-Match": "*"})
    assert (await home.reconciler.sweep(full=False)).actions == {"create": 1}
    state = await home.state("later")
    assert (state["version"], state["definition"]["tags"]) == (edited.json()["version"], ["t"])
    assert (await client.delete("/api/alerts/later", headers={"If-Match": "*"})).status_code == 204
    assert (await home.reconciler.sweep(full=False)).actions == {"delete": 1}
    await client.aclose()


async def test_the_sweep_itself_is_scheduled_again_when_somebody_deletes_it(home: Installation) -> None:
    await ensure_schedule(home.client)
    handle = home.client.get_schedule_handle(SCHEDULE)
    described = await handle.describe()
    assert described.schedule.spec.intervals[0].every.total_seconds() == 15
    await home.insert("swept", '{"symbol": "X", "rule": "close > 99999999"}')

    async def running() -> bool:
        try:
            return bool((await home.state("swept"))["version"] == 1)
        except RPCError:
            return False

    await handle.trigger()  # its own time comes within 15 s
    await home.becomes(running, "the scheduled sweep starts what was inserted")
    await handle.delete()
    stop = asyncio.Event()
    keeping = asyncio.create_task(keep_schedule(home.client, stop, 0.2))

    async def there() -> bool:
        try:
            await handle.describe()
        except RPCError:
            return False
        return True

    await home.becomes(there, "the Schedule is made again")
    stop.set()
    await keeping

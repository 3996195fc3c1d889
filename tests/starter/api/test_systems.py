"""Every system with its state: the parts that the health check looks at, and processes by their heartbeats."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest

from domain.run import RunStatus
from starter.clock import now
from storage.database import Database
from storage.heartbeats import STOPPED, Heartbeat
from tests.starter.api.conftest import Api
from tests.storage.test_contract import make_run
from worker import beats

MINUTE = timedelta(minutes=1)


async def beat(database: Database, system: str, instance: str, ago: timedelta, status: str = "healthy") -> None:
    at = now() - ago
    async with database.transaction() as work:
        await work.heartbeats.put(Heartbeat(system, instance, status, at, at, "0.1.0"))


async def test_processes_are_known_by_their_heartbeats(api: Api) -> None:
    await beat(api.database, "worker", "a-1", timedelta(seconds=3))
    await beat(api.database, "worker", "b-2", MINUTE)
    await beat(api.database, "worker", "c-3", MINUTE, STOPPED)
    await beat(api.database, "telegram", "a-4", MINUTE)
    await beat(api.database, "notifier", "a-5", timedelta(hours=3))
    found = {one["name"]: one for one in (await api.nobody.get("/api/v1/health/systems")).json()["systems"]}
    assert {"database", "temporal", "worker", "telegram", "notifications"} <= set(found)
    assert "notifier" not in found, "silent for hours: no news"
    assert (found["worker"]["status"], found["telegram"]["status"], found["database"]["status"]) == (
        "degraded", "unhealthy", "healthy",
    )  # fmt: skip
    assert found["worker"]["metrics"] == {"alive": 1, "silent": 1, "stopped": 1}
    assert found["worker"]["issues"][0]["message"].startswith("no heartbeat for 6")
    assert found["worker"]["instances"] == [], "machines are told to whoever has a key"
    with_key = (await api.ann.get("/api/v1/health/system/worker")).json()
    assert [(one["instance"], one["status"]) for one in with_key["instances"]] == [
        ("a-1", "healthy"), ("b-2", "silent"), ("c-3", "stopped"),
    ]  # fmt: skip
    whole = await api.nobody.get("/api/v1/health")
    assert (whole.status_code, whole.json()["status"]) == (503, "unhealthy")
    assert whole.json()["systems"]["telegram"] == "unhealthy"
    sick = {one["name"] for one in (await api.nobody.get("/api/v1/health/unhealthy")).json()["systems"]}
    assert {"worker", "telegram", "temporal"} <= sick
    assert "database" not in sick
    assert (await api.nobody.get("/api/v1/health/system/nothing")).status_code == 404
    assert (await api.nobody.get("/api/v1/healthy")).status_code in (401, 404)


async def test_a_key_that_is_none_is_refused(api: Api) -> None:
    answer = await api.nobody.get("/api/v1/health", headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 401


async def test_a_process_beats_and_says_goodbye(any_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "EVERY", timedelta(milliseconds=1))

    async def seen() -> Any:
        async with any_database.transaction() as work:
            return await work.heartbeats.list()

    at = iter(now() + number * MINUTE for number in range(100_000))
    async with beats.beating(any_database, "worker", lambda: {"alerts": 3}, lambda: next(at)):
        async with asyncio.timeout(30):
            while not (found := await seen()) or found[0].last_heartbeat - found[0].started_at < 3 * MINUTE:
                await asyncio.sleep(0)
    (one,) = await seen()
    assert (one.system, one.status, one.metrics) == ("worker", STOPPED, {"alerts": 3})
    assert one.last_heartbeat > one.started_at


async def test_a_database_that_is_away_stops_no_process() -> None:
    async with beats.beating(Database("postgresql://127.0.0.1:1/none"), "worker"):
        await asyncio.sleep(0)


async def test_statistics_say_how_often_runs_went_well_and_why_not(api: Api) -> None:
    runs = [
        make_run(
            run_id=str(uuid.uuid4()),
            user_id=user,
            job_id=f"j{number}",
            scheduled_for=now() - number * MINUTE,
            status=status,
            error=error,
        )
        for number, (user, status, error) in enumerate(
            [("ann", RunStatus.COMPLETED, None)] * 3
            + [("ann", RunStatus.FAILED, "yahoo: HTTP 503")] * 2
            + [
                ("ann", RunStatus.CANCELLED, "cancelled"),
                ("bob", RunStatus.FAILED, "bob's own"),
                ("ann", RunStatus.MISSED, None),
            ]
        )
    ]
    async with api.database.transaction() as work:
        await work.runs.add(runs)
    ann = (await api.ann.get("/stats")).json()
    assert ann["success_rate"] == pytest.approx(3 / 6)
    assert ann["common_errors"] == [{"error": "yahoo: HTTP 503", "count": 2}]
    counted = {name: ann["metrics"][name] for name in ("runs", "completed", "failed", "missed", "cancelled")}
    assert counted == {"runs": 7, "completed": 3, "failed": 2, "missed": 1, "cancelled": 1}
    nobody = (await api.nobody.get("/stats")).json()
    assert nobody["common_errors"] == []
    assert nobody["metrics"]["runs"] == 8
    assert {one["error"] for one in (await api.admin.get("/stats")).json()["common_errors"]} == {
        "yahoo: HTTP 503",
        "bob's own",
    }

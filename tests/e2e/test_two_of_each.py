"""Two API processes and two workers on one PostgreSQL: no update is lost, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage.database import Database
from storage.runs import RunFilter
from tests.e2e.processes import Home, eventually, free_port
from tests.e2e.test_chaos import _connected
from tests.postgres import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
WRITERS, WRITES = 6, 8


@pytest.fixture
async def home(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Home]:
    url = await cluster.new()
    home = Home(tmp_path / "home", DATABASE_URL=url, API_RATE_LIMIT="1000000/minute")
    home.variables["TEMPORAL_ADDRESS"] = f"127.0.0.1:{home.temporal_port}"
    home.folder.mkdir(parents=True)
    yield home
    home.end()
    await cluster.drop(url)


async def test_no_update_is_lost(home: Home) -> None:
    home.server()
    await _connected(home)
    key = home.data("keys", "create", "two", "--user", "ann")["key"]
    ports = [free_port(), free_port()]
    for port in ports:
        home.spawn("api", ALERTS_API_PORT=str(port))
        home.spawn("worker")
    clients = [
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=30)
        for port in ports
    ]
    for client in clients:
        await eventually(lambda client=client: _two_workers(client), 150, "both APIs and both workers run")  # type: ignore[misc]

    # everybody reads, adds one tag, and writes with If-Match, again until it goes through
    made = await clients[0].post(
        "/api/alerts", json={"id": "shared", "expression": "SIM > 0", "cron": "0 0 1 1 *", "tags": ["0"]}
    )
    assert made.status_code == 201
    refused = Counter[int]()

    async def write(number: int) -> None:
        client = clients[number % 2]
        for count in range(WRITES):
            while True:
                read = await client.get("/api/alerts/shared")
                description = read.json()["definition"].get("description", "")
                body = {"description": f"{description} {number}:{count}".strip()}
                answer = await client.patch("/api/alerts/shared", json=body, headers={"If-Match": read.headers["ETag"]})
                refused[answer.status_code] += 1
                if answer.status_code == 200:
                    break
                assert answer.status_code == 412, answer.text

    await asyncio.gather(*(write(number) for number in range(WRITERS)))
    found = (await clients[0].get("/api/alerts/shared")).json()
    words = found["definition"]["description"].split()
    assert sorted(words) == sorted(f"{number}:{count}" for number in range(WRITERS) for count in range(WRITES))
    assert found["version"] == 1 + WRITERS * WRITES
    assert refused[412] > 0, "no race was had"

    async def told() -> bool:
        answer = await clients[1].get("/api/alerts/shared/explain")
        state = await (await _connected(home)).get_workflow_handle("alert-shared").query("state", result_type=dict)
        return answer.status_code == 200 and state["version"] == found["version"]

    await eventually(told, 60, "the alert has the last version")

    # one key at both doors is one object
    posts = [
        client.post("/api/alerts", json={"expression": "SIM > 5"}, headers={"Idempotency-Key": "both"})
        for client in clients * 4
    ]
    answers = await asyncio.gather(*posts)
    assert {one.status_code for one in answers} == {201}, [one.text for one in answers]
    assert len({one.json()["id"] for one in answers}) == 1

    # a job that ticks each second runs once a slot, whoever runs it
    tick = {"id": "tick", "job_type": "notification", "task_params": {"message": "tick"}, "cron": "* * * * * *"}
    assert (await clients[1].post("/api/schedules", json=tick)).status_code == 201
    database = Database(home.variables["DATABASE_URL"])

    async def runs() -> Any:
        async with database.transaction() as work:
            return await work.runs.page(RunFilter(job_id="tick", status="COMPLETED"), None, 1000)

    async def shared() -> bool:
        done = await runs()
        return len(done) >= 10 and len({run.worker_id for run in done}) == 2

    await eventually(shared, 60, "both workers run slots")
    slots = Counter(run.scheduled_for for run in await runs())
    assert set(slots.values()) == {1}
    await database.close()
    for client in clients:
        await client.aclose()


async def _two_workers(client: httpx.AsyncClient) -> bool:
    try:
        health = (await client.get("/health")).json()
    except httpx.HTTPError:
        return False
    pollers = health["components"].get("workers", {}).get("pollers", {})
    return bool(pollers) and all(count >= 2 for count in pollers.values())

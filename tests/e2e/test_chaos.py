"""200 edits from every side at once, the worker killed twice: afterwards rows and Temporal agree, and no memory is lost."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from domain.reconcile import plan
from starter.alert_workflows import Ownership
from starter.clock import now
from starter.reconciler import observe
from starter.reconciler.sweep import installation
from storage.database import Database
from tests.e2e.processes import Home, eventually
from tests.postgres import Cluster
from worker.client import connect
from worker.converter import DATA_CONVERTER

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
EDITS = 200
KEEPERS = [f"keeper{index}" for index in range(6)]  # fired once; only cosmetic edits, pauses and kills by hand
LIVELY = [f"lively{index}" for index in range(6)]  # every second a bar; only cosmetic edits
WILD = [f"wild{index}" for index in range(8)]  # anything may happen to these
JOBS = [f"job{index}" for index in range(4)]
RARELY = "0 0 1 1 *"


class Chaos:
    """The three sides, each with its own ways to edit."""

    def __init__(self, seed: int, database: Database, http: httpx.AsyncClient, client: Client) -> None:
        self.random, self.database, self.http, self.client = random.Random(seed), database, http, client
        self.done: Counter[str] = Counter()
        self.number = 0
        self.difference: list[Any] = []

    async def sql(self, statement: str, **values: Any) -> None:
        for _ in range(20):
            try:
                async with self.database.engine.begin() as connection:
                    await connection.execute(text(statement), values)
                return
            except Exception as error:
                if "locked" not in str(error):
                    raise
        raise AssertionError("the database stayed locked")

    def fresh(self) -> int:
        self.number += 1
        return self.number

    async def by_sql(self) -> None:
        pick, kind = self.random.random(), self.random.choice
        if pick < 0.35:
            await self.sql(
                "UPDATE job_schedules SET name = :n WHERE key = :i",
                n=f"sql {self.fresh()}",
                i=kind(KEEPERS + LIVELY + WILD + JOBS),
            )
        elif pick < 0.55:
            await self.sql(
                "UPDATE job_schedules SET enabled = :e WHERE key = :i",
                e=self.random.random() < 0.6,
                i=kind(KEEPERS + WILD + JOBS),
            )
        elif pick < 0.75:
            rule = kind(["close > 0", "close > 99999999", "close >", "rsi(14) > 1"])
            params = json.dumps({"symbol": "SIM", "rule": rule})
            await self.sql(
                "UPDATE job_schedules SET task_params = :p WHERE key = :i AND job_type = 'alert'",
                p=params,
                i=kind(WILD),
            )
        elif pick < 0.85:
            await self.sql("DELETE FROM job_schedules WHERE key = :i", i=kind(WILD))
        else:
            await self.sql(
                "INSERT INTO job_schedules (key, task_params, cron) VALUES (:i, :p, :c) ON CONFLICT (key) DO NOTHING",
                i=kind(WILD), p=json.dumps({"symbol": "SIM", "rule": "close > 0"}), c=RARELY,
            )  # fmt: skip

    async def by_api(self) -> None:
        pick, kind = self.random.random(), self.random.choice
        anything = {"If-Match": "*"}
        if pick < 0.35:
            answer = await self.http.patch(
                f"/api/alerts/{kind(KEEPERS + LIVELY + WILD)}", json={"tags": [f"api{self.fresh()}"]}, headers=anything
            )
        elif pick < 0.55:
            answer = await self.http.post(f"/api/alerts/{kind(KEEPERS + WILD)}/{kind(['pause', 'resume', 'resume'])}")
        elif pick < 0.7:
            answer = await self.http.patch(
                f"/api/alerts/{kind(WILD)}", json={"rule": f"close > {self.fresh()}"}, headers=anything
            )
        elif pick < 0.8:
            answer = await self.http.delete(f"/api/alerts/{kind(WILD)}", headers=anything)
        elif pick < 0.9:
            answer = await self.http.post(
                "/api/alerts", json={"id": kind(WILD), "symbol": "SIM", "rule": "close > 0", "cron": RARELY}
            )
        else:
            body = {
                "job_type": "notification",
                "name": f"api {self.fresh()}",
                "task_params": {"message": "m"},
                "cron": RARELY,
                "enabled": kind([True, False]),
            }
            answer = await self.http.put(f"/api/schedules/{kind(JOBS)}", json=body, headers=anything)
        # an alert whose row SQL spoilt (422), that is gone (404), there already (409) or edited in between (412)
        assert answer.status_code in (200, 201, 204, 404, 409, 412, 422), answer.text

    async def by_temporal(self) -> None:
        pick, kind = self.random.random(), self.random.choice
        try:
            if pick < 0.3:
                await self.handle(kind(KEEPERS + WILD)).signal(kind(["pause", "resume", "resume"]))
            elif pick < 0.55:
                changes = {"description": f"by update {self.fresh()}"}
                await asyncio.wait_for(
                    self.handle(kind(KEEPERS + LIVELY + WILD)).execute_update(
                        "update_definition", changes, result_type=dict
                    ),
                    3,
                )
            elif pick < 0.7:
                await self.handle(kind(KEEPERS + LIVELY + WILD)).signal("definition_changed")
            elif pick < 0.85:
                await self.handle(kind(KEEPERS + WILD)).terminate("by hand")
            else:
                schedule = self.client.get_schedule_handle(f"notification-{kind(JOBS)}")
                await getattr(schedule, kind(["pause", "unpause", "delete"]))()
        except (RPCError, TimeoutError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError):
                raise
        except Exception as error:
            known = (
                "WorkflowUpdateFailedError",
                "WorkflowUpdateRPCTimeoutOrCancelledError",
            )  # refused, or the worker is dead
            assert type(error).__name__ in known, error

    def handle(self, id: str) -> Any:
        return self.client.get_workflow_handle(f"alert-{id}")

    async def side(self, name: str, count: int) -> None:
        for _ in range(count):
            await getattr(self, f"by_{name}")()
            self.done[name] += 1


@pytest.fixture(params=["postgresql", "sqlite"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Home]:
    variables = {}
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        variables["DATABASE_URL"] = await cluster.new()
    home = Home(tmp_path / "home", RECONCILE_FULL_SECONDS="5", **variables)
    home.variables["TEMPORAL_ADDRESS"] = f"127.0.0.1:{home.temporal_port}"
    home.folder.mkdir(parents=True)
    yield home
    home.end()
    if variables:
        await cluster.drop(variables["DATABASE_URL"])


async def test_rows_and_temporal_agree_after_anything(home: Home) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "20261121"))
    home.server()
    client = await _connected(home)
    key = home.data("keys", "create", "chaos", "--user", "root", "--scope", "admin")["key"]
    worker, _ = home.spawn("worker"), home.spawn("api", API_RATE_LIMIT="1000000/minute")
    database = Database(home.variables.get("DATABASE_URL") or f"sqlite:///{home.folder / 'alerts.db'}")
    base = f"http://127.0.0.1:{home.api_port}"
    async with httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        await eventually(lambda: _ready(http), 60, "API and worker run")
        chaos = Chaos(seed, database, http, client)
        await _begin(chaos)
        for rest in (3, 2, 1):
            share = EDITS // 3 // 3 + 1
            await asyncio.gather(
                *(chaos.side(name, share) for name in ("sql", "api", "temporal")), _kill(worker if rest > 1 else None)
            )
            if rest > 1:
                worker = home.spawn("worker")
        assert sum(chaos.done.values()) >= EDITS
        try:
            await eventually(lambda: _agree(chaos), 150, "rows and Temporal agree")
        except AssertionError as error:
            raise AssertionError(f"{error}: {chaos.difference}") from None
        await eventually(
            lambda: _all_lively_fired(chaos), 60, "every lively alert has fired"
        )  # a busy machine records late
        await _nothing_was_lost(chaos)
    await database.close()


async def _connected(home: Home) -> Client:
    async def answers() -> bool:
        try:
            await connect(home.settings, 2)
        except Exception:
            return False
        return True

    await eventually(answers, 60, "the Temporal server answers")
    return await Client.connect(f"127.0.0.1:{home.temporal_port}", data_converter=DATA_CONVERTER)


async def _ready(http: httpx.AsyncClient) -> bool:
    try:
        health = (await http.get("/health")).json()
    except httpx.HTTPError:
        return False
    return bool(health["components"].get("workers", {}).get("status") == "healthy")


async def _begin(chaos: Chaos) -> None:
    quiet = {"symbol": "SIM", "rule": "close > 0", "cron": RARELY, "notification_channels": []}
    lively = {**quiet, "timeframe": "1s", "cron": "* * * * * *", "rule": "close crosses_above close[1]"}
    for id in KEEPERS + WILD:
        assert (await chaos.http.post("/api/alerts", json={**quiet, "id": id})).status_code == 201
    for id in LIVELY:
        assert (await chaos.http.post("/api/alerts", json={**lively, "id": id})).status_code == 201
    for id in JOBS:
        body = {"id": id, "job_type": "notification", "task_params": {"message": "m"}, "cron": RARELY}
        assert (await chaos.http.post("/api/schedules", json=body)).status_code == 201
    for id in KEEPERS:

        async def fired(id: str = id) -> bool:
            answer = await chaos.http.post(f"/api/alerts/{id}/evaluate")
            return answer.status_code == 200 and answer.json()["status"] == "TRIGGERED"

        await eventually(fired, 30, f"{id} fires")

        async def recorded(id: str = id) -> bool:
            return bool((await chaos.http.get(f"/api/alerts/{id}")).json()["trigger_count"] == 1)

        await eventually(recorded, 30, f"the fire of {id} is recorded")


async def _kill(worker: Any) -> None:
    await asyncio.sleep(0.5)  # in the middle of the edits
    if worker is not None:
        os.killpg(worker.pid, signal.SIGKILL)
        await asyncio.to_thread(worker.wait)


async def _agree(chaos: Chaos) -> bool:
    """Nothing is left to do, and each alert says of itself what its row says."""
    async with chaos.database.transaction() as work:
        rows = await work.schedules.briefs()
        unread = await work.schedules.unread_ids()
    running = await observe.everything(chaos.client, Ownership(await installation(chaos.database, now())))
    actions = plan(rows, running, now())
    chaos.difference = [*unread, *actions]
    if chaos.difference:
        return False
    for row in rows:
        if not row.is_alert or row.hash is None or not row.enabled or row.is_over:
            continue
        state = await chaos.handle(row.id).query("state", result_type=dict)
        paused = state["state"]["status"] == "INACTIVE"
        if (state["version"], not paused) != (row.version, row.enabled):
            chaos.difference = [row, state]
            return False
    return True


async def _all_lively_fired(chaos: Chaos) -> bool:
    async with chaos.database.transaction() as work:
        return all([await work.events.of_alert(id, kinds=["triggered"], limit=1) for id in LIVELY])


async def _nothing_was_lost(chaos: Chaos) -> None:
    open_ones = Counter([one.id async for one in chaos.client.list_workflows(observe.RUNNING)])
    assert set(open_ones.values()) <= {1}, open_ones
    async with chaos.database.transaction() as work:
        stored = {one.id: one for one in [await work.schedules.get(id) for id in KEEPERS + LIVELY] if one is not None}
        assert set(stored) == set(KEEPERS + LIVELY)
        for id in KEEPERS:
            handle = chaos.handle(id)
            memory = stored[id].state_under(stored[id].alert)
            if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
                kept = (await handle.query("state", result_type=dict))["state"]
                status = kept["before_pause"] or kept["status"]
                assert (status, kept["trigger_count"]) == ("TRIGGERED", 1), (id, kept)
            else:  # ended by hand while disabled: it is started when its row is enabled
                assert not stored[id].enabled
                assert memory is not None
                assert (memory.before_pause or memory.status, memory.trigger_count) == ("TRIGGERED", 1), (id, memory)
            fires = await work.events.of_alert(id, kinds=["triggered"])
            assert len(fires) == 1, (id, fires)
        for id in LIVELY:
            fires = await work.events.of_alert(id, kinds=["triggered"])
            bars = Counter(event.bar_close for event in fires)
            assert fires
            assert set(bars.values()) == {1}, (id, bars)  # no bar fired twice, whatever happened
            assert [event.trigger_count for event in fires] == list(range(1, len(fires) + 1))

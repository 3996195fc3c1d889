"""``alerts up`` under attack: every door of the API and every message of an alert, while ``/healthz`` is watched from outside.

``HOSTILE=all`` throws everything (some thousands of requests); otherwise every so many are thrown, others each time the
catalogue or the document change.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RawValue
from temporalio.service import RPCError

from starter.keys import Scope
from storage.database import Database
from tests.e2e.processes import Home, eventually
from tests.hostile.catalogue import VALUES
from tests.hostile.doors import Thrown, everything
from tests.mortal import with_us
from tests.starter.api.conftest import key_of
from worker.client import connect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]
SAMPLE = None if os.environ.get("HOSTILE") == "all" else 260
LATE = 0.2
LONGEST = 20.0
MOST_GROWTH = 500 * 1024 * 1024
SECRET = "an-inner-secret-of-the-operator"
SIGNALS = ("pause", "resume", "snooze", "definition_changed", "acknowledge", "unheard_of")
UPDATES = ("pause", "resume", "update_definition", "evaluate_now", "unheard_of")
QUERIES = ("state", "explain", "unheard_of")
MOST_PAYLOAD = 1_900_000


@dataclass
class Live:
    """The running product and what watches it."""

    home: Home
    process: subprocess.Popen[bytes]
    http: httpx.AsyncClient
    database: Database
    probes: Path
    key: str
    created: int = 0

    def late(self, since: float) -> float:
        """The longest that ``/healthz`` took of those asked since a moment."""
        found = [line.split() for line in self.probes.read_text().splitlines()]
        took = [float(one[1]) for one in found if len(one) == 3 and float(one[0]) >= since - 0.001]
        assert all(one[2] == "200" for one in found if len(one) == 3), "the health door is always open"
        return max(took, default=0.0)


@asynccontextmanager
async def running(folder: Path, database: Database) -> AsyncIterator[Live]:
    url = database.engine.url.render_as_string(hide_password=False)
    limits = {"API_RATE_LIMIT": "10000000/minute", "API_ADDRESS_RATE_LIMIT": "10000000/minute", "QUOTA_RUNS": "100000"}
    home = Home(folder / "home", DATABASE_URL=url, ALERT_WEBHOOK_SECRET=SECRET, **limits)
    key = await key_of(database, "ann", Scope.READ, Scope.WRITE, Scope.RUN)
    process = home.spawn("up")
    address = f"http://127.0.0.1:{home.api_port}"
    http = httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=LONGEST)
    probing: subprocess.Popen[bytes] | None = None
    try:
        await eventually(lambda: _ready(http), 90, "the API is ready")
        probes = folder / "probes.txt"
        probing = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.prober", address, str(probes)], preexec_fn=with_us
        )
        await eventually(lambda: _there(probes), 30, "somebody asks for health")
        yield Live(home, process, http, database, probes, key)
    finally:
        await http.aclose()
        if probing is not None:
            probing.kill()
            probing.wait()
        home.end()


async def _ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


async def _there(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


async def throw(live: Live, one: Thrown) -> tuple[httpx.Response | None, float]:
    """The answer, and how late health was meanwhile; None where the server hung up on what is no HTTP."""
    began = time.time()
    headers = {"Content-Type": "application/json", **one.headers}
    try:
        answer = await live.http.request(one.method.upper(), one.path, content=one.body, headers=headers)
    except (httpx.RemoteProtocolError, httpx.WriteError, httpx.ReadError):
        answer = None
    return answer, live.late(began)


async def check(live: Live, one: Thrown) -> str:
    """What is wrong with how it was taken; empty when nothing is. What is late but once is the machine's."""
    for _ in range(3):
        answer, late = await throw(live, one)
        if answer is None:
            return ""
        live.created += answer.status_code == 201
        if answer.status_code >= 500 and answer.status_code != 503:
            return f"{one.what}: {answer.status_code} {answer.text[:200]}"
        asked = len(one.body or b"") + len(one.path)
        if len(answer.content) > max(120_000, 3 * asked) and answer.status_code >= 400:
            return f"{one.what}: {len(answer.content):,} bytes for {asked:,}"
        if SECRET in answer.text or live.key in answer.text:
            return f"{one.what}: tells a secret"
        if late <= LATE:
            return ""
    return f"{one.what}: /healthz took {late:.2f} s"


async def rows(database: Database) -> int:
    async with database.transaction() as work:
        return sum(count for *_, count in await work.schedules.counts())


async def test_every_door_under_every_attack(any_database: Database, tmp_path: Path) -> None:
    async with running(tmp_path, any_database) as live:
        made = await live.http.post("/api/alerts", json={"expression": "AAPL > 1e9", "timeframe": "1h"})
        ids = {"id": made.json()["id"], "run_id": "00000000-0000-0000-0000-000000000000"}
        document = (await live.http.get("/openapi.json")).json()
        thrown = [one for one in everything(document, ids) if "deleteAlert" not in one.what]
        total = len(thrown)
        if SAMPLE is not None:
            thrown = random.Random(total).sample(thrown, SAMPLE)
        process = psutil.Process(live.process.pid)
        before, memory = await rows(any_database), process.memory_info().rss
        wrong = []
        for one in thrown:
            if found := await check(live, one):
                wrong.append(found)
        wrong += await slow_clients(live)
        written = await rows(any_database) - before
        grown = process.memory_info().rss - memory
        listed = await live.http.get("/api/schedules", params={"limit": 200})
        assert listed.status_code == 200
        messages, failed = await messages_of(live, ids["id"])
        wrong += failed
        sys.stdout.write(f"{len(thrown)} of {total} requests, {messages} messages, memory grew by {grown >> 20} MB\n")
        live.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(live.process.wait, 40) == 0
        log = (live.home.folder / "up-0.log").read_text(errors="replace")
    assert wrong == []
    assert written == live.created, "what is refused is not written"
    assert grown < MOST_GROWTH
    assert SECRET not in log
    assert live.key not in log
    assert "Traceback" not in log


async def slow_clients(live: Live) -> list[str]:
    """Hundreds of half requests from one address: others are answered, and nothing of it stays."""
    began, sockets = time.time(), []
    half = b"POST /api/alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
    for _ in range(300):
        one = socket.create_connection(("127.0.0.1", live.home.api_port), timeout=10, source_address=("127.0.0.7", 0))
        one.sendall(half)
        sockets.append(one)
    await asyncio.sleep(0.5)
    process = psutil.Process(live.process.pid)
    held = len([one for one in process.net_connections("tcp") if one.raddr and one.raddr.ip == "127.0.0.7"])
    health = await live.http.get("/health")
    late = live.late(began)
    for one in sockets:
        one.close()
    wrong = [] if health.status_code == 200 else [f"/health answers {health.status_code} beside slow clients"]
    wrong += [f"one address holds {held} connections"] if held > 100 else []
    return wrong + ([f"/healthz took {late:.2f} s beside slow clients"] if late > 1.0 else [])


async def messages_of(live: Live, alert_id: str) -> tuple[int, list[str]]:
    """Every message of an alert with every value: its workflow goes on, and none of its tasks fails."""
    client: Client = await connect(live.home.settings, 10.0)
    handle = client.get_workflow_handle(f"alert-{alert_id}")
    values = {what: value for what, value in VALUES.items() if len(json.dumps(value)) < MOST_PAYLOAD}
    thrown = [
        (kind, name, what)
        for kind, names in (("signal", SIGNALS), ("update", UPDATES), ("query", QUERIES))
        for name in names
        for what in values
    ]
    if SAMPLE is not None:
        thrown = random.Random(len(thrown)).sample(thrown, 60)
    wrong = []
    for kind, name, what in thrown:
        began = time.time()
        try:
            async with asyncio.timeout(LONGEST):
                await _send(handle, kind, name, values[what])
        except TimeoutError:
            wrong.append(f"{kind} {name}: {what}: no answer")
        except Exception as error:
            if not isinstance(error, RPCError) and "Workflow" not in type(error).__name__:
                wrong.append(f"{kind} {name}: {what}: {type(error).__name__}")
        if (late := live.late(began)) > 1.0:
            wrong.append(f"{kind} {name}: {what}: /healthz took {late:.2f} s")
    await handle.signal("resume")
    state = await handle.query("state", result_type=dict)
    if len(json.dumps(state)) > 100_000:
        wrong.append("the memory is large")
    described = await handle.describe()
    if "TemporalReportedProblems" in str(described.typed_search_attributes):
        wrong.append("its workflow tasks fail")
    return len(thrown), wrong


async def _send(handle: WorkflowHandle[Any, Any], kind: str, name: str, value: Any) -> None:
    raw = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode(errors="surrogatepass")))
    if kind == "signal":
        await handle.signal(name, raw)
    elif kind == "update":
        await handle.execute_update(name, raw)
    else:
        await handle.query(name, raw)

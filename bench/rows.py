"""How the reconciler and the lists bear many rows: ``python -m bench.rows [--rows 10000] [--json]``.

One run on one machine, on both databases: a full sweep when nothing changed, a sweep of one changed row among few and among
many, and a page of a list. No worker runs: what is measured is ours and the servers'.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from domain.alert import Alert
from domain.definition import read_definition
from starter import keys
from starter.api.app import create_app
from starter.clock import now
from starter.reconciler.sweep import Reconciler, installation
from storage.database import Database
from tests import postgres
from tests.conftest import start_dev_server
from worker.logs import configure_logging
from worker.settings import Settings

FEW = 100


async def measure(database: Database, client: Any, rows: int) -> dict[str, float]:
    await database.upgrade()
    mark = await installation(database, now())
    reconciler = Reconciler(client, database, mark)
    api, figures = await _api(database), dict[str, float]()
    for size in (FEW, rows):
        began = time.perf_counter()
        await _fill(database, size)
        async with database.transaction() as work:
            added = len(await work.schedules.changes(10**9))
        while (await reconciler.sweep(full=False)).rows:
            pass
        if size == rows:
            figures["create_per_second"] = added / (time.perf_counter() - began)
        while (await reconciler.sweep(full=True)).actions:  # lists lag behind
            pass
        name = "few" if size == FEW else "many"
        figures[f"full_{name}_s"] = await _median(lambda: reconciler.sweep(full=True), 3)
        figures[f"idle_{name}_ms"] = 1000 * await _median(lambda: reconciler.sweep(full=False), 9)
        figures[f"one_change_{name}_ms"] = 1000 * await _median(lambda: _one_change(database, reconciler), 9)
        figures[f"page_{name}_ms"] = 1000 * await _median(lambda: api.get("/api/alerts", params={"limit": 50}), 15)
        deep = (await api.get("/api/alerts", params={"limit": 50, "symbol": "SYM7"})).json()
        assert deep["items"]
        figures[f"filtered_{name}_ms"] = 1000 * await _median(
            lambda: api.get("/api/alerts", params={"limit": 50, "symbol": "SYM7"}), 15
        )
    await api.aclose()
    return figures


async def _fill(database: Database, size: int) -> None:
    definitions = [read_definition({"symbol": f"SYM{n}", "rule": "close > 1", "cron": "0 0 1 1 *"}) for n in range(50)]
    prefix = database.engine.dialect.name
    async with database.transaction() as work:
        there = {row.id for row in await work.schedules.briefs()}
        these = [Alert(id=f"{prefix}{n}", definition=definitions[n % 50]) for n in range(size)]
        await work.schedules.add_all([one for one in these if one.id not in there], now())


async def _one_change(database: Database, reconciler: Reconciler) -> None:
    """A row that is written by SQL, read, and asked for in Temporal; disabled, so that nothing is started."""
    async with database.engine.begin() as connection:
        statement = "INSERT INTO job_schedules (task_params, enabled) VALUES (:p, false)"
        await connection.execute(text(statement), {"p": json.dumps({"rule": "SYM1 > 1"})})
    report = await reconciler.sweep(full=False)
    assert (report.rows, report.actions) == (1, {"pause": 1}), report  # in SQL alone


async def _api(database: Database) -> httpx.AsyncClient:
    async with database.transaction() as work:
        _, key = await keys.create(work, "bench", "bench", [keys.Scope.ADMIN], now())
    app = create_app(Settings(temporal_address="127.0.0.1:1", api_rate_limit="1000000/minute"), database)
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench", headers=headers)


async def _median(call: Any, times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


async def main(rows: int, as_json: bool) -> None:
    configure_logging("WARNING")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with postgres.server(Path(folder) / "pg") as url:
            cluster = postgres.Cluster(url)
            for kind in ("sqlite", "postgresql"):
                address = f"sqlite:///{folder}/rows.db" if kind == "sqlite" else await cluster.new()
                database = Database(address)
                async with await start_dev_server() as env:
                    found[kind] = await measure(database, env.client, rows)
                await database.close()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for kind, figures in found.items():
        print(f"{kind}, {rows} rows ({FEW} rows)")
        print(f"  full sweep, nothing changed   {figures['full_many_s']:8.2f} s   ({figures['full_few_s']:.2f} s)")
        for name, label in (
            ("idle", "sweep, nothing changed"), ("one_change", "sweep, one row changed"), ("page", "a page of 50"),
            ("filtered", "a page of 50 of one ticker"),
        ):  # fmt: skip
            many, few = figures[f"{name}_many_ms"], figures[f"{name}_few_ms"]
            print(f"  {label:<28}  {many:8.1f} ms  ({few:.1f} ms, ratio {many / few:.2f})")
        print(f"  rows brought to Temporal      {figures['create_per_second']:8.0f} a second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    asyncio.run(main(given.rows, given.json))
    sys.stdout.flush()
    os._exit(0)

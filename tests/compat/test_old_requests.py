"""Requests as clients of the replaced services send them: without ``If-Match``, with only what changes, with numbers for ids."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.run import RunStatus
from starter.api.app import create_app
from starter.keys import Scope
from storage.database import Database
from tests.conftest import START
from tests.starter.api.conftest import client_of, key_of
from tests.storage.test_contract import make_run
from worker.settings import Settings


@pytest.mark.parametrize("strict", [True, False])
async def test_writes_without_if_match_are_taken_where_the_operator_says_so(
    any_database: Database, tmp_path: Path, strict: bool
) -> None:
    settings = Settings(
        alerts_home=tmp_path, temporal_address="127.0.0.1:1", health_check_interval=0, alerts_api_strict=strict
    )
    key = await key_of(any_database, "ann", Scope.READ, Scope.WRITE)
    async with client_of(create_app(settings, any_database), key) as ann:
        made = await ann.post("/api/alerts", json={"id": "a", "ticker": "AAPL", "rule": "close > 150"})
        assert (made.status_code, made.json()["version"]) == (201, 1)
        changed = await ann.patch("/api/alerts/a", json={"tags": ["x"]})
        stale = await ann.patch("/api/alerts/a", json={"tags": ["y"]}, headers={"If-Match": '"7"'})
        replaced = await ann.put(
            "/api/schedules/a", json={"job_type": "alert", "target": "AAPL", "task_params": {"rule": "close > 160"}}
        )
        deleted = await ann.delete("/api/alerts/a")
    codes = [one.status_code for one in (changed, replaced, deleted)]
    assert codes == ([428, 428, 428] if strict else [200, 200, 204])
    assert stale.status_code == 412, "who names a version means it"
    assert not strict or "ALERTS_API_STRICT=false" in changed.json()["detail"]


@asynccontextmanager
async def old_client(database: Database, folder: Path, strict: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        alerts_home=folder, temporal_address="127.0.0.1:1", health_check_interval=0, alerts_api_strict=strict
    )
    key = await key_of(database, "123", Scope.READ, Scope.WRITE, Scope.RUN)
    async with client_of(create_app(settings, database), key) as client:
        yield client


async def test_a_put_of_the_changed_fields_leaves_the_others(any_database: Database, tmp_path: Path) -> None:
    async with old_client(any_database, tmp_path) as client:
        made = await client.post("/api/schedules", json={
            "id": 7, "user_id": 123, "job_type": "alert", "name": "hot", "target": "AAPL", "cron": "*/15 * * * *",
            "task_params": {"timeframe": "15m", "rule": {"operator": "and", "conditions": [
                {"indicator": "rsi", "operator": ">", "value": 70}]}},
        })  # fmt: skip
        assert (made.status_code, made.json()["id"], made.json()["user_id"]) == (201, "7", "123"), made.text

        async def put(**fields: Any) -> dict[str, Any]:
            answer = await client.put("/api/schedules/7", json=fields)
            assert answer.status_code == 200, answer.text
            assert (await client.get("/api/schedules/7")).json() == answer.json()
            found: dict[str, Any] = answer.json()
            return found

        off = await put(enabled=False)
        assert (off["enabled"], off["name"], off["cron"], off["version"]) == (False, "hot", "*/15 * * * *", 2)
        assert off["task_params"]["timeframe"] == "15m"
        renamed = await put(name="hotter", cron="0 * * * *")
        assert (renamed["enabled"], renamed["name"], renamed["cron"]) == (False, "hotter", "0 * * * *")
        moved = await put(task_params={"ticker": "MSFT", "timeframe": "1h", "rule": "close > 5"})
        assert (moved["target"], moved["task_params"]["symbol"], moved["name"]) == ("MSFT", "MSFT", "hotter")
        same = await put(task_params={"rule": "close > 6", "timeframe": "1h"})
        assert same["target"] == "MSFT"
        bad = await client.put("/api/schedules/7", json={"cron": "soon", "enabled": 5})
        assert bad.status_code == 422
        assert (await client.get("/api/schedules/7")).json() == same


async def test_a_name_that_was_derived_follows_the_rule(any_database: Database, tmp_path: Path) -> None:
    async with old_client(any_database, tmp_path) as client:
        await client.post("/api/alerts", json={"id": "a", "ticker": "AAPL", "rule": "close > 150"})
        changed = (await client.put("/api/schedules/a", json={"task_params": {"rule": "close > 200"}})).json()
        assert changed["name"] == "AAPL 1m: close > 200"
        report = {"job_type": "report", "task_params": {"symbols": ["A"]}, "cron": "0 9 * * *", "id": "r"}
        assert (await client.post("/api/schedules", json=report)).json()["name"] == "report 0 9 * * *"
        assert (await client.put("/api/schedules/r", json={"cron": "0 8 * * *"})).json()["name"] == "report 0 8 * * *"


async def test_a_strict_put_says_what_is_needed(any_database: Database, tmp_path: Path) -> None:
    async with old_client(any_database, tmp_path, strict=True) as client:
        await client.post("/api/alerts", json={"id": "a", "ticker": "AAPL", "rule": "close > 150"})
        answer = await client.put("/api/schedules/a", json={"enabled": False}, headers={"If-Match": "*"})
        assert answer.status_code == 422
        faults = {one["path"]: one["message"] for one in answer.json()["errors"]}
        assert set(faults) == {"$.job_type", "$.task_params"}
        assert "ALERTS_API_STRICT=false" in faults["$.job_type"]


async def test_dead_jobs_are_listed_and_run_again(any_database: Database, tmp_path: Path) -> None:
    runs = [
        make_run(1, user_id="123"), make_run(2, user_id="123"), make_run(3, user_id="123", job_type="alert"),
        make_run(4, user_id="other"), make_run(5, user_id="123"),
    ]  # fmt: skip
    async with any_database.transaction() as work:
        await work.runs.add(runs)
        for one in runs[:4]:
            await work.runs.finish(one.run_id, RunStatus.FAILED, START, error="no data")
        await work.runs.finish(runs[1].run_id, RunStatus.FAILED, START)
    async with old_client(any_database, tmp_path) as client:

        async def dead() -> list[str]:
            return [one["run_id"] for one in (await client.get("/api/runs", params={"dead": "true"})).json()["items"]]

        first, second = runs[0].run_id, runs[1].run_id
        assert await dead() == [second, first]
        again = await client.post(f"/api/runs/{first}/retry")
        assert (again.status_code, again.json()["status"], again.json()["job_id"]) == (202, "PENDING", "j1")
        assert again.headers["Location"] == f"/api/runs/{again.json()['run_id']}"
        assert again.json()["job_snapshot"]["retry_of"] == first
        assert await dead() == [second]
        assert (await client.get(f"/api/runs/{first}")).json()["result"] == {"retried_as": again.json()["run_id"]}
        codes = [
            (await client.post(f"/api/runs/{id}/retry")).status_code
            for id in (first, runs[4].run_id, runs[3].run_id, "x")
        ]
        assert codes == [409, 409, 404, 404], "again, under way, another user's, none"


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/reports/run", {"report_type": "daily_summary", "parameters": {"symbols": ["AAPL"], "include_charts": True}}, 202),
        ("/api/reports/run", {"report_type": "daily_summary", "parameters": {"symbols": "AAPL,MSFT"}}, 202),
        ("/api/reports/run", {"report_type": "weekly", "parameters": {"symbols": ["AAPL"]}}, 422),
        ("/api/screeners/run", {"screener_set": "sp500", "filter_criteria": {"max_pe_ratio": 25}, "top_n": 50}, 202),
        ("/api/screeners/run", {"filter_criteria": {"min_volume": 1000}}, 422),
    ],
)  # fmt: skip
async def test_documented_orders(
    any_database: Database, tmp_path: Path, path: str, body: dict[str, Any], code: int
) -> None:
    async with old_client(any_database, tmp_path) as client:
        answer = await client.post(path, json=body)
        assert answer.status_code == code, answer.text
        if code == 202:
            run = (await client.get(answer.headers["Location"])).json()
            assert (run["status"], run["job_snapshot"]["task_params"]) == ("PENDING", body)


@pytest.mark.parametrize(
    ("body", "warned"),
    [
        ({"user_id": 123, "name": "AAPL RSI", "job_type": "alert", "target": "AAPL", "cron": "*/15 * * * *", "enabled": True,
          "task_params": {"timeframe": "1h", "rule": {"indicator": "rsi", "operator": ">", "value": 70}}}, 0),
        ({"user_id": 123, "name": "daily", "job_type": "report", "target": "daily_summary", "cron": "0 18 * * 1-5",
          "task_params": {"report_type": "daily_summary", "parameters": {"symbols": ["AAPL"], "include_charts": True}}}, 0),
        ({"user_id": 123, "name": "screen", "job_type": "screener", "target": "sp500", "cron": "0 9 * * 1-5",
          "task_params": {"screener_set": "sp500", "filter_criteria": {"min_market_cap": 1e9}, "top_n": 50}}, 0),
        ({"user_id": 123, "name": "earnings", "job_type": "data_processing", "target": "earnings_data", "cron": "0 */6 * * *",
          "task_params": {"data_source": "yahoo", "operations": ["fetch", "cache"], "symbols": ["AAPL"]}}, 1),
    ],
    ids=lambda one: one["name"] if isinstance(one, dict) else "",
)  # fmt: skip
async def test_documented_schedules(any_database: Database, tmp_path: Path, body: dict[str, Any], warned: int) -> None:
    async with old_client(any_database, tmp_path) as client:
        made = await client.post("/api/schedules", json=body)
        assert made.status_code == 201, made.text
        found = (await client.get(f"/api/schedules/{made.json()['id']}")).json()
        assert (found["name"], found["user_id"], len(found["warnings"])) == (body["name"], "123", warned)
        listed = (await client.get("/api/schedules", params={"job_type": body["job_type"]})).json()["items"]
        assert [one["id"] for one in listed] == [found["id"]]
        assert (await client.delete(f"/api/schedules/{found['id']}")).status_code == 204

"""``alerts up`` with everything around it, as an operator and other programs use it."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from storage.database import HEAD
from tests.e2e.processes import Home, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    home.end()


async def test_a_day_in_the_life(home: Home, tmp_path: Path) -> None:
    up = home.spawn("up")
    key = home.data("keys", "create", "test", "--user", "ann", "--scope", "admin")["key"]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{home.api_port}", headers={"Authorization": f"Bearer {key}"}
    ) as http:

        async def is_up() -> bool:
            try:
                return (await http.get("/readyz")).status_code == 200
            except httpx.HTTPError:
                return False

        await eventually(is_up, 60, "the API answers")

        systems = {one["name"]: one["status"] for one in (await http.get("/api/v1/health/systems")).json()["systems"]}
        assert (systems["worker"], systems["api"], systems["temporal"]) == ("healthy", "healthy", "healthy")

        # a program that knows nothing but SQL
        with sqlite3.connect(home.folder / "alerts.db") as raw:
            raw.execute(
                "INSERT INTO job_schedules (key, name, target, task_params, cron) VALUES ('by-sql', 'x', 'SIM', '{\"rule\": \"close > 0\"}', '* * * * * *')"
            )

        async def fired() -> bool:
            events = (await http.get("/api/alerts/by-sql/history")).json()["items"]
            return "triggered" in [one["kind"] for one in events]

        await eventually(fired, 30, "an inserted alert fires within 30 s")
        assert home.data("evaluate", "by-sql")["status"] == "TRIGGERED"
        assert home.data("acknowledge", "by-sql")["acknowledged"] is True
        assert (await http.post("/api/alerts/by-sql/acknowledge")).status_code == 202, "a second time does nothing"

        async def acknowledged() -> bool:
            events = (await http.get("/api/alerts/by-sql/history")).json()["items"]
            return [one["kind"] for one in events].count("acknowledged") == 1

        await eventually(acknowledged, 30, "the history says so, once")

        with sqlite3.connect(home.folder / "alerts.db") as raw:
            raw.execute("UPDATE job_schedules SET enabled = 0 WHERE key = 'by-sql'")

        async def paused() -> bool:
            return (await http.get("/api/alerts/by-sql")).json()["status"] == "INACTIVE"

        await eventually(paused, 30, "a disabled row pauses its alert")

        # schedules and runs by the command line, the same by HTTP
        report = tmp_path / "report.json"
        report.write_text(
            json.dumps(
                {
                    "job_type": "report",
                    "task_params": {"symbols": ["SIM"], "timeframe": "1m", "notification_channels": ["log"]},
                    "cron": "0 9 * * *",
                }
            )
        )
        added = home.data("schedules", "add", str(report), "--id", "daily", "--user", "ann")
        assert added == [{"id": "daily", "job_type": "report", "version": 1, "told": True}]
        run_id = home.data("schedules", "trigger", "daily")["run_id"]

        async def done() -> bool:
            return (await http.get(f"/api/runs/{run_id}")).json()["status"] == "COMPLETED"

        await eventually(done, 30, "the report is made")

        async def told() -> bool:
            return bool((await http.get(f"/api/runs/{run_id}")).json()["result"]["deliveries"] == {"log": "SENT"})

        await eventually(told, 30, "the report is told")
        result = home.data("runs", "show", run_id)["result"]
        assert result["symbols"]["SIM"]["close"] > 0
        screened = await http.post(
            "/api/screeners/run",
            json={
                "symbols": ["SIM", "SIM2"],
                "timeframe": "1m",
                "filter_criteria": {"conditions": ["close > 0"]},
                "top_n": 1,
            },
        )
        assert screened.status_code == 202

        async def screened_is_done() -> bool:
            return (await http.get(screened.headers["Location"])).json()["status"] == "COMPLETED"

        await eventually(screened_is_done, 30, "the screening is done")
        found = (await http.get(screened.headers["Location"])).json()["result"]
        assert (found["total_tickers"], found["filtered_count"], len(found["results"])) == (2, 2, 1)
        for body, wanted in (
            ({"job_type": "backup", "task_params": {"keep": 2}, "cron": "@daily"}, "file"),
            ({"job_type": "data_processing", "task_params": {"symbols": ["SIM"], "operation": "indicators", "timeframe": "1m", "indicators": ["rsi(14)"]}, "cron": "@daily"}, "symbols"),
            ({"job_type": "notification", "task_params": {"message": "hello"}, "cron": "@daily"}, "deliveries"),
            ({"job_type": "alert", "task_params": {"rule": "SIM > 0"}}, "truth"),
        ):  # fmt: skip
            made = (await http.post("/api/schedules", json=body)).json()
            ordered = await http.post(f"/api/schedules/{made['id']}/trigger")

            async def completed(where: str = ordered.headers["Location"]) -> bool:
                run = (await http.get(where)).json()
                assert run["status"] not in ("FAILED", "CANCELLED"), run
                return bool(run["status"] == "COMPLETED")

            await eventually(completed, 30, body["job_type"])
            assert wanted in (await http.get(ordered.headers["Location"])).json()["result"]
        assert len(list((home.folder / "backups").glob("alerts-*.db"))) == 1
        stats = (await http.get("/stats")).json()
        assert stats["schedules"]["report"] == {"enabled": 1, "disabled": 0}
        assert stats["runs_last_day"]["report"]["COMPLETED"]["count"] == 1
        counted = home.data("runs", "stats")
        assert {(one["job_type"], one["status"]) for one in counted} >= {
            ("report", "COMPLETED"),
            ("alert", "COMPLETED"),
        }

        # looking after it
        health = (await http.get("/health")).json()
        assert (health["status"], health["issues"]) == ("healthy", []), health
        assert {"database", "temporal", "workers", "reconciler", "runs", "notifications"} <= set(health["components"])
        assert home.data("status")["status"] == "healthy"
        checks = home.data("doctor")
        assert {one["verdict"] for one in checks} <= {"ok", "note"}, checks
        assert {one["check"] for one in checks} >= {
            "database",
            "schema",
            "temporal",
            "namespace",
            "search attributes",
            "pollers",
            "clock",
            "providers",
        }
        temporal = home.run("sync", "--dry-run")
        assert temporal.returncode == 0, temporal.stderr
        assert "nothing to do" in temporal.stderr
        with sqlite3.connect(home.folder / "alerts.db") as raw:
            raw.execute("INSERT INTO job_schedules (key, task_params) VALUES ('spoilt', '{\"rule\": \"close >\"}')")

        async def degraded() -> bool:
            return (await http.get("/health")).json()["status"] == "degraded"

        await eventually(degraded, 30, "a row that cannot be used degrades")
        (bad,) = home.data("schedules", "list", "--invalid")
        assert bad["id"] == "spoilt"
        assert "$.task_params.rule" in {one["path"] for one in bad["errors"]}
        assert [one["client"] for one in home.data("schedules", "audit", "spoilt")] == ["sql"]
    up.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(up.wait, 40) == 0
    assert not home.leftovers()
    offline = home.data("schedules", "disable", "daily", "--reason", "holiday")
    assert (offline["version"], offline["told"]) == (2, False)
    assert home.run("doctor").returncode == 1
    assert home.run("status").returncode == 1


def test_commands_that_need_no_server(home: Home, tmp_path: Path) -> None:
    shown = home.run(
        "config",
        "--json",
        DATABASE_URL="postgresql://ann:hush@db.example/alerts",
        ALERT_WEBHOOK_URL="https://hook.example/hush",
        DB_POOL_SIZE="7",
    )
    config = json.loads(shown.stdout)
    assert "hush" not in shown.stdout + shown.stderr
    assert (config["DB_POOL_SIZE"], config["DATABASE_URL"]) == (7, "postgresql://ann:***@db.example/alerts")
    wrong = home.run("config", DB_POOL_SIZE="many", SCHEDULER_TIMEZONE="Mars/Base", TRADING_ENV="casino")
    assert wrong.returncode == 2
    assert all(name in wrong.stderr for name in ("DB_POOL_SIZE", "SCHEDULER_TIMEZONE", "TRADING_ENV"))
    assert home.run("db", "current").returncode == 1
    assert home.data("db", "upgrade") == {"schema": HEAD}
    assert home.run("db", "downgrade", "0001").returncode == 2
    assert home.data("db", "downgrade", "0001", "--yes") == {"schema": "0001"}
    assert home.data("db", "upgrade") == {"schema": HEAD}
    made = home.run("keys", "create", "laptop", "--days", "1")
    assert made.returncode == 0
    (key,) = home.data("keys", "list")
    assert (key["name"], key["scopes"]) == ("laptop", ["read", "run", "write"])
    assert made.stdout.strip().split("_")[2] not in home.run("keys", "list", "--json").stdout
    assert home.data("keys", "revoke", key["id"])["revoked"]
    assert home.run("keys", "revoke", key["id"]).returncode == 3
    assert home.run("keys", "create", "x", "--scope", "all").returncode == 2
    assert home.run("schedules", "show", "nothing").returncode == 3
    assert home.run("runs", "show", "nothing").returncode == 3
    assert home.run("sync", seconds=30).returncode == 1
    many = tmp_path / "many.json"
    many.write_text(
        json.dumps(
            [
                {"job_type": "report", "task_params": {"symbols": []}, "cron": "0 9 * * *"},
                {"job_type": "backup", "task_params": {}, "cron": "61 * * * *"},
            ]
        )
    )
    refused = home.run("schedules", "add", str(many))
    assert refused.returncode == 2
    assert "$[0].task_params.symbols" in refused.stderr
    assert "$[1].cron" in refused.stderr
    assert home.data("schedules", "list") == []
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "alert.v1.json").write_text(json.dumps({"properties": {"symbol": {"enum": ["AAPL"]}}}))
    own = home.run("add", "MSFT > 1", ALERT_SCHEMA_DIR=str(folder))
    assert (own.returncode, "$.task_params.symbol" in own.stderr) == (2, True)
    assert home.run("add", "AAPL > 1", ALERT_SCHEMA_DIR=str(folder)).returncode == 0

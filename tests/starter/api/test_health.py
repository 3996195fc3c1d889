"""``/health``, ``/stats``, ``/healthz`` and ``/readyz``: real figures, and every issue with how to mend it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.market_data.vendors.status import NOTE
from domain.run import Run, RunStatus
from starter.api.app import create_app
from starter.clock import now
from starter.gateway import Gateway
from storage.database import HEAD, Database
from tests.starter.api.conftest import Api, client_of
from tests.starter.reconciler.support import installed
from tests.storage.test_contract import sql
from worker.settings import Settings


async def test_without_temporal_it_is_unhealthy_and_says_so(api: Api) -> None:
    answer = await api.nobody.get("/health")
    body = answer.json()
    assert (answer.status_code, body["status"], body["service"]) == (503, "unhealthy", "market-alerts")
    assert [(one["component"], one["level"]) for one in body["issues"]] == [("temporal", "unhealthy")]
    assert body["issues"][0]["mend"]
    assert body["components"]["database"]["schema"] == HEAD
    assert (await api.nobody.get("/healthz")).json() == {"status": "ok", "missing": []}
    ready = await api.nobody.get("/readyz")
    assert (ready.status_code, len(ready.json()["missing"])) == (503, 1)


async def test_an_idle_fleet_is_healthy_and_no_fleet_is_not(
    dev_server: WorkflowEnvironment, any_database: Database, tmp_path: Path
) -> None:
    url = any_database.engine.url.render_as_string(hide_password=False)
    target = dev_server.client.service_client.config.target_host
    settings = Settings(database_url=url, alerts_home=tmp_path, temporal_address=target, health_check_interval=0)
    async with installed(dev_server.client, url, tmp_path) as home:
        client = client_of(create_app(settings, any_database, Gateway(settings, any_database)))
        await home.reconciler.sweep(full=True)

        async def healthy() -> bool:
            body = (await client.get("/health")).json()
            return bool(
                body["status"] == "healthy"
                and body["issues"] == []
                and min(body["components"]["workers"]["pollers"].values()) >= 1
            )

        await home.becomes(healthy)
        await home.insert("bad", "[]")
        await home.reconciler.sweep(full=False)
        body = (await client.get("/health")).json()
        assert (body["status"], [one["component"] for one in body["issues"]]) == ("degraded", ["definitions"])
        assert body["components"]["reconciler"]["invalid_rows"] == 1
        await home.sql("DELETE FROM job_schedules")
        await client.aclose()


async def test_figures_are_of_the_keys_user(api: Api) -> None:
    for user, client in (("ann", api.ann), ("bob", api.bob)):
        await client.post("/api/alerts", json={"id": f"{user}s", "expression": "A > 1"})
    await api.ann.post("/api/schedules/anns/trigger")
    await sql(api.database, "UPDATE job_schedules SET status = 'TRIGGERED' WHERE key = 'bobs'")
    anns, all_ = (await api.ann.get("/stats")).json(), (await api.admin.get("/stats")).json()
    assert (anns["alerts"], all_["alerts"]) == ({"ARMED": 1}, {"ARMED": 1, "TRIGGERED": 1})
    assert anns["schedules"] == {"alert": {"enabled": 1, "disabled": 0}}
    assert anns["runs_last_day"]["alert"]["PENDING"]["count"] == 1
    assert (await api.nobody.get("/stats")).json()["alerts"] == all_["alerts"], "as whoever may ask how it is"
    wrong = await api.nobody.get("/stats", headers={"Authorization": "Bearer nonsense"})
    assert wrong.status_code == 401


def vendor(name: str, **state: Any) -> dict[str, Any]:
    return {"name": name, "circuit": "closed", "calls": 9, "failures": 3, "last_ok_at": None, **state}


def told_at(state: dict[str, Any]) -> dict[str, Any]:
    """Minutes ago become times, when the test runs."""
    return {
        name: (now() - timedelta(minutes=value)).isoformat() if name.endswith("_at") and value is not None else value
        for name, value in state.items()
    }


@pytest.mark.parametrize(
    ("states", "unreachable"),
    [
        ([vendor("yahoo", last_error="timed out", last_error_at=1, last_ok_at=5)], {"yahoo": "timed out"}),
        ([vendor("yahoo", last_error="timed out", last_error_at=5, last_ok_at=1)], {}),
        ([vendor("yahoo", last_error="x", last_error_at=1), vendor("binance", last_ok_at=1)], {}),
        ([vendor("yahoo", last_error="x", last_error_at=1), vendor("binance", last_error="y", last_error_at=2)],
         {"yahoo": "x", "binance": "y"}),
        ([vendor("yahoo", last_error="x", last_error_at=60)], {}),
        ([vendor("yahoo", last_error="x", last_error_at=1), vendor("binance", calls=0, failures=0)], {"yahoo": "x"}),
        ([{"name": "simulated", "circuit": "none", "calls": 0, "failures": 0}], {}),
    ],
)  # fmt: skip
async def test_without_any_vendor_it_is_degraded_and_says_why(
    api: Api, states: list[Any], unreachable: dict[str, str]
) -> None:
    async with api.database.transaction() as work:
        await work.reports.put(f"{NOTE}1@host", now(), {"providers": [told_at(one) for one in states]})
    body = (await api.nobody.get("/health")).json()
    assert body["components"]["market_data"]["unreachable"] == unreachable
    issues = [one for one in body["issues"] if one["component"] == "market data"]
    assert len(issues) == bool(unreachable)
    assert all(why in issues[0]["message"] for why in unreachable.values())


async def test_where_most_runs_fail_it_is_degraded_and_says_how(api: Api) -> None:
    def run(status: RunStatus, error: str | None = None) -> Run:
        at = now()
        return Run(str(uuid.uuid4()), "report", None, "ann", status, at, at, at, at, error=error)

    bad = [run(RunStatus.FAILED, "yahoo: HTTP 500") for _ in range(6)]
    async with api.database.transaction() as work:
        await work.runs.add([*bad, *(run(RunStatus.COMPLETED) for _ in range(6))])
    assert (await api.nobody.get("/health")).json()["components"]["runs"]["status"] == "healthy"
    async with api.database.transaction() as work:
        await work.runs.add([run(RunStatus.FAILED, "yahoo: HTTP 500")])
    body = (await api.nobody.get("/health")).json()
    (issue,) = [one for one in body["issues"] if one["component"] == "runs"]
    assert issue["message"] == "7 of 13 runs of the last hour failed: yahoo: HTTP 500"

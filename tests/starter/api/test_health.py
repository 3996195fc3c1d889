"""``/health``, ``/stats``, ``/healthz`` and ``/readyz``: real figures, and every issue with how to mend it."""

from __future__ import annotations

from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from starter.api.app import create_app
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

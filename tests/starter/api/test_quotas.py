"""What one user may have is bounded, each bound is named when it is met, and nobody pays for another."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from starter.quotas import a_minute
from tests.starter.api.conftest import Api

REPORT = {"job_type": "report", "cron": "@daily", "task_params": {"symbols": ["AAPL"]}}


@pytest.fixture(autouse=True)
def few(api: Api) -> None:
    bounds = {"quota_schedules": 4, "quota_alerts": 2, "quota_ticks": 3, "quota_symbols": 3, "quota_runs": 2}
    api.app.state.settings = api.app.state.settings.model_copy(update=bounds)


def refused(answer: httpx.Response, variable: str, status: int = 403) -> bool:
    told = answer.json()
    return (answer.status_code, told["type"]) == (status, "/problems/over-quota") and variable in told["detail"]


async def make(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    return await client.post("/api/alerts", json={"expression": "AAPL > 1", "timeframe": "1h", **more})


async def test_alerts_and_schedules_are_counted_for_each_user(api: Api) -> None:
    assert [(await make(api.ann)).status_code for _ in range(2)] == [201, 201]
    assert refused(await make(api.ann), "QUOTA_ALERTS")
    assert (await make(api.bob)).status_code == 201
    assert [(await api.ann.post("/api/schedules", json=REPORT)).status_code for _ in range(2)] == [201, 201]
    assert refused(await api.ann.post("/api/schedules", json=REPORT), "QUOTA_SCHEDULES")
    assert [(await make(api.admin)).status_code for _ in range(5)] == [201] * 5


async def test_ticks_are_counted_when_something_is_made_edited_or_resumed(api: Api) -> None:
    first = (await make(api.ann, timeframe="1m", id="first")).json()
    second = (await make(api.ann, id="second")).json()
    assert first["version"] == second["version"] == 1
    faster = await api.ann.patch("/api/alerts/second", json={"cron": "*/15 * * * * *"}, headers={"If-Match": "*"})
    assert refused(faster, "no provider has bars of seconds") or refused(faster, "QUOTA_TICKS")
    api.app.state.settings = api.app.state.settings.model_copy(update={"alerts_providers": ("simulated",)})
    faster = await api.ann.patch("/api/alerts/second", json={"cron": "*/15 * * * * *"}, headers={"If-Match": "*"})
    assert refused(faster, "QUOTA_TICKS")
    halves = await api.ann.patch("/api/alerts/second", json={"cron": "*/30 * * * * *"}, headers={"If-Match": "*"})
    assert halves.status_code == 200
    assert (await api.ann.post("/api/alerts/first/pause")).status_code == 200
    more = await api.ann.patch("/api/alerts/second", json={"cron": "*/20 * * * * *"}, headers={"If-Match": "*"})
    assert more.status_code == 200
    assert refused(await api.ann.post("/api/alerts/first/resume"), "QUOTA_TICKS")


async def test_seconds_are_for_bars_of_seconds(api: Api) -> None:
    api.app.state.settings = api.app.state.settings.model_copy(update={"alerts_providers": ("yahoo",)})
    assert refused(await make(api.ann, cron="0,30 * * * * *"), "no provider has bars of seconds")
    assert (await make(api.ann, cron="30 * * * * *")).status_code == 201


async def test_tickers_of_a_job_are_counted(api: Api) -> None:
    many = {"symbols": ["A", "B", "C", "D"]}
    assert refused(await api.ann.post("/api/schedules", json={**REPORT, "task_params": many}), "QUOTA_SYMBOLS")
    assert refused(await api.ann.post("/api/reports/run", json=many), "QUOTA_SYMBOLS")
    assert (await api.admin.post("/api/reports/run", json=many)).status_code == 202


async def test_runs_under_way_are_counted(api: Api) -> None:
    wanted = {"symbols": ["AAPL"]}
    assert [(await api.ann.post("/api/reports/run", json=wanted)).status_code for _ in range(2)] == [202, 202]
    third = await api.ann.post("/api/reports/run", json=wanted)
    assert refused(third, "QUOTA_RUNS", 429)
    assert third.headers["Retry-After"] == "10"
    assert (await api.bob.post("/api/reports/run", json=wanted)).status_code == 202
    running = (await api.ann.get("/api/runs")).json()["items"][0]["run_id"]
    assert (await api.ann.delete(f"/api/runs/{running}")).status_code == 200
    assert (await api.ann.post("/api/reports/run", json=wanted)).status_code == 202


@pytest.mark.parametrize(
    ("cron", "ticks"),
    [("* * * * *", 1), ("* * * * * *", 60), ("0 * * * *", 1 / 60), ("0 30 16 * * 1-5", 1 / 60), ("broken", 0)],
)
def test_how_often_a_cron_fires(cron: str, ticks: float) -> None:
    assert a_minute(cron) == ticks

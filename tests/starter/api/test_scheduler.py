"""Daily jobs over HTTP, as clients of the replaced service send them."""

from __future__ import annotations

from typing import Any

import pytest

from starter.clock import now
from storage.database import Database
from tests.starter.api.conftest import Api
from tests.storage.test_contract import make_run

BODY = {"name": "After the close", "stock_ids": ["aapl", "MSFT", 7203], "schedule_time": "16:30"}


async def test_from_its_beginning_to_its_end(api: Api) -> None:
    made = await api.ann.post("/scheduler/jobs", json=BODY)
    assert made.status_code == 201, made.text
    job = made.json()
    assert made.headers["Location"] == f"/scheduler/jobs/{job['id']}"
    assert {name: job[name] for name in ("name", "stock_ids", "schedule_time", "timezone", "status", "last_run")} == {
        "name": "After the close", "stock_ids": ["AAPL", "MSFT", "7203"], "schedule_time": "16:30", "timezone": "UTC",
        "status": "running", "last_run": None,
    }  # fmt: skip
    at = f"/scheduler/jobs/{job['id']}"
    assert (await api.ann.get(at)).json() == job
    assert (await api.ann.get("/scheduler/jobs")).json() == {"jobs": [job], "total": 1}
    schedule = (await api.ann.get(f"/api/schedules/{job['id']}")).json()
    assert (schedule["job_type"], schedule["cron"]) == ("data_processing", "30 16 * * *")
    assert schedule["task_params"]["operation"] == "indicators"
    changed = (await api.ann.put(at, json={"schedule_time": "09:05"})).json()
    assert (changed["schedule_time"], changed["stock_ids"], changed["name"]) == ("09:05", job["stock_ids"], job["name"])
    assert (await api.ann.post(f"{at}/stop")).json()["status"] == "stopped"
    assert (await api.ann.post(f"{at}/stop")).json()["status"] == "stopped", "again"
    status = (await api.ann.get("/scheduler/status")).json()
    assert status == {"running": False, "timezone": "UTC", "jobs": 1, "running_jobs": 0, "next_run_time": None}
    assert (await api.ann.post(f"{at}/start")).json()["status"] == "running"
    assert (await api.ann.delete(at)).status_code == 204
    assert (await api.ann.get(at)).status_code == 404
    assert (await api.ann.get("/scheduler/jobs")).json() == {"jobs": [], "total": 0}


async def test_its_last_run_is_told(api: Api) -> None:
    job = (await api.ann.post("/scheduler/jobs", json=BODY)).json()
    async with api.database.transaction() as work:
        await work.runs.add(
            [make_run(job_id=job["id"], job_type="data_processing", user_id="ann", scheduled_for=now())]
        )
    last = (await api.ann.get(f"/scheduler/jobs/{job['id']}")).json()["last_run"]
    assert last["status"] in ("PENDING", "RUNNING", "COMPLETED")


async def test_nobody_sees_anothers_and_other_schedules_are_none(api: Api) -> None:
    job = (await api.ann.post("/scheduler/jobs", json=BODY)).json()
    at = f"/scheduler/jobs/{job['id']}"
    assert (await api.bob.get("/scheduler/jobs")).json()["total"] == 0
    answers = [
        await api.bob.get(at),
        await api.bob.put(at, json={"name": "x"}),
        await api.bob.post(f"{at}/stop"),
        await api.bob.delete(at),
    ]
    assert [one.status_code for one in answers] == [404] * 4
    assert (await api.nobody.get("/scheduler/jobs")).status_code == 401
    assert (await api.reader.post("/scheduler/jobs", json=BODY)).status_code == 403
    assert (await api.admin.get("/scheduler/jobs")).json()["total"] == 1
    other = {"job_type": "report", "task_params": {"symbols": ["A"]}, "cron": "0 9 * * *", "id": "report"}
    await api.ann.post("/api/schedules", json=other)
    assert (await api.ann.get("/scheduler/jobs/report")).status_code == 404
    assert (await api.ann.get("/scheduler/jobs")).json()["total"] == 1


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"schedule_time": "25:00"}, ["$.schedule_time"]),
        ({"schedule_time": "16:30:00"}, ["$.schedule_time"]),
        ({"stock_ids": []}, ["$.stock_ids"]),
        ({"stock_ids": ["A B"], "schedule_time": "x"}, ["$.schedule_time", "$.stock_ids[0]"]),
        ({"timezone": "Mars"}, ["$.timezone"]),
        ({"name": ""}, ["$.name"]),
        ({"colour": 1}, ["$.colour"]),
    ],
)
async def test_what_cannot_be_is_refused_by_its_writers_names(
    api: Api, changes: dict[str, Any], paths: list[str]
) -> None:
    answer = await api.ann.post("/scheduler/jobs", json={**BODY, **changes})
    assert answer.status_code == 422, answer.text
    assert [one["path"] for one in answer.json()["errors"]] == paths
    assert (await api.ann.get("/scheduler/jobs")).json()["total"] == 0


async def test_one_that_got_another_cron_shows_it(api: Api, any_database: Database) -> None:
    job = (await api.ann.post("/scheduler/jobs", json=BODY)).json()
    schedule = (await api.ann.get(f"/api/schedules/{job['id']}")).json()
    body = {"job_type": "data_processing", "task_params": schedule["task_params"], "cron": "0 9 * * 1-5"}
    edited = await api.ann.put(f"/api/schedules/{job['id']}", json=body, headers={"If-Match": "*"})
    assert edited.status_code == 200, edited.text
    assert (await api.ann.get(f"/scheduler/jobs/{job['id']}")).json()["schedule_time"] == "0 9 * * 1-5"
    kept = (await api.ann.put(f"/scheduler/jobs/{job['id']}", json={"name": "renamed"})).json()
    assert (kept["name"], kept["schedule_time"]) == ("renamed", "0 9 * * 1-5")
    empty = await api.ann.put(f"/scheduler/jobs/{job['id']}", json={"stock_ids": []})
    assert empty.status_code == 422

"""Nobody learns from an answer which ids other users have."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from starter.names import mark_of
from tests.starter.api.conftest import Api

ALERT = {"id": "aapl-hot", "expression": "AAPL > 1", "timeframe": "1h"}
REPORT = {"id": "nightly", "job_type": "report", "cron": "@daily", "task_params": {"symbols": ["AAPL"]}}


def told(answer: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    """All that could tell two answers apart, but for what differs with each answer anyway."""
    data = json.loads(answer.content) if answer.content else None
    if isinstance(data, dict):
        data = {
            name: value
            for name, value in data.items()
            if name not in ("created_at", "updated_at", "instance", "user_id")
        }
    kept = ("etag", "location", "content-type", "temporal-told")
    return answer.status_code, data, {name: value for name, value in answer.headers.items() if name in kept}


@pytest.mark.parametrize(("path", "body"), [("/api/alerts", ALERT), ("/api/schedules", REPORT)])
async def test_an_id_that_another_user_has_looks_like_any_other(api: Api, path: str, body: dict[str, Any]) -> None:
    id = body["id"]
    before = [
        told(await api.bob.get(f"{path}/{id}")),
        told(await api.bob.delete(f"{path}/{id}", headers={"If-Match": "*"})),
    ]
    assert (await api.ann.post(path, json=body)).status_code == 201
    after = [
        told(await api.bob.get(f"{path}/{id}")),
        told(await api.bob.delete(f"{path}/{id}", headers={"If-Match": "*"})),
    ]
    assert before == after
    anns, bobs = await api.ann.get(f"{path}/{id}"), await api.bob.post(path, json=body)
    assert (bobs.status_code, bobs.json()["id"]) == (201, id)
    assert bobs.headers["Location"] == f"{path}/{id}"
    assert int(bobs.headers["Content-Length"]) == len(bobs.content)
    own = await api.bob.get(f"{path}/{id}")
    assert (own.json()["user_id"], own.json()["id"]) == ("bob", id)
    assert [one["id"] for one in (await api.bob.get(path)).json()["items"]] == [id]
    assert mark_of("bob") not in own.text
    again = await api.bob.post(path, json=body)
    assert again.status_code == 409
    assert mark_of("bob") not in again.text
    assert told(await api.ann.get(f"{path}/{id}")) == told(anns), "the first is as it was"


async def test_each_steers_their_own_under_the_same_id(api: Api) -> None:
    for client in (api.ann, api.bob):
        assert (await client.post("/api/alerts", json=ALERT)).status_code == 201
    changed = await api.bob.patch("/api/alerts/aapl-hot", json={"description": "bob's"}, headers={"If-Match": "*"})
    assert (changed.status_code, changed.json()["description" if "description" in changed.json() else "id"]) == (
        200,
        "aapl-hot",
    )
    assert (await api.bob.post("/api/alerts/aapl-hot/pause")).json()["enabled"] is False
    assert (await api.ann.get("/api/alerts/aapl-hot")).json()["enabled"] is True
    assert (await api.ann.get("/api/alerts/aapl-hot")).json()["version"] == 1
    run = await api.bob.post("/api/schedules/aapl-hot/trigger")
    assert (run.status_code, run.json()["job_id"]) == (202, "aapl-hot")
    assert [
        one["job_id"] for one in (await api.bob.get("/api/runs", params={"job_id": "aapl-hot"})).json()["items"]
    ] == ["aapl-hot"]
    assert (await api.ann.get("/api/runs", params={"job_id": "aapl-hot"})).json()["items"] == []
    assert len((await api.bob.get("/api/schedules/aapl-hot/audit")).json()["items"]) >= 3
    assert (await api.bob.get("/api/alerts/aapl-hot/history")).status_code == 200
    assert (await api.bob.delete("/api/alerts/aapl-hot", headers={"If-Match": "*"})).status_code == 204
    assert (await api.bob.get("/api/alerts/aapl-hot")).status_code == 404
    assert (await api.ann.get("/api/alerts/aapl-hot")).status_code == 200
    assert [one["id"] for one in (await api.admin.get("/api/alerts")).json()["items"]] == ["aapl-hot"]


async def test_a_chosen_id_leaves_room_for_a_mark(api: Api) -> None:
    refused = await api.ann.post("/api/alerts", json={**ALERT, "id": "a" * 49})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "$.id")


async def test_ones_own_stays_ones_own_when_the_other_is_gone(api: Api) -> None:
    for client in (api.ann, api.bob):
        assert (await client.post("/api/alerts", json=ALERT)).status_code == 201
    assert (await api.bob.post("/api/schedules/aapl-hot/trigger")).status_code == 202
    assert (await api.ann.delete("/api/alerts/aapl-hot", headers={"If-Match": "*"})).status_code == 204
    assert (await api.bob.get("/api/alerts/aapl-hot")).status_code == 200
    assert len((await api.bob.get("/api/runs", params={"job_id": "aapl-hot"})).json()["items"]) == 1
    assert (await api.bob.post("/api/alerts", json=ALERT)).status_code == 409, "there are not two of one name"


async def test_two_users_who_choose_an_id_at_once_both_get_it(api: Api) -> None:
    for number in range(5):
        body = {**ALERT, "id": f"race-{number}"}
        answers = await asyncio.gather(*(client.post("/api/alerts", json=body) for client in (api.ann, api.bob)))
        assert [one.status_code for one in answers] == [201, 201]
        assert [one.json()["id"] for one in answers] == [body["id"]] * 2

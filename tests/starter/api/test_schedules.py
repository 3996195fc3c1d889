"""Schedules over HTTP: every write is versioned, owned, audited, repeatable, and works without Temporal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from starter.api.app import create_app
from starter.keys import Scope
from storage.database import Database
from tests.starter.api.conftest import Api, client_of, key_of
from tests.storage.test_contract import sql
from worker.settings import Settings

ALERT = {"job_type": "alert", "name": "hot", "task_params": {"rule": "AAPL > 150"}}
REPORT = {
    "job_type": "report",
    "task_params": {"symbols": ["AAPL"]},
    "cron": "0 30 16 * * 1-5",
    "timezone": "America/New_York",
}


async def test_a_schedule_from_its_beginning_to_its_end(api: Api) -> None:
    made = await api.ann.post("/api/schedules", json={**ALERT, "id": "mine"})
    assert made.status_code == 201, made.text
    assert (made.headers["ETag"], made.headers["Location"], made.headers["Temporal-Told"]) == (
        '"1"',
        "/api/schedules/mine",
        "false",
    )
    body = made.json()
    assert (body["user_id"], body["target"], body["enabled"], body["version"], body["status"]) == (
        "ann",
        "AAPL",
        True,
        1,
        "ARMED",
    )
    found = await api.ann.get(made.headers["Location"])
    assert (found.json(), found.headers["ETag"]) == (body, '"1"')

    changed = {**ALERT, "name": "hotter", "enabled": False}
    assert (await api.ann.put("/api/schedules/mine", json=changed)).status_code == 428
    done = await api.ann.put("/api/schedules/mine", json=changed, headers={"If-Match": '"1"'})
    assert (done.status_code, done.headers["ETag"], done.json()["name"], done.json()["enabled"]) == (
        200,
        '"2"',
        "hotter",
        False,
    )
    stale = await api.ann.put("/api/schedules/mine", json=ALERT, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.headers["ETag"]) == (412, '"2"')
    same = await api.ann.put("/api/schedules/mine", json=changed, headers={"If-Match": '"2"'})
    assert same.headers["ETag"] == '"2"'  # nothing differs, nothing is written

    audit = (await api.ann.get("/api/schedules/mine/audit")).json()["items"]
    assert [(one["actor"], one["client"], one["action"], one["version"]) for one in audit] == [
        ("ann", "api", "paused", 2),
        ("ann", "api", "created", 1),
    ]
    assert audit[0]["detail"]["fields"] == ["name"]

    assert (await api.ann.delete("/api/schedules/mine")).status_code == 428
    assert (await api.ann.delete("/api/schedules/mine", headers={"If-Match": '"1"'})).status_code == 412
    assert (await api.ann.delete("/api/schedules/mine", headers={"If-Match": "*"})).status_code == 204
    gone = await api.ann.get("/api/schedules/mine")
    assert (gone.status_code, gone.headers["content-type"]) == (404, "application/problem+json")


async def test_every_fault_is_named_at_once(api: Api) -> None:
    bad = {
        "job_type": "report",
        "task_params": {"symbols": [], "timeframe": "7x"},
        "cron": "61 * * * *",
        "timezone": "Mars/Base",
    }
    answer = await api.ann.post("/api/schedules", json=bad)
    assert answer.status_code == 422
    body = answer.json()
    assert {one["path"] for one in body["errors"]} == {
        "$.task_params.symbols",
        "$.task_params.timeframe",
        "$.cron",
        "$.timezone",
    }
    assert (body["type"], body["status"], body["title"]) == ("/problems/invalid-input", 422, "Unprocessable Entity")
    assert (await api.nobody.get(body["type"])).json()["type"] == body["type"]
    shape = await api.ann.post(
        "/api/schedules", json={"job_type": "a dance", "task_params": [], "more": 1, "enabled": "yes"}
    )
    assert {one["path"] for one in shape.json()["errors"]} == {"$.job_type", "$.task_params", "$.more", "$.enabled"}
    assert (await api.ann.get("/api/schedules")).json()["items"] == []
    for text in (
        b"{",
        b'{"a": NaN}',
        b"\xff",
        b'{"job_type":"alert","task_params":{"rule":"\\ud800 > 1"}}',
        b'{"job_type":"alert","name":"\\u0000","task_params":{}}',
    ):
        odd = await api.ann.post("/api/schedules", content=text, headers={"Content-Type": "application/json"})
        assert odd.status_code in (400, 422), (text, odd.text)


async def test_others_see_nothing_and_admins_all(api: Api) -> None:
    await api.ann.post("/api/schedules", json={**ALERT, "id": "anns"})
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/trigger"), ("GET", "/audit")):
        answer = await api.bob.request(method, f"/api/schedules/anns{path}", headers={"If-Match": "*"})
        assert answer.status_code == 404, (method, path)
    assert (await api.bob.put("/api/schedules/anns", json=ALERT, headers={"If-Match": "*"})).status_code == 404
    assert (await api.bob.get("/api/schedules", params={"user_id": "ann"})).json()["items"] == []
    assert [one["id"] for one in (await api.admin.get("/api/schedules")).json()["items"]] == ["anns"]
    assert (await api.admin.get("/api/schedules", params={"user_id": "bob"})).json()["items"] == []
    given = await api.admin.post("/api/schedules", json={**ALERT, "user_id": "bob"})
    assert given.json()["user_id"] == "bob"
    assert (await api.bob.post("/api/schedules", json={**ALERT, "user_id": "ann"})).status_code == 403
    assert (await api.bob.post("/api/schedules", json={**ALERT, "id": "anns"})).status_code == 201
    assert (await api.ann.get("/api/schedules/anns")).json()["user_id"] == "ann"


async def test_keys_and_scopes(api: Api) -> None:
    for client in (api.nobody,):
        answer = await client.get("/api/schedules")
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    unread = await api.nobody.post("/api/schedules", content=b"{bad")
    assert unread.status_code == 401
    assert (await api.reader.get("/api/schedules")).status_code == 200
    assert (await api.reader.post("/api/schedules", json=ALERT)).status_code == 403
    assert (await api.reader.post("/api/schedules/x/trigger")).status_code == 403
    text = api.ann.headers["Authorization"].removeprefix("Bearer ")
    async with api.database.transaction() as work:
        (key,) = [one for one in await work.keys.list() if one.id in text]
        assert text.split("_")[2] not in str(key)
    for wrong in (text[:-1] + "x", text.replace("mak", "max"), "mak_a_b_c", "", "é"):
        assert (
            await api.nobody.get("/api/schedules", headers={"Authorization": f"Bearer {wrong}".encode()})
        ).status_code == 401
    async with api.database.transaction() as work:
        from starter.clock import now

        await work.keys.revoke(key.id, now())
    assert (await api.ann.get("/api/schedules")).status_code == 401


async def test_pages_follow_each_other(api: Api) -> None:
    for index in range(5):
        await api.ann.post("/api/schedules", json={**ALERT, "id": f"p{index}"})
    await api.ann.post("/api/schedules", json={**REPORT, "id": "r"})
    seen, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await api.ann.get("/api/schedules", params=params)).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["p0", "p1", "p2", "p3", "p4", "r"]
    one = await api.ann.get("/api/schedules", params={"job_type": "report"})
    assert [item["id"] for item in one.json()["items"]] == ["r"]
    assert [
        item["id"]
        for item in (await api.ann.get("/api/schedules", params={"target": "AAPL", "enabled": True})).json()["items"]
    ] == seen[:5]
    for bad in ("nonsense", "", "AAAA", "8J+YgA"):
        answer = await api.ann.get("/api/schedules", params={"cursor": bad})
        assert answer.status_code == 422, bad
        assert answer.json()["errors"][0]["path"] == "query.cursor"


async def test_a_repeated_post_is_answered_as_the_first(api: Api) -> None:
    key = {"Idempotency-Key": "once"}
    first = await api.ann.post("/api/schedules", json=ALERT, headers=key)
    again = await api.ann.post("/api/schedules", json=ALERT, headers=key)
    assert (again.status_code, again.json(), again.headers["ETag"]) == (201, first.json(), first.headers["ETag"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Temporal-Told" not in again.headers
    other = await api.ann.post("/api/schedules", json={**ALERT, "name": "other"}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/key-reused")
    assert (await api.bob.post("/api/schedules", json=ALERT, headers=key)).json()["id"] != first.json()["id"]
    assert len((await api.ann.get("/api/schedules")).json()["items"]) == 1
    refused = await api.ann.post(
        "/api/schedules", json={**ALERT, "task_params": {}}, headers={"Idempotency-Key": "bad"}
    )
    assert refused.status_code == 422
    mended = await api.ann.post("/api/schedules", json=ALERT, headers={"Idempotency-Key": "bad"})
    assert mended.status_code == 201  # nothing was done, so nothing is repeated


async def test_posts_at_once_with_one_key_are_one(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.ann.post("/api/schedules", json=ALERT, headers={"Idempotency-Key": "race"}) for _ in range(8))
    )
    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["id"] for one in answers}) == 1
    assert len((await api.ann.get("/api/schedules")).json()["items"]) == 1


async def test_of_writes_at_once_one_wins(api: Api) -> None:
    await api.ann.post("/api/schedules", json={**ALERT, "id": "raced"})
    answers = await asyncio.gather(
        *(
            api.ann.put("/api/schedules/raced", json={**ALERT, "name": f"n{index}"}, headers={"If-Match": '"1"'})
            for index in range(8)
        )
    )
    assert sorted(one.status_code for one in answers) == [200] + [412] * 7
    (winner,) = [one for one in answers if one.status_code == 200]
    found = await api.ann.get("/api/schedules/raced")
    assert (found.json()["name"], found.json()["version"]) == (winner.json()["name"], 2)


async def test_limits(api: Api) -> None:
    large = await api.ann.post("/api/schedules", content=b" " * 2_000_000, headers={"Content-Type": "application/json"})
    assert large.status_code == 413
    answer = await api.ann.get("/api/schedules")
    assert (answer.headers["RateLimit-Limit"], answer.headers["X-Content-Type-Options"]) == ("100000", "nosniff")
    assert (await api.ann.patch("/api/schedules")).headers["Allow"] == "GET, POST"
    assert (await api.ann.get("/api/nothing")).headers["content-type"] == "application/problem+json"


async def test_a_run_by_hand_is_accepted_looked_at_and_cancelled(api: Api) -> None:
    await api.ann.post("/api/schedules", json={**REPORT, "id": "rep"})
    key = {"Idempotency-Key": "run"}
    accepted = await api.ann.post("/api/schedules/rep/trigger", headers=key)
    assert (accepted.status_code, accepted.json()["status"], accepted.json()["job_id"]) == (202, "PENDING", "rep")
    assert (await api.ann.post("/api/schedules/rep/trigger", headers=key)).json()["run_id"] == accepted.json()["run_id"]
    where = accepted.headers["Location"]
    assert (await api.ann.get(where)).json() == accepted.json()
    assert (await api.bob.get(where)).status_code == 404
    assert (await api.bob.delete(where)).status_code == 404
    cancelled = await api.ann.delete(where)
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    assert (await api.ann.delete(where)).status_code == 409
    once = await api.ann.post("/api/reports/run", json={"symbols": ["AAPL"], "report_type": "portfolio_analysis"})
    assert (once.status_code, once.json()["job_id"], once.json()["job_type"]) == (202, None, "report")
    assert (await api.ann.post("/api/screeners/run", json={"symbols": ["A", "B"]})).status_code == 202
    bad = await api.ann.post("/api/reports/run", json={"symbols": [], "include_charts": "x"})
    assert {one["path"] for one in bad.json()["errors"]} == {"$.symbols", "$.include_charts"}
    runs = (await api.ann.get("/api/runs", params={"limit": 2})).json()
    assert (len(runs["items"]), runs["next_cursor"] is not None) == (2, True)
    rest = (await api.ann.get("/api/runs", params={"limit": 2, "cursor": runs["next_cursor"]})).json()
    assert (len(rest["items"]), rest["next_cursor"]) == (1, None)
    assert (await api.ann.get("/api/runs", params={"status": "CANCELLED", "job_id": "rep"})).json()["items"][0][
        "error"
    ] == "cancelled"
    stats = (await api.ann.get("/api/runs/stats")).json()["items"]
    assert {(one["job_type"], one["status"], one["count"]) for one in stats} == {
        ("report", "CANCELLED", 1),
        ("report", "PENDING", 1),
        ("screener", "PENDING", 1),
    }
    assert (await api.ann.get("/api/runs", params={"since": "9999-12-31T23:59:59Z"})).status_code == 422


async def test_what_was_before_under_an_id_is_its_owners(api: Api) -> None:
    await api.ann.post("/api/alerts", json={"id": "reused", "expression": "AAPL > 1"})
    await api.ann.post("/api/alerts/reused/pause", json={"reason": "private"})
    await api.ann.delete("/api/alerts/reused", headers={"If-Match": "*"})
    made = await api.bob.post("/api/alerts", json={"id": "reused", "expression": "AAPL > 2"})
    assert made.json()["version"] > 2  # an ETag of the one before is no ETag of this one
    audit = (await api.bob.get("/api/schedules/reused/audit")).json()["items"]
    assert [(one["actor"], one["action"]) for one in audit] == [("bob", "created")]
    assert (await api.bob.get("/api/alerts/reused/history")).json()["items"] == []
    assert len((await api.admin.get("/api/schedules/reused/audit")).json()["items"]) == 4
    page = (await api.admin.get("/api/schedules/reused/audit", params={"limit": 3})).json()
    rest = (
        await api.admin.get("/api/schedules/reused/audit", params={"limit": 3, "cursor": page["next_cursor"]})
    ).json()
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (3, 1, None)


async def test_texts_no_database_can_hold_are_refused_and_spoil_nothing(api: Api) -> None:
    for raw in (
        b'{"expression":"A > 1","tags":["\xed\xa0\x80"]}',
        b'{"expression":"A\xed\xa0\x80 > 1"}',
        b'{"expression":"A > 1","name":"\\ud800"}',
    ):
        answer = await api.ann.post("/api/alerts", content=raw, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
    assert (await api.ann.post("/api/alerts", json={"expression": "A > 1", "name": "í 한 😀"})).status_code == 201
    statement = "INSERT INTO job_schedules (key, owner, task_params) VALUES ('odd', 'ann', :p)"
    half = '{"rule": "A > 1", "tags": ["\\ud800"]}'
    if api.database.engine.dialect.name == "postgresql":
        with pytest.raises(DBAPIError, match="invalid input syntax for type json"):
            await sql(api.database, statement, p=half)
        return
    await sql(api.database, statement, p=half)
    listed = await api.ann.get("/api/schedules")
    assert listed.status_code == 200
    (odd,) = [one for one in listed.json()["items"] if one["id"] == "odd"]
    assert odd["errors"]


async def test_one_id_at_once_is_one_object(api: Api) -> None:
    body = {**ALERT, "id": "race"}
    answers = await asyncio.gather(
        *(api.ann.post("/api/schedules", json=body, headers={"Idempotency-Key": "k"}) for _ in range(8))
    )
    assert {one.status_code for one in answers} == {201}, [one.text for one in answers]
    without = await asyncio.gather(*(api.ann.post("/api/schedules", json={**ALERT, "id": "race2"}) for _ in range(8)))
    assert sorted(one.status_code for one in without) == [201] + [409] * 7


async def test_pauses_and_resumes_at_once_need_no_precondition(api: Api) -> None:
    await api.ann.post("/api/alerts", json={"id": "a", "expression": "A > 1"})
    answers = await asyncio.gather(*(api.ann.post(f"/api/alerts/a/{'pause' if n % 2 else 'resume'}") for n in range(8)))
    assert {one.status_code for one in answers} == {200}, [one.text for one in answers]


async def test_backups_are_for_admins(api: Api) -> None:
    backup = {"job_type": "backup", "task_params": {"keep": 1}, "cron": "@daily", "id": "bk", "user_id": "ann"}
    assert (await api.ann.post("/api/schedules", json={**backup, "user_id": None})).status_code == 403
    assert (await api.admin.post("/api/schedules", json=backup)).status_code == 201
    assert (await api.ann.post("/api/schedules/bk/trigger")).status_code == 403
    assert (await api.ann.delete("/api/schedules/bk", headers={"If-Match": "*"})).status_code == 403


async def test_tags_that_temporal_cannot_hold_are_refused(api: Api) -> None:
    answer = await api.ann.post(
        "/api/alerts", json={"expression": "A > 1", "tags": ["ы" * 60 + str(n) for n in range(20)]}
    )
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "$.tags")


async def test_who_asks_too_often_is_told_when_to_come_back(any_database: Database, tmp_path: Path) -> None:
    settings = Settings(alerts_home=tmp_path, temporal_address="127.0.0.1:1", api_rate_limit="3/minute")
    app = create_app(settings, any_database)
    key = await key_of(any_database, "ann", Scope.READ)
    first, second = client_of(app, key), client_of(app, await key_of(any_database, "bob", Scope.READ))
    for left in (2, 1, 0):
        answer = await first.get("/api/schedules")
        assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (200, str(left))
    refused = await first.get("/api/schedules")
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await second.get("/api/schedules")).status_code == 200
    assert (await first.get("/healthz")).status_code == 200
    strangers = client_of(app, "mak_wrong_key_x")
    assert [(await strangers.get("/api/schedules")).status_code for _ in range(4)] == [401, 401, 401, 429]

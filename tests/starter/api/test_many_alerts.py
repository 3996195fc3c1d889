"""Many alerts over HTTP: steered together, exported, imported, cloned, brought back; each user with their own alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from starter import alerts
from starter.clock import now
from storage.looks import Look
from tests.starter.api.conftest import Api


async def made(api: Api) -> None:
    for id, tags, group in (("a", ["tech"], "one"), ("b", ["tech"], ""), ("c", [], "one")):
        body = {"id": id, "expression": "AAPL > 150", "tags": tags, "group": group}
        assert (await api.ann.post("/api/alerts", json=body)).status_code == 201
    await api.bob.post("/api/alerts", json={"id": "d", "expression": "AAPL > 150", "tags": ["tech"]})


async def bulk(api: Api, **body: object) -> dict[str, object]:
    answer = await api.ann.post("/api/alerts/bulk", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_a_tag_a_group_or_ids_are_steered_together(api: Api) -> None:
    await made(api)
    assert (await bulk(api, action="pause", tag="tech", dry_run=True))["matched"] == 2, "bob's is not among them"
    paused = await bulk(api, action="pause", tag="tech", reason="earnings")
    assert (paused["done"], paused["failed"]) == (["a", "b"], [])
    assert (await bulk(api, action="resume", ids=["a"]))["done"] == ["a"]
    changed = await bulk(api, action="update", group="one", changes={"rearm": {"type": "edge", "cooldown": 60}})
    assert changed["done"] == ["a", "c"]
    assert (await api.ann.get("/api/alerts/c")).json()["definition"]["rearm"] == {"cooldown": 60.0}
    bad = await bulk(api, action="update", all=True, changes={"rule": "AAPL >"})
    assert [one["id"] for one in bad["failed"]] == ["a", "b", "c"]  # type: ignore[index, union-attr, attr-defined]
    snoozed = await bulk(api, action="snooze", all=True, seconds=60)
    assert len(snoozed["failed"]) == 3, "Temporal is away, and each says so"  # type: ignore[arg-type]


async def test_what_chooses_nothing_or_lacks_something_is_refused(api: Api) -> None:
    await made(api)
    for body, path in (
        ({"action": "delete"}, "$.ids"), ({"action": "delete", "ids": ["a"], "all": True}, "$.ids"),
        ({"action": "snooze", "all": True}, "$.seconds"), ({"action": "update", "all": True}, "$.changes"),
    ):  # fmt: skip
        answer = await api.ann.post("/api/alerts/bulk", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path)
    assert (await api.ann.post("/api/alerts/bulk", json={"action": "delete", "ids": ["d"]})).status_code == 404
    assert (await api.reader.post("/api/alerts/bulk", json={"action": "pause", "all": True})).status_code == 403


async def test_an_export_is_imported_elsewhere_whole_or_not_at_all(api: Api) -> None:
    await made(api)
    exported = await bulk(api, action="export", all=True)
    alerts = exported["alerts"]
    again = await api.ann.post("/api/alerts/import", json={"alerts": alerts})
    assert again.status_code == 409
    left = await api.ann.post("/api/alerts/import", json={"alerts": alerts, "existing": "skip"})
    assert left.json() == {"added": [], "edited": [], "left": ["a", "b", "c"]}
    alerts[0]["definition"]["rule"] = "AAPL > 160"  # type: ignore[index]
    edited = await api.ann.post("/api/alerts/import", json={"alerts": alerts, "existing": "replace"})
    assert edited.json()["edited"] == ["a", "b", "c"]
    assert (await api.ann.get("/api/alerts/a")).json()["rule"] == "close > 160"
    assert (await api.ann.get("/api/alerts/b")).json()["version"] == 1, "what is the same is no edit"
    two = [{"id": "x", "definition": {"rule": "AAPL > 1"}}, {"id": "y", "definition": {"rule": "AAPL >"}}]
    bad = await api.ann.post("/api/alerts/import", json={"alerts": two})
    assert [one["path"] for one in bad.json()["errors"]] == ["$.alerts[1].definition.rule"]
    assert (await api.ann.get("/api/alerts/x")).status_code == 404
    of_bob = [{"id": "z", "user_id": "bob", "definition": {"rule": "AAPL > 1"}}]
    assert (await api.ann.post("/api/alerts/import", json={"alerts": of_bob})).status_code == 403


async def test_a_deleted_alert_comes_back_to_its_owner(api: Api) -> None:
    await made(api)
    await bulk(api, action="delete", ids=["a", "b"])
    listed = (await api.ann.get("/api/alerts/deleted")).json()["items"]
    assert sorted(one["id"] for one in listed) == ["a", "b"]
    assert (await api.bob.get("/api/alerts/deleted")).json() == {"items": []}
    assert (await api.bob.post("/api/alerts/a/restore")).status_code == 404
    back = await api.ann.post("/api/alerts/a/restore")
    assert (back.status_code, back.json()["version"], back.json()["status"]) == (200, 2, "ARMED")
    assert (await api.ann.post("/api/alerts/a/restore")).status_code == 404
    await api.ann.post("/api/alerts", json={"id": "b", "expression": "AAPL > 1"})
    assert (await api.ann.get("/api/alerts/deleted")).json() == {"items": []}, "its id is in use again"


async def test_a_clone_has_what_is_not_changed(api: Api) -> None:
    await made(api)
    clone = await api.ann.post("/api/alerts/a/clone", json={"symbol": "MSFT", "id": "m"})
    assert clone.status_code == 201
    assert (clone.json()["symbol"], clone.json()["definition"]["tags"]) == ("MSFT", ["tech"])
    assert clone.json()["name"] == "MSFT 1m: close > 150", "a name that was only derived is derived anew"
    assert (await api.bob.post("/api/alerts/a/clone")).status_code == 404


async def test_a_list_says_when_alerts_looked_and_whether_anything_watches(api: Api) -> None:
    await made(api)
    listed = (await api.ann.get("/api/alerts")).json()["items"]
    assert [(one["last_look"], one["watched"]) for one in listed] == [(None, False)] * 3
    at = now()
    async with api.database.transaction() as work:
        await work.looks.put([Look("a", at, at - timedelta(seconds=1), {"close": 120.0})])
        await work.looks.put([Look("a", at + timedelta(seconds=5))])
    one = (await api.ann.get("/api/alerts/a")).json()
    assert one["last_values"] == {"close": 120.0}, "a look that saw no new bar leaves them"
    assert one["away"] == 0.2
    assert one["last_look"] is not None


async def test_another_users_alert_of_the_same_name_takes_nothing_from_one_that_was_deleted(api: Api) -> None:
    await made(api)
    at = now()
    async with api.database.transaction() as work:
        await work.looks.put([Look("a", at, at, {"close": 200.0})])
    await bulk(api, action="delete", ids=["a"])
    await api.bob.post("/api/alerts", json={"id": "a", "expression": "MSFT > 500"})
    theirs = (await api.bob.get("/api/alerts/a")).json()
    assert (theirs["last_values"], theirs["last_look"]) == (None, None), "what ann's saw is not theirs"
    await api.bob.request("DELETE", "/api/alerts/a", headers={"If-Match": "*"})
    assert [one["name"] for one in (await api.ann.get("/api/alerts/deleted")).json()["items"]] == [
        "AAPL 1m: close > 150"
    ]
    back = await api.ann.post("/api/alerts/a/restore")
    assert (back.status_code, back.json()["symbol"]) == (200, "AAPL")


async def test_values_of_a_rule_that_was_edited_are_not_shown_as_those_of_the_new_one(api: Api) -> None:
    await made(api)
    at = now()
    async with api.database.transaction() as work:
        await work.looks.put([Look("a", at, at, {"close": 200.0})])
    await bulk(api, action="update", ids=["a"], changes={"rule": "AAPL > 1 and rsi(14) > 70"})
    async with api.database.transaction() as work:
        await work.looks.put([Look("a", at, at, {"close": 200.0})])  # of the old rule, written late
    assert (await api.ann.get("/api/alerts/a")).json()["last_values"] is None


async def test_quotas_hold_for_many_as_for_one(api: Api) -> None:
    api.app.state.settings = settings = api.app.state.settings.model_copy(update={"quota_alerts": 2})
    assert settings.quota_alerts == 2
    three = [{"id": f"q{n}", "definition": {"rule": "AAPL > 1"}} for n in range(3)]
    refused = await api.ann.post("/api/alerts/import", json={"alerts": three})
    assert refused.status_code == 403, refused.text
    assert (await api.ann.get("/api/alerts")).json()["items"] == [], "all or none"
    assert (await api.ann.post("/api/alerts/import", json={"alerts": three[:2]})).status_code == 200


async def test_an_error_of_one_keeps_nobody_from_the_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await made(api)
    real = alerts.enable

    async def sometimes(context: Any, alert_id: str, *given: Any, **more: Any) -> Any:
        if alert_id == "b":
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        return await real(context, alert_id, *given, **more)

    monkeypatch.setattr(alerts, "enable", sometimes)
    found = await bulk(api, action="pause", all=True)
    assert found["done"] == ["a", "c"]
    assert found["failed"] == [{"id": "b", "error": "unexpected OperationalError; try it again"}]


async def test_an_import_over_others_says_whether_they_are_enabled(api: Api) -> None:
    await made(api)
    off = [{"id": "a", "enabled": False, "definition": {"rule": "AAPL > 150"}}]
    answer = await api.ann.post("/api/alerts/import", json={"alerts": off, "existing": "replace"})
    assert answer.json()["edited"] == ["a"]
    assert (await api.ann.get("/api/alerts/a")).json()["enabled"] is False

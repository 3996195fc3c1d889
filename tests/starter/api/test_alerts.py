"""Alerts over HTTP, without Temporal here; with it in ``test_live``."""

from __future__ import annotations

from datetime import timedelta

from domain.bar import Bar
from tests.conftest import START
from tests.starter.api.conftest import Api


async def test_alerts_from_any_form(api: Api) -> None:
    forms = [
        {"expression": "AAPL > 150"},
        {"symbol": "AAPL", "condition": "price_above", "threshold": 150},
        {"symbol": "AAPL", "rule": {"left": {"field": "close"}, "op": ">", "right": 150}},
    ]
    answers = [await api.ann.post("/api/alerts", json=form) for form in forms]
    assert [one.status_code for one in answers] == [201] * 3, [one.text for one in answers]
    assert {one.json()["rule"] for one in answers} == {"close > 150"}
    assert answers[0].headers["Location"] == f"/api/alerts/{answers[0].json()['id']}"
    listed = (await api.ann.get("/api/alerts", params={"symbol": "AAPL"})).json()["items"]
    assert [one["id"] for one in listed] == [one.json()["id"] for one in answers]
    assert (await api.ann.get("/api/alerts", params={"status": "TRIGGERED"})).json()["items"] == []
    bad = await api.ann.post("/api/alerts", json={"expression": "AAPL >", "cron": "99 * * * *"})
    assert {one["path"] for one in bad.json()["errors"]} >= {"$.rule", "$.cron"}


async def test_an_alert_is_patched_paused_and_resumed(api: Api) -> None:
    await api.ann.post("/api/alerts", json={"id": "a", "expression": "AAPL > 150"})
    assert (await api.ann.patch("/api/alerts/a", json={"tags": ["x"]})).status_code == 428
    patched = await api.ann.patch(
        "/api/alerts/a", json={"tags": ["x"], "rearm": {"type": "edge", "cooldown": 60}}, headers={"If-Match": '"1"'}
    )
    assert (patched.status_code, patched.json()["version"], patched.json()["definition"]["tags"]) == (200, 2, ["x"])
    back = await api.ann.patch("/api/alerts/a", json={"tags": None}, headers={"If-Match": '"2"'})
    assert "tags" not in back.json()["definition"]
    paused = await api.ann.post("/api/alerts/a/pause", json={"reason": "earnings"})
    assert (paused.json()["enabled"], paused.json()["version"]) == (False, 4)
    assert (await api.ann.post("/api/alerts/a/pause")).json()["version"] == 4
    assert (await api.ann.post("/api/alerts/a/resume")).json()["enabled"] is True
    audit = (await api.ann.get("/api/schedules/a/audit")).json()["items"]
    assert [one["action"] for one in audit] == ["resumed", "paused", "edited", "edited", "created"]
    assert audit[1]["detail"]["reason"] == "earnings"
    assert (await api.bob.post("/api/alerts/a/pause")).status_code == 404
    assert (await api.ann.get("/api/alerts/a/history")).json() == {"items": [], "next_cursor": None}
    assert (await api.ann.delete("/api/alerts/a", headers={"If-Match": '"5"'})).status_code == 204


async def test_what_needs_temporal_says_so(api: Api) -> None:
    await api.ann.post("/api/alerts", json={"id": "a", "expression": "AAPL > 150"})
    for method, path, body in (
        ("POST", "evaluate", None),
        ("POST", "acknowledge", None),
        ("GET", "explain", None),
        ("POST", "pause", {"seconds": 60}),
    ):
        answer = await api.ann.request(method, f"/api/alerts/a/{path}", json=body)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable"), path
        assert int(answer.headers["Retry-After"]) > 0


async def test_a_preview_on_bars_sent_and_on_bars_stored(api: Api) -> None:
    bars = [
        {"time": f"2026-01-05T14:3{index}:00Z", "open": 1, "high": 200, "low": 1, "close": close}
        for index, close in enumerate((149, 151, 149, 152))
    ]
    sent = await api.ann.post("/api/alerts/preview", json={"definition": {"expression": "AAPL > 150"}, "bars": bars})
    assert sent.status_code == 200, sent.text
    assert [(one["kind"], one["bar"]) for one in sent.json()["events"]] == [
        ("triggered", 1),
        ("rearmed", 2),
        ("triggered", 3),
    ]
    none = await api.ann.post("/api/alerts/preview", json={"definition": {"expression": "AAPL > 150"}})
    assert none.status_code == 409
    async with api.database.transaction() as work:
        minute = timedelta(minutes=1)
        await work.bars.save(
            "AAPL",
            "1m",
            "raw",
            [Bar(START + i * minute, START + (i + 1) * minute, 1, 200, 1, 149 + i, 1) for i in range(4)],
            "t",
        )
    stored = await api.ann.post("/api/alerts/preview", json={"definition": {"expression": "AAPL > 150"}})
    assert [one["kind"] for one in stored.json()["events"]] == ["triggered"]
    bars[1]["close"], bars[2]["time"] = -5, "soon"
    bad = await api.ann.post("/api/alerts/preview", json={"definition": {"expression": "AAPL > 150"}, "bars": bars})
    assert "$.bars[2].time" in {one["path"] for one in bad.json()["errors"]}

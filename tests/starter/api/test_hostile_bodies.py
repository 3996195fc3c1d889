"""Requests that would take long, and answers that would be long: both are bounded, whatever a body holds."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest

from starter.api import body
from starter.api.heavy import AT_ONCE, MOST_WAITING, Heavy
from starter.api.problems import ProblemError
from tests.starter.api.conftest import Api

BARS = [{"time": f"2026-01-05T{n // 60:02d}:{n % 60:02d}:00Z", "close": 100 + n % 7} for n in range(1440)]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/api/reports/run", {"symbols": [""] * 340_000}),
        ("/api/reports/run", {"symbols": [""] * 5_000}),
        ("/api/screeners/run", {"symbols": ["A"], "filter_criteria": {"conditions": ["rsi("] * 5_000}}),
        ("/api/alerts/preview", {"definition": {"symbol": "A", "rule": {"and": [{"x": 1}] * 26_000}}}),
        ("/api/alerts/preview", {"definition": {"expression": "A > 1"}, "bars": [{}] * 5_000}),
        ("/api/alerts/preview", {"definition": {"expression": "A > 1"}, "bars": [{}] * 90_000}),
        ("/api/alerts", {"expression": "A > 1", "tags": [1] * 90_000}),
        ("/api/alerts", {f"unknown {number}": 1 for number in range(30_000)}),
        ("/api/schedules", {"job_type": "report", "task_params": {"symbols": [[[]]] * 90_000}}),
    ],
)
async def test_an_answer_is_never_much_larger_than_its_question(api: Api, path: str, sent: Any) -> None:
    answer = await api.ann.post(path, json=sent)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) <= 101
    assert len(answer.content) < max(60_000, 2 * len(json.dumps(sent)))


async def test_how_many_faults_are_left_out_is_said(api: Api) -> None:
    answer = await api.ann.post("/api/reports/run", json={"symbols": [""] * 2000})
    assert answer.json()["errors"][-1] == {"path": "$", "message": "and 1,900 more faults"}


async def test_commas_are_counted_before_a_large_body_is_parsed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_check", lambda _: pytest.fail("it was parsed"))
    answer = await api.ann.post("/api/reports/run", content=b"[" + b"1," * 400_000 + b"1]")
    assert answer.status_code == 422
    assert "more than 60,000 values" in answer.json()["detail"]


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PATIENCE", 0)
    monkeypatch.setattr(body, "SLOWEST", 1e12)

    async def never() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(ProblemError) as refused:
        await body.read(never, 1000)
    assert (refused.value.status, refused.value.headers) == (408, {"Connection": "close"})


async def test_a_preview_that_takes_too_long_is_given_up(api: Api) -> None:
    api.app.state.heavy.seconds = -1
    answer = await api.ann.post("/api/alerts/preview", json={"definition": {"expression": "A > 1"}, "bars": BARS})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/takes-too-long")


async def test_a_preview_of_very_many_events_says_how_many_it_leaves_off(api: Api) -> None:
    rule = {"or": ["close > 0", *(f"ema({number}) > 1e9" for number in range(2, 80))]}
    definition = {"symbol": "A", "timeframe": "1m", "rule": rule, "rearm": "simple"}
    answer = await api.ann.post("/api/alerts/preview", json={"definition": definition, "bars": BARS})
    told = answer.json()
    assert len(answer.content) < 1_050_000
    assert told["events_left_off"] > 0
    assert told["events_left_off"] + len(told["events"]) == 1440
    small = await api.ann.post("/api/alerts/preview", json={"definition": {"expression": "A > 104"}, "bars": BARS})
    assert small.json()["events_left_off"] == 0


async def test_one_preview_at_once_for_each_user() -> None:
    heavy, holding = Heavy(), threading.Event()
    first = asyncio.create_task(heavy.run("ann", lambda _: holding.wait()))
    await asyncio.sleep(0)
    with pytest.raises(ProblemError) as refused:
        await heavy.run("ann", lambda _: True)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "2"})
    others = [asyncio.create_task(heavy.run(f"user {n}", lambda _: holding.wait())) for n in range(MOST_WAITING - 1)]
    await asyncio.sleep(0)
    with pytest.raises(ProblemError, match="too many previews wait"):
        await heavy.run("bob", lambda _: True)
    assert AT_ONCE < MOST_WAITING
    holding.set()
    await asyncio.gather(first, *others)
    assert await heavy.run("ann", lambda _: "again") == "again"


@pytest.mark.parametrize("what", ["/api/alerts", "/api/schedules"])
async def test_a_page_ends_early_when_it_would_be_large(api: Api, what: str) -> None:
    for number in range(7):
        made = {"expression": "AAPL > 1", "description": "x" * 1900, "id": f"a{number}"}
        assert (await api.ann.post("/api/alerts", json=made)).status_code == 201
    api.app.state.settings = api.app.state.settings.model_copy(update={"api_page_bytes": 12_000})
    seen = await walked(api.ann, what)
    assert [one["id"] for page in seen for one in page] == [f"a{number}" for number in range(7)]
    assert 1 < len(seen) < 7


async def walked(client: httpx.AsyncClient, what: str) -> list[list[Any]]:
    pages, cursor = [], None
    while True:
        answer = (await client.get(what, params={"cursor": cursor} if cursor else {})).json()
        pages.append(answer["items"])
        cursor = answer["next_cursor"]
        if cursor is None:
            return pages

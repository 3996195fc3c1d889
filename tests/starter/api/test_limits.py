"""Each address has its number of requests, at every door, before anything is looked up for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from starter.api import access
from starter.api.app import create_app
from storage.database import Database
from tests.starter.api.conftest import client_of
from worker.settings import Settings


@pytest.mark.parametrize("door", ["/healthz", "/health", "/readyz", "/openapi.json", "/api/alerts", "/nothing"])
async def test_every_door_is_limited_for_an_address(door: str, any_database: Database, tmp_path: Path) -> None:
    settings = Settings(alerts_home=tmp_path, temporal_address="127.0.0.1:1", api_address_rate_limit="3/minute")
    client = client_of(create_app(settings, any_database))
    answers = [await client.get(door) for _ in range(5)]
    assert [one.status_code == 429 for one in answers] == [False, False, False, True, True]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert answers[-1].json()["type"] == "/problems/too-many-requests"
    await client.aclose()


async def test_no_key_is_looked_up_for_an_address_that_asks_too_often(
    any_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(alerts_home=tmp_path, temporal_address="127.0.0.1:1", api_address_rate_limit="2/minute")
    looked: list[str] = []

    async def verify(_work: object, token: str, _now: object) -> None:
        looked.append(token)

    monkeypatch.setattr(access, "verify", verify)
    client = client_of(create_app(settings, any_database), "guess")
    answers = [(await client.get("/api/alerts")).status_code for _ in range(10)]
    assert answers == [401, 401, *[429] * 8]
    assert len(looked) == 2
    await client.aclose()

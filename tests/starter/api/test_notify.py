"""``POST /api/notify``: kept in the database, told by the user's destinations, once however often it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from starter.clock import now
from starter.keys import Scope
from starter.notifier.app import create_notifier
from storage.database import Database
from storage.destinations import Destination
from tests.starter.api.conftest import client_of, key_of
from worker.settings import Settings


@pytest.fixture
def service(any_database: Database, tmp_path: Path) -> Any:
    settings = Settings(
        alerts_home=tmp_path, temporal_address="127.0.0.1:1", health_check_interval=0,
        notification_service_url="http://127.0.0.1:1", smtp_host="localhost", smtp_from="a@b.c", smtp_to="d@e.f",
    )  # fmt: skip
    return create_notifier(settings, any_database)


async def client(service: Any, database: Database, user: str, *scopes: Scope) -> httpx.AsyncClient:
    return client_of(service, await key_of(database, user, *(scopes or (Scope.READ, Scope.RUN))))


async def destinations(database: Database, user: str, *names: str, kind: str = "telegram", **fields: Any) -> None:
    async with database.transaction() as work:
        for name in names:
            await work.destinations.put(Destination(user, name, kind, "sealed", now(), now(), **fields))


async def test_a_notice_waits_for_each_destination(service: Any, any_database: Database) -> None:
    await destinations(any_database, "7", "me", "desk")
    await destinations(any_database, "7", "oncall", fallback_after=600)
    await destinations(any_database, "7", "gone", disabled_at=now(), problem="blocked")
    await destinations(any_database, "7", "loop", kind="notify")
    admin = await client(service, any_database, "root", Scope.ADMIN)
    answer = await admin.post(
        "/api/notify",
        json={"user_id": 7, "message": "AAPL is hot\nRSI 71", "priority": "high", "notification_type": "alert"},
    )
    assert answer.status_code == 202, answer.text
    assert (answer.json()["status"], answer.headers["Temporal-Told"]) == ("queued", "false")
    queued = answer.json()["deliveries"]
    assert [one["channel"] for one in queued] == ["desk", "me"], (
        "neither fallbacks, nor what is disabled, nor ourselves"
    )
    shown = (await admin.get(f"/api/deliveries/{queued[0]['id']}")).json()
    assert {name: shown[name] for name in ("user_id", "subject", "body", "status")} == {
        "user_id": "7", "subject": "AAPL is hot", "body": "RSI 71", "status": "PENDING",
    }  # fmt: skip
    async with any_database.transaction() as work:
        assert [one.id for one in await work.deliveries.unhanded(now())] == [one["id"] for one in queued]


async def test_a_repeat_is_the_same_notice(service: Any, any_database: Database) -> None:
    await destinations(any_database, "ann", "me")
    ann = await client(service, any_database, "ann")
    body, key = {"user_id": "ann", "message": "hello"}, {"Idempotency-Key": "e1:notify"}
    first, again = [await ann.post("/api/notify", json=body, headers=key) for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await ann.post("/api/notify", json={**body, "message": "goodbye"}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/key-reused")
    assert len((await ann.get("/api/deliveries")).json()["items"]) == 1


async def test_urgent_ones_have_fallbacks(service: Any, any_database: Database) -> None:
    await destinations(any_database, "ann", "me")
    await destinations(any_database, "ann", "oncall", fallback_after=600)
    ann = await client(service, any_database, "ann")
    answer = await ann.post("/api/notify", json={"user_id": "ann", "message": "wake up", "priority": "urgent"})
    assert [one["channel"] for one in answer.json()["deliveries"]] == ["me", "oncall"]


async def test_who_has_no_destination_is_told_by_the_operators_channels(service: Any, any_database: Database) -> None:
    ann = await client(service, any_database, "ann")
    for channels in ([], ["notify"], ["email"]):
        answer = await ann.post("/api/notify", json={"user_id": "ann", "message": "x", "channels": channels})
        assert [one["channel"] for one in answer.json()["deliveries"]] == ["email"], answer.text


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({"channels": ["nobody"]}, "$.channels[0]", "there is no such destination; there are email, gone, log, loop"),
        ({"channels": ["log", "gone"]}, "$.channels[1]", "cannot deliver: blocked"),
        ({"channels": ["loop"]}, "$.channels[0]", "the notice would come back"),
        ({"channels": ["telegram"]}, "$.channels[0]", "there is no such destination"),
        ({"priority": "loud"}, "$.priority", "'normal', 'high' or 'urgent'"),
        ({"message": ""}, "$.message", "at least 1"),
        ({"notification_type": "gossip"}, "$.notification_type", "'alert'"),
        ({"user_id": None}, "$.user_id", "string"),
        ({"colour": 1}, "$.colour", "unknown key"),
    ],
)
async def test_what_cannot_be_told_is_refused(
    service: Any, any_database: Database, body: dict[str, Any], path: str, words: str
) -> None:
    await destinations(any_database, "ann", "gone", disabled_at=now(), problem="blocked")
    await destinations(any_database, "ann", "loop", kind="notify")
    ann = await client(service, any_database, "ann")
    answer = await ann.post("/api/notify", json={"user_id": "ann", "message": "x", **body})
    assert answer.status_code == 422, answer.text
    assert [(one["path"], words in one["message"]) for one in answer.json()["errors"]] == [(path, True)], answer.text
    assert (await ann.get("/api/deliveries")).json()["items"] == []


async def test_keys_decide_for_whom(service: Any, any_database: Database) -> None:
    body = {"user_id": "bob", "message": "x"}
    assert (await client_of(service).post("/api/notify", json=body)).status_code == 401
    ann = await client(service, any_database, "ann")
    assert (await ann.post("/api/notify", json=body)).status_code == 403
    reader = await client(service, any_database, "bob", Scope.READ)
    assert (await reader.post("/api/notify", json=body)).status_code == 403


async def test_the_service_alone_has_its_own_operations(service: Any, any_database: Database) -> None:
    nobody = client_of(service)
    health = (await nobody.get("/health")).json()
    assert health["components"]["notifications"]["waiting"] == 0
    paths = (await nobody.get("/openapi.json")).json()["paths"]
    assert "/api/notify" in paths
    assert not any(path.startswith(("/api/alerts", "/api/schedules", "/api/channels")) for path in paths)

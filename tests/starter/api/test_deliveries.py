"""Notices that could not be told: listed, shown, told again, by command and by request; nobody sees another's."""

from __future__ import annotations

from datetime import timedelta

from starter.keys import Scope
from storage.database import Database
from storage.deliveries import DeliveryFilter, NewDelivery
from tests.conftest import START
from tests.starter.api.conftest import Api, key_of

HOUR = timedelta(hours=1)


async def put(database: Database, *users: str, dead: bool = True) -> list[int]:
    """One delivery a user; their numbers."""
    rows = [NewDelivery(f"e{n}-{user}", f"a-{user}", user, "webhook", "s", "b") for n, user in enumerate(users)]
    async with database.transaction() as work:
        await work.deliveries.open(rows, START)
        for row in rows:
            one = await work.deliveries.get(row.event_id, "webhook")
            assert one is not None
            await work.deliveries.claim([one], START)
            await work.deliveries.failed(row.event_id, "webhook", "HTTP 503", dead=dead)
        found = await work.deliveries.page(DeliveryFilter(), None, 99)
    return [one.id for one in reversed(found)]


async def test_by_request(api: Api) -> None:
    first, second, bobs = await put(api.database, "ann", "ann", "bob")
    dead = (await api.ann.get("/api/deliveries", params={"status": "DEAD", "limit": 1})).json()
    assert [one["id"] for one in dead["items"]] == [second]
    rest = (await api.ann.get("/api/deliveries", params={"cursor": dead["next_cursor"]})).json()
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == ([first], None)
    assert len((await api.admin.get("/api/deliveries")).json()["items"]) == 3
    shown = (await api.ann.get(f"/api/deliveries/{first}")).json()
    assert (shown["status"], shown["last_error"], shown["attempts"], shown["body"]) == ("DEAD", "HTTP 503", 1, "b")
    assert (await api.ann.get(f"/api/deliveries/{bobs}")).status_code == 404
    assert (await api.ann.post(f"/api/deliveries/{bobs}/retry")).status_code == 404
    again = await api.ann.post(f"/api/deliveries/{first}/retry")
    assert (again.status_code, again.json()["status"], again.json()["attempts"]) == (202, "PENDING", 0)
    assert again.json()["retried_at"] is not None
    assert again.headers["Temporal-Told"] == "false", "the reconciler will"
    assert (await api.ann.post(f"/api/deliveries/{first}/retry")).status_code == 409


async def test_a_key_that_may_only_read_tells_nothing_again(api: Api) -> None:
    (number,) = await put(api.database, "ann")
    key = await key_of(api.database, "ann", Scope.READ)
    answer = await api.nobody.post(f"/api/deliveries/{number}/retry", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403


async def test_what_waits_and_is_forgotten_is_found(any_database: Database) -> None:
    await put(any_database, "ann", "bob", dead=False)
    async with any_database.transaction() as work:
        await work.deliveries.sent([("e1-bob", "webhook")], START)
        assert await work.deliveries.forgotten(START + HOUR) == [("e0-ann", "a-ann")]
        assert await work.deliveries.forgotten(START) == []

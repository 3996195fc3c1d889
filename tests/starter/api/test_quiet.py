"""Quiet hours and silences, by request and by command; nobody sees or ends another's."""

from __future__ import annotations

import pytest

from activities.interface import DeliveryInput
from activities.notifications.channel import Unconfigured
from activities.notifications.delivery import Notifier
from activities.notifications.directory import Directory
from domain.errors import InvalidInput
from starter.times import span_of
from tests.activities.notifications.test_notifications import fired
from tests.starter.api.conftest import Api


async def test_hours(api: Api) -> None:
    assert (await api.ann.get("/api/quiet")).json()["hours"] is None
    put = await api.ann.put("/api/quiet", json={"hours": "22:00 - 07:00", "timezone": "Europe/Berlin"})
    assert (put.status_code, put.json()["hours"], put.json()["timezone"]) == (200, "22:00-07:00", "Europe/Berlin")
    assert (await api.bob.get("/api/quiet")).json()["hours"] is None
    for bad in ({"hours": "ten"}, {"hours": "22:00-07:00", "timezone": "Mars/Base"}):
        assert (await api.ann.put("/api/quiet", json=bad)).status_code == 422
    assert (await api.ann.put("/api/quiet", json={"hours": None})).json()["hours"] is None


async def test_a_silenced_fire_is_kept_and_told_to_nobody(api: Api) -> None:
    made = await api.ann.post(
        "/api/silences", json={"kind": "ticker", "value": "aapl", "for": "2h", "reason": "earnings"}
    )
    assert (made.status_code, made.json()["value"]) == (201, "AAPL"), made.text
    alert, event = fired(["log", "webhook"])
    notifier = Notifier(api.database, Directory(api.database, {}, Unconfigured("")))
    alert = alert.model_copy(update={"user_id": "ann"})
    assert alert.definition.symbol == "AAPL"
    assert await notifier.open(DeliveryInput(alert, event)) == []
    shown = (await api.ann.get("/api/deliveries")).json()["items"]
    assert {one["status"] for one in shown} == {"SILENCED"}
    assert shown[0]["last_error"].startswith("silenced until ")
    async with api.database.transaction() as work:
        assert await work.events.get(event.id) is not None
    number = made.json()["id"]
    assert (await api.bob.delete(f"/api/silences/{number}")).status_code == 404
    assert (await api.ann.delete(f"/api/silences/{number}")).status_code == 204
    assert (await api.ann.get("/api/silences")).json() == {"items": []}


@pytest.mark.parametrize("text", ["", "0", "-1h", "2 years", "400d", "h", "1e9"])
async def test_spans_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="30m, 2h or 1d"):
        span_of(text)


def test_spans() -> None:
    assert [span_of(text).total_seconds() for text in ("90", "30m", "2h", "1.5d", "1W")] == [
        90,
        1800,
        7200,
        129_600,
        604_800,
    ]

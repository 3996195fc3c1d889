"""Deliveries over real HTTP on loopback: recorded once, attempts before they are made, keys that never change."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from temporalio.exceptions import ApplicationError

from activities.interface import DeliveryInput, DeliveryTask
from activities.notifications.channel import Channel, Unconfigured
from activities.notifications.channels.log import LogChannel
from activities.notifications.channels.notification_service import NotificationService
from activities.notifications.channels.webhook import WebhookChannel
from activities.notifications.delivery import Notifier
from activities.notifications.directory import Directory
from activities.notifications.message import render
from activities.notifications.registry import build_channels, declarations
from domain.alert import Alert, AlertEvent, AlertState, EventKind
from domain.definition import CHANNELS
from domain.rearm import step
from storage.database import Database
from storage.deliveries import DeliveryFilter, DeliveryStatus
from tests.conftest import closes, make_alert
from worker.settings import Settings, load_settings


def fired(channels: list[str]) -> tuple[Alert, AlertEvent]:
    alert = make_alert({"symbol": "AAPL", "rule": "close > 100", "notification_channels": channels})
    return alert, step(alert, AlertState(), closes(101.5)[0])[1][0]


def notifier(database: Database, **channels: Channel) -> Notifier:
    return Notifier(database, Directory(database, channels, Unconfigured("set it up")))


async def delivery(database: Database, event: AlertEvent, channel: str) -> Any:
    async with database.transaction() as work:
        return await work.deliveries.get(event.id, channel)


async def test_open_is_idempotent_and_keeps_the_words(database: Database) -> None:
    alert, event = fired(["log", "webhook"])
    service = notifier(database, log=LogChannel())
    assert await service.open(DeliveryInput(alert, event)) == ["log", "webhook"]
    renamed = make_alert(
        {"symbol": "AAPL", "rule": "close > 100", "name": "other", "notification_channels": ["log", "webhook"]}
    )
    await service.open(DeliveryInput(renamed, event))
    row = await delivery(database, event, "log")
    assert (row.subject, row.body) == (render(alert, event).subject, render(alert, event).body)
    async with database.transaction() as work:
        assert len(await work.deliveries.page(DeliveryFilter(), None, 100)) == 2
        assert len(await work.events.of_alert(alert.id)) == 1


async def test_webhook_is_signed_and_its_id_is_the_events(database: Database, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    service = notifier(database, webhook=WebhookChannel(httpserver.url_for("/hook"), "s3cret"))
    alert, event = fired(["webhook"])
    await service.open(DeliveryInput(alert, event))
    assert await service.deliver(DeliveryTask(event.id, "webhook")) == "SENT"
    assert await service.deliver(DeliveryTask(event.id, "webhook")) == "SENT", "told once, not again"
    (sent,) = [request for request, _ in httpserver.log]
    stamp, signature = sent.headers["webhook-timestamp"], sent.headers["webhook-signature"]
    signed = f"{event.id}.{stamp}.".encode() + sent.data
    assert signature == "v1," + base64.b64encode(hmac.new(b"s3cret", signed, hashlib.sha256).digest()).decode()
    body = json.loads(sent.data)
    assert (body["type"], body["data"]["values"]) == ("alert.triggered", {"close": 101.5})
    told = {name: body["data"][name] for name in ("symbol", "timeframe", "name", "rule", "tags")}
    definition = alert.definition
    assert told == {
        "symbol": definition.symbol,
        "timeframe": definition.timeframe,
        "name": definition.name,
        "rule": str(definition.rule),
        "tags": list(definition.tags),
    }
    row = await delivery(database, event, "webhook")
    assert (row.status, row.attempts) == (DeliveryStatus.SENT, 1)
    await service.close()


@pytest.mark.parametrize(
    ("channels", "user", "sent_user", "named"),
    [
        (["notify"], "123", 123, None),
        (["telegram"], "local", 42, ["telegram"]),
        (["notify", "telegram", "email"], "123", 123, ["telegram", "email"]),
        (["email"], "ann", "ann", ["email"]),
    ],
)  # fmt: skip
async def test_notification_service_gets_one_post_with_the_number_of_the_user(
    database: Database,
    httpserver: HTTPServer,
    channels: list[str],
    user: str,
    sent_user: int | str,
    named: list[str] | None,
) -> None:
    httpserver.expect_request("/api/notify", method="POST").respond_with_json({"ok": True})
    own = NotificationService(httpserver.url_for(""), local_user="42")
    service = notifier(database, notify=own, telegram=own, email=own)
    alert, event = fired(channels)
    alert = alert.model_copy(update={"user_id": user})
    (name,) = await service.open(DeliveryInput(alert, event))
    assert name == "+".join(channels)
    assert await service.deliver(DeliveryTask(event.id, name)) == "SENT"
    ((request, _),) = httpserver.log
    body = json.loads(request.data)
    assert set(body) - {"channels"} == {"user_id", "message", "priority", "notification_type"}
    assert (body["user_id"], body["priority"], body["notification_type"]) == (sent_user, "high", "alert")
    assert body.get("channels") == named
    assert request.headers["Idempotency-Key"] == f"{event.id}:{name}"
    await service.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"detail": [{"loc": ["body", "user_id"], "msg": "Input should be a valid integer", "input": "ann"}]},
         "HTTP 422: user_id: Input should be a valid integer"),
        ({"detail": "user 7 has no chat"}, "HTTP 422: user 7 has no chat"),
        ("no \x1b[31mJSON" + "x" * 9000, "HTTP 422: no "),
        ([1], "HTTP 422: [1]"),
    ],
)  # fmt: skip
async def test_what_the_service_refuses_is_told_with_its_reason(
    database: Database, httpserver: HTTPServer, answer: object, said: str
) -> None:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    httpserver.expect_request("/api/notify").respond_with_data(text, 422)
    service = notifier(database, notify=NotificationService(httpserver.url_for("")))
    alert, event = fired(["notify"])
    await service.open(DeliveryInput(alert, event))
    with pytest.raises(ApplicationError) as caught:
        await service.deliver(DeliveryTask(event.id, "notify"))
    assert caught.value.non_retryable
    error = (await delivery(database, event, "notify")).last_error
    assert error.startswith(said)
    assert len(error) <= 320
    assert "\x1b" not in error
    await service.close()


@pytest.mark.parametrize(
    ("status", "headers", "permanent", "delay"),
    [(500, {}, False, 2), (429, {"Retry-After": "9"}, False, 9), (404, {}, True, None), (410, {}, True, None), (403, {}, True, None)],
)  # fmt: skip
async def test_failures_are_sorted_and_counted(
    database: Database,
    httpserver: HTTPServer,
    status: int,
    headers: Mapping[str, str],
    permanent: bool,
    delay: int | None,
) -> None:
    httpserver.expect_request("/hook").respond_with_data("no", status, headers=headers)
    service = notifier(database, webhook=WebhookChannel(httpserver.url_for("/hook?token=hidden")))
    alert, event = fired(["webhook"])
    await service.open(DeliveryInput(alert, event))
    with pytest.raises(ApplicationError) as caught:
        await service.deliver(DeliveryTask(event.id, "webhook"))
    assert caught.value.non_retryable is permanent
    pause = caught.value.next_retry_delay
    assert (pause is None) is (delay is None)
    assert pause is None or timedelta(seconds=delay or 0) <= pause <= timedelta(seconds=delay or 0) * 1.1
    row = await delivery(database, event, "webhook")
    assert (row.attempts, row.last_error.partition(":")[0]) == (1, f"HTTP {status}")
    assert "hidden" not in str(caught.value)
    await service.bury(DeliveryTask(event.id, "webhook", row.last_error))
    assert (await delivery(database, event, "webhook")).status is DeliveryStatus.DEAD
    await service.close()


async def test_an_unknown_channel_says_what_to_set(database: Database) -> None:
    service = notifier(database)
    alert, event = fired(["webhook:ops"])
    await service.open(DeliveryInput(alert, event))
    with pytest.raises(ApplicationError) as caught:
        await service.deliver(DeliveryTask(event.id, "webhook:ops"))
    assert caught.value.non_retryable
    assert "set it up" in str(caught.value)


async def test_channels_come_from_the_settings() -> None:
    settings = load_settings(
        {"alert_webhooks": "ops=http://127.0.0.1:1/x", "notification_service_url": "http://127.0.0.1:1"}
    )
    channels = build_channels(settings)
    assert isinstance(channels["webhook:ops"], WebhookChannel)
    assert isinstance(channels["email"], NotificationService)
    assert isinstance(channels["webhook"], Unconfigured)
    assert "127.0.0.1:1/x" not in repr(settings)
    off = build_channels(load_settings({"notification_enabled": False}))
    assert isinstance(off["notify"], Unconfigured)
    for channel in channels.values():
        await channel.close()


def test_names_that_definitions_may_use_are_those_that_channels_declare() -> None:
    assert sorted({name for one in declarations() for name in one.names}) == sorted(CHANNELS)
    for one in declarations():
        assert one.needs_no_service or one.advice or not one.names, "whoever has not set it up must be told how"
        assert set(one.settings) <= set(Settings.model_fields)


async def test_a_second_fire_says_what_has_changed_since(database: Database) -> None:
    first, second, other = closes(100.5, 99.0, 110.55), list[AlertEvent](), notifier(database, log=LogChannel())
    alert = make_alert(
        {"symbol": "AAPL", "rule": "close > 100", "notification_channels": ["log"], "priority": "urgent"}
    )
    state = AlertState()
    for snapshot in first:
        state, events = step(alert, state, snapshot)
        second += [event for event in events if event.kind is EventKind.TRIGGERED]
    for event in second:
        await other.open(DeliveryInput(alert, event))
    rows = [await delivery(database, event, "log") for event in second]
    assert ["% since it fired at 100.5" in row.body for row in rows] == [False, True]
    assert "+10.00 %" in rows[1].body
    assert {row.priority for row in rows} == {"urgent"}
    await other.open(DeliveryInput(alert, second[1]))
    assert (await delivery(database, second[1], "log")).body == rows[1].body, "nor is it its own fire before"

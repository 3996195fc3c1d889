"""Channels over HTTP: signed webhooks, and the notification service's ``POST /api/notify``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from activities.market_data.vendors.http import retry_after
from activities.notifications.channel import ChannelRefused, ChannelUnavailable, Letter
from activities.notifications.message import priority
from activities.outgoing import NotAllowed, Outgoing

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Real time."""
    return datetime.now(UTC)


async def post(out: Outgoing, url: str, body: bytes, headers: dict[str, str]) -> None:
    """One POST, its answer sorted: 2xx is told, 429 and 5xx may be later, any other 4xx never."""
    sent = {"Content-Type": "application/json", **headers}
    try:
        answer = await out.request("POST", url, content=body, headers=sent, only_status=True)
    except TimeoutError:
        raise ChannelUnavailable("no answer in time") from None
    except NotAllowed:
        raise ChannelRefused("the configured address is not one that may be connected to") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise ChannelRefused("the configured address is no HTTP URL") from None
    except httpx.HTTPError as error:
        raise ChannelUnavailable(f"could not be reached ({type(error).__name__})") from None
    if answer.is_success:
        return
    status = f"HTTP {answer.status_code}"
    if answer.status_code in (408, 409, 425, 429):
        raise ChannelUnavailable(status, retry_after(answer.headers.get("Retry-After"), utc_now()))
    if 400 <= answer.status_code < 500:
        raise ChannelRefused(status)
    raise ChannelUnavailable(status)


class WebhookChannel:
    """JSON to an address of the operator's, signed as Standard Webhooks say when a secret is set."""

    def __init__(self, url: str, secret: str | None = None, timeout: float = 10.0, clock: Clock = utc_now) -> None:
        self.url = url
        self.secret = secret.encode() if secret else None
        self.clock = clock
        self.out = Outgoing(timeout=timeout, most_bytes=0)

    async def send(self, letter: Letter) -> None:
        """POSTs the event; ``webhook-id`` is the same over all attempts."""
        body = json.dumps(event_json(letter), separators=(",", ":")).encode()
        stamp = str(int(self.clock().timestamp()))
        headers = {"webhook-id": letter.delivery.event_id, "webhook-timestamp": stamp}
        if self.secret:
            headers["webhook-signature"] = sign(self.secret, letter.delivery.event_id, stamp, body)
        await post(self.out, self.url, body, headers)

    async def close(self) -> None:
        """Closes the connections."""
        await self.out.close()


class NotificationService:
    """The notification service; ``via`` names the channel it should use in turn."""

    def __init__(self, base_url: str, timeout: float = 10.0, via: str | None = None) -> None:
        self.url = base_url.rstrip("/") + "/api/notify"
        self.via = via
        self.out = Outgoing(timeout=timeout, most_bytes=0)

    async def send(self, letter: Letter) -> None:
        """POSTs ``user_id``, ``message``, ``priority`` and ``notification_type``."""
        delivery = letter.delivery
        body: dict[str, Any] = {
            "user_id": delivery.user_id,
            "message": f"{delivery.subject}\n{delivery.body}",
            "priority": priority(letter.event.kind) if letter.event else letter.priority,
            "notification_type": letter.kind,
        }
        if self.via:
            body["channel"] = self.via
        await post(self.out, self.url, json.dumps(body).encode(), {"Idempotency-Key": letter.key})

    async def close(self) -> None:
        """Closes the connections."""
        await self.out.close()


class Unconfigured:
    """A channel the operator has not set up: every letter to it is refused with what to set."""

    def __init__(self, advice: str) -> None:
        self.advice = advice

    async def send(self, letter: Letter) -> None:
        """Refuses."""
        raise ChannelRefused(f"channel '{letter.delivery.channel}' is not configured: {self.advice}")

    async def close(self) -> None:
        """Nothing to give back."""


def sign(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """``v1,`` and the base64 HMAC-SHA256 of ``id.timestamp.body`` (Standard Webhooks)."""
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def event_json(letter: Letter) -> dict[str, Any]:
    """The webhook's body."""
    event, delivery = letter.event, letter.delivery
    if event is None:
        return {
            "type": letter.kind,
            "timestamp": delivery.created_at.isoformat().replace("+00:00", "Z"),
            "data": {
                "event_id": delivery.event_id,
                "job_id": delivery.alert_id,
                "user_id": delivery.user_id,
                "priority": letter.priority,
                "subject": delivery.subject,
                "text": delivery.body,
            },
        }
    return {
        "type": f"alert.{event.kind.value}",
        "timestamp": event.at.isoformat().replace("+00:00", "Z"),
        "data": {
            "event_id": event.id,
            "alert_id": event.alert_id,
            "user_id": delivery.user_id,
            "version": event.version,
            "kind": event.kind.value,
            "status": event.status.value,
            "reason": event.reason,
            "bar_close": event.bar_close.isoformat().replace("+00:00", "Z") if event.bar_close else None,
            "values": event.values,
            "trigger_count": event.trigger_count,
            "late": event.late,
            "count": event.count,
            "source": event.source,
            "subject": delivery.subject,
            "text": delivery.body,
        },
    }

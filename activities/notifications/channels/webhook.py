"""Signed webhooks: JSON to an address of the operator's, or to several that have names."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from activities.notifications.channel import Channel, Declaration, Letter
from activities.notifications.posting import post, utc_now
from activities.outgoing import Outgoing, an_address, is_http
from domain.errors import Fault, InvalidInput

Clock = Callable[[], datetime]
ABOUT = ("symbol", "timeframe", "name", "rule", "tags")  # null in notices from before these were told
SIGNED, MARK = "whsec_", " "  # how a secret begins, and what stands between it and the address it signs for


class WebhookChannel:
    """JSON to an address of the operator's, signed as Standard Webhooks say when a secret is set."""

    def __init__(
        self,
        url: str,
        secret: str | None = None,
        timeout: float = 10.0,
        clock: Clock = utc_now,
        *,
        private: bool = True,
    ) -> None:
        self.url = url
        self.secret = secret.encode() if secret else None
        self.clock = clock
        self.out = Outgoing(timeout=timeout, most_bytes=0, private=private)

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
            **{name: delivery.about.get(name) for name in ABOUT},
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


def _secret_address(value: SecretStr) -> SecretStr:
    an_address(value.get_secret_value())
    return value


def _pairs(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
    if any(not name.strip() or not is_http(target.strip()) for name, _, target in pairs):
        raise ValueError("expected name=URL pairs, separated by commas, each URL with http:// or https://")
    return {name.strip(): target.strip() for name, _, target in pairs}


def _channels(settings: Any) -> Mapping[str, Channel]:
    """``webhook`` for the address without a name, ``webhook:<name>`` for the others."""
    secret, plain = (
        settings.alert_webhook_secret.get_secret_value() or None,
        settings.alert_webhook_url.get_secret_value(),
    )
    targets = {f"webhook:{name}": target.get_secret_value() for name, target in settings.alert_webhooks.items()}
    if plain:
        targets = {"webhook": plain, **targets}
    return {name: WebhookChannel(url, secret, settings.send_timeout) for name, url in targets.items()}


def _at(settings: Any, address: str) -> Channel:
    """``https://host/path``, or with a secret of its own and a space before it.

    Raises:
        InvalidInput: it is no address, or a private one where those are not allowed.
    """
    secret, separator, url = address.partition(MARK) if address.startswith(SIGNED) else ("", "", address)
    if not is_http(url):
        raise InvalidInput("address", [Fault("address", "expected https://HOST/PATH")])
    if not url.startswith("https://") and not settings.alert_webhook_private:
        hint = "expected https; ALERT_WEBHOOK_PRIVATE=true allows http and private addresses"
        raise InvalidInput("address", [Fault("address", hint)])
    key = secret if separator else settings.alert_webhook_secret.get_secret_value()
    return WebhookChannel(url, key or None, settings.send_timeout, private=settings.alert_webhook_private)


DECLARED = Declaration(
    names=("webhook",),
    settings={
        "alert_webhook_url": (Annotated[SecretStr, AfterValidator(_secret_address)], SecretStr("")),
        "alert_webhooks": (Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(_pairs)], {}),
        "alert_webhook_secret": (SecretStr, SecretStr("")),
        "alert_webhook_private": (bool, False),
    },
    build=_channels,
    advice="set ALERT_WEBHOOK_URL, or ALERT_WEBHOOKS=name=URL for one with a name",
    schemes=("https", "http"),
    at=_at,
)

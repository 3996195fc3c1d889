"""The notification service's ``POST /api/notify``; it passes notices on to Telegram and email in turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, SecretStr

from activities.notifications.channel import JOIN, Channel, Declaration, Letter
from activities.notifications.posting import post
from activities.outgoing import HeaderKey, Outgoing, an_address
from domain.errors import Fault, InvalidInput

LOCAL = "local"  # whose a row is that names nobody
OWN = "notify"  # the service's own choice of channels


class NotificationService:
    """The notification service: one post of a message, with the channels that it should use in turn."""

    tells_several = True

    def __init__(
        self, base_url: str, timeout: float = 10.0, local_user: str = LOCAL, user: str = "", key: str = ""
    ) -> None:
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = base_url.rstrip("/") + "/api/notify"
        self.local_user, self.user = local_user, user
        self.out = Outgoing(timeout=timeout, most_bytes=0)

    async def send(self, letter: Letter) -> None:
        """POSTs ``user_id``, ``message``, ``priority``, ``notification_type``, and ``channels`` where some were named."""
        delivery = letter.delivery
        body: dict[str, Any] = {
            "user_id": self._user(self.user or delivery.user_id),
            "message": f"{delivery.subject}\n{delivery.body}",
            "priority": letter.priority,
            "notification_type": letter.kind,
        }
        named = [] if self.user else [name for name in delivery.channel.split(JOIN) if name != OWN]
        if named:
            body["channels"] = named
        headers = {**self.headers, "Idempotency-Key": letter.key}
        await post(self.out, self.url, json.dumps(body).encode(), headers, reason=True)

    def _user(self, user_id: str) -> int | str:
        """The number that it is."""
        known = self.local_user if user_id == LOCAL else user_id
        return int(known) if known.isascii() and known.isdigit() else known

    async def close(self) -> None:
        """Closes the connections."""
        await self.out.close()


def _channels(settings: Any) -> Mapping[str, Channel]:
    """It knows its users' addresses, so that ``telegram`` and ``email`` go through it, too."""
    url, timeout = settings.notification_service_url, settings.send_timeout
    if not url:
        return {}
    service = NotificationService(url, timeout, settings.alerts_user_id, key=_key(settings))
    return dict.fromkeys(DECLARED.names, service)


def _key(settings: Any) -> str:
    key: str = settings.notification_service_key.get_secret_value()
    return key


def _at(settings: Any, address: str) -> Channel:
    """``notify://123``: that user of the service."""
    user = address.partition("://")[2].strip("/")
    if not user:
        raise InvalidInput("address", [Fault("address", "expected notify://USER")])
    return NotificationService(settings.notification_service_url, settings.send_timeout, user=user, key=_key(settings))


DECLARED = Declaration(
    names=(OWN, "telegram", "email"),
    settings={
        "notification_service_url": (Annotated[str, AfterValidator(an_address)], ""),
        "notification_service_key": (HeaderKey, SecretStr("")),
    },
    build=_channels,
    advice="set NOTIFICATION_SERVICE_URL",
    stands_in=True,
    schemes=("notify",),
    at=_at,
    can_be_used=lambda settings: bool(settings.notification_service_url),
)

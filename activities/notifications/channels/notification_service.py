"""The notification service's ``POST /api/notify``; it passes notices on to Telegram and email in turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from activities.notifications.channel import Channel, Declaration, Letter
from activities.notifications.message import priority
from activities.notifications.posting import post
from activities.outgoing import Outgoing, an_address


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


def _channels(settings: Any) -> Mapping[str, Channel]:
    """It knows its users' addresses, so that ``telegram`` and ``email`` go through it, too."""
    url, timeout = settings.notification_service_url, settings.notification_timeout
    if not url:
        return {}
    return {name: NotificationService(url, timeout, None if name == "notify" else name) for name in DECLARED.names}


DECLARED = Declaration(
    names=("notify", "telegram", "email"),
    settings={"notification_service_url": (Annotated[str, AfterValidator(an_address)], "")},
    build=_channels,
    advice="set NOTIFICATION_SERVICE_URL",
)

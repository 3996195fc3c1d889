"""Settings of the channels: what each declares, and what holds for all."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, create_model

from activities.notifications.registry import declarations
from worker.deferred import PartOfSettings

LONGEST_TRY = 30.0  # seconds
_declared: dict[str, Any] = {name: given for one in declarations() for name, given in one.settings.items()}
_OfChannels: Any = create_model("_OfChannels", __base__=PartOfSettings, **_declared)


class NotificationSettings(_OfChannels):
    """``NOTIFICATION_RETRIES`` are the quick tries after the first, ``NOTIFICATION_HOURS`` how long it is tried in all.

    ``NOTIFICATION_TIMEOUT`` is of one try, in seconds; ``NOTIFICATION_CHARTS`` is the look of pictures. ``ALERTS_SECRET_KEY``
    encrypts the addresses of destinations: several with commas, the newest first; without one a key is kept in the home folder.
    """

    alerts_secret_key: SecretStr = SecretStr("")
    notification_enabled: bool = True
    notification_timeout: float = Field(default=10.0, gt=0, le=600)
    notification_retries: int = Field(default=5, ge=0, le=20)
    notification_charts: Literal["light", "dark", "off"] = "light"
    notification_hours: float = Field(default=24.0, gt=0, le=168)

    @property
    def send_timeout(self) -> float:
        """Seconds of one try; a longer one would outlast the activity that makes it."""
        return min(self.notification_timeout, LONGEST_TRY)

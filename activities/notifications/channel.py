"""The protocol of a channel, and how telling may fail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from domain.alert import AlertEvent
from storage.deliveries import Delivery


@dataclass(frozen=True)
class Letter:
    """One delivery with its event, None when no alert caused it. ``key`` is the same over all attempts.

    ``kind`` is ``alert``, ``report``, ``screener`` or ``notification``; ``priority`` is ``normal``, ``high`` or ``urgent``.
    """

    delivery: Delivery
    event: AlertEvent | None
    kind: str = "alert"
    priority: str = "normal"

    @property
    def key(self) -> str:
        """Idempotency key: event and channel."""
        return f"{self.delivery.event_id}:{self.delivery.channel}"


class Channel(Protocol):
    """A way to reach people."""

    async def send(self, letter: Letter) -> None:
        """Tells it.

        Raises:
            ChannelUnavailable: may go well later.
            ChannelRefused: will not.
        """

    async def close(self) -> None:
        """Gives connections back."""


class ChannelUnavailable(Exception):
    """May go well later; ``retry_after`` is what the other side asked for."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class ChannelRefused(Exception):
    """Will not go well however often it is tried."""

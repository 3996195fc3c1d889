"""The protocol of a channel, what its module declares, and how telling may fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from domain.alert import AlertEvent
from storage.deliveries import Delivery

JOIN = "+"  # between the names of channels that one post tells


@dataclass(frozen=True)
class Letter:
    """One delivery with its event, None when no alert caused it. ``key`` is the same over all attempts.

    ``kind`` is ``alert``, ``report``, ``screener`` or ``notification``; ``priority`` is ``normal``, ``high`` or ``urgent``.
    ``picture`` is a PNG, for channels that say they ``take_pictures``.
    """

    delivery: Delivery
    event: AlertEvent | None
    kind: str = "alert"
    priority: str = "normal"
    picture: bytes | None = None

    @property
    def key(self) -> str:
        """Idempotency key: event and channel."""
        return f"{self.delivery.event_id}:{self.delivery.channel}"


@dataclass(frozen=True)
class Pace:
    """How fast one destination takes letters: one each ``interval``; one for several has at most ``most`` characters."""

    interval: timedelta
    most: int = 3500


class Channel(Protocol):
    """A way to reach people. One that stands under several names and ``tells_several`` gets one letter for them all.

    One that has a ``pace`` gets one letter for many when there are many; one that ``takes_pictures`` gets them.
    """

    async def send(self, letter: Letter) -> None:
        """Tells it.

        Raises:
            ChannelUnavailable: may go well later.
            ChannelRefused: will not.
        """

    async def close(self) -> None:
        """Gives connections back."""


@dataclass(frozen=True)
class Declaration:
    """What a module of ``channels/`` says of itself, as ``DECLARED``.

    ``names`` are those that definitions may use; ``settings`` its variables, (type, default) by name in lower case, of which a
    ``SecretStr`` is never shown. ``build`` makes the channels that are set up, by name, from all settings; ``advice`` says
    what to set for the others. ``needs_no_service`` is for those that reach nobody outside.

    ``at`` makes the channel of one address that begins with one of ``schemes`` (``*``: any that nobody else has), where
    ``can_be_used``; ``kind`` is what such destinations are called. ``stands_in`` is for a channel that others are better than.
    """

    names: tuple[str, ...]
    build: Callable[[Any], Mapping[str, Channel]]
    settings: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    advice: str = ""
    needs_no_service: bool = False
    stands_in: bool = False
    schemes: tuple[str, ...] = ()
    at: Callable[[Any, str], Channel] | None = None
    can_be_used: Callable[[Any], bool] = lambda settings: True
    kind: str = ""

    @property
    def called(self) -> str:
        """What destinations of it are called."""
        return self.kind or self.names[0]


class ChannelUnavailable(Exception):
    """May go well later; ``retry_after`` is what the other side asked for."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class ChannelRefused(Exception):
    """Will not go well however often it is tried; ``disable`` says that no other notice will, either."""

    def __init__(self, message: str, *, disable: bool = False) -> None:
        self.disable = disable
        super().__init__(message)


class Moved(Exception):
    """The other side has another address now, and wants to be told there."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__("moved")


class Unconfigured:
    """A channel the operator has not set up: every letter to it is refused with what to set."""

    def __init__(self, advice: str) -> None:
        self.advice = advice

    async def send(self, letter: Letter) -> None:
        """Refuses."""
        raise ChannelRefused(f"channel '{letter.delivery.channel}' is not configured: {self.advice}")

    async def close(self) -> None:
        """Nothing to give back."""

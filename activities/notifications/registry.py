"""Every channel there is. A module of ``channels`` declares one: its names, its settings, how it is built."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from activities.notifications import channels
from activities.notifications.channel import JOIN, Channel, Declaration, Unconfigured
from domain.errors import Fault, InvalidInput

SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
SIGNED = "whsec_"  # how an address begins that has the secret it signs with before it


@cache
def declarations() -> tuple[Declaration, ...]:
    """Of all modules, in the order of their names."""
    modules = (import_module(one.name) for one in pkgutil.iter_modules(channels.__path__, f"{channels.__name__}."))
    return tuple(module.DECLARED for module in modules)


def build_channels(settings: Any) -> dict[str, Channel]:
    """Channels by name; those that are not set up refuse every notice with what to set."""
    built: dict[str, Channel] = {}
    for one in declarations():
        is_on = settings.notification_enabled or one.needs_no_service
        for name in one.names:
            ways = [other.advice for other in declarations() if name in other.names]
            built[name] = Unconfigured(", or ".join(ways) if is_on else "NOTIFICATION_ENABLED is false")
    for one in sorted(
        declarations(), key=lambda one: not one.stands_in
    ):  # a channel of its own before one that passes on
        if settings.notification_enabled or one.needs_no_service:
            built |= one.build(settings)
    return built


def declaration_of(address: str) -> Declaration:
    """What an address is of.

    Raises:
        InvalidInput: it has no scheme.
    """
    scheme, separator, _ = (address.partition(" ")[2] if address.startswith(SIGNED) else address).partition(":")
    scheme = scheme.lower()
    if not separator or not SCHEME.fullmatch(scheme):
        known = "telegram://CHAT, mailto:name@host, https://…, notify://USER, or a URL of Apprise's"
        raise InvalidInput("address", [Fault("address", f"expected {known}")])
    found = [one for one in declarations() if scheme in one.schemes] or [
        one for one in declarations() if "*" in one.schemes
    ]
    return found[0]


def channel_at(settings: Any, address: str) -> tuple[str, Channel]:
    """The kind and the channel of an address.

    Raises:
        InvalidInput: it is none, or its kind is not set up; the text never holds the address.
    """
    one = declaration_of(address)
    if not settings.notification_enabled:
        raise InvalidInput("address", [Fault("address", "NOTIFICATION_ENABLED is false")])
    if one.at is None or not one.can_be_used(settings):
        raise InvalidInput("address", [Fault("address", f"{one.called} is not set up: {one.advice}")])
    return one.called, one.at(settings, address)


def joined(channels: Mapping[str, Channel], names: Iterable[str]) -> list[str]:
    """The deliveries that channels' names make: those that one post tells are one, ``notify+telegram``."""
    together: dict[object, list[str]] = {}
    for name in names:
        channel = channels.get(name)
        key = id(channel) if getattr(channel, "tells_several", False) else name
        together.setdefault(key, []).append(name)
    return [JOIN.join(these) for these in together.values()]


def unknown_channel() -> Unconfigured:
    """For a name that no setting explains."""
    return Unconfigured("; ".join(one.advice for one in declarations() if one.advice))

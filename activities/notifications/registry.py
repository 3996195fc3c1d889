"""Every channel there is. A module of ``channels`` declares one: its names, its settings, how it is built."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from activities.notifications import channels
from activities.notifications.channel import JOIN, Channel, Declaration, Unconfigured


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
        missing = Unconfigured(one.advice if is_on else "NOTIFICATION_ENABLED is false")
        built |= dict.fromkeys(one.names, missing)
        built |= one.build(settings) if is_on else {}
    return built


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

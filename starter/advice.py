"""What is accepted, but may not work as its writer expects: said when a definition is checked, added or edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from activities.evaluation import windows_of
from activities.market_data.reach import shortfalls
from activities.notifications.channel import Channel, Unconfigured
from activities.notifications.registry import build_channels
from domain.cron import next_fire
from domain.definition import CHANNELS, AlertDefinition
from worker.settings import Settings
from worker.wiring import build_providers


async def advice(settings: Settings, definitions: Sequence[AlertDefinition], now: datetime) -> list[list[str]]:
    """Sentences for each definition; none where there is nothing to say."""
    providers, calendars = build_providers(settings), settings.calendars()
    channels = build_channels(settings)
    try:
        return [
            [
                *_over(definition, now),
                *_untold(definition, channels),
                *shortfalls(windows_of(definition), providers, calendars, now),
            ]
            for definition in definitions
        ]
    finally:
        for provider in providers:
            await provider.close()
        for channel in {id(channel): channel for channel in channels.values()}.values():
            await channel.close()


def _over(definition: AlertDefinition, now: datetime) -> list[str]:
    """It ended before it began."""
    expires = definition.options.expires_at
    if expires is not None and expires <= now:
        return [f"it expired at {expires:%Y-%m-%d %H:%M:%S} UTC and would never look; give another --expires"]
    try:
        next_fire(definition.parsed_cron, ZoneInfo(definition.timezone), now)
    except LookupError:
        return [f"its schedule '{definition.cron}' has no time to come: it would never look"]
    return []


def _untold(definition: AlertDefinition, channels: Mapping[str, Channel]) -> list[str]:
    """Channels without settings, whose notices would be dead at the first fire."""
    found = []
    for name in definition.notification_channels:
        channel = channels.get(name)
        if isinstance(channel, Unconfigured):
            found.append(f"channel '{name}' is not set up here, its notices would be dead: {channel.advice}")
        elif channel is None and name.partition(":")[0] in CHANNELS:
            found.append(f"channel '{name}' is not set up here, its notices would be dead: name it in ALERT_WEBHOOKS")
    return found

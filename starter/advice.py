"""What is accepted, but may not work as its writer expects: said when a definition is checked, added or edited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from activities.evaluation import windows_of
from activities.market_data.reach import shortfalls
from domain.definition import AlertDefinition
from worker.settings import Settings
from worker.wiring import build_providers


async def advice(settings: Settings, definitions: Sequence[AlertDefinition], now: datetime) -> list[list[str]]:
    """Sentences for each definition; none where there is nothing to say."""
    providers, calendars = build_providers(settings), settings.calendars()
    try:
        return [shortfalls(windows_of(definition), providers, calendars, now) for definition in definitions]
    finally:
        for provider in providers:
            await provider.close()

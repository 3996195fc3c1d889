"""Says on stderr what was accepted, but may not work as its writer expects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.definition import AlertDefinition
from domain.job import JobDefinition
from starter.cli.output import say
from starter.clock import now
from worker.settings import Settings

MOST_SAID = 20


def advise(settings: Settings, definitions: Sequence[AlertDefinition | JobDefinition]) -> list[list[str]]:
    """The sentences for each definition, said already."""
    alerts = [one for one in definitions if isinstance(one, AlertDefinition)]
    of_alerts = iter(_of_alerts(settings, alerts))
    found = [next(of_alerts) if isinstance(one, AlertDefinition) else one.warnings() for one in definitions]
    pairs = zip(definitions, found, strict=True)
    said = [f"note: {definition.name}: {sentence}" for definition, sentences in pairs for sentence in sentences]
    for text in said[:MOST_SAID]:
        say(text)
    if len(said) > MOST_SAID:
        say(f"note: and {len(said) - MOST_SAID} more")
    return found


def _of_alerts(settings: Settings, alerts: Sequence[AlertDefinition]) -> list[list[str]]:
    from starter.advice import advice  # indicators take most of a second to import

    return asyncio.run(advice(settings, alerts, now())) if alerts else []

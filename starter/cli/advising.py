"""Says on stderr what was accepted, but may not work as its writer expects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.definition import AlertDefinition
from starter.cli.output import say
from starter.clock import now
from worker.settings import Settings

MOST_SAID = 20


def advise(settings: Settings, definitions: Sequence[AlertDefinition]) -> list[list[str]]:
    """The sentences for each definition, said already."""
    from starter.advice import advice  # indicators take most of a second to import

    found = asyncio.run(advice(settings, definitions, now())) if definitions else []
    pairs = zip(definitions, found, strict=True)
    said = [f"note: {definition.name}: {sentence}" for definition, sentences in pairs for sentence in sentences]
    for text in said[:MOST_SAID]:
        say(text)
    if len(said) > MOST_SAID:
        say(f"note: and {len(said) - MOST_SAID} more")
    return found

"""What a definition would do: its next ticks, its values now, how far it is from firing, and what cannot work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, Freshness
from activities.market_data.failover import MarketData
from domain.alert import Alert, AlertState
from domain.compiled_rule import truth_text
from domain.definition import AlertDefinition
from domain.nearness import distance
from domain.ticks import next_tick
from storage.database import Database
from worker.settings import Settings
from worker.wiring import always_open, build_market

LOOK_SECONDS = 8.0
AT_ONCE = 8
TICKS = 3


@dataclass(frozen=True)
class Outlook:
    """Of one definition. ``away`` is a fraction, None where there is no distance; ``problem`` says why there are no values."""

    next_ticks: tuple[datetime, ...]
    values: dict[str, float | None] = field(default_factory=dict)
    bar_close: datetime | None = None
    truth: str = "UNKNOWN"
    away: float | None = None
    source: str = ""
    problem: str = ""
    refused: bool = False  # no vendor has this ticker, or these bars

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "next_ticks": list(self.next_ticks), "values": self.values, "bar_close": self.bar_close, "truth": self.truth,
            "away": self.away, "source": self.source, "problem": self.problem,
        }  # fmt: skip


async def outlooks(
    settings: Settings, database: Database, definitions: Sequence[AlertDefinition], now: datetime
) -> list[Outlook]:
    """In the order of the definitions; bars are asked for as a worker would, and stored for it."""
    market = build_market(settings, database)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(definition: AlertDefinition) -> Outlook:
        async with turn:
            return await _look(market, settings.lookback, definition, now)

    try:
        return list(await asyncio.gather(*map(one, definitions)))
    finally:
        await market.close()


async def _look(market: MarketData, lookback: int, definition: AlertDefinition, now: datetime) -> Outlook:
    ticks = tuple(_ticks(market, definition, now))
    keys = tuple(definition.operands)
    asked = EvaluateInput(
        definition.symbol, definition.timeframe, keys, now, newest_only=True, lookback=definition.options.lookback
    )
    try:
        found = await asyncio.wait_for(Evaluation(market, lookback).values(asked, LOOK_SECONDS), 2 * LOOK_SECONDS)
    except TimeoutError:
        return Outlook(ticks, problem=f"no vendor answered in {2 * LOOK_SECONDS:g} s")
    if not found.snapshots:
        refused = found.freshness is Freshness.REFUSED
        return Outlook(ticks, problem=found.problem or "there is no closed bar yet", refused=refused)
    snapshot, alert = found.snapshots[-1], Alert(id="outlook", definition=definition)
    truth = truth_text(alert.compiled.truth(snapshot.values, {}))
    away = distance(alert, snapshot.values)
    return Outlook(
        ticks, dict(snapshot.values), snapshot.bar_close, truth, away, source=found.source, problem=found.problem
    )


def _ticks(market: MarketData, definition: AlertDefinition, now: datetime) -> list[datetime]:
    """The first ones; fewer where the cron ends."""
    found: list[datetime] = []
    after, calm = now, always_open(market.providers)
    while len(found) < TICKS:
        try:
            close = None if calm else market.calendars.of(definition.symbol).next_close(definition.timeframe, after)
        except Exception:  # a market that nobody knows
            close = None
        try:
            after = next_tick(definition, AlertState(), after, close)
        except LookupError:
            break
        found.append(after)
    return found

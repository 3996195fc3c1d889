"""The default data schedules: the eight kinds with their cadence and market hours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from domain.job import Job, read_job
from domain.vendor_data import Kind

NEW_YORK = "America/New_York"


@dataclass(frozen=True)
class Cadence:
    """When a kind is collected. ``market_hours`` leaves out tickers whose exchange is closed, holidays and early closes too."""

    cron: str
    timezone: str = "UTC"
    market_hours: bool = False


CADENCES = {
    Kind.STOCK_QUOTES: Cadence("* * * * *", market_hours=True),
    Kind.OPTIONS_CHAIN: Cadence("*/5 * * * *", market_hours=True),
    Kind.HISTORICAL_PRICES: Cadence("30 17 * * mon-fri", NEW_YORK),
    Kind.COMPANY_INFO: Cadence("0 6 * * sun"),
    Kind.EARNINGS: Cadence("0 */6 * * *"),
    Kind.EARNINGS_CALENDAR: Cadence("15 6 * * *"),
    Kind.NEWS: Cadence("*/30 * * * *"),
    Kind.ECONOMIC_EVENTS: Cadence("0 */12 * * *"),
}


@dataclass(frozen=True)
class Seed:
    """One of the default schedules; ``available`` when a configured vendor has the kind."""

    kind: Kind
    job: Job
    available: bool


def seeds(symbols: Sequence[str], user_id: str, offered: Collection[Kind]) -> list[Seed]:
    """All eight, ids ``data-<kind>``.

    Raises:
        InvalidInput: a ticker that is none.
    """
    made = []
    for kind, cadence in CADENCES.items():
        params: dict[str, Any] = {"kind": kind.value}
        if kind is not Kind.ECONOMIC_EVENTS:
            params["symbols"] = list(symbols)
        if cadence.market_hours:
            params["market_hours_only"] = True
        if kind is Kind.HISTORICAL_PRICES:
            params["operation"] = "indicators"
        name = kind.value.replace("_", " ")
        definition = read_job("data_processing", params, name=name, cron=cadence.cron, timezone=cadence.timezone)
        id = f"data-{kind.value.replace('_', '-')}"
        available = kind is Kind.HISTORICAL_PRICES or kind in offered
        made.append(Seed(kind, Job(id=id, user_id=user_id, definition=definition), available))
    return made

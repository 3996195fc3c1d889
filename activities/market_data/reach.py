"""Whether a definition asks for more history, or other bars, than its providers have: told when it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from activities.market_data.calendars.calendars import Calendars
from activities.market_data.calendars.market import Market
from activities.market_data.vendors.provider import Hours, Provider
from domain.timeframe import Timeframe

Window = tuple[str, int]  # the operand that needs most bars of a ticker and timeframe, and how many


def shortfalls(
    windows: Mapping[tuple[str, Timeframe], Window],
    providers: Sequence[Provider],
    calendars: Calendars,
    now: datetime,
) -> list[str]:
    """For each ticker and timeframe of which no provider has so many bars, what it has; empty when all is well.

    By what providers declare, and what their plans were found to lack: how old a ticker is shows only when it is asked for.
    """
    found = []
    for (symbol, frame), (operand, count) in windows.items():
        market = calendars.of(symbol)
        asked = [one for one in providers if _may_have(one, market)]
        if asked and (said := _of_frame(frame, operand, count, asked, market, now)):
            found.append(said)
    return found


def _of_frame(
    frame: Timeframe, operand: str, count: int, providers: Sequence[Provider], market: Market, now: datetime
) -> str:
    offered = [one for one in providers if not one.intervals or frame in one.intervals]
    if not offered:
        has = "; ".join(f"{one.name} has {', '.join(one.intervals)}" for one in providers)
        return f"no provider that may have this ticker has {frame} bars: {has}"
    start = market.start_of(frame, now, count)
    reaches = [(one.name, one.reach(frame)) for one in offered]
    if any(reach is None or now - reach <= start for _, reach in reaches):
        return ""
    has = ", ".join(f"{name} has {reach.days} days" for name, reach in reaches if reach is not None)
    return f"{operand} needs {count:,} bars of {frame}, back to {start:%Y-%m-%d}, and would be missing for ever: {has}"


def _may_have(provider: Provider, market: Market) -> bool:
    """One that knows nothing but crypto has no shares; the simulated market has any."""
    return provider.hours is not Hours.ALWAYS or market.continuous or not provider.durable

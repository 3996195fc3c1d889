"""Bars to preview on: those of a ticker that are stored, or that its vendors have, with what warms the indicators up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from activities.bar_table import BarTable
from activities.evaluation import bars_for
from activities.interface import Freshness
from activities.market_data.failover import MarketData
from activities.market_data.feeds.query import BarsQuery
from activities.notifications.picture import table_of
from domain.bar import Bar
from domain.definition import AlertDefinition
from domain.errors import ErrorKind, ExpectedError
from domain.timeframe import Timeframe
from storage.database import Database
from worker.settings import Settings
from worker.wiring import build_market

NEWEST = 500  # bars, where nobody says from when
MOST_WARM_UP = 20_000
MOST_BARS = 600_000


class NoBars(ExpectedError):
    """There are none to preview on."""

    kind = ErrorKind.UNAVAILABLE


@dataclass(frozen=True)
class Loaded:
    """``begin`` is the first row that is judged; those before it warm up. ``others`` are the bars of other tickers."""

    table: BarTable
    begin: int
    others: dict[str, BarTable]
    source: str


async def load(
    settings: Settings, database: Database, definition: AlertDefinition, since: datetime | None, until: datetime
) -> Loaded:
    """The bars that close after ``since`` and no later than ``until``; without ``since`` the newest 500.

    Raises:
        NoBars: neither a vendor nor the database has any.
    """
    market = build_market(settings, database)
    frame, warm_up = definition.timeframe, _warm_up(definition)
    symbols = dict.fromkeys([definition.symbol, *(one.symbol for one in definition.operands.values() if one.symbol)])
    try:
        found = {}
        for symbol in symbols:
            found[symbol] = await _bars(market, database, symbol, frame, warm_up, since, until)
    finally:
        await market.close()
    bars, source = found.pop(definition.symbol)
    begin = sum(bar.close_time <= since for bar in bars) if since else max(len(bars) - NEWEST, 0)
    if begin >= len(bars):
        raise NoBars(
            f"no {frame} bars of {definition.symbol} close after {since:%Y-%m-%d %H:%M} UTC; {source} has older ones"
        )
    others = {symbol: table_of(some, frame.length) for symbol, (some, _) in found.items()}
    return Loaded(table_of(bars, frame.length), begin, others, source)


def _warm_up(definition: AlertDefinition) -> int:
    """Bars before the first that is judged, so that every indicator is warm; higher timeframes are made of these bars."""
    own = definition.timeframe.length
    counts = [
        bars_for(one) * max((one.timeframe or definition.timeframe).length // own, 1)
        for one in definition.operands.values()
    ]
    return min(max(counts, default=1), MOST_WARM_UP)


async def _bars(
    market: MarketData,
    database: Database,
    symbol: str,
    frame: Timeframe,
    warm_up: int,
    since: datetime | None,
    until: datetime,
) -> tuple[list[Bar], str]:
    window = warm_up if since else warm_up + NEWEST
    answer = await market.bars(BarsQuery(symbol, frame, window, since), limit=None)
    if answer.series is not None and answer.freshness not in (Freshness.REFUSED, Freshness.UNAVAILABLE):
        bars, source = [bar for bar in answer.series.bars if bar.close_time <= until], answer.series.provider
    else:
        async with database.transaction() as work:
            bars, source = await work.bars.newest_of_any(symbol, frame, MOST_BARS, until), "the database"
    if not bars:
        why = f": {answer.problem}" if answer.problem else ""
        raise NoBars(
            f"there are no {frame} bars of {symbol}{why}; give a file with --bars, or see 'alerts backfill {symbol}'"
        )
    return bars, source

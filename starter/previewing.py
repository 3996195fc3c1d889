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
MOST_BARS = 600_000


class NoBars(ExpectedError):
    """There are none to preview on."""

    kind = ErrorKind.UNAVAILABLE


@dataclass(frozen=True)
class Loaded:
    """``begin`` is the first row that is judged; those before it warm up. ``others`` are the bars of other tickers, ``higher``
    those of longer timeframes, by ticker (None: its own).
    """

    table: BarTable
    begin: int
    others: dict[str, BarTable]
    higher: dict[tuple[str | None, Timeframe], BarTable]
    source: str


async def load(
    settings: Settings, database: Database, definition: AlertDefinition, since: datetime | None, until: datetime
) -> Loaded:
    """The bars that close after ``since`` and no later than ``until``; without ``since`` the newest 500 up to then.

    Each ticker and timeframe with as many bars before as its indicators see, as live.

    Raises:
        NoBars: neither a vendor nor the database has any.
    """
    market = build_market(settings, database)
    frame, extra = definition.timeframe, 0 if since else NEWEST
    needed: dict[tuple[str | None, Timeframe], int] = {(None, frame): 1}
    for one in definition.operands.values():
        of = one.symbol, one.timeframe or frame
        needed[of] = max(needed.get(of, 1), bars_for(one))
    for of in list(needed):
        needed.setdefault((of[0], frame), 1)  # what higher bars are joined to
    found: dict[tuple[str | None, Timeframe], list[Bar]] = {}
    source = ""
    try:
        for (symbol, own), warm_up in needed.items():
            window = warm_up + extra * frame.length // own.length + (extra > 0)
            asked = BarsQuery(symbol or definition.symbol, own, min(window, MOST_BARS), since or until)
            found[symbol, own], source = await _bars(market, database, asked, until, source)
    finally:
        await market.close()
    bars = found.pop((None, frame))
    begin = sum(bar.close_time <= since for bar in bars) if since else max(len(bars) - NEWEST, 0)
    if begin >= len(bars):
        raise NoBars(
            f"no {frame} bars of {definition.symbol} close after {since:%Y-%m-%d %H:%M} UTC; there are older ones"
        )
    tables = {of: table_of(some, of[1].length) for of, some in found.items()}
    others = {str(symbol): table for (symbol, own), table in tables.items() if own == frame}
    higher = {of: table for of, table in tables.items() if of[1] != frame}
    return Loaded(table_of(bars, frame.length), begin, others, higher, source)


async def _bars(
    market: MarketData, database: Database, asked: BarsQuery, until: datetime, source: str
) -> tuple[list[Bar], str]:
    """With where they come from, which is told of the first."""
    answer = await market.bars(asked, limit=None)
    if answer.series is not None and answer.freshness not in (Freshness.REFUSED, Freshness.UNAVAILABLE):
        bars, found = [bar for bar in answer.series.bars if bar.close_time <= until], answer.series.provider
    else:
        async with database.transaction() as work:
            bars = await work.bars.newest_of_any(asked.symbol, asked.timeframe, MOST_BARS, until)
        found = "the database"
    if not bars:
        why = f": {answer.problem}" if answer.problem else ""
        what = f"there are no {asked.timeframe} bars of {asked.symbol}{why}"
        raise NoBars(f"{what}; give a file with --bars, or see 'alerts backfill {asked.symbol}'")
    return bars, source or found

"""The daily summary: what moved in the session, what fired and nearly did, and who reports earnings next."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from activities.jobs.executor import Task
from activities.jobs.reports.figures import Array, finite
from activities.jobs.reports.source import Source, tickers
from activities.market_data.feeds.series import BarSeries
from domain.alert import EventKind, Status
from domain.nearness import distance
from domain.report import ReportParams
from storage.stored_schedule import StoredSchedule

WINDOW = 61  # bars: the longest change is over 60
USUAL = 20  # bars whose mean volume is the usual one
PERIODS = (1, 5, 20, 60)
SPARK = 30
STALE = timedelta(days=4)  # behind the newest ticker: a long weekend is no reason
YIELD_EVERY = 50  # tickers
GAP, UNUSUAL = 0.1, 1.5  # per cent, and times the usual volume: less is nothing to tell
NEAR = 0.05  # of what it is compared with
LONGEST_LOOK = timedelta(days=7)
EARNINGS_DAYS = 7
MOST_FIRED = 50


async def daily_summary(source: Source, task: Task, params: ReportParams) -> dict[str, Any]:
    """``symbols``: each ticker's session; ``movers``, ``gaps`` and ``volume`` name the greatest; ``fired`` and ``nearly_fired``
    alerts; ``earnings`` of the next seven days; ``failed`` tickers; ``stale`` ones, with an old bar, are no movers. All changes
    are in per cent.
    """
    alerts = await source.alerts(task.user_id)
    held = [one.symbol for one in await source.holdings(task.user_id)] if not params.symbols else []
    symbols = tickers(task, params, held, [one.alert.definition.symbol for one in alerts])
    found, failed = await source.on_bars.series(symbols, params.timeframe, WINDOW, tell=task.tell)
    sessions = {}
    for number, (symbol, series) in enumerate(found.items()):
        if number % YIELD_EVERY == 0:
            await asyncio.sleep(0)  # alerts of the same process take their turn
        sessions[symbol] = session(series)
    newest = max(series.bars[-1].close_time for series in found.values())
    old = newest - max(STALE, 4 * params.timeframe.length)
    stale = [symbol for symbol, one in found.items() if one.bars[-1].close_time < old]
    moved = {symbol: one for symbol, one in sessions.items() if symbol not in stale}
    rose = {symbol: one for symbol, one in moved.items() if (one["change_1"] or 0) > 0}
    fell = {symbol: one for symbol, one in moved.items() if (one["change_1"] or 0) < 0}
    since = min(_since(found[symbol]) for symbol in moved)
    now = source.clock()
    return {
        "as_of": newest.isoformat(),
        "symbols": sessions,
        "movers": {
            "up": _greatest(rose, "change_1", params.top_n),
            "down": _greatest(fell, "change_1", params.top_n),
        },
        "gaps": _greatest(moved, "gap", params.top_n, least=GAP),
        "volume": _greatest(moved, "volume_ratio", params.top_n, least=UNUSUAL),
        "fired": await _fired(source, alerts, max(since, now - LONGEST_LOOK)),
        "nearly_fired": _nearly(alerts, params.top_n),
        "earnings": await _earnings(source, list(sessions), now),
        "stale": stale,
        "failed": failed,
    }


def session(series: BarSeries) -> dict[str, Any]:
    """The newest bar, and its place among those before it.

    ``change_n``: close against the close ``n`` bars before, per cent. ``gap``: open against the close before, per cent.
    ``volume_ratio``: volume over the mean of the 20 bars before. ``range``: high to low over the close before, per cent.
    ``closes``: the last 30, for a small picture.
    """
    columns = series.columns
    close, bar = columns["close"], series.bars[-1]
    is_split = series.is_broken(len(close) - 2, len(close) - 1)
    before = float(close[-2]) if len(close) > 1 and not is_split else float("nan")
    volume = columns["volume"]
    usual = float(np.nanmean(volume[-1 - USUAL : -1])) if np.isfinite(volume[-1 - USUAL : -1]).any() else float("nan")
    found: dict[str, Any] = {
        name: finite(float(columns[name][-1])) for name in ("open", "high", "low", "close", "volume")
    }
    last = len(close) - 1
    for count in PERIODS:
        known = last >= count and not series.is_broken(last - count, last)  # a split lies between: no change
        then = float(close[-1 - count]) if known else float("nan")
        found[f"change_{count}"] = _percent(float(close[-1]), then)
    found["gap"] = _percent(bar.open, before)
    found["range"] = finite((bar.high - bar.low) / before * 100) if before else None
    found["volume_ratio"] = finite(float(volume[-1]) / usual) if usual else None
    found["closes"] = [finite(value) for value in _last(close, SPARK)]
    found["bar_close"] = bar.close_time.isoformat()
    return found


def _percent(now: float, then: float) -> float | None:
    return finite((now / then - 1) * 100) if then else None


def _last(values: Array, count: int) -> list[float]:
    return [float(value) for value in values[-count:]]


def _since(series: BarSeries) -> datetime:
    """The close before the newest: what has happened since belongs to this session."""
    return series.bars[-2].close_time if len(series.bars) > 1 else series.bars[-1].open_time


def _greatest(sessions: dict[str, dict[str, Any]], name: str, count: int, least: float = 0.0) -> list[dict[str, Any]]:
    """The tickers with the greatest figure, whichever its sign, if it is at least so great."""
    known = [
        (symbol, one[name]) for symbol, one in sessions.items() if one[name] is not None and abs(one[name]) >= least
    ]
    known.sort(key=lambda one: (-abs(one[1]), one[0]))
    return [{"symbol": symbol, name: value} for symbol, value in known[:count]]


async def _fired(source: Source, alerts: list[StoredSchedule], since: datetime) -> list[dict[str, Any]]:
    by_id = {one.id: one for one in alerts}
    async with source.database.transaction() as work:
        events = await work.events.of_these(list(by_id), (EventKind.TRIGGERED,), since)
    return [
        {
            "alert": event.alert_id,
            "name": by_id[event.alert_id].alert.definition.name,
            "symbol": by_id[event.alert_id].alert.definition.symbol,
            "at": event.at.isoformat(),
            "values": event.values,
        }
        for _, event in events[-MOST_FIRED:]
    ]


def _nearly(alerts: list[StoredSchedule], count: int) -> list[dict[str, Any]]:
    """Armed alerts whose rule the last judged bar missed by at most five per cent, the nearest first."""
    found = []
    for one in alerts:
        if one.row.status != Status.ARMED or not one.enabled or not isinstance(one.row.last_values, dict):
            continue
        away = distance(one.alert, one.row.last_values)
        if away is not None and 0 < away <= NEAR:
            definition = one.alert.definition
            found.append(
                {
                    "alert": one.id,
                    "name": definition.name,
                    "symbol": definition.symbol,
                    "rule": str(definition.rule),
                    "away": away * 100,
                }
            )
    return sorted(found, key=lambda one: (one["away"], one["alert"]))[:count]


async def _earnings(source: Source, symbols: list[str], now: datetime) -> list[dict[str, Any]]:
    async with source.database.transaction() as work:
        coming = await work.companies.earnings_dates(symbols, now.date(), now.date() + timedelta(days=EARNINGS_DAYS))
    return [
        {"symbol": one.symbol, "day": one.day.isoformat(), "hour": one.hour, "estimate": one.estimate} for one in coming
    ]

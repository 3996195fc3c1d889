"""Screeners: which tickers of a set meet every criterion, ranked, and which of them are new."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from activities.jobs.columns import ByColumns
from activities.jobs.executor import Done, JobRefused, Notice, Task
from activities.jobs.on_bars import Values
from domain.alert import Alert
from domain.definition import AlertDefinition, read_definition
from domain.errors import Fault, InvalidInput
from domain.job import JobType
from domain.job_words import CUSTOM
from domain.screener import RANKED_BY_COMPANY, FilterCriteria, ScreenerParams, alert_of
from domain.ticker_sets import TickerSet, by_name, plain_name, read_set
from storage.database import Database
from storage.fundamentals import Fundamentals

MOST_TOLD = 40  # tickers in a message
MOST_ALERTS = 1000  # of one user
YIELD_EVERY = 50  # tickers


class Sets:
    """Sets by name: the user's own, else a file of the operator's folder, else those that come with the product."""

    def __init__(self, database: Database, folder: Path | None) -> None:
        self.database, self.folder = database, folder

    async def find(self, user_id: str, name: str) -> TickerSet:
        """The set.

        Raises:
            JobRefused: there is none of that name, or a file of the folder cannot be read.
        """
        try:
            files = files_of(self.folder)
        except InvalidInput as error:
            raise JobRefused(f"TICKER_SETS: {error}") from None
        async with self.database.transaction() as work:
            known = by_name(await work.sets.list(user_id), files)
        found = known.get(plain_name(name))
        if found is None:
            names = ", ".join(sorted(known))
            raise JobRefused(
                f"there is no set '{name[:64]}'; there are {names}; 'alerts sets put NAME TICKER …' makes one"
            )
        return found.set


def files_of(folder: Path | None) -> list[TickerSet]:
    """The sets of a folder: each ``NAME.csv`` is one.

    Raises:
        InvalidInput: a file cannot be read; which, and why.
    """
    found, faults = [], []
    for path in sorted(folder.glob("*.csv")) if folder else ():
        try:
            found.append(read_set(path.stem.lower(), path.read_text(encoding="utf-8-sig")))
        except InvalidInput as error:
            faults += error.under(path.name)
        except (OSError, UnicodeError) as error:
            faults.append(Fault(path.name, str(error)))
    if faults:
        raise InvalidInput("sets of tickers", faults)
    return found


class Screener:
    """Reads bars as alerts do, and companies as data jobs left them."""

    def __init__(self, values: ByColumns, database: Database, sets: Sets, most_alerts: int = MOST_ALERTS) -> None:
        self.values, self.database, self.sets, self.most_alerts = values, database, sets, most_alerts

    async def __call__(self, task: Task) -> Done:
        """The tickers that meet every criterion, the best by ``rank_by`` first.

        Raises:
            JobFailed: no ticker has data.
            JobRefused: there is no such set.
        """
        params: ScreenerParams = task.job.params
        criteria, tickers = params.filter_criteria, await self._tickers(task, params)
        definition = _definition(params)
        ranked = () if params.rank_by in RANKED_BY_COMPANY else (params.rank_key,)
        keys = tuple(dict.fromkeys((*definition.operands, *ranked, "close", "volume")))
        rows, failed = await self.values.each(tickers.symbols, params.timeframe, keys, task.tell)
        known = await self._fundamentals(rows, params)
        alert = Alert(id=task.job_id, definition=definition)
        found = []
        for number, (symbol, values) in enumerate(rows.items()):
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)  # alerts of the same process take their turn
            if alert.compiled.truth(values, {}) is True and _is_met(criteria, values, known.get(symbol)):
                found.append(_result(symbol, values, known.get(symbol)))
        found.sort(key=lambda one: _rank(one, params))
        top = found[: params.top_n]
        async with self.database.transaction() as work:
            last = await work.runs.last_result(task.job_id) or {}
        before = _matched(last)
        result: dict[str, Any] = {
            "screener_set": params.screener_set,
            "total_tickers": len(tickers.symbols),
            "filtered_count": len(found),
            "results": top,
            "failed": failed,
        }
        if tickers.as_of is not None and params.screener_set != CUSTOM:
            result["set_as_of"] = tickers.as_of.isoformat()
        if before is not None:
            result["new"] = [one["symbol"] for one in top if one["symbol"] not in before]
        if criteria.fundamentals:
            lacking = [symbol for symbol, values in rows.items() if not _has_all(criteria, values, known.get(symbol))]
            result["without_fundamentals"] = sorted(lacking)
        alerts = await self._alerts(task, params, result, last)
        return Done(result, _notice(params, result), alerts=alerts)

    async def _alerts(
        self, task: Task, params: ScreenerParams, result: dict[str, Any], last: dict[str, Any]
    ) -> list[Alert]:
        """One for each ticker that matches and did not in the last run, as many as the user may have."""
        if params.create_alerts is None:
            return []
        matching = [one["symbol"] for one in result["results"]]
        left = last.get("alerts_left_out") or ()  # for want of room
        begun = [symbol for symbol in matching if symbol in result.get("new", matching) or symbol in left]
        ids = {f"{task.job_id[:40]}-{_as_id(symbol)}": symbol for symbol in begun}
        async with self.database.transaction() as work:
            there = await work.schedules.owners(*ids)
            counts = await work.schedules.counts(task.user_id)
        room = self.most_alerts - sum(count for kind, _, _, count in counts if kind == JobType.ALERT)
        fresh = [(id, symbol) for id, symbol in ids.items() if id not in there]
        made = [
            Alert(id=id, user_id=task.user_id, definition=_of_match(params, symbol, task))
            for id, symbol in fresh[: max(room, 0)]
        ]
        result["alerts_created"] = {alert.definition.symbol: alert.id for alert in made}
        if len(made) < len(fresh):
            result["alerts_left_out"] = [symbol for _, symbol in fresh[len(made) :]]
        return made

    async def _tickers(self, task: Task, params: ScreenerParams) -> TickerSet:
        if params.symbols:
            return TickerSet(params.screener_set, params.symbols)
        return await self.sets.find(task.user_id, params.screener_set)

    async def _fundamentals(self, rows: dict[str, Values], params: ScreenerParams) -> dict[str, Fundamentals]:
        if not params.filter_criteria.fundamentals and params.rank_by not in RANKED_BY_COMPANY:
            return {}
        async with self.database.transaction() as work:
            return await work.companies.of(list(rows))


def _matched(last: dict[str, Any]) -> set[str] | None:
    """The tickers of an earlier result; None where it has none."""
    results = last.get("results")
    if not isinstance(results, list):
        return None
    return {str(one["symbol"]) for one in results if isinstance(one, dict) and "symbol" in one}


def _as_id(symbol: str) -> str:
    """As a part of an id; tickers that differ only in what an id may not hold are told apart."""
    plain = re.sub(r"[^a-z0-9.]+", "-", symbol.lower()).strip("-.")
    return plain if plain == symbol.lower() else f"{plain}-{zlib.crc32(symbol.encode()):08x}".lstrip("-")


def _of_match(params: ScreenerParams, symbol: str, task: Task) -> AlertDefinition:
    template = {"name": f"{symbol}: {task.job.name}"[:255], **(params.create_alerts or {})}
    return alert_of(template, symbol, params.timeframe)


def _definition(params: ScreenerParams) -> AlertDefinition:
    """The conditions as one rule."""
    conditions = [f"({text})" for text in params.filter_criteria.conditions]
    if params.filter_criteria.min_volume is not None:
        conditions.append(f"volume >= {params.filter_criteria.min_volume!r}")
    rule = " and ".join(conditions) or "close > 0"
    return read_definition({"symbol": "X", "timeframe": params.timeframe, "rule": rule})


def _is_met(criteria: FilterCriteria, values: Values, known: Fundamentals | None) -> bool:
    """Whether its company meets the bounds; one of which a figure is missing does not."""
    for name in criteria.fundamentals:
        bound, value = getattr(criteria, name), _figure(name, values, known)
        if value is None or (value < bound if name.startswith("min_") else value > bound):
            return False
    return True


def _has_all(criteria: FilterCriteria, values: Values, known: Fundamentals | None) -> bool:
    return all(_figure(name, values, known) is not None for name in criteria.fundamentals)


def _figure(name: str, values: Values, known: Fundamentals | None) -> float | None:
    if known is None:
        return None
    return known.market_cap if name.endswith("market_cap") else known.pe_ratio(values.get("close"))


def _result(symbol: str, values: Values, known: Fundamentals | None) -> dict[str, Any]:
    found: dict[str, Any] = {"symbol": symbol, "values": values}
    if known is not None:
        found["market_cap"], found["pe_ratio"] = known.market_cap, known.pe_ratio(values.get("close"))
        found["fundamentals_as_of"] = _day(known)
    return found


def _day(known: Fundamentals) -> str | None:
    """The older of what is known of it."""
    days: list[date] = [one for one in (known.as_of.date() if known.as_of else None, known.period) if one is not None]
    return min(days).isoformat() if days else None


def _rank(one: dict[str, Any], params: ScreenerParams) -> tuple[bool, float]:
    """What is missing comes last, whichever way it is ranked."""
    value = one.get(params.rank_by) if params.rank_by in RANKED_BY_COMPANY else one["values"].get(params.rank_key)
    if value is None:
        return True, 0.0
    return False, -float(value) if params.descending else float(value)


def _notice(params: ScreenerParams, result: dict[str, Any]) -> Notice:
    symbols = [str(one["symbol"]) for one in result["results"]]
    said: Sequence[str] = symbols[:MOST_TOLD]
    lines = [", ".join(said) or "none"]
    if len(symbols) > MOST_TOLD:
        lines.append(f"and {len(symbols) - MOST_TOLD} more")
    if "new" in result:
        lines.append(f"New since the last run: {', '.join(result['new'][:MOST_TOLD]) or 'none'}")
    if made := result.get("alerts_created"):
        lines.append(f"Alerts made: {', '.join(list(made)[:MOST_TOLD])}")
    if left := result.get("alerts_left_out"):
        lines.append(f"{len(left)} alerts were not made: there are as many as one user may have (QUOTA_ALERTS)")
    if result["failed"]:
        lines.append(f"{len(result['failed'])} tickers have no data")
    title = f"{result['filtered_count']} of {result['total_tickers']} tickers match"
    return Notice(params.notification_channels, title, "\n".join(lines), "screener")

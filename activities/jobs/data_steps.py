"""Data jobs: fetch, normalize, cache and indicators, one step after the other, each ticker on its own.

What a step has made of a ticker stands in ``data_stage`` until the run ends: a repeated step goes on where it was cut off, one
ticker's failure stops no other, and no market data goes through Temporal's history.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import DataError, StatementError

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput
from activities.jobs.data_fetch import CLOSED, DAYS, Fetcher, request_of, wait_of
from activities.jobs.executor import Done, JobFailed, JobRefused, Task
from activities.market_data.feeds.store import SeriesKey, save_newest
from activities.market_data.quality.gaps import gaps
from activities.market_data.quality.outliers import suspect_bar
from activities.market_data.vendors.errors import ProviderError, ProviderRefused
from activities.market_data.vendors.provider import Provider
from domain.bar import Bar
from domain.job import JOBS, DataProcessingParams, JobType, Step
from domain.vendor_data import RECORDS, Kind
from storage.database import Database
from storage.vendor_data import Staged

LOOKBACK = 250
LONGEST_TICKER = 150.0
STEP_TIME = JOBS[JobType.DATA_PROCESSING].limits.timeout - timedelta(minutes=3)
DEFAULT_INDICATORS = ("rsi(14)", "sma(20)")
OUT_OF_TIME = "ran out of time; the next run begins with it"
AT_ONCE = 6  # tickers: each vendor's own limits bound what it is asked
log = structlog.get_logger(__name__)


class DataSteps:
    """The steps of one kind's run. Vendors are asked in order of priority, each behind its gate."""

    def __init__(
        self,
        evaluation: Evaluation,
        database: Database,
        lookback: int = LOOKBACK,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        at_once: int = AT_ONCE,
    ) -> None:
        self.at_once = at_once
        self.evaluation = evaluation
        self.market = evaluation.market
        self.database = database
        self.clock = clock
        self.fetcher = Fetcher(self.market, lookback, clock, sleep)

    async def step(self, task: Task, name: str, *, again: bool = True) -> dict[str, int]:
        """One step over all tickers; returns how many went well and how many did not. ``again`` tries those that failed.

        Raises:
            JobFailed: none went well, and another try may.
        """
        params: DataProcessingParams = task.job.params
        step = Step(name)
        previous = _previous(params, step)
        before = await self._staged(task.run_id, previous) if previous else None
        done = await self._staged(task.run_id, step.value)
        retryable: list[Exception] = []
        began, total = self.clock(), len(params.each) * len(params.steps)
        so_far = params.steps.index(step) * len(params.each)
        waiting = iter(
            [symbol for symbol in await self._in_order(task, params) if _is_due(symbol, done, before, again)]
        )

        async def some() -> None:
            for symbol in waiting:
                await asyncio.sleep(0)  # alerts of the same process take their turn between two tickers
                if self.clock() - began > STEP_TIME:
                    staged = Staged(symbol, error=OUT_OF_TIME)
                else:
                    staged = await self._tried(task, params, step, symbol, retryable)
                done[symbol] = await self._leave(task, step, staged)
                task.tell(so_far + len(done), total, f"{step.value} {symbol}")

        await _all([some() for _ in range(self.at_once)])
        failed = [why for why in done.values() if why]
        if failed and len(failed) == len(done) and retryable:
            soonest = min(retryable, key=wait_of)
            raise JobFailed(f"{step.value}: {_why(soonest)}", wait_of(soonest) or None)
        return {"done": len(done) - len(failed), "failed": len(failed)}

    async def _tried(
        self, task: Task, params: DataProcessingParams, step: Step, symbol: str, retryable: list[Exception]
    ) -> Staged:
        """What came of a ticker; an error after which another try makes sense is noted, too."""
        try:
            async with asyncio.timeout(LONGEST_TICKER):
                return await self._one(task, params, step, symbol)
        except (ProviderRefused, JobRefused) as error:
            return Staged(symbol, error=str(error))
        except (ProviderError, JobFailed, TimeoutError) as error:
            retryable.append(error)
            return Staged(symbol, error=_why(error))
        except Exception as error:  # one ticker's odd answer must not stop the others
            log.error("data step failed", action=step.value, symbol=symbol, error=repr(error)[:300])
            return Staged(symbol, error=f"{type(error).__name__} in {step.value}")

    async def _in_order(self, task: Task, params: DataProcessingParams) -> list[str]:
        """Those that the schedule's last run did not come to are first, who has waited longest before the others."""
        async with self.database.transaction() as work:
            found = (await work.runs.last_result(task.job_id) or {}).get("left")
        left = {str(symbol): place for place, symbol in enumerate(found)} if isinstance(found, list) else {}
        return sorted(params.each, key=lambda symbol: left.get(symbol, len(left)))

    async def _leave(self, task: Task, step: Step, staged: Staged) -> str:
        """For the next step; returns the ticker's error. What SQL cannot hold is that ticker's fault alone."""
        try:
            async with self.database.transaction() as work:
                await work.records.stage(task.run_id, step.value, staged, self.clock())
        except (DataError, StatementError) as error:
            staged = Staged(staged.symbol, error=f"cannot be stored ({type(error).__name__})")
            async with self.database.transaction() as work:
                await work.records.stage(task.run_id, step.value, staged, self.clock())
        return staged.error

    async def process(self, task: Task) -> Done:
        """Every step that is not done yet, then the result, ticker by ticker. The stage stays until the run has its end.

        Raises:
            JobRefused: nothing went well.
        """
        params: DataProcessingParams = task.job.params
        for step in params.steps:
            await self.step(task, step.value, again=False)
        symbols: dict[str, Any] = {}
        failed: dict[str, str] = {}
        counts: dict[str, dict[str, int]] = {}
        async with self.database.transaction() as work:
            for step in params.steps:
                found = await work.records.staged_symbols(task.run_id, step.value)
                counts[step.value] = {
                    "done": sum(not why for why in found.values()),
                    "failed": sum(map(bool, found.values())),
                }
                failed |= {symbol: f"{step.value}: {why}" for symbol, why in found.items() if why}
            last = params.steps[-1].value
            for symbol in params.each:
                if symbol not in failed and (one := await work.records.staged(task.run_id, last, symbol)) is not None:
                    symbols[symbol] = _told(one, last)
        skipped = [symbol for symbol, why in failed.items() if why.endswith(CLOSED)]
        left = [symbol for symbol in await self._in_order(task, params) if failed.get(symbol, "").endswith(OUT_OF_TIME)]
        failed = {symbol: why for symbol, why in failed.items() if symbol not in (*skipped, *left)}
        if failed and not symbols and not skipped:
            raise JobRefused("; ".join(f"{symbol}: {why}" for symbol, why in list(failed.items())[:5]))
        head = {"kind": params.kind.value, "operation": params.operation, "timeframe": params.timeframe}
        return Done(
            {
                **head,
                "steps": counts,
                "symbols": symbols,
                "failed": failed,
                "skipped": skipped,
                "left": left,
                "partial": bool(failed or left),
            }
        )

    async def _staged(self, run_id: str, step: str) -> dict[str, str]:
        async with self.database.transaction() as work:
            return await work.records.staged_symbols(run_id, step)

    async def _one(self, task: Task, params: DataProcessingParams, step: Step, symbol: str) -> Staged:
        if step is Step.FETCH:
            return await self.fetcher.fetch(params, symbol)
        if step is Step.INDICATORS:
            return await self._indicators(params, symbol)
        previous = _previous(params, step)
        assert previous is not None
        async with self.database.transaction() as work:
            staged = await work.records.staged(task.run_id, previous, symbol)
        assert staged is not None
        return await (self._normalize if step is Step.NORMALIZE else self._cache)(params, staged)

    async def _normalize(self, params: DataProcessingParams, staged: Staged) -> Staged:
        """Rows of the kind's own form; what cannot be read is left out and counted."""
        if params.kind is not Kind.HISTORICAL_PRICES:
            provider = self._provider(staged.source)
            found = provider.read(staged.payload, request_of(params, staged.symbol, self.clock()))
            return replace(staged, payload={"rows": [record.model_dump(mode="json") for record in found]})
        bars = [_bar(row) for row in staged.payload]
        sound = [bar for bar in bars if bar.final and math.isfinite(bar.close)]
        market = self.market.market(self._provider(staged.source), staged.symbol)
        suspect = suspect_bar(sound, market, newest=len(sound))
        notes = {
            "unsound": sum(bar.final for bar in bars) - len(sound),
            "holes": len(gaps(sound, params.timeframe, market)),
        }
        rows = [row for row, bar in zip(staged.payload, bars, strict=True) if bar.final and math.isfinite(bar.close)]
        return replace(staged, payload={"rows": rows, "notes": notes | ({"doubt": suspect.why} if suspect else {})})

    async def _cache(self, params: DataProcessingParams, staged: Staged) -> Staged:
        """Upserted in batches into the kind's own table."""
        rows, now = staged.payload["rows"], self.clock()
        corrected = 0
        async with self.database.transaction() as work:
            if params.kind is Kind.HISTORICAL_PRICES:
                key = SeriesKey.of(self._provider(staged.source), staged.symbol, params.timeframe)
                saved = await save_newest(work, key, [_bar(row) for row in rows], staged.source, now)
                corrected = saved.corrected
            else:
                records = [RECORDS[params.kind].model_validate(row) for row in rows]
                if records:
                    until = now + timedelta(days=DAYS.get(params.kind, (0, 0))[1])
                    await work.records.forget_coming(params.kind, staged.symbol, staged.source, now, until)
                await work.records.save(params.kind, records, staged.source, now)
        told = {"rows": len(rows), **staged.payload.get("notes", {}), **({"corrected": corrected} if corrected else {})}
        return replace(staged, payload=told)

    async def _indicators(self, params: DataProcessingParams, symbol: str) -> Staged:
        """Values of the newest closed bar, from the same cache and windows as alerts."""
        keys = params.indicators or DEFAULT_INDICATORS
        asked = EvaluateInput(symbol, params.timeframe, tuple(keys), self.clock(), newest_only=True)
        try:
            found = await self.evaluation.values(asked)
        except (ValueError, AssertionError) as error:
            raise JobRefused(f"{', '.join(keys)}: {error}") from None
        if not found.snapshots:
            raise JobFailed(found.problem or "no closed bar")
        newest = found.snapshots[-1]
        return Staged(symbol, found.source, {"bar_close": newest.bar_close.isoformat(), "values": newest.values})

    def _provider(self, name: str) -> Provider:
        return next(one for one in self.market.providers if one.name == name)


def _is_due(symbol: str, done: dict[str, str], before: dict[str, str] | None, again: bool) -> bool:
    """Not what is done already, nor what failed in the step before: that has said why."""
    if done.get(symbol) == "" or (symbol in done and not again):
        return False
    return before is None or before.get(symbol, "not fetched") == ""


async def _all(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of it, side by side; the first error ends the others."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _why(error: Exception) -> str:
    return str(error) or "took too long"


def _previous(params: DataProcessingParams, step: Step) -> str | None:
    """The step whose output is this one's input."""
    index = params.steps.index(step)
    return None if index == 0 else params.steps[index - 1].value


def _bar(row: Sequence[Any]) -> Bar:
    first, high, low, close, volume = (math.nan if cell is None else float(cell) for cell in row[2:7])
    opened, closed = datetime.fromisoformat(row[0]), datetime.fromisoformat(row[1])
    return Bar(opened, closed, first, high, low, close, volume, bool(row[7]))


def _told(one: Staged, step: str) -> dict[str, Any]:
    """What a run's result says of a ticker that went well: counts, never the data."""
    if step in (Step.CACHE, Step.INDICATORS):
        return {"source": one.source, **one.payload}
    rows = one.payload.get("rows") if isinstance(one.payload, dict) and step == Step.NORMALIZE else one.payload
    size = len(rows) if isinstance(rows, list) else 1
    return {"source": one.source, "rows": size}

"""Data jobs: fetch, normalize, cache and indicators, one step after the other, each ticker on its own.

What a step has made of a ticker stands in ``data_stage`` until the run ends: a repeated step goes on where it was cut off, one
ticker's failure stops no other, and no market data goes through Temporal's history.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import DataError, StatementError

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput
from activities.jobs.executor import Done, JobFailed, JobRefused, Task
from activities.market_data.feeds.store import SeriesKey, save_newest
from activities.market_data.quality.gaps import gaps
from activities.market_data.quality.outliers import suspect_bar
from activities.market_data.vendors.errors import ProviderError, ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.provider import BarRequest, DataRequest, Provider
from domain.bar import FIELDS, Bar
from domain.job import JOBS, DataProcessingParams, JobType, Step
from domain.timeframe import DAILY
from domain.vendor_data import RECORDS, Kind, Quote, Record
from storage.database import Database
from storage.vendor_data import Staged

LOOKBACK = 250
PATIENCE = timedelta(minutes=2)
OPEN_FOR = timedelta(minutes=30)
LONGEST_TICKER = 150.0
STEP_TIME = JOBS[JobType.DATA_PROCESSING].limits.timeout - timedelta(minutes=3)
DEFAULT_INDICATORS = ("rsi(14)", "sma(20)")
CLOSED = "the market is closed"
DAYS = {
    Kind.NEWS: (3, 0),
    Kind.EARNINGS_CALENDAR: (1, 90),
    Kind.ECONOMIC_EVENTS: (7, 30),
}  # days back and ahead
LISTS = (Kind.NEWS, Kind.EARNINGS_CALENDAR, Kind.ECONOMIC_EVENTS)  # may well be empty
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
    ) -> None:
        self.sleep = sleep
        self.evaluation = evaluation
        self.market = evaluation.market
        self.database = database
        self.lookback = lookback
        self.clock = clock

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
        began = self.clock()
        for symbol in _in_turn(params.each, task.run_id):
            if done.get(symbol) == "" or (symbol in done and not again):
                continue
            if before is not None and before.get(symbol, "not fetched") != "":
                continue  # failed earlier: it has said why
            await asyncio.sleep(0)  # alerts of the same process take their turn between two tickers
            if self.clock() - began > STEP_TIME:
                staged = Staged(symbol, error="ran out of time")
                await self._leave(task, step, staged)
                done[symbol] = staged.error
                continue
            try:
                async with asyncio.timeout(LONGEST_TICKER):
                    staged = await self._one(task, params, step, symbol)
            except (ProviderRefused, JobRefused) as error:
                staged = Staged(symbol, error=str(error))
            except (ProviderError, JobFailed, TimeoutError) as error:
                retryable.append(error)
                staged = Staged(symbol, error=_why(error))
            except Exception as error:  # one ticker's odd answer must not stop the others
                log.error("data step failed", action=step.value, symbol=symbol, error=repr(error)[:300])
                staged = Staged(symbol, error=f"{type(error).__name__} in {step.value}")
            done[symbol] = await self._leave(task, step, staged)
        failed = [why for why in done.values() if why]
        if failed and len(failed) == len(done) and retryable:
            soonest = min(retryable, key=_wait)
            raise JobFailed(f"{step.value}: {_why(soonest)}", _wait(soonest) or None)
        return {"done": len(done) - len(failed), "failed": len(failed)}

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
        failed = {symbol: why for symbol, why in failed.items() if symbol not in skipped}
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
                "partial": bool(failed),
            }
        )

    async def _staged(self, run_id: str, step: str) -> dict[str, str]:
        async with self.database.transaction() as work:
            return await work.records.staged_symbols(run_id, step)

    async def _one(self, task: Task, params: DataProcessingParams, step: Step, symbol: str) -> Staged:
        if step is Step.FETCH:
            return await self._fetch(params, symbol)
        if step is Step.INDICATORS:
            return await self._indicators(params, symbol)
        previous = _previous(params, step)
        assert previous is not None
        async with self.database.transaction() as work:
            staged = await work.records.staged(task.run_id, previous, symbol)
        assert staged is not None
        return await (self._normalize if step is Step.NORMALIZE else self._cache)(params, staged)

    async def _fetch(self, params: DataProcessingParams, symbol: str) -> Staged:
        """The vendor's answer as it came, from the first that has one."""
        now, calendars = self.clock(), self.market.calendars
        await calendars.prepare(calendars.code_of(symbol))
        if params.market_hours_only and not calendars.of(symbol).is_open(now, now + timedelta(seconds=1)):
            return Staged(symbol, error=CLOSED)
        problems: list[ProviderError] = []
        for provider in self.market.providers:
            try:
                return Staged(symbol, provider.name, await self._with_retries(provider, params, symbol, now))
            except ProviderError as error:
                problems.append(error)
            except Exception as error:  # an answer we did not foresee must not stop the next vendor
                log.error("provider failed", action="fetch", provider=provider.name, error=repr(error)[:300])
                unreadable = f"sent something unreadable ({type(error).__name__})"
                problems.append(ProviderUnavailable(provider.name, unreadable))
        raise min([one for one in problems if not isinstance(one, ProviderRefused)] or problems, key=_wait)

    async def _with_retries(self, provider: Provider, params: DataProcessingParams, symbol: str, now: datetime) -> Any:
        """Two retries. A vendor whose circuit will close within the step's time is waited for."""
        for attempt in range(self.market.retries + 1):
            try:
                return await self._ask(provider, params, symbol, now)
            except ProviderUnavailable as error:
                wait = error.retry_after or timedelta(seconds=2**attempt)
                if attempt == self.market.retries or wait > PATIENCE:
                    raise
                await self.sleep(wait.total_seconds())
        raise AssertionError

    async def _ask(self, provider: Provider, params: DataProcessingParams, symbol: str, now: datetime) -> Any:
        if params.kind is Kind.HISTORICAL_PRICES:
            return await self._bars(provider, params, symbol, now)
        request = _request(params, symbol, now)
        answer = clean(await provider.data(request))
        found = () if params.kind in LISTS else provider.read(answer, request)
        if params.kind not in LISTS and not found:
            raise ProviderRefused(provider.name, "knows nothing of this ticker")
        if params.kind is Kind.STOCK_QUOTES and self._is_old(symbol, found, now):
            raise ProviderRefused(provider.name, "has no price of this session")
        return answer

    def _is_old(self, symbol: str, quotes: Sequence[Record], now: datetime) -> bool:
        """Whether all prices are from before a session that has been open for longer than any feed is late."""
        opened = now - OPEN_FOR
        market = self.market.calendars.of(symbol)
        if market.continuous or not (market.is_open(opened, opened) and market.is_open(now, now)):
            return False
        before = market.last_close(DAILY, now)
        return before is not None and all(quote.at <= before for quote in quotes if isinstance(quote, Quote))

    async def _bars(self, provider: Provider, params: DataProcessingParams, symbol: str, now: datetime) -> Any:
        calendars, as_of = self.market.calendars, provider.market_time(now)
        count = params.lookback or self.lookback
        start = calendars.of(symbol).start_of(params.timeframe, as_of, count)
        await calendars.prepare(calendars.code_of(symbol), start.date())
        market = self.market.market(provider, symbol)
        start = start if market is None else market.start_of(params.timeframe, as_of, count)
        request = BarRequest(symbol, params.timeframe, start, as_of + params.timeframe.length, now, patience=PATIENCE)
        fetched = await provider.fetch(request if market is None else replace(request, market=market))
        if not fetched.bars:
            raise ProviderRefused(provider.name, "has no bars of it")
        return [
            [bar.open_time.isoformat(), bar.close_time.isoformat(), *_cells(bar), bar.final] for bar in fetched.bars
        ]

    async def _normalize(self, params: DataProcessingParams, staged: Staged) -> Staged:
        """Rows of the kind's own form; what cannot be read is left out and counted."""
        if params.kind is not Kind.HISTORICAL_PRICES:
            provider = self._provider(staged.source)
            found = provider.read(staged.payload, _request(params, staged.symbol, self.clock()))
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


def clean(value: Any) -> Any:
    """The same JSON without what a database cannot hold: NaN and infinity become null, odd characters go."""
    if isinstance(value, dict):
        return {clean(key): clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [clean(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "ignore").decode()
    return value


def _in_turn(symbols: Sequence[str], run_id: str) -> list[str]:
    """From another one on in each run: of a list that is too long for a run's time, no ticker is always left out."""
    first = zlib.crc32(run_id.encode()) % max(len(symbols), 1)
    return [*symbols[first:], *symbols[:first]]


def _wait(error: Exception) -> timedelta:
    """How long from now until another try makes sense; nothing where nobody said."""
    found: timedelta | None = getattr(error, "retry_after", None)
    return found or timedelta()


def _why(error: Exception) -> str:
    return str(error) or "took too long"


def _previous(params: DataProcessingParams, step: Step) -> str | None:
    """The step whose output is this one's input."""
    index = params.steps.index(step)
    return None if index == 0 else params.steps[index - 1].value


def _request(params: DataProcessingParams, symbol: str, now: datetime) -> DataRequest:
    back, ahead = DAYS.get(params.kind, (0, 0))
    today = now.date()
    return DataRequest(params.kind, symbol, today - timedelta(days=back), today + timedelta(days=ahead), now, PATIENCE)


def _cells(bar: Bar) -> Sequence[float | None]:
    values = [getattr(bar, name) for name in FIELDS]
    return [value if math.isfinite(value) else None for value in values]


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

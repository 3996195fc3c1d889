"""Bars and values for jobs, ticker by ticker, as alerts see them: some at once, and one's failure stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, Freshness
from activities.jobs.executor import JobFailed, JobRefused
from activities.jobs.progress import Progress, untold
from activities.market_data.feeds.query import BarsQuery
from activities.market_data.feeds.series import BarSeries
from domain.timeframe import Timeframe

AT_ONCE = 8  # tickers: vendors' own limits bound what is asked of each
MOST_WHY = 5
Values = dict[str, float | None]
T = TypeVar("T")
log = structlog.get_logger(__name__)


class OnBars:
    """Reads values as alerts do: the same cache, the same windows, the same figures."""

    def __init__(
        self,
        evaluation: Evaluation,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.evaluation = evaluation
        self.clock = clock

    async def each(
        self, symbols: Sequence[str], frame: Timeframe, keys: tuple[str, ...], tell: Progress = untold
    ) -> tuple[dict[str, Values], dict[str, str]]:
        """The newest closed bar's values by ticker, and why some have none.

        Raises:
            JobFailed: none has any.
            JobRefused: a key is no operand that can be computed.
        """
        return await _each(symbols, lambda symbol: self._values(symbol, frame, keys), tell)

    async def series(
        self,
        symbols: Sequence[str],
        frame: Timeframe,
        window: int,
        since: datetime | None = None,
        tell: Progress = untold,
    ) -> tuple[dict[str, BarSeries], dict[str, str]]:
        """``window`` closed bars up to ``since`` (None: now) and all after it, by ticker, and why some have none.

        Raises:
            JobFailed: none has any.
        """
        return await _each(symbols, lambda symbol: self._series(symbol, frame, window, since), tell)

    async def _values(self, symbol: str, frame: Timeframe, keys: tuple[str, ...]) -> Values:
        try:
            found = await self.evaluation.values(EvaluateInput(symbol, frame, keys, self.clock(), newest_only=True))
        except (ValueError, AssertionError) as error:
            raise JobRefused(f"{', '.join(keys)}: {error}") from None
        if not found.snapshots:
            raise JobFailed(found.problem or "no closed bar")
        return found.snapshots[-1].values

    async def _series(self, symbol: str, frame: Timeframe, window: int, since: datetime | None) -> BarSeries:
        found = await self.evaluation.market.bars(BarsQuery(symbol, frame, window, since), limit=None)
        if found.freshness in (Freshness.REFUSED, Freshness.UNAVAILABLE) or not (found.series and found.series.bars):
            raise JobFailed(found.problem or "no closed bar")
        return found.series


async def _each(
    symbols: Sequence[str], work: Callable[[str], Awaitable[T]], tell: Progress
) -> tuple[dict[str, T], dict[str, str]]:
    """In the order of the tickers, whichever came first."""
    found: dict[str, T] = {}
    failed: dict[str, str] = {}
    refused: list[JobRefused] = []
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(symbol: str) -> None:
        async with turn:
            await asyncio.sleep(0)  # alerts of the same process take their turn between two tickers
            try:
                found[symbol] = await work(symbol)
            except JobFailed as error:
                failed[symbol] = str(error)
            except JobRefused as error:
                refused.append(error)
            except Exception as error:  # one ticker's odd data must not stop the others
                log.error("ticker failed", action="bars", symbol=symbol, error=repr(error)[:300])
                failed[symbol] = f"{type(error).__name__} in its bars"
            tell(len(found) + len(failed), len(symbols), symbol)

    async with asyncio.TaskGroup() as group:
        for symbol in symbols:
            group.create_task(one(symbol))
    if refused:
        raise refused[0]
    if failed and not found:
        raise JobFailed("; ".join(f"{symbol}: {why}" for symbol, why in list(failed.items())[:MOST_WHY]))
    in_order = dict.fromkeys(symbols)
    return {one: found[one] for one in in_order if one in found}, {
        one: failed[one] for one in in_order if one in failed
    }

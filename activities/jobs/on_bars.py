"""Jobs on bars: each ticker on its own, so that one's failure stops no other; and reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput
from activities.jobs.executor import Done, JobFailed, JobRefused, Notice, Task
from domain.bar import FIELDS
from domain.job import ReportParams
from domain.timeframe import Timeframe

PERIODS = {"1": "close[1]", "5": "close[5]", "20": "close[20]", "60": "close[60]"}
Values = dict[str, float | None]


class OnBars:
    """Reads values as alerts do: the same cache, the same windows, the same figures."""

    def __init__(
        self,
        evaluation: Evaluation,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.evaluation = evaluation
        self.clock = clock

    async def report(self, task: Task) -> Done:
        """The newest closed bar of each ticker and its changes over several periods, told by the job's channels."""
        params: ReportParams = task.job.params
        keys = (*FIELDS, *PERIODS.values())
        rows, failed = await self.each(params.symbols, params.timeframe, keys)
        lines = {symbol: _summary(values) for symbol, values in rows.items()}
        result: dict[str, Any] = {"report_type": params.report_type, "timeframe": params.timeframe}
        if params.report_type == "portfolio_analysis":
            result["portfolio"] = {name: _mean([one[f"change_{name}"] for one in lines.values()]) for name in PERIODS}
        result |= {"symbols": lines, "failed": failed}
        text = "\n".join(f"{symbol}: {_line(one)}" for symbol, one in lines.items())
        title = f"{params.report_type.replace('_', ' ')} ({params.timeframe})"
        return Done(result, Notice(params.notification_channels, title, text, "report"))

    async def each(
        self, symbols: Sequence[str], frame: Timeframe, keys: tuple[str, ...]
    ) -> tuple[dict[str, Values], dict[str, str]]:
        """The newest closed bar's values by ticker, and why some have none.

        Raises:
            JobFailed: none has any.
        """
        rows: dict[str, Values] = {}
        failed: dict[str, str] = {}
        for symbol in symbols:
            await asyncio.sleep(0)
            try:
                rows[symbol] = await self._values(symbol, frame, keys)
            except JobFailed as error:
                failed[symbol] = str(error)
        _some(rows, failed)
        return rows, failed

    async def _values(self, symbol: str, frame: Timeframe, keys: tuple[str, ...]) -> Values:
        try:
            found = await self.evaluation.values(EvaluateInput(symbol, frame, keys, self.clock(), newest_only=True))
        except (ValueError, AssertionError) as error:
            raise JobRefused(f"{', '.join(keys)}: {error}") from None
        if not found.snapshots:
            raise JobFailed(found.problem or "no closed bar")
        return found.snapshots[-1].values


def _some(done: dict[str, Any], failed: dict[str, str]) -> None:
    if failed and not done:
        raise JobFailed("; ".join(f"{symbol}: {why}" for symbol, why in list(failed.items())[:5]))


def _summary(values: Values) -> Values:
    close = values.get("close")
    changes = {f"change_{name}": _change(close, values.get(key)) for name, key in PERIODS.items()}
    return {name: values.get(name) for name in FIELDS} | changes


def _change(now: float | None, then: float | None) -> float | None:
    """Per cent."""
    return None if now is None or not then else (now / then - 1) * 100


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _line(values: Values) -> str:
    close, change = values["close"], values["change_1"]
    said = "no close" if close is None else f"{close:.6g}"
    return said + ("" if change is None else f" ({change:+.2f} %)")

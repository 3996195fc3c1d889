"""Jobs on bars: reports and screeners, each ticker on its own so that one's failure stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput
from activities.jobs.executor import Done, JobFailed, JobRefused, Notice, Task
from domain.alert import Alert
from domain.bar import FIELDS
from domain.definition import read_definition
from domain.job import ReportParams, ScreenerParams
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
        rows, failed = await self._each(params.symbols, params.timeframe, keys)
        lines = {symbol: _summary(values) for symbol, values in rows.items()}
        result: dict[str, Any] = {"report_type": params.report_type, "timeframe": params.timeframe}
        if params.report_type == "portfolio_analysis":
            result["portfolio"] = {name: _mean([one[f"change_{name}"] for one in lines.values()]) for name in PERIODS}
        result |= {"symbols": lines, "failed": failed}
        text = "\n".join(f"{symbol}: {_line(one)}" for symbol, one in lines.items())
        title = f"{params.report_type.replace('_', ' ')} ({params.timeframe})"
        return Done(result, Notice(params.notification_channels, title, text, "report"))

    async def screen(self, task: Task) -> Done:
        """The tickers that meet every criterion, those with most volume first."""
        params: ScreenerParams = task.job.params
        criteria = params.filter_criteria
        if not params.symbols:
            raise JobRefused(f"the set {params.screener_set} has no tickers in this version; name them in symbols")
        conditions = [f"({text})" for text in criteria.conditions]
        if criteria.min_volume is not None:
            conditions.append(f"volume >= {criteria.min_volume!r}")
        rule = " and ".join(conditions) or "close > 0"
        definition = read_definition({"symbol": "X", "timeframe": params.timeframe, "rule": rule})
        alert = Alert(id=task.job_id, definition=definition)
        rows, failed = await self._each(
            params.symbols, params.timeframe, tuple({*definition.operands, "close", "volume"})
        )
        found = [
            {"symbol": symbol, "values": values}
            for symbol, values in rows.items()
            if alert.compiled.truth(values, {}) is True
        ]
        found.sort(key=lambda one: one["values"].get("volume") or 0.0, reverse=True)  # type: ignore[attr-defined]
        result: dict[str, Any] = {
            "screener_set": params.screener_set,
            "total_tickers": len(params.symbols),
            "filtered_count": len(found),
            "results": found[: params.top_n],
            "failed": failed,
        }
        if criteria.unknown_here:
            result["not_applied"] = list(criteria.unknown_here)
        text = ", ".join(str(one["symbol"]) for one in found[: params.top_n]) or "none"
        title = f"{len(found)} of {len(params.symbols)} tickers match"
        return Done(result, Notice(params.notification_channels, title, text, "screener"))

    async def _each(
        self, symbols: Sequence[str], frame: Timeframe, keys: tuple[str, ...]
    ) -> tuple[dict[str, Values], dict[str, str]]:
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

"""The portfolio's analysis: what it is worth, what moved it, and how risky it has been."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from activities.jobs.executor import JobFailed, Task
from activities.jobs.reports import figures
from activities.jobs.reports.figures import Array, finite
from activities.jobs.reports.source import Source, tickers
from activities.market_data.feeds.series import BarSeries
from domain.holding import Holding
from domain.report import ReportParams
from domain.timeframe import Timeframe

DAILY = Timeframe("1d")
FEWEST = 20  # returns on which risk is measured
MOMENT, SATURDAY = timedelta(microseconds=1), 5
Days = dict[date, float]


async def portfolio_analysis(source: Source, task: Task, params: ReportParams) -> dict[str, Any]:
    """Today's holdings over the last ``lookback`` bars, as if they had been held all the time: no purchase, sale or dividend.

    Of named tickers of which none is held each weighs the same. ``portfolio`` has the whole's figures, ``holdings`` each one's;
    fractions are per cent.

    Raises:
        JobFailed: too few days on which all have a price.
    """
    frame = DAILY if params.timeframe.is_intraday else params.timeframe
    held = {one.symbol: one for one in await source.holdings(task.user_id)}
    symbols = tickers(task, params, list(held))
    asked = list(dict.fromkeys([*symbols, params.benchmark]))
    found, failed = await source.on_bars.series(asked, frame, params.lookback + 1, tell=task.tell)
    return await asyncio.to_thread(_analysed, params, frame, symbols, held, found, failed)


def _analysed(
    params: ReportParams,
    frame: Timeframe,
    symbols: Sequence[str],
    held: Mapping[str, Holding],
    found: Mapping[str, BarSeries],
    failed: dict[str, str],
) -> dict[str, Any]:
    """The figures, once the bars are there. Blocking."""
    benchmark = found.get(params.benchmark)
    prices = {symbol: _by_day(found[symbol]) for symbol in symbols if symbol in found}
    notes = [] if benchmark is not None else [f"no beta: {params.benchmark}: {failed.pop(params.benchmark, 'no bars')}"]
    notes += _leave_out_the_new(prices, params.lookback)
    if not prices:
        raise JobFailed("; ".join([*failed.values(), *notes][:5]) or "no prices")
    chosen = [held[symbol] for symbol in prices if symbol in held]
    if chosen:
        notes += [f"{symbol} is not held" for symbol in prices if symbol not in held]
        prices = {one.symbol: prices[one.symbol] for one in chosen}
    quantities = {one.symbol: one.quantity for one in chosen} or _equal(prices)
    currencies = sorted({one.currency for one in chosen if one.currency})
    if len(currencies) > 1:
        notes.append(f"values in {', '.join(currencies)} are added as they are, without conversion")
    days = sorted(set.intersection(*(set(one) for one in prices.values())))
    if len(days) <= FEWEST:
        raise JobFailed(f"there are {len(days)} days on which all tickers have a price; risk needs {FEWEST + 1}")
    a_year = figures.per_year(weekly=frame.is_weekly, continuous=_is_continuous(prices))
    table = np.array([[one[day] for day in days] for one in prices.values()], dtype=np.float64)
    amounts = np.array([quantities[symbol] for symbol in prices], dtype=np.float64)
    yardstick = _by_day(benchmark) if benchmark is not None else {}
    measured = _Measured(days, table * amounts[:, None], a_year, params.risk_free_rate, yardstick)
    return {
        "as_of": days[-1].isoformat(),
        "since": days[0].isoformat(),
        "timeframe": frame,
        "weights": "holdings" if chosen else "equal",
        "benchmark": params.benchmark,
        "currency": currencies[0] if len(currencies) == 1 else "",
        "portfolio": measured.whole(),
        "holdings": _rows(measured, list(prices), quantities, chosen, table),
        "curve": measured.curve(),
        "notes": notes,
        "failed": failed,
    }


class _Measured:
    """Values (shape: holdings, days) and what they come to."""

    def __init__(self, days: Sequence[date], values: Array, a_year: float, risk_free: float, benchmark: Days) -> None:
        self.days, self.values, self.a_year, self.risk_free = days, values, a_year, risk_free
        self.total: Array = values.sum(axis=0)
        self.common = [index for index, day in enumerate(days) if day in benchmark]
        self.benchmark = np.array([benchmark[days[index]] for index in self.common], dtype=np.float64)

    @property
    def is_short(self) -> bool:
        """Whether the whole was ever worth nothing or less, so that it has no returns."""
        return bool((self.total <= 0).any())

    def whole(self) -> dict[str, float | None]:
        total = np.full_like(self.total, np.nan) if self.is_short else self.total
        changes = figures.returns(total)
        parts = np.abs(self.values[:, -1])
        index = figures.concentration(parts)
        found = {
            "value": float(self.total[-1]),
            "change_1": 100 * float(changes[-1]),
            "return": 100 * figures.total_return(total),
            "max_drawdown": 100 * figures.max_drawdown(total),
            "drawdown": 100 * float(figures.drawdowns(total)[-1]),
            "volatility": 100 * figures.volatility(changes, self.a_year),
            "sharpe": figures.sharpe(changes, self.a_year, self.risk_free),
            "beta": self._beta(total),
            "benchmark_return": 100 * figures.total_return(self.benchmark),
            "concentration": index,
            "effective_holdings": 1 / index if index else float("nan"),
        }
        return {name: finite(value) for name, value in found.items()}

    def one(self, row: int) -> dict[str, float | None]:
        values, sizes = np.abs(self.values[row]), np.abs(self.values[:, -1])
        begin = self.total[0]
        found = {
            "value": float(self.values[row, -1]),
            "weight": 100 * float(self.values[row, -1]) / float(sizes.sum()),
            "contribution": 100 * float(self.values[row, -1] - self.values[row, 0]) / begin
            if begin > 0
            else float("nan"),
            "return": 100 * figures.total_return(values),
            "change_1": 100 * float(figures.returns(values)[-1]),
            "max_drawdown": 100 * figures.max_drawdown(values),
            "volatility": 100 * figures.volatility(figures.returns(values), self.a_year),
            "beta": self._beta(values),
        }
        return {name: finite(value) for name, value in found.items()}

    def curve(self) -> dict[str, Any]:
        """Value by day, for the chart; the benchmark begins where the portfolio does."""
        scale = self.total[self.common[0]] / self.benchmark[0] if self.common and self.benchmark[0] else float("nan")
        return {
            "days": [day.isoformat() for day in self.days],
            "value": [round(float(value), 6) for value in self.total],
            "benchmark": [[self.days[at].isoformat(), round(float(scale * price), 6)] for at, price in
                          zip(self.common, self.benchmark, strict=True)],
        }  # fmt: skip

    def _beta(self, values: Array) -> float:
        if len(self.common) <= FEWEST:
            return float("nan")
        return figures.beta(figures.returns(values[self.common]), figures.returns(self.benchmark))


def _rows(
    measured: _Measured, symbols: list[str], quantities: dict[str, float], chosen: list[Holding], table: Array
) -> list[dict[str, Any]]:
    """The holdings, the largest first; ``gain`` is against what was paid."""
    costs = {one.symbol: one.cost for one in chosen}
    found = []
    for row, symbol in enumerate(symbols):
        price, cost = float(table[row, -1]), costs.get(symbol)
        one: dict[str, Any] = {"symbol": symbol, "quantity": quantities[symbol], "price": price, **measured.one(row)}
        if cost is not None:
            one["cost"], one["gain"] = cost, (price - cost) * quantities[symbol]
        one["closes"] = [float(value) for value in table[row, -30:]]
        found.append(one)
    return sorted(found, key=lambda one: -abs(one["value"]))


def _by_day(series: BarSeries) -> Days:
    """Closes by the day on which their session ended (UTC), or by the Monday of their week; one without a close is left out.

    Sessions that open the evening before (Sydney, foreign exchange) meet those of the same day so. Where a vendor's prices have a
    split in them that it has not worked in, what is older cannot be compared, and is left out.
    """
    first = series.splits[-1] if series.splits else 0
    found: Days = {}
    for bar in series.bars[first:]:
        if math.isfinite(bar.close) and bar.close > 0:
            day = (bar.close_time - MOMENT).date()
            found[day - timedelta(days=day.weekday()) if series.timeframe.is_weekly else day] = bar.close
    return found


def _is_continuous(prices: Mapping[str, Days]) -> bool:
    """Whether all of them have prices at weekends, too."""
    return all(any(day.weekday() >= SATURDAY for day in one) for one in prices.values())


def _equal(prices: dict[str, Days]) -> dict[str, float]:
    """As many shares of each as are worth 1 / n of 10,000 on the newest common day."""
    newest = max(set.intersection(*(set(one) for one in prices.values())), default=None)
    if newest is None:
        return dict.fromkeys(prices, 1.0)
    return {symbol: 10_000 / len(prices) / one[newest] for symbol, one in prices.items()}


def _leave_out_the_new(prices: dict[str, Days], lookback: int) -> list[str]:
    """A ticker with less than half of the time would cut everybody's; it goes, and is named."""
    longest = max((len(one) for one in prices.values()), default=0)
    new = [symbol for symbol, one in prices.items() if len(one) < longest / 2 or len(one) <= FEWEST]
    notes = [f"{symbol} is left out: {len(prices[symbol])} bars of {lookback + 1}" for symbol in new]
    for symbol in new:
        del prices[symbol]
    return notes

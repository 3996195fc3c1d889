"""The figures of reports, each with its formula and where it is from. Plain arrays of float64, oldest first.

Returns are simple ones, ``r[t] = v[t] / v[t-1] - 1``, as fractions. Nothing is None here: what cannot be said is NaN.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SESSIONS, WEEKS, DAYS = 252.0, 52.0, 365.0  # of a year: an exchange's, anybody's, those of a market that never closes


def returns(values: Array) -> Array:
    """Simple returns between neighbours (shape: n - 1)."""
    return values[1:] / values[:-1] - 1


def total_return(values: Array) -> float:
    """``v[last] / v[first] - 1``."""
    return float(values[-1] / values[0] - 1) if len(values) > 1 and values[0] else math.nan


def drawdowns(values: Array) -> Array:
    """How far each value is below the highest so far: ``v[t] / max(v[0..t]) - 1``, at most 0."""
    return values / np.maximum.accumulate(values) - 1


def max_drawdown(values: Array) -> float:
    """The deepest of the drawdowns. Source: Magdon-Ismail & Atiya, "Maximum Drawdown", Risk 17 (2004)."""
    return float(drawdowns(values).min()) if len(values) else math.nan


def volatility(changes: Array, per_year: float) -> float:
    """A year's standard deviation of returns: ``stdev(r) * sqrt(n of a year)``, the sample's (n - 1).

    Source: Hull, "Options, Futures, and Other Derivatives", estimating volatility from historical data.
    """
    return float(changes.std(ddof=1) * math.sqrt(per_year)) if len(changes) > 1 else math.nan


def sharpe(changes: Array, per_year: float, risk_free: float = 0.0) -> float:
    """``mean(r - f) / stdev(r) * sqrt(n of a year)``, with ``f = (1 + risk free rate of a year)^(1 / n) - 1``.

    Source: Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994).
    """
    if len(changes) < 2:
        return math.nan
    spread = float(changes.std(ddof=1))
    if spread < 1e-12:  # nothing moved: there is no ratio
        return math.nan
    free = (1 + risk_free) ** (1 / per_year) - 1
    return float((changes.mean() - free) / spread * math.sqrt(per_year))


def beta(changes: Array, benchmark: Array) -> float:
    """``cov(r, b) / var(b)`` of returns over the same bars, the sample's (n - 1).

    Source: Sharpe, "Capital Asset Prices", Journal of Finance 19 (1964).
    """
    if len(changes) < 2 or len(changes) != len(benchmark):
        return math.nan
    spread = float(benchmark.var(ddof=1))
    return float(np.cov(changes, benchmark, ddof=1)[0, 1] / spread) if spread > 1e-18 else math.nan


def concentration(weights: Array) -> float:
    """The Herfindahl-Hirschman index, ``sum(w^2)``: 1 / n of n equal parts, 1 of a single one. Weights are parts of all sizes."""
    size = float(np.abs(weights).sum())
    return float(((weights / size) ** 2).sum()) if size else math.nan


def per_year(*, weekly: bool, continuous: bool) -> float:
    """How many bars a year has."""
    if weekly:
        return WEEKS
    return DAYS if continuous else SESSIONS


def finite(value: float) -> float | None:
    """For results: what cannot be said is None."""
    return value if math.isfinite(value) else None

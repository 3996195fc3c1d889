"""The figures of reports, against computations that share no line with them: pandas, ``statistics``, and sums done by hand."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.jobs.reports import figures

PRICES = st.lists(st.floats(1, 1000), min_size=3, max_size=300)


@given(PRICES, st.sampled_from([252.0, 365.0, 52.0]), st.floats(0, 0.1))
def test_returns_volatility_sharpe_and_drawdown_are_those_of_pandas(
    prices: list[float], per_year: float, free: float
) -> None:
    series = pd.Series(prices)
    changes = series.pct_change().dropna()
    values = np.array(prices)
    mine = figures.returns(values)
    assert mine == pytest.approx(changes.to_numpy())
    assert figures.total_return(values) == pytest.approx(prices[-1] / prices[0] - 1)
    assert figures.max_drawdown(values) == pytest.approx((series / series.cummax() - 1).min(), abs=1e-12)
    assert figures.volatility(mine, per_year) == pytest.approx(
        statistics.stdev(changes) * math.sqrt(per_year), abs=1e-9
    )
    if changes.std() > 1e-6:
        excess = changes - ((1 + free) ** (1 / per_year) - 1)
        expected = excess.mean() / excess.std() * math.sqrt(per_year)
        assert figures.sharpe(mine, per_year, free) == pytest.approx(expected, rel=1e-6)


@given(st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)), min_size=3, max_size=200))
def test_beta_is_the_slope_of_the_regression(pairs: list[tuple[float, float]]) -> None:
    of_ticker, of_market = (np.array(column) for column in zip(*pairs, strict=True))
    if of_market.std() < 1e-4:
        return
    slope = statistics.linear_regression(of_market.tolist(), of_ticker.tolist()).slope
    assert figures.beta(of_ticker, of_market) == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_by_hand() -> None:
    values = np.array([100.0, 110.0, 99.0, 108.9])
    assert figures.returns(values).tolist() == pytest.approx([0.1, -0.1, 0.1])
    assert figures.max_drawdown(values) == pytest.approx(-0.1)
    assert figures.drawdowns(values).tolist() == pytest.approx([0, 0, -0.1, -0.01])
    # mean 1/30, stdev sqrt(((2/30)^2 * 2 + (4/30)^2) / 2) = 0.11547
    assert figures.volatility(figures.returns(values), 252) == pytest.approx(0.1154700538 * 15.8745078664)
    assert figures.sharpe(figures.returns(values), 252) == pytest.approx((1 / 30) / 0.1154700538 * 15.8745078664)
    assert figures.concentration(np.array([50.0, 25.0, -25.0])) == pytest.approx(0.375)
    assert figures.concentration(np.ones(8)) == pytest.approx(1 / 8)


def test_what_cannot_be_said_is_not_said() -> None:
    flat = np.full(10, 5.0)
    assert math.isnan(figures.sharpe(figures.returns(flat), 252))
    assert math.isnan(figures.beta(figures.returns(np.arange(1.0, 11.0)), figures.returns(flat)))
    assert math.isnan(figures.volatility(np.array([0.1]), 252))
    assert math.isnan(figures.total_return(np.array([1.0])))
    assert math.isnan(figures.concentration(np.zeros(3)))
    assert figures.finite(math.nan) is None


def test_a_year_has_as_many_bars_as_its_market() -> None:
    assert figures.per_year(weekly=False, continuous=False) == 252
    assert figures.per_year(weekly=False, continuous=True) == 365
    assert figures.per_year(weekly=True, continuous=True) == 52

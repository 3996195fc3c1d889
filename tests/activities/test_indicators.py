"""Indicators agree with independent figures, and what means nothing is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from activities.catalogue import build
from activities.indicators import compute
from domain.indicators import CATALOGUE, catalogue
from domain.operand import IndicatorOperand

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
RNG = np.random.default_rng(3)
CLOSE = 100 + RNG.standard_normal(700).cumsum() * 0.7


def columns(close: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "open": close - 0.1,
        "high": close + 1,
        "low": close - 1,
        "close": close,
        "volume": np.full(len(close), 5.0),
    }


def values(name: str, close: np.ndarray, *, whole: bool = True, **params: float) -> np.ndarray:
    operand = IndicatorOperand(indicator=name, params=params)
    return compute(operand, columns(close), whole_history=whole)[operand.definition.outputs[0]]


def wilder(close: np.ndarray, length: int) -> np.ndarray:
    change = np.diff(close)
    up, down = np.maximum(change, 0), np.maximum(-change, 0)
    out = np.full(len(close), np.nan)
    gain, loss = up[:length].mean(), down[:length].mean()
    for index in range(length, len(close)):
        if index > length:
            gain = (gain * (length - 1) + up[index - 1]) / length
            loss = (loss * (length - 1) + down[index - 1]) / length
        out[index] = 100 * gain / (gain + loss)
    return out


def test_rsi_and_averages_against_plain_python() -> None:
    np.testing.assert_allclose(values("rsi", CLOSE, timeperiod=14), wilder(CLOSE, 14), rtol=1e-10)
    np.testing.assert_allclose(values("sma", CLOSE, timeperiod=50), pd.Series(CLOSE).rolling(50).mean(), rtol=1e-10)


@pytest.mark.parametrize(
    "name", ["rsi", "cmo", "adx", "macd", "ema", "sma", "mfi", "stoch", "obv", "cci", "willr", "bbands"]
)
def test_a_hole_makes_values_missing_and_never_wrong(name: str) -> None:
    """TA-Lib alone would answer RSI 0.0 for ever after."""
    broken = CLOSE.copy()
    broken[200] = np.nan
    clean, holed = values(name, CLOSE), values(name, broken)
    assert np.isnan(holed[200])
    later = ~np.isnan(holed[201:])
    assert later.any(), "it comes back"
    if name != "obv":
        np.testing.assert_allclose(holed[201:][later], clean[201:][later], rtol=1e-5, atol=1e-6)
    assert np.isnan(values(name, np.full(700, np.nan))).all()


@pytest.mark.parametrize(
    "name", ["rsi", "cmo", "stoch", "stochf", "stochrsi", "willr", "cci", "adx", "dx", "bop", "mfi", "ultosc"]
)
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_a_flat_series_has_no_oscillator(name: str, spread: float) -> None:
    """A halted stock must not look oversold; with a spread some of them are defined, and then not zero."""
    flat = np.full(600, 100.1)
    data = {**columns(flat), "open": flat, "high": flat + spread, "low": flat - spread}
    found = compute(IndicatorOperand(indicator=name), data, whole_history=True)
    defined_with_a_spread = {"stoch", "stochf", "willr", "bop", "ultosc"}
    for output in found.values():
        if spread == 0.0 or name not in defined_with_a_spread:
            assert np.isnan(output).all()


def test_a_series_that_falls_silent_becomes_missing() -> None:
    halted = np.concatenate([CLOSE[:300], np.full(300, CLOSE[299])])
    rsi = values("rsi", halted, timeperiod=14)
    assert np.isnan(rsi[-1])
    assert (np.nan_to_num(rsi, nan=50.0) > 1).all()


def test_an_average_of_equal_prices_is_that_price() -> None:
    falling = np.concatenate([np.linspace(8.77, 7.77, 30), np.full(100, 7.77)])
    assert (values("sma", falling, timeperiod=20)[60:] == 7.77).all()


def test_too_short_and_unconverged_windows_are_missing() -> None:
    assert np.isnan(values("rsi", CLOSE[:10])).all()
    assert np.isnan(values("rsi", CLOSE[:240], whole=False)).all()
    assert np.isfinite(values("rsi", CLOSE[:250], whole=False)[-1])
    assert np.isfinite(values("sma", CLOSE[:30], whole=False)[-1])


def test_the_committed_catalogue_is_what_ta_lib_has() -> None:
    assert json.loads(CATALOGUE.read_text()) == json.loads(json.dumps(build())), "run: make generated"
    assert len(catalogue()) > 150
    for indicator in catalogue().values():
        for parameter in indicator.parameters:
            assert parameter.low <= parameter.default <= parameter.high


@pytest.mark.skipif(not SHARED.is_dir(), reason="sample data is not part of the project")
@pytest.mark.parametrize(
    ("file", "name", "field", "output", "params"),
    [
        ("rsi", "rsi", "rsi", "real", {"timeperiod": 14}),
        ("sma", "sma", "sma", "real", {"timeperiod": 20}),
        ("ema", "ema", "ema", "real", {"timeperiod": 20}),
        ("bb", "bbands", "upperBand", "upperband", {"timeperiod": 20}),
        ("atr", "atr", "atr", "real", {"timeperiod": 14}),
    ],
)
def test_agreement_with_an_independent_library(
    file: str, name: str, field: str, output: str, params: dict[str, float]
) -> None:
    frame = pd.read_csv(SHARED / "spy_daily_2017_2018.csv")
    rows = json.loads((SHARED / "expected_indicators" / f"{file}.standard.json").read_text())
    expected = np.array([np.nan if row.get(field) is None else row[field] for row in rows], dtype=float)
    data = {n: frame[n].to_numpy(dtype=float) for n in ("open", "high", "low", "close", "volume")}
    found = compute(IndicatorOperand(indicator=name, params=params), data, whole_history=True)[output]
    both = np.isfinite(expected) & np.isfinite(found)
    assert both.sum() > 450
    np.testing.assert_allclose(found[both], expected[both], rtol=1e-8)

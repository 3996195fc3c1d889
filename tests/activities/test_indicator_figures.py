"""Indicators against their textbook formulas in plain Python, on bars made here."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean

import numpy as np
import pytest

from activities.indicators import compute
from domain.operand import IndicatorOperand

SIZE = 600
_random = np.random.default_rng(11)
CLOSE = [float(value) for value in 100 + np.cumsum(_random.normal(0, 1, SIZE))]
OPEN = [CLOSE[0], *CLOSE[:-1]]
HIGH = [max(a, b) + float(x) for a, b, x in zip(OPEN, CLOSE, _random.uniform(0.1, 1, SIZE), strict=True)]
LOW = [min(a, b) - float(x) for a, b, x in zip(OPEN, CLOSE, _random.uniform(0.1, 1, SIZE), strict=True)]
VOLUME = [float(value) for value in _random.integers(100, 1000, SIZE)]
COLUMNS = {
    name: np.array(values)
    for name, values in zip(("open", "high", "low", "close", "volume"), (OPEN, HIGH, LOW, CLOSE, VOLUME), strict=True)
}
TYPICAL = [sum(prices) / 3 for prices in zip(HIGH, LOW, CLOSE, strict=True)]
RANGE = [HIGH[0] - LOW[0]] + [
    max(HIGH[i] - LOW[i], abs(HIGH[i] - CLOSE[i - 1]), abs(LOW[i] - CLOSE[i - 1])) for i in range(1, SIZE)
]
Line = list[float]


def ema(values: Line, span: int, *, factor: float | None = None) -> Line:
    factor, found = factor or 2 / (span + 1), [fmean(values[:span])]
    for value in values[span:]:
        found.append(found[-1] + factor * (value - found[-1]))
    return found


def window(values: Line, span: int, of: Callable[[Line], float]) -> Line:
    return [of(values[i - span + 1 : i + 1]) for i in range(span - 1, len(values))]


def spread(values: Line) -> float:
    return math.sqrt(fmean([(value - fmean(values)) ** 2 for value in values]))


def macd() -> tuple[Line, Line, Line]:
    fast, slow = ema(CLOSE, 12), ema(CLOSE, 26)
    line = [a - b for a, b in zip(fast[-len(slow) :], slow, strict=True)]
    signal = ema(line, 9)
    return line, signal, [a - b for a, b in zip(line[-len(signal) :], signal, strict=True)]


def stochastic() -> tuple[Line, Line]:
    raw = [
        100 * (CLOSE[i] - min(LOW[i - 4 : i + 1])) / (max(HIGH[i - 4 : i + 1]) - min(LOW[i - 4 : i + 1]))
        for i in range(4, SIZE)
    ]
    slow = window(raw, 3, fmean)
    return slow, window(slow, 3, fmean)


def adx() -> Line:
    plus, minus = [0.0], [0.0]
    for i in range(1, SIZE):
        up, down = HIGH[i] - HIGH[i - 1], LOW[i - 1] - LOW[i]
        plus.append(up if up > down and up > 0 else 0.0)
        minus.append(down if down > up and down > 0 else 0.0)
    smooth = [ema(values[1:], 14, factor=1 / 14) for values in (plus, minus, RANGE)]
    dx = []
    for p, m, r in zip(*smooth, strict=True):
        a, b = 100 * p / r, 100 * m / r
        dx.append(100 * abs(a - b) / (a + b))
    return ema(dx, 14, factor=1 / 14)


def money_flow() -> Line:
    found = []
    for i in range(14, SIZE):
        ups = sum(TYPICAL[j] * VOLUME[j] for j in range(i - 13, i + 1) if TYPICAL[j] > TYPICAL[j - 1])
        downs = sum(TYPICAL[j] * VOLUME[j] for j in range(i - 13, i + 1) if TYPICAL[j] < TYPICAL[j - 1])
        found.append(100 * ups / (ups + downs))
    return found


def volumes() -> Line:
    found = [VOLUME[0]]
    for i in range(1, SIZE):
        found.append(found[-1] + VOLUME[i] * ((CLOSE[i] > CLOSE[i - 1]) - (CLOSE[i] < CLOSE[i - 1])))
    return found


def williams() -> Line:
    return [
        -100 * (max(HIGH[i - 13 : i + 1]) - CLOSE[i]) / (max(HIGH[i - 13 : i + 1]) - min(LOW[i - 13 : i + 1]))
        for i in range(13, SIZE)
    ]


FIGURES: list[tuple[str, dict[str, float], str, Callable[[], Line]]] = [
    ("sma", {"timeperiod": 20}, "real", lambda: window(CLOSE, 20, fmean)),
    ("ema", {"timeperiod": 20}, "real", lambda: ema(CLOSE, 20)),
    ("wma", {"timeperiod": 10}, "real", lambda: window(CLOSE, 10, lambda w: sum(v * (i + 1) for i, v in enumerate(w)) / 55)),
    ("macd", {}, "macd", lambda: macd()[0]),
    ("macd", {}, "macdsignal", lambda: macd()[1]),
    ("macd", {}, "macdhist", lambda: macd()[2]),
    ("bbands", {"timeperiod": 20}, "upperband", lambda: window(CLOSE, 20, lambda w: fmean(w) + 2 * spread(w))),
    ("bbands", {"timeperiod": 20}, "lowerband", lambda: window(CLOSE, 20, lambda w: fmean(w) - 2 * spread(w))),
    ("stddev", {"timeperiod": 10}, "real", lambda: window(CLOSE, 10, spread)),
    ("atr", {"timeperiod": 14}, "real", lambda: ema(RANGE[1:], 14, factor=1 / 14)),
    ("trange", {}, "real", lambda: RANGE[1:]),
    ("stoch", {}, "slowk", lambda: stochastic()[0]),
    ("stoch", {}, "slowd", lambda: stochastic()[1]),
    ("willr", {}, "real", williams),
    ("cci", {"timeperiod": 14}, "real", lambda: window(TYPICAL, 14, lambda w: (w[-1] - fmean(w)) / (0.015 * fmean([abs(v - fmean(w)) for v in w])))),
    ("roc", {"timeperiod": 10}, "real", lambda: [100 * (CLOSE[i] / CLOSE[i - 10] - 1) for i in range(10, SIZE)]),
    ("mom", {"timeperiod": 10}, "real", lambda: [CLOSE[i] - CLOSE[i - 10] for i in range(10, SIZE)]),
    ("max", {"timeperiod": 30}, "real", lambda: window(CLOSE, 30, max)),
    ("min", {"timeperiod": 30}, "real", lambda: window(CLOSE, 30, min)),
    ("mfi", {"timeperiod": 14}, "real", money_flow),
    ("obv", {}, "real", volumes),
    ("adx", {"timeperiod": 14}, "real", adx),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "params", "output", "figures"), FIGURES, ids=[f"{one[0]}-{one[2]}" for one in FIGURES]
)
def test_the_formula_gives_the_same(
    name: str, params: dict[str, float], output: str, figures: Callable[[], Line]
) -> None:
    operand = IndicatorOperand.model_validate({"indicator": name, "params": params, "output": output})
    found = compute(operand, COLUMNS, whole_history=True, windowed=False)[output]
    expected = figures()
    assert np.isfinite(found[-200:]).all()
    assert list(found[-200:]) == pytest.approx(expected[-200:], rel=1e-8, abs=1e-9)

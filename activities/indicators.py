"""TA-Lib by name on columns of bars, with what TA-Lib does not say: which values are missing.

TA-Lib answers 0.0 where it should answer nothing: after a NaN, on a flat series, on too small a scale. Here every
such value is NaN, so that no rule can fire on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import talib
from numpy.typing import NDArray
from talib import abstract

from domain.operand import IndicatorOperand

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
FINITE_AVERAGES = (0, 2, 5)  # SMA, WMA, TRIMA as TA-Lib numbers its moving averages
CHANGE_RATIOS = {"rsi", "cmo", "stochrsi"}
RANGE_RATIOS = {
    "stoch": "fastk_period",
    "stochf": "fastk_period",
    "willr": "timeperiod",
    "kdj": "fastk_period",
}
TYPICAL_RATIOS = {"cci", "mfi"}
DIRECTIONAL = {"adx", "adxr", "dx", "plus_di", "minus_di"}
BAR_RATIOS = {"bop"}
PAIR_RATIOS = {"beta", "correl"}


def compute(
    operand: IndicatorOperand, columns: Columns, *, whole_history: bool, windowed: bool = True
) -> dict[str, Array]:
    """Each output over all bars, NaN where it is missing (shape of the inputs).

    ``whole_history`` says that the first bar is the first there ever was. Otherwise a recursive indicator is missing until
    it has its full window. A hole in the inputs makes every value missing whose window contains it. A path-dependent indicator
    is computed window by window, as alerts see it, unless ``windowed`` is False.
    """
    inputs = _inputs(operand, columns)
    size = len(inputs[0])
    outputs = {name: np.full(size, np.nan) for name in operand.definition.outputs}
    sound: NDArray[np.bool_] = np.all(np.isfinite(inputs), axis=0)
    for start, end in _segments(sound):
        part = [np.ascontiguousarray(array[start:end]) for array in inputs]
        warm = _warm_up(operand, from_beginning=whole_history and start == 0)
        by_window = windowed and operand.definition.path_dependent
        values = (_windowed if by_window else _call)(operand, part)
        undefined = _undefined(operand, part, values)
        for name, value in zip(outputs, values, strict=True):
            value = np.where(undefined, np.nan, _tidy(value))
            value[: min(warm, len(value))] = np.nan
            outputs[name][start:end] = value
    return outputs


@lru_cache(maxsize=4096)
def lookback(name: str, params: tuple[tuple[str, float], ...]) -> int:
    """Bars before the first output of that function."""
    function = abstract.Function(name.upper())  # type: ignore[attr-defined]
    function.set_parameters(dict(params))
    return int(function.lookback)


def bars_needed(operand: IndicatorOperand) -> int:
    """Bars in the window of one live value: all a finite function looks at, or the convergence window."""
    finite = lookback(operand.indicator, tuple(operand.params.items())) + 1
    return max(finite, operand.window) if is_recursive(operand) else finite


def is_recursive(operand: IndicatorOperand) -> bool:
    """Whether bars before the lookback still weigh in."""
    definition = operand.definition
    if definition.recursive or definition.path_dependent:
        return True
    return any("matype" in name and value not in FINITE_AVERAGES for name, value in operand.params.items())


def _inputs(operand: IndicatorOperand, columns: Columns) -> list[Array]:
    names = (operand.source,) if operand.source else operand.definition.inputs
    return [np.asarray(columns[name], dtype=np.float64) for name in names]


def _tidy(values: Array) -> Array:
    """Twelve significant digits: on a flat series an average must equal its price, not miss it by a rounding error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = np.where((values == 0) | ~np.isfinite(values), 0, 11 - np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** np.abs(digits)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(digits >= 0, np.round(values * scale) / scale, np.round(values / scale) * scale)


def _segments(sound: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of bars without a hole, as (start, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], sound, [False]])))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _warm_up(operand: IndicatorOperand, *, from_beginning: bool) -> int:
    """Values at the beginning of a segment that are not to be trusted."""
    if from_beginning or not is_recursive(operand):
        return lookback(operand.indicator, tuple(operand.params.items()))
    return bars_needed(operand) - 1


def _call(operand: IndicatorOperand, inputs: list[Array]) -> list[Array]:
    result = getattr(talib, operand.indicator.upper())(*inputs, **operand.params)
    series = result if isinstance(result, tuple) else (result,)
    return [np.asarray(values, dtype=np.float64) for values in series]


def _windowed(operand: IndicatorOperand, inputs: list[Array]) -> list[Array]:
    """Each value from its own window, as live: where the series began must not matter."""
    size, window = len(inputs[0]), bars_needed(operand)
    outputs = [np.full(size, np.nan) for _ in operand.definition.outputs]
    for end in range(1, size + 1):
        start = max(0, end - window)
        for output, values in zip(outputs, _call(operand, [array[start:end] for array in inputs]), strict=True):
            output[end - 1] = values[-1]
    return outputs


def _undefined(operand: IndicatorOperand, inputs: list[Array], values: list[Array]) -> NDArray[np.bool_]:
    """Where the formula divides nothing by nothing, so that TA-Lib's answer means nothing."""
    name, params = operand.indicator, operand.params
    window = operand.window
    if name in CHANGE_RATIOS:
        flat = _flat(inputs, window)
        if name == "stochrsi":
            inner = talib.RSI(inputs[0], timeperiod=int(params["timeperiod"]))
            flat |= _flat([np.nan_to_num(inner, nan=-1.0)], int(params["fastk_period"]))
        if name == "rsi":
            rises = np.concatenate([[False], np.diff(inputs[0]) > 0])
            flat |= (values[0] == 0.0) & _any_within(rises, window)  # underflow on a small scale
        return flat
    if name in RANGE_RATIOS:
        smoothing = lookback(name, tuple(params.items())) - int(params[RANGE_RATIOS[name]]) + 2
        return _any_within(_flat(inputs[:2], int(params[RANGE_RATIOS[name]])), smoothing)
    if name in TYPICAL_RATIOS:
        period = int(params["timeperiod"])
        typical = (inputs[0] + inputs[1] + inputs[2]) / 3
        flat = _flat([typical], period + (name == "mfi"))
        return flat | _silent(inputs[3], period) if name == "mfi" else flat
    if name in DIRECTIONAL:
        return _still(inputs[:2], window)
    if name in BAR_RATIOS:
        return np.asarray(inputs[1] == inputs[2])
    if name in PAIR_RATIOS:
        period = int(params["timeperiod"])
        return _flat(inputs[:1], period) | _flat(inputs[1:], period)
    if name == "ultosc":
        return _flat(inputs, int(max(params.values())))
    return np.zeros(len(inputs[0]), dtype=bool)


def _flat(inputs: list[Array], span: int) -> NDArray[np.bool_]:
    """Whether all inputs are one and the same value over the last ``span`` bars (or since the beginning)."""
    same = np.all([array == inputs[0] for array in inputs], axis=0)
    moved = np.concatenate([[True], (np.diff(inputs[0]) != 0) | ~same[1:] | ~same[:-1]])
    index = np.arange(len(moved))
    run = index - np.maximum.accumulate(np.where(moved, index, 0)) + 1
    return np.asarray(same & (run >= np.minimum(span, index + 1)))


def _still(inputs: list[Array], span: int) -> NDArray[np.bool_]:
    """Whether none of the inputs has moved over the last ``span`` bars, wherever each of them stands."""
    return np.asarray(np.all([_flat([array], span) for array in inputs], axis=0))


def _silent(volume: Array, span: int) -> NDArray[np.bool_]:
    return ~_any_within(volume > 0, span)


def _any_within(flags: NDArray[np.bool_], span: int) -> NDArray[np.bool_]:
    """Whether any flag is set within the last ``span`` bars."""
    total = np.concatenate([[0], np.cumsum(flags)])
    index = np.arange(1, len(total))
    return np.asarray(total[index] - total[np.maximum(index - span, 0)] > 0)

"""Writes ``domain/indicator_catalogue.json`` from the installed TA-Lib: ``python -m activities.catalogue``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import talib
from talib import abstract

from domain.bar import FIELDS
from domain.indicators import CATALOGUE, LONGEST_PERIOD

RECURSIVE = {"STOCHRSI", "CVI", "MASSI"}  # averages of averages, whose memory a short series does not show
UNUSABLE = {"MAVP", "MAXINDEX", "MININDEX", "MINMAXINDEX"}  # a series of periods; positions in the array


def build() -> dict[str, Any]:
    """The catalogue as JSON, by lower-case function name; parameter bounds are found by trying."""
    rng = np.random.default_rng(7)
    close = 100 + rng.standard_normal(400).cumsum() * 0.5
    bars = {
        "open": close - 0.1,
        "high": close + 0.5,
        "low": close - 0.5,
        "close": close,
        "volume": rng.integers(1000, 9000, 400).astype(float),
    }
    found = {}
    for name in sorted(talib.get_functions()):  # type: ignore[no-untyped-call]
        function = abstract.Function(name)  # type: ignore[attr-defined]
        inputs = _inputs(function.info["input_names"])
        if name in UNUSABLE or not set(inputs) <= set(FIELDS):
            continue
        flags = function.info["function_flags"] or []
        defaults = dict(function.info["parameters"])
        arrays = [bars[field] for field in inputs]
        if _looks_ahead(getattr(talib, name), arrays):
            continue
        found[name.lower()] = {
            "title": function.info["display_name"],
            "inputs": inputs,
            "takes_source": list(function.info["input_names"]) == ["price"],
            "parameters": [
                _parameter(_Trial(getattr(talib, name), arrays, defaults), parameter) for parameter in defaults
            ],
            "outputs": list(function.info["output_names"]),
            "path_dependent": "Output is path-dependent" in flags,
            "recursive": _is_recursive(function, getattr(talib, name), arrays),
        }
    return found


def _inputs(names: Mapping[str, Any]) -> list[str]:
    fields: list[str] = []
    for value in names.values():
        fields.extend([value] if isinstance(value, str) else value)
    return fields


def _looks_ahead(function: Callable[..., Any], arrays: list[Any]) -> bool:
    """Whether later bars change earlier values: such an indicator would repaint."""
    full, prefix = function(*arrays), function(*(array[:300] for array in arrays))
    pairs = zip(full, prefix, strict=True) if isinstance(full, tuple) else [(full, prefix)]
    return not all(np.allclose(whole[:300], part, equal_nan=True) for whole, part in pairs)


def _is_recursive(function: Any, call: Callable[..., Any], arrays: list[Any]) -> bool:
    """Whether bars before the lookback still weigh in, as in Wilder's averages."""
    for shortest in (function.lookback + 1, function.lookback + 8):
        full, cut = call(*arrays), call(*(array[-shortest:].copy() for array in arrays))
        pairs = zip(full, cut, strict=True) if isinstance(full, tuple) else [(full, cut)]
        if not all(np.isclose(whole[-1], part[-1], rtol=1e-9, atol=1e-9, equal_nan=True) for whole, part in pairs):
            return True
    return function.info["name"] in RECURSIVE


@dataclass(frozen=True)
class _Trial:
    """Calls one function with its defaults and one parameter changed."""

    function: Callable[..., Any]
    arrays: list[Any]
    defaults: dict[str, float]

    def accepts(self, name: str, value: float) -> bool:
        try:
            self.function(*self.arrays, **{**self.defaults, name: value})
        except Exception:  # TA-Lib raises bare Exception for a bad parameter
            return False
        return True


def _parameter(trial: _Trial, name: str) -> dict[str, Any]:
    default = trial.defaults[name]
    whole = isinstance(default, int)
    lows: tuple[float, ...] = (-1e6, 0.0, 0.01)
    highs: tuple[float, ...] = (1e6, 100.0, 1.0, 0.99)
    if name == "signalperiod":
        lows, highs = (2,), (LONGEST_PERIOD,)  # TA-Lib's MACD looks ahead with a signal period of 1
    elif "matype" in name:
        lows, highs = (0,), (max(8, int(default)),)
    elif whole:
        lows, highs = (0, 1, 2, 3, 4), (LONGEST_PERIOD,)
    return {
        "name": name,
        "default": default,
        "low": next(value for value in (*lows, default) if trial.accepts(name, value)),
        "high": next(value for value in (*highs, default) if trial.accepts(name, value)),
        "whole": whole,
    }


def main() -> None:
    """Rewrites the committed file."""
    CATALOGUE.write_text(json.dumps(build(), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{CATALOGUE.name} written\n")


if __name__ == "__main__":
    main()

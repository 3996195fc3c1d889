"""The indicators a rule may name: TA-Lib's functions, their parameters, defaults, bounds and outputs.

The catalogue is data (``indicator_catalogue.json``, made by ``python -m activities.catalogue``), so that a rule can
be checked without loading TA-Lib.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

CATALOGUE = Path(__file__).with_name("indicator_catalogue.json")
ALIASES = {"bb": "bbands", "bollinger": "bbands", "highest": "max", "lowest": "min", "stochastic": "stoch"}
PERIOD_ALIASES = ("length", "period", "n", "window")
FORGOTTEN = 15  # periods after which the seed of an average weighs less than a millionth
MIN_WINDOW = 250
MAX_WINDOW = 20_000  # eighty years of days, two weeks of minutes round the clock
LONGEST_PERIOD = 2000


@dataclass(frozen=True)
class Parameter:
    """One numeric parameter with its default and inclusive bounds; ``whole`` means an integer."""

    name: str
    default: float
    low: float
    high: float
    whole: bool


@dataclass(frozen=True)
class Indicator:
    """One TA-Lib function. ``inputs`` are bar fields; ``takes_source`` when the single input can be chosen.

    ``recursive`` marks a result in which all earlier bars weigh in, ever less; ``path_dependent`` one that depends on
    where the series began (OBV, SAR).
    """

    name: str
    title: str
    inputs: tuple[str, ...]
    takes_source: bool
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    path_dependent: bool
    recursive: bool

    def parameter(self, name: str) -> Parameter | None:
        """The parameter by name; ``length`` and ``period`` mean ``timeperiod``."""
        wanted = name.lower()
        if wanted in PERIOD_ALIASES:
            wanted = "timeperiod"
        return next((parameter for parameter in self.parameters if parameter.name == wanted), None)


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Indicator]:
    """All indicators by lower-case name."""
    rows = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return {
        name: Indicator(
            name=name,
            title=row["title"],
            inputs=tuple(row["inputs"]),
            takes_source=row["takes_source"],
            parameters=tuple(Parameter(**parameter) for parameter in row["parameters"]),
            outputs=tuple(row["outputs"]),
            path_dependent=row["path_dependent"],
            recursive=row["recursive"],
        )
        for name, row in rows.items()
    }


def find(name: str) -> Indicator:
    """The indicator of that name, in any case.

    Raises:
        ValueError: with near names, when there is none.
    """
    key = name.lower()
    found = catalogue().get(ALIASES.get(key, key))
    if found is None:
        near = get_close_matches(key, [*catalogue(), *ALIASES], n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; see TA-Lib's function names"
        raise ValueError(f"unknown indicator '{name}'{hint}")
    return found


def names() -> list[str]:
    """Every name that ``find`` knows."""
    return [*catalogue(), *ALIASES]


def is_known(name: str) -> bool:
    """Whether ``find`` finds it."""
    key = name.lower()
    return ALIASES.get(key, key) in catalogue()


def with_output(name: str) -> list[str]:
    """The indicators that have an output of that name among others; a variant such as macdext is left out beside macd."""
    owners = sorted(one.name for one in catalogue().values() if name in one.outputs and len(one.outputs) > 1)
    return [one for one in owners if not any(other != one and one.startswith(other) for other in owners)]


def complete(indicator: Indicator, given: Mapping[str, float]) -> dict[str, float]:
    """All parameters with defaults filled in, in the indicator's order.

    Raises:
        ValueError: naming every parameter that is unknown or out of bounds.
    """
    faults, values = [], {parameter.name: parameter.default for parameter in indicator.parameters}
    for name, value in given.items():
        parameter = indicator.parameter(name)
        if parameter is None:
            known = ", ".join(p.name for p in indicator.parameters) or "none"
            faults.append(f"{indicator.name} has no parameter '{name}' (it has {known})")
        elif not parameter.low <= value <= parameter.high:
            got = f", got {value:g}" if abs(value) < 1e300 else ""
            faults.append(
                f"{parameter.name} of {indicator.name} must be from {parameter.low:g} to {parameter.high:g}{got}"
            )
        elif parameter.whole and value != int(value):
            faults.append(f"{parameter.name} of {indicator.name} must be a whole number, got {value:g}")
        else:
            values[parameter.name] = int(value) if parameter.whole else float(value)
    if faults:
        raise ValueError("; ".join(faults))
    return values


def longest_period(params: Mapping[str, float]) -> int:
    """The longest of an indicator's periods; 0 where it has none."""
    return int(max((value for name, value in params.items() if "period" in name), default=0))


def window(indicator: Indicator, params: Mapping[str, float]) -> int:
    """Closed bars to compute on.

    A recursive average needs so many that its seed is forgotten (15 periods), anything else its period; at least 250, and at most
    20,000, in which the seed of the longest one (2,000) has shrunk to a twenty thousandth.
    """
    longest = longest_period(params)
    forgets = indicator.recursive or indicator.path_dependent or any("matype" in name for name in params)
    return min(MAX_WINDOW, max(MIN_WINDOW, (FORGOTTEN if forgets else 1) * longest))

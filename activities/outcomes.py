"""What came after fires: by how much the price moved in the bars that followed, in per cent."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.definition import AlertDefinition

AFTER = (1, 5, 20)  # bars
FALLING = {"short", "sell", "bearish"}  # tags of alerts that hope for a fall
Array = NDArray[np.float64]


def hopes_for_a_fall(definition: AlertDefinition) -> bool:
    """Whether its tags say so."""
    return bool(FALLING & {tag.lower() for tag in definition.tags})


def outcome(moves: Sequence[float], hits: int) -> dict[str, Any]:
    """Of moves in per cent: how many, mean, median, and the share of hits in per cent."""
    if not moves:
        return {"count": 0, "mean": None, "median": None, "hit_rate": None}
    mean, median = statistics.fmean(moves), statistics.median(moves)
    return {"count": len(moves), "mean": mean, "median": median, "hit_rate": 100 * hits / len(moves)}


def moves_after(close: Array, row: int) -> dict[str, float | None]:
    """By bars: ``close[n bars after] / close[row] - 1`` in per cent; None where there is no such bar, or no value."""
    found: dict[str, float | None] = {}
    for bars in AFTER:
        later = close[row + bars] / close[row] - 1 if row + bars < len(close) and close[row] else np.nan
        found[str(bars)] = float(100 * later) if np.isfinite(later) else None
    return found


def outcomes(close: Array, rows: Iterable[int], *, falling: bool) -> dict[str, dict[str, Any]]:
    """By bars after the fires of these rows; a hit is a rise, or a fall where that is hoped for."""
    every = [moves_after(close, row) for row in rows]
    found = {}
    for bars in map(str, AFTER):
        moves = [move for one in every if (move := one[bars]) is not None]
        hits = sum(move < 0 if falling else move > 0 for move in moves)
        found[bars] = outcome(moves, hits)
    return found

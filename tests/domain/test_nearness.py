"""How far a rule is from being true."""

from __future__ import annotations

import pytest

from domain.nearness import distance
from tests.conftest import make_alert

VALUES = {"close": 95.0, "rsi(14)": 60.0, "sma(20)": 100.0, "volume": 10.0, "high": None}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("close > 90", 0.0),
        ("close > 100", 0.05),
        ("close < 50", 0.9),
        ("close > 100 and rsi(14) > 80", 0.25),
        ("close > 100 or rsi(14) > 80", 0.05),
        ("close > 90 and close > 100", 0.05),
        ("not close < 100", 0.05),
        ("not (close < 100 and rsi(14) < 80)", 0.05),
        ("not (close < 100 or rsi(14) < 80)", 0.25),
        ("close crosses_above sma(20)", 0.05),
        ("close between 100 and 190", 0.05),
        ("close > 0", 0.0),
        ("close < 0", None),
        ("change_pct(close, 5) > 3", None),
        ("high > 100", None),
        ("high > 100 or close > 100", 0.05),
        ("high > 100 and close > 100", None),
    ],
)
def test_of_and_the_farthest_and_of_or_the_nearest_counts(rule: str, expected: float | None) -> None:
    found = distance(make_alert({"symbol": "X", "rule": rule}), VALUES)
    assert found == (None if expected is None else pytest.approx(expected))

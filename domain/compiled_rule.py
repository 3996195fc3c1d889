"""Truth of a rule on one snapshot: three values by Kleene's tables, crossings by remembered sides.

A truth is ``True``, ``False`` or ``None`` for UNKNOWN. The rule is compiled to closures once per definition, so that
one judgement costs microseconds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from math import isfinite
from typing import Any

from domain.definition import AlertDefinition
from domain.operand import CalculatedOperand, Operand
from domain.rearm_policy import Rearm
from domain.rule import CROSSINGS, And, Comparison, Node, Not, Or


class Side(StrEnum):
    """Where the left of a comparison was last seen against its right."""

    ABOVE = "above"
    BELOW = "below"


Truth = bool | None
Values = Mapping[str, float | None]
Sides = dict[str, Side]
Test = Callable[[Values, Sides], Truth]
Read = Callable[[Values], float | None]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison as it was seen: its text, the two sides' values and its truth."""

    text: str
    left: float | None
    right: tuple[float | None, ...]
    truth: Truth
    side: str | None = None


class CompiledRule:
    """A compiled rule with its relaxed twin for hysteresis."""

    def __init__(self, definition: AlertDefinition) -> None:
        compiler = _Compiler(definition.rearm)
        self._rule = compiler.compile(definition.rule, 0.0, negated=False)
        self.leaves = compiler.leaves
        self.has_sides = any(leaf.crossing for leaf in self.leaves)
        self._relaxed: Test | None = None
        if definition.rearm.policy.relaxed:
            self._relaxed = _Compiler(definition.rearm).compile(
                definition.rule,
                definition.rearm.threshold or 0.0,
                negated=False,
                level=definition.rearm.level,
            )

    @property
    def comparisons(self) -> list[Comparison]:
        """The rule's leaves, left to right."""
        return [leaf.comparison for leaf in self.leaves]

    def truth(self, values: Values, sides: Sides) -> Truth:
        """The rule's truth; ``sides`` is updated in place, so hand in a copy."""
        return self._rule(values, sides)

    def relaxed_truth(self, values: Values) -> Truth:
        """Truth of the rule made easier by the hysteresis margin."""
        assert self._relaxed is not None, "only hysteresis relaxes its rule"
        return self._relaxed(values, {})

    def explain(self, values: Values, sides: Mapping[str, Side]) -> list[Leaf]:
        """Each comparison with its values; ``sides`` as they were before the bar."""
        return [leaf.explain(values, dict(sides)) for leaf in self.leaves]


@dataclass(frozen=True)
class _CompiledLeaf:
    comparison: Comparison
    name: str
    left: Read
    right: tuple[Read, ...]
    test: Test
    crossing: bool

    def explain(self, values: Values, sides: Sides) -> Leaf:
        before = sides.get(self.name)
        truth = self.test(values, sides)
        return Leaf(
            text=str(self.comparison),
            left=self.left(values),
            right=tuple(read(values) for read in self.right),
            truth=truth,
            side=before.value if before and self.crossing else None,
        )


class _Compiler:
    def __init__(self, rearm: Rearm) -> None:
        self.rearm = rearm
        self.leaves: list[_CompiledLeaf] = []

    def compile(self, node: Node, margin: float, *, negated: bool, level: float | None = None) -> Test:
        if isinstance(node, And | Or):
            nodes = node.and_ if isinstance(node, And) else node.or_
            tests = tuple(self.compile(part, margin, negated=negated, level=level) for part in nodes)
            return _all_of(tests) if isinstance(node, And) else _any_of(tests)
        if isinstance(node, Not):
            return _opposite(self.compile(node.not_, margin, negated=not negated, level=level))
        return self._leaf(node, -margin if negated else margin, level)

    def _leaf(self, leaf: Comparison, margin: float, level: float | None) -> Test:
        name = str(len(self.leaves))
        left = _reader(leaf.left)
        right = tuple(_reader(operand) for operand in leaf.operands()[1:])
        crossing = leaf.op in CROSSINGS or self.rearm.policy.by_sides
        if crossing:
            test = _crossing(name, left, right[0], direction_of(leaf, self.rearm))
        elif leaf.op in ("between", "outside"):
            test = _band(leaf.op, left, right[0], right[1], margin)
        elif leaf.op == "change_pct":
            left = _change(left, _reader(leaf.earlier()))
            test = _ordering(leaf.compare or ">=", left, right[0], margin)
        elif level is not None:
            test = _ordering(leaf.op, left, lambda _values: level, 0.0)
        else:
            test = _ordering(leaf.op, left, right[0], margin)
        self.leaves.append(_CompiledLeaf(leaf, name, left, right, test, crossing))
        return test


def _reader(operand: Operand) -> Read:
    if isinstance(operand, int | float):
        number = float(operand)
        return lambda _values: number
    if isinstance(operand, CalculatedOperand):
        return _calculation(operand)
    key, multiplier = operand.key, operand.multiplier

    def read(values: Values) -> float | None:
        value = values.get(key)
        if value is None or not isfinite(value):
            return None
        if multiplier == 1.0:
            return value
        product = value * multiplier
        return product if isfinite(product) else None

    return read


_CALCULATIONS: dict[str, Callable[[list[float]], float]] = {
    "+": lambda parts: reduce(operator.add, parts),
    "-": lambda parts: parts[0] - parts[1],
    "*": lambda parts: reduce(operator.mul, parts),
    "/": lambda parts: parts[0] / parts[1],
    "abs": lambda parts: abs(parts[0]),
    "min": min,
    "max": max,
}


def _calculation(operand: CalculatedOperand) -> Read:
    calculate, reads = _CALCULATIONS[operand.calc], tuple(_reader(part) for part in operand.of)

    def read(values: Values) -> float | None:
        parts = []
        for part in reads:
            value = part(values)
            if value is None:
                return None
            parts.append(value)
        try:
            found = calculate(parts)
        except (ZeroDivisionError, OverflowError):
            return None
        return found if isfinite(found) else None

    return read


def _change(now: Read, earlier: Read) -> Read:
    def percent(values: Values) -> float | None:
        new, old = now(values), earlier(values)
        if new is None or old is None or old == 0:
            return None
        return (new - old) / abs(old) * 100

    return percent


_ORDERINGS: dict[str, Callable[[float, float, float], bool]] = {
    ">": lambda left, right, margin: left > right - margin,
    ">=": lambda left, right, margin: left >= right - margin,
    "<": lambda left, right, margin: left < right + margin,
    "<=": lambda left, right, margin: left <= right + margin,
    "==": lambda left, right, margin: abs(left - right) <= max(margin, 0.0),
    "!=": lambda left, right, margin: abs(left - right) > max(-margin, 0.0),
}


def _ordering(op: str, left: Read, right: Read, fraction: float) -> Test:
    holds = _ORDERINGS[op]

    def test(values: Values, _sides: Sides) -> Truth:
        a, b = left(values), right(values)
        if a is None or b is None:
            return None
        return holds(a, b, abs(b) * fraction)

    return test


def _band(op: str, left: Read, low: Read, high: Read, fraction: float) -> Test:
    inside = op == "between"

    def test(values: Values, _sides: Sides) -> Truth:
        a, bottom, top = left(values), low(values), high(values)
        if a is None or bottom is None or top is None:
            return None
        if inside:
            return bottom - abs(bottom) * fraction <= a <= top + abs(top) * fraction
        return a < bottom + abs(bottom) * fraction or a > top - abs(top) * fraction

    return test


def _crossing(name: str, left: Read, right: Read, direction: str) -> Test:
    upward, downward = direction in ("up", "both"), direction in ("down", "both")

    def test(values: Values, sides: Sides) -> Truth:
        a, b = left(values), right(values)
        if a is None or b is None:
            return None
        if a == b:
            return False
        now = Side.ABOVE if a > b else Side.BELOW
        before = sides.get(name)
        sides[name] = now
        if before is None or before is now:
            return False
        return upward if now is Side.ABOVE else downward

    return test


def direction_of(leaf: Comparison, rearm: Rearm) -> str:
    """What the operator says, unless the rearm names a direction for all."""
    own = {"crosses_above": "up", "crosses_below": "down", "crosses": "both", ">": "up", ">=": "up"}
    if rearm.policy.by_sides and rearm.direction and leaf.op not in CROSSINGS:
        return rearm.direction
    return own.get(leaf.op, "down")


def _all_of(tests: tuple[Test, ...]) -> Test:
    def test(values: Values, sides: Sides) -> Truth:
        result: Truth = True
        for part in tests:  # every part is judged, for its side
            truth = part(values, sides)
            if truth is False:
                result = False
            elif truth is None and result is True:
                result = None
        return result

    return test


def _any_of(tests: tuple[Test, ...]) -> Test:
    def test(values: Values, sides: Sides) -> Truth:
        result: Truth = False
        for part in tests:
            truth = part(values, sides)
            if truth is True:
                result = True
            elif truth is None and result is False:
                result = None
        return result

    return test


def _opposite(part: Test) -> Test:
    def test(values: Values, sides: Sides) -> Truth:
        truth = part(values, sides)
        return None if truth is None else not truth

    return test


def truth_text(truth: Truth) -> str:
    """``TRUE``, ``FALSE`` or ``UNKNOWN``."""
    return "UNKNOWN" if truth is None else str(truth).upper()


def leaf_json(leaf: Leaf) -> dict[str, Any]:
    """A leaf for queries and programs."""
    data: dict[str, Any] = {"condition": leaf.text, "left": leaf.left, "right": list(leaf.right)}
    data["truth"] = truth_text(leaf.truth)
    if leaf.side:
        data["side_before"] = leaf.side
    return data

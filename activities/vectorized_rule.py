"""The rule's truth over whole columns at once, for previews: what ``domain.compiled_rule`` says bar by bar.

A truth is 1, 0 or -1 (UNKNOWN). Used only to find the bars that matter; ``step`` still decides on those.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from domain.compiled_rule import direction_of
from domain.definition import AlertDefinition
from domain.operand import CalculatedOperand, Operand
from domain.rearm_policy import Rearm
from domain.rule import CROSSINGS, And, Comparison, Node, Not, Or

Array = NDArray[np.float64]
Truths = NDArray[np.int8]
TRUE, FALSE, UNKNOWN = 1, 0, -1


@dataclass
class VectorizedRule:
    """Truths of a definition's rule over columns of values (by operand key), and each crossing's sides after each bar."""

    definition: AlertDefinition
    columns: Mapping[str, Array]
    sides: dict[str, NDArray[np.int8]] = field(default_factory=dict)
    _leaves: int = 0

    def truth(self) -> Truths:
        """The rule itself; fills ``sides`` (1 above, -1 below, 0 not yet known)."""
        self._leaves, self.sides = 0, {}
        return self._node(self.definition.rule, 0.0, None)

    def relaxed_truth(self) -> Truths:
        """The rule made easier by the hysteresis margin."""
        rearm = self.definition.rearm
        kept, self._leaves = self.sides, 0
        truth = self._node(self.definition.rule, rearm.threshold or 0.0, rearm.level)
        self.sides = kept
        return truth

    def leaf(self, leaf: Comparison, number: int) -> Truths:
        """Truth of one comparison, the rule's ``number``-th from the left."""
        self._leaves = number
        return self._leaf(leaf, 0.0, None)

    def change(self, leaf: Comparison) -> Array:
        """Of ``change_pct``: the change in percent."""
        return _change(self.values(leaf.left), self.values(leaf.earlier()))

    def _node(self, node: Node, margin: float, level: float | None) -> Truths:
        if isinstance(node, Not):
            inner = self._node(node.not_, -margin, level)
            return np.where(inner == UNKNOWN, UNKNOWN, 1 - inner).astype(np.int8)
        if isinstance(node, And):
            return _join([self._node(part, margin, level) for part in node.and_], deciding=FALSE)
        if isinstance(node, Or):
            return _join([self._node(part, margin, level) for part in node.or_], deciding=TRUE)
        return self._leaf(node, margin, level)

    def _leaf(self, leaf: Comparison, fraction: float, level: float | None) -> Truths:
        name = str(self._leaves)
        self._leaves += 1
        rearm: Rearm = self.definition.rearm
        left, *right = (self.values(operand) for operand in leaf.operands())
        if leaf.op in CROSSINGS or rearm.policy.by_sides:
            return self._crossing(name, left, right[0], direction_of(leaf, rearm))
        if leaf.op in ("between", "outside"):
            low, high = right
            known = np.isfinite(left) & np.isfinite(low) & np.isfinite(high)
            if leaf.op == "between":
                held = (low - np.abs(low) * fraction <= left) & (left <= high + np.abs(high) * fraction)
            else:
                held = (left < low + np.abs(low) * fraction) | (left > high - np.abs(high) * fraction)
            return _truths(held, known)
        op = leaf.op
        if op == "change_pct":
            left, op = _change(left, self.values(leaf.earlier())), leaf.compare or ">="
        elif level is not None:
            return _truths(_holds(op, left, np.full_like(left, level), 0.0), np.isfinite(left))
        known = np.isfinite(left) & np.isfinite(right[0])
        return _truths(_holds(op, left, right[0], fraction), known)

    def _crossing(self, name: str, left: Array, right: Array, direction: str) -> Truths:
        known = np.isfinite(left) & np.isfinite(right)
        with np.errstate(invalid="ignore"):
            now = np.where(known & (left > right), 1, np.where(known & (left < right), -1, 0)).astype(np.int8)
        index = np.maximum.accumulate(np.where(now != 0, np.arange(len(now)), -1))
        after = np.where(index >= 0, now[index], 0).astype(np.int8)
        before = np.concatenate([[0], after[:-1]]).astype(np.int8)
        self.sides[name] = after
        flipped = (now != 0) & (before != 0) & (now != before)
        wanted = {"up": now > 0, "down": now < 0, "both": now != 0}[direction]
        return _truths(flipped & wanted, known)

    def values(self, operand: Operand) -> Array:
        """Of an operand by row, NaN where it is missing."""
        if isinstance(operand, int | float):
            size = len(next(iter(self.columns.values())))
            return np.full(size, float(operand))
        if isinstance(operand, CalculatedOperand):
            return _calculated(operand.calc, [self.values(part) for part in operand.of])
        values = self.columns[operand.key]
        return values if operand.multiplier == 1.0 else values * operand.multiplier


def _calculated(calc: str, parts: list[Array]) -> Array:
    """As ``domain.compiled_rule`` does bar by bar: missing where a part is, or where no finite number comes of it."""
    stacked = np.stack(parts)
    with np.errstate(all="ignore"):
        if calc == "+":
            found = reduce(operator.add, parts)
        elif calc == "-":
            found = parts[0] - parts[1]
        elif calc == "*":
            found = reduce(operator.mul, parts)
        elif calc == "/":
            found = parts[0] / parts[1]
        elif calc == "abs":
            found = np.abs(parts[0])
        else:
            found = (np.min if calc == "min" else np.max)(stacked, axis=0)
    return np.where(np.isfinite(stacked).all(axis=0) & np.isfinite(found), found, np.nan)


def _change(now: Array, earlier: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = (now - earlier) / np.abs(earlier) * 100
    return np.where(earlier == 0, np.nan, percent)


def _holds(op: str, left: Array, right: Array, fraction: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        margin = np.abs(right) * fraction
        if op == ">":
            return left > right - margin
        if op == ">=":
            return left >= right - margin
        if op == "<":
            return left < right + margin
        if op == "<=":
            return left <= right + margin
        if op == "==":
            return np.abs(left - right) <= np.maximum(margin, 0.0)
        return np.abs(left - right) > np.maximum(-margin, 0.0)


def _truths(held: NDArray[np.bool_], known: NDArray[np.bool_]) -> Truths:
    return np.where(known, held.astype(np.int8), UNKNOWN).astype(np.int8)


def _join(parts: list[Truths], deciding: int) -> Truths:
    """Kleene's ``and`` (FALSE decides) and ``or`` (TRUE decides)."""
    stacked = np.stack(parts)
    decided = (stacked == deciding).any(axis=0)
    unknown = (stacked == UNKNOWN).any(axis=0)
    return np.where(decided, deciding, np.where(unknown, UNKNOWN, 1 - deciding)).astype(np.int8)

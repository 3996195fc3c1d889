"""When an alert that has fired may fire again: the ``rearm`` object of a definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from domain.operand import Model
from domain.rule import CROSSINGS, ORDERINGS, And, Comparison, Node, Not, Or, comparisons

RearmType = Literal["simple", "edge", "hysteresis", "cooldown", "persistence", "crossing", "once"]
YEAR = 366 * 86400


@dataclass(frozen=True)
class RearmPolicy:
    """How a type of rearm works; the machine, the compiled rule and the preview read it, so that a new type is one row.

    ``relaxed``: it is released when the rule made easier by a margin is false, else when the rule is. ``by_sides``: each
    comparison is true only on the bar on which its two sides cross. ``always_released``: nothing has to happen before the
    next fire but time. ``single_shot``: it fires once.
    """

    relaxed: bool = False
    by_sides: bool = False
    always_released: bool = False
    single_shot: bool = False


POLICIES: dict[RearmType, RearmPolicy] = {
    "simple": RearmPolicy(always_released=True),
    "edge": RearmPolicy(),
    "hysteresis": RearmPolicy(relaxed=True),
    "cooldown": RearmPolicy(always_released=True),
    "persistence": RearmPolicy(),
    "crossing": RearmPolicy(by_sides=True, always_released=True),
    "once": RearmPolicy(single_shot=True),
}


class Rearm(Model):
    """``cooldown`` in seconds and ``persistence`` in bars may be added to any type.

    ``threshold`` is a fraction of the compared value, ``level`` an absolute value; hysteresis takes one of them.
    """

    type: RearmType = "edge"
    threshold: float | None = Field(default=None, gt=0, le=10)
    level: float | None = None
    cooldown: float = Field(default=0, ge=0, le=YEAR)
    persistence: int = Field(default=1, ge=1, le=10_000)
    direction: Literal["up", "down", "both"] | None = None

    @model_validator(mode="after")
    def _fits_type(self) -> Rearm:
        faults = []
        if self.type == "hysteresis":
            if (self.threshold is None) == (self.level is None):
                faults.append("hysteresis needs either 'threshold' (a fraction) or 'level' (a value)")
        elif self.threshold is not None or self.level is not None:
            faults.append("'threshold' and 'level' belong to type hysteresis")
        if self.type == "cooldown" and self.cooldown <= 0:
            faults.append("type cooldown needs 'cooldown', the seconds of pause between fires")
        if self.type == "persistence" and "persistence" not in self.model_fields_set:
            faults.append("type persistence needs 'persistence', the number of bars")
        if self.type == "crossing" and self.persistence > 1:
            faults.append("crossing cannot be combined with persistence")
        if self.type != "crossing" and self.direction is not None:
            faults.append("'direction' belongs to type crossing")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def __str__(self) -> str:
        """For people: its type, and what is not left at its default."""
        rest = self.model_dump(exclude_defaults=True, exclude={"type"})
        said = [f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in rest.items()]
        return ", ".join([self.type, *said])

    @property
    def policy(self) -> RearmPolicy:
        """How its type works."""
        return POLICIES[self.type]


def misfits(rearm: Rearm, rule: Node) -> list[str]:
    """Why this rearm cannot go with this rule; empty when it can."""
    leaves = comparisons(rule)
    if rearm.policy.by_sides:
        bad = [str(leaf) for leaf in leaves if leaf.op not in (*ORDERINGS, *CROSSINGS)]
        return [f"crossing reads each comparison by its two sides; '{text}' has none" for text in bad]
    if not rearm.policy.relaxed:
        return []
    faults = [
        f"hysteresis cannot relax '{leaf}', which is already a crossing" for leaf in leaves if leaf.op in CROSSINGS
    ]
    if rearm.level is not None:
        faults += _level_misfits(rearm.level, rule, leaves)
    return faults


def _level_misfits(level: float, rule: Node, leaves: list[Comparison]) -> list[str]:
    if len(leaves) != 1:
        return [f"'level' goes with a rule of one comparison, this one has {len(leaves)}; use 'threshold'"]
    leaf = leaves[0]
    if leaf.op not in ORDERINGS:
        return [f"'level' goes with >, >=, < or <=, not with '{leaf.op}'"]
    if not isinstance(leaf.right, int | float) or isinstance(leaf.left, int | float):
        return []
    above = (leaf.op in (">", ">=")) != _is_negated(rule)
    if above and level > leaf.right:
        return [f"level {level:g} must not lie above {leaf.right:g}: the alert would never be released after '{rule}'"]
    if not above and level < leaf.right:
        return [f"level {level:g} must not lie below {leaf.right:g}: the alert would never be released after '{rule}'"]
    return []


def _is_negated(rule: Node) -> bool:
    """Whether the only comparison stands under an odd number of ``not``."""
    negated, node = False, rule
    while not isinstance(node, Comparison):
        if isinstance(node, Not):
            negated, node = not negated, node.not_
        elif isinstance(node, And):
            node = node.and_[0]
        elif isinstance(node, Or):
            node = node.or_[0]
    return negated

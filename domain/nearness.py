"""How far a rule is from being true."""

from __future__ import annotations

from collections.abc import Mapping

from domain.alert import Alert
from domain.rule import And, Node, Not, Or

Values = Mapping[str, float | None]


def distance(alert: Alert, values: Values) -> float | None:
    """By how much the values would have to move for the rule to be true, as a fraction of what they are compared with.

    0.0 where it is true. Of ``and`` the farthest part counts, of ``or`` the nearest. A crossing is as far as its two sides are
    apart. None where a value is missing, or a comparison has no distance (``change_pct``, ``!=``, or against zero).
    """
    leaves = iter(alert.compiled.explain(values, {}))

    def of(node: Node, *, negated: bool) -> float | None:
        if isinstance(node, Not):
            return of(node.not_, negated=not negated)
        if isinstance(node, And | Or):
            parts = [of(part, negated=negated) for part in (node.and_ if isinstance(node, And) else node.or_)]
            known = [part for part in parts if part is not None]
            if isinstance(node, And) is not negated:  # all of them are needed
                return max(known) if len(known) == len(parts) else None
            return min(known, default=None)
        leaf = next(leaves)
        if leaf.truth is not None and leaf.truth is not negated:
            return 0.0
        if leaf.left is None or node.op in ("change_pct", "!=") or any(side is None for side in leaf.right):
            return None
        return min((abs(leaf.left - side) / abs(side) for side in leaf.right if side), default=None)

    return of(alert.definition.rule, negated=False)

"""The rule tree: ``and`` / ``or`` / ``not`` over comparisons, and its text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from domain.operand import (
    MAX_OFFSET,
    CalculatedOperand,
    Model,
    Operand,
    SeriesOperand,
    changed,
    earlier,
    number_text,
    operand_text,
    series_of,
    with_fields,
)

MAX_DEPTH = 32
MAX_COMPARISONS = 100
Operator = Literal[
    ">",
    ">=",
    "<",
    "<=",
    "==",
    "!=",
    "between",
    "outside",
    "crosses_above",
    "crosses_below",
    "crosses",
    "change_pct",
]
CROSSINGS = ("crosses_above", "crosses_below", "crosses")
ORDERINGS = (">", ">=", "<", "<=")


class Comparison(Model):
    """One condition. ``right`` is a pair for ``between`` and ``outside``.

    ``change_pct`` compares the change of ``left`` over ``bars`` bars, in percent, with the number ``right`` by ``compare``
    (default ``>=``, or ``<=`` when ``right`` is negative).
    """

    left: Operand
    op: Operator
    right: Operand | tuple[Operand, Operand]
    bars: int | None = Field(default=None, ge=1, le=500)
    compare: Literal[">", ">=", "<", "<="] | None = None

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, data: Any) -> Any:
        if isinstance(data, dict) and "operator" in data and "op" not in data:
            data = {("op" if key == "operator" else key): value for key, value in data.items()}
        return data

    @model_validator(mode="after")
    def _fits_operator(self) -> Comparison:
        pair = isinstance(self.right, tuple)
        if pair != (self.op in ("between", "outside")):
            raise ValueError(f"'{self.op}' needs {'one value' if pair else 'a pair [low, high]'} on its right")
        if isinstance(self.right, tuple) and all(isinstance(side, int | float) for side in self.right):
            low, high = self.right
            if low > high:  # type: ignore[operator]
                raise ValueError(f"'{self.op}' needs its lower bound first, got {low:g} and {high:g}")
        if not any(self.series()):
            raise ValueError("compares two numbers; name a price or an indicator on one side")
        if self.op == "change_pct":
            self._fit_change()
        elif self.bars is not None or self.compare is not None:
            raise ValueError("'bars' and 'compare' belong to change_pct only")
        return self

    def _fit_change(self) -> None:
        if self.bars is None:
            raise ValueError("change_pct needs 'bars', the number of bars to look back")
        if not isinstance(self.right, int | float) or isinstance(self.left, int | float):
            raise ValueError("change_pct compares a price or an indicator with a number of percent")
        if any(one.offset + self.bars > MAX_OFFSET for one in series_of(self.left)):
            raise ValueError(f"change_pct looks back more than {MAX_OFFSET} bars")
        if self.compare is None:
            object.__setattr__(self, "compare", ">=" if self.right >= 0 else "<=")

    def operands(self) -> tuple[Operand, ...]:
        """Left, then right (both bounds of a pair)."""
        return (self.left, *self.right) if isinstance(self.right, tuple) else (self.left, self.right)

    def series(self) -> Iterator[SeriesOperand]:
        """The operands that must be looked up, the earlier value of ``change_pct`` included."""
        for operand in self.operands():
            yield from series_of(operand)
        if self.op == "change_pct" and self.bars:
            yield from series_of(self.earlier())

    def earlier(self) -> Operand:
        """The left operand of ``change_pct``, ``bars`` bars ago."""
        return earlier(self.left, self.bars or 0)

    def __str__(self) -> str:
        left = operand_text(self.left)
        if isinstance(self.right, tuple):
            low, high = (operand_text(side) for side in self.right)
            return f"{left} {self.op} {low} and {high}"
        if self.op == "change_pct":
            assert isinstance(self.right, int | float)
            return f"change_pct({left}, {self.bars}) {self.compare} {number_text(self.right)}"
        return f"{left} {self.op} {operand_text(self.right)}"


class And(Model):
    """All of them."""

    and_: tuple[Node, ...] = Field(alias="and", min_length=1)

    def __str__(self) -> str:
        return " and ".join(_bracketed(node, inside=And) for node in self.and_)


class Or(Model):
    """Any of them."""

    or_: tuple[Node, ...] = Field(alias="or", min_length=1)

    def __str__(self) -> str:
        return " or ".join(_bracketed(node, inside=Or) for node in self.or_)


class Not(Model):
    """The opposite; the opposite of UNKNOWN is UNKNOWN."""

    not_: Node = Field(alias="not")

    def __str__(self) -> str:
        return f"not {_bracketed(self.not_, inside=Not)}"


def _bracketed(node: Node, inside: type[Model]) -> str:
    alone = isinstance(node, Comparison | Not) or (isinstance(node, And) and inside is Or)
    bare = alone or (isinstance(node, And | Or) and len(children(node)) == 1)
    if inside is Not and isinstance(node, Comparison | And | Or):
        bare = False
    return str(node) if bare else f"({node})"


def _node_tag(value: Any) -> str:
    if isinstance(value, dict):
        return next((f"<{key}>" for key in ("and", "or", "not") if key in value or f"{key}_" in value), "<comparison>")
    tags: dict[type, str] = {And: "<and>", Or: "<or>", Not: "<not>"}
    return tags.get(type(value), "<comparison>")


Node = Annotated[
    Annotated[And, Tag("<and>")]
    | Annotated[Or, Tag("<or>")]
    | Annotated[Not, Tag("<not>")]
    | Annotated[Comparison, Tag("<comparison>")],
    Discriminator(_node_tag),
]
And.model_rebuild()
Or.model_rebuild()
Not.model_rebuild()


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below."""
    if isinstance(node, And):
        return node.and_
    if isinstance(node, Or):
        return node.or_
    return (node.not_,) if isinstance(node, Not) else ()


def comparisons(node: Node) -> list[Comparison]:
    """The leaves, left to right."""
    if isinstance(node, Comparison):
        return [node]
    return [leaf for child in children(node) for leaf in comparisons(child)]


def depth(node: Node) -> int:
    """Levels of the tree; a single comparison has one."""
    return 1 + max((depth(child) for child in children(node)), default=0)


def series(node: Node) -> dict[str, SeriesOperand]:
    """Every operand to look up, by key, in reading order."""
    return {operand.key: operand for leaf in comparisons(node) for operand in leaf.series()}


def parts_of(leaf: Comparison) -> int:
    """Operands that it is made of, those within calculations, too."""

    def count(operand: Operand) -> int:
        return 1 + sum(map(count, operand.of)) if isinstance(operand, CalculatedOperand) else 1

    return sum(map(count, leaf.operands()))


def unqualified(node: Node, symbol: str) -> Node:
    """The rule with an alert's own ticker left out where it is named like another."""
    if not any(operand.symbol == symbol for operand in series(node).values()):
        return node

    def own(operand: SeriesOperand) -> SeriesOperand:
        return with_fields(operand, symbol=None) if operand.symbol == symbol else operand

    def of(node: Node) -> Node:
        if isinstance(node, Not):
            return Not.model_validate({"not": of(node.not_)})
        if isinstance(node, And):
            return And.model_validate({"and": tuple(of(part) for part in node.and_)})
        if isinstance(node, Or):
            return Or.model_validate({"or": tuple(of(part) for part in node.or_)})
        right: Any = tuple(changed(side, own) for side in node.operands()[1:])
        sides = {"left": changed(node.left, own), "right": right if isinstance(node.right, tuple) else right[0]}
        return node.model_copy(update=sides)

    return of(node)

"""How large a rule is as it was written: looked at before its texts are parsed and its tree is built."""

from __future__ import annotations

from typing import Any

from domain.errors import Fault, InvalidInput
from domain.rule import MAX_COMPARISONS

MOST_RULE_TEXT = 20_000  # characters of all its texts together


def refuse_too_large(rule: Any) -> None:
    """Counts the leaves and the texts of a rule as it was written, before any of them is read.

    Raises:
        InvalidInput: naming the bound.
    """
    leaves, characters, current = 0, 0, [("$.rule", rule)]
    while current:
        path, one = current.pop()
        parts, texts = _parts_of(path, one)
        leaves += not parts
        characters += sum(len(text) for text in texts)
        if leaves > MAX_COMPARISONS:
            raise InvalidInput("definition", [Fault("$.rule", f"the rule has more than {MAX_COMPARISONS} comparisons")])
        if characters > MOST_RULE_TEXT:
            raise InvalidInput("definition", [Fault("$.rule", f"the rule has more than {MOST_RULE_TEXT:,} characters")])
        current += parts


def _parts_of(path: str, one: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """The nodes right below a node as it was written, and its own texts."""
    if not isinstance(one, dict):
        return [], [one] if isinstance(one, str) else []
    parts: list[tuple[str, Any]] = []
    for word in ("and", "or"):
        if isinstance(one.get(word), list):
            parts += [(f"{path}.{word}[{i}]", part) for i, part in enumerate(one[word])]
    if "not" in one:
        parts.append((f"{path}.not", one["not"]))
    sides = [one.get(side) for side in ("left", "right")]
    if any(isinstance(side, list) and len(side) > 2 for side in sides):
        raise InvalidInput("definition", [Fault(path, "compares with one value, or with a pair [low, high]")])
    values, texts = [value for side in sides for value in (side if isinstance(side, list) else [side])], []
    while values:  # those of calculations, too
        value = values.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict) and isinstance(value.get("of"), list):
            values += value["of"]
    return parts, texts

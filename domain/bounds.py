"""How much one input may hold, looked at before anything is made of it: so much is read in a few milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.errors import Fault, InvalidInput

MOST_LEVELS = 128
MOST_VALUES = 20_000
MOST_ITEMS = 5_000
MOST_CHARACTERS = 20_000
MOST_NAMES = 64
MOST_NAME = 200


def refuse_too_much(data: Any, what: str, most_values: int = MOST_VALUES) -> None:
    """Lets data pass whose depth, values, lists, texts and names are within bounds; without recursion.

    Raises:
        InvalidInput: naming the first bound that it breaks, and where.
    """
    values, level, current = 0, 0, [("$", data)]
    while current:
        level += 1
        if level > MOST_LEVELS:
            raise InvalidInput(what, [Fault("$", f"is nested deeper than {MOST_LEVELS} levels")])
        below: list[tuple[str, Any]] = []
        for path, one in current:
            broken = _broken(one)
            if broken:
                raise InvalidInput(what, [Fault(path, broken)])
            values += len(one) if isinstance(one, dict | list | tuple) else 1
            if values > most_values:
                raise InvalidInput(what, [Fault("$", f"holds more than {most_values:,} values")])
            below += ((f"{path}{key}", value) for key, value in _worth_a_look(one))
        current = below


def is_too_deep(data: Any) -> bool:
    """Whether objects and lists are nested deeper than is read; without recursion."""
    level, current = 0, [data]
    while current and level <= MOST_LEVELS:
        level += 1
        below = [one.values() if isinstance(one, dict) else one for one in current if isinstance(one, dict | list)]
        current = [value for values in below for value in values if isinstance(value, dict | list)]
    return level > MOST_LEVELS


def _broken(one: Any) -> str:
    """The bound that one value breaks by itself, if any."""
    if isinstance(one, str) and len(one) > MOST_CHARACTERS:
        return f"holds {len(one):,} characters; at most {MOST_CHARACTERS:,} are read"
    if isinstance(one, list | tuple) and len(one) > MOST_ITEMS:
        return f"holds {len(one):,} items; at most {MOST_ITEMS:,} are read"
    if isinstance(one, dict) and len(one) > MOST_NAMES:
        return f"holds {len(one):,} names; at most {MOST_NAMES} are read"
    if isinstance(one, dict) and any(isinstance(name, str) and len(name) > MOST_NAME for name in one):
        return f"holds a name of more than {MOST_NAME} characters"
    return ""


def _worth_a_look(one: Any) -> Iterator[tuple[str, Any]]:
    """What lies right below, without the values that can break no bound."""
    items = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list | tuple) else ()
    for key, value in items:
        if isinstance(value, dict | list | tuple) or (isinstance(value, str) and len(value) > MOST_CHARACTERS):
            yield (f".{key}" if isinstance(one, dict) else f"[{key}]"), value

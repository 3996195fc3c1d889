"""Faults of what people write, collected so that one answer names them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import Any, ClassVar

from domain.text import cut, printable

MOST_FAULTS = 100
MOST_PATH, MOST_MESSAGE, MOST_SHOWN = 200, 500, 200


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input: where (JSON path, ``$`` is the whole), what was expected, what was found.

    All of it is short and without control characters, whatever the input was.
    """

    path: str
    message: str
    value: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", cut(printable(self.path[: MOST_PATH + 1]), MOST_PATH))
        object.__setattr__(self, "message", cut(printable(self.message[: MOST_MESSAGE + 1], lines=True), MOST_MESSAGE))
        if isinstance(self.value, str):
            object.__setattr__(self, "value", cut(self.value, MOST_SHOWN))

    def at(self, path: str) -> Fault:
        """The same fault, at another path."""
        return replace(self, path=path)

    def __str__(self) -> str:
        shown = "" if self.value is None else f" (got {_short(self.value)})"
        return f"{self.path}: {self.message}{shown}"

    def as_json(self) -> dict[str, Any]:
        """``{"path", "message", "value"}`` for programs; what is no plain JSON is shown as Python would."""
        value = self.value
        is_plain = (
            value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and isfinite(value))
        )
        return {"path": self.path, "message": self.message, "value": value if is_plain else _short(value)}


@dataclass(frozen=True)
class MoreFaults(Fault):
    """Stands for ``count`` faults that are not told one by one."""

    count: int = 0


def first(faults: Iterable[Fault], most: int = MOST_FAULTS) -> tuple[Fault, ...]:
    """So many faults; one more says how many are left out."""
    told: list[Fault] = []
    left = 0
    for one in faults:
        if isinstance(one, MoreFaults):
            left += one.count
        elif len(told) < most:
            told.append(one)
        else:
            left += 1
    return (
        (*told, MoreFaults("$", f"and {left:,} more fault{'s' if left > 1 else ''}", count=left)) if left else (*told,)
    )


def more_than(found: int, told: int = MOST_FAULTS) -> list[Fault]:
    """What stands for those of so many faults that are not told; nothing when all are."""
    return [MoreFaults("$", "more faults", count=found - told)] if found > told else []


class ErrorKind(StrEnum):
    """What sort of failure it is: command line and REST API answer by it."""

    INVALID = "invalid"  # what was written cannot be used
    NOT_FOUND = "not found"
    DUPLICATE = "duplicate"  # the id is taken
    STALE = "stale"  # it was changed meanwhile
    STATE = "state"  # it is in a state in which this cannot be done
    NOT_RUNNING = "not running"  # it is there, but its workflow is not
    OVER_QUOTA = "over quota"
    BUSY = "busy"  # there is too much under way; later there will be less
    UNAVAILABLE = "unavailable"  # the database or Temporal cannot be reached now


class ExpectedError(Exception):
    """A failure that whoever asked can understand, and mostly mend; its text says how."""

    kind: ClassVar[ErrorKind]


class InvalidInput(ExpectedError, ValueError):
    """Something a person wrote cannot be used; ``faults`` holds the reasons in reading order, at most the first hundred."""

    kind = ErrorKind.INVALID

    def __init__(self, what: str, faults: Iterable[Fault]) -> None:
        self.what = cut(printable(what), MOST_PATH)
        self.faults = first(faults)
        super().__init__(f"{self.what}: " + "; ".join(str(fault) for fault in self.faults))

    def under(self, path: str) -> list[Fault]:
        """The same faults, their paths moved below ``path`` (``$`` becomes ``path``)."""
        return [fault.at(join_path(path, fault.path)) for fault in self.faults]


def join_path(base: str, below: str) -> str:
    """``join_path("$.rule", "$.left")`` is ``$.rule.left``."""
    return base + below[1:] if below.startswith("$") else f"{base}.{below}"


def _short(value: Any, limit: int = 80) -> str:
    return cut(repr(value[: limit + 1] if isinstance(value, str) else value), limit)

"""Faults of what people write, collected so that one answer names them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input: where (JSON path, ``$`` is the whole), what was expected, what was found."""

    path: str
    message: str
    value: Any = None

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


class InvalidInput(ValueError):
    """Something a person wrote cannot be used; ``faults`` holds every reason, in reading order."""

    def __init__(self, what: str, faults: Iterable[Fault]) -> None:
        self.what = what
        self.faults = tuple(faults)
        super().__init__(f"{what}: " + "; ".join(str(fault) for fault in self.faults))

    def under(self, path: str) -> list[Fault]:
        """The same faults, their paths moved below ``path`` (``$`` becomes ``path``)."""
        return [Fault(join_path(path, fault.path), fault.message, fault.value) for fault in self.faults]


def join_path(base: str, below: str) -> str:
    """``join_path("$.rule", "$.left")`` is ``$.rule.left``."""
    return base + below[1:] if below.startswith("$") else f"{base}.{below}"


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"

"""A message's placeholders: which there are, and whether a text names only those."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Any

from domain.known_keys import hint

PLACEHOLDERS = (
    "ticker", "symbol", "timeframe", "name", "price", "open", "high", "low", "close", "volume", "rule", "values", "status",
    "reason", "time", "bar_time", "count", "trigger_count", "user_id", "alert_id", "tags", "detail", "source", "link",
    "last_price", "last_time", "change",
)  # fmt: skip
FORMAT = re.compile(r"[<>^]?\+?\d{0,3},?(\.\d{1,2})?[feg%]?")  # sign, width and places of a number


def template_faults(text: str) -> list[str]:
    """What is wrong with a message's text, in a few words each; empty when all is well."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        return [f"cannot be read: {error}; write {{{{ and }}}} for braces"]
    faults = []
    for _, name, places, conversion in parts:
        if name is None:
            continue
        if name not in PLACEHOLDERS:
            meant = hint(name, PLACEHOLDERS, lists=False)
            faults.append(f"unknown placeholder {{{name}}}; known are {', '.join(PLACEHOLDERS)}{meant}")
        elif conversion or not FORMAT.fullmatch(places or ""):
            faults.append(f"{{{name}}} has a format that is no number's")
    return faults


def filled(text: str, values: Mapping[str, Any]) -> str:
    """The text with its placeholders filled; a number by its format, what is missing as ``missing``.

    Nothing but the values themselves can be reached: no attribute, no index, no conversion. A text that was checked has no faults
    here; of another, what cannot be filled stays as it was written.
    """
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return text
    found = []
    for words, name, places, conversion in parts:
        found.append(words)
        if name is None:
            continue
        if name not in values or conversion or not FORMAT.fullmatch(places or ""):
            found.append("{" + name + (f":{places}" if places else "") + "}")
        else:
            found.append(_shown(values[name], places or ""))
    return "".join(found)


def _shown(value: Any, places: str) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    try:
        return format(float(value), places) if places else f"{value:.10g}"
    except ValueError:
        return f"{value:.10g}"

"""A message's placeholders: which there are, and whether a text names only those."""

from __future__ import annotations

import re
from string import Formatter

PLACEHOLDERS = (
    "ticker", "symbol", "timeframe", "name", "price", "open", "high", "low", "close", "volume", "rule", "values", "status",
    "reason", "time", "bar_time", "count", "trigger_count", "user_id", "alert_id", "tags", "detail", "source", "link",
)  # fmt: skip
FORMAT = re.compile(r"[<>^]?\d{0,3},?(\.\d{1,2})?[feg%]?")  # widths and places of a number


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
            faults.append(f"unknown placeholder {{{name}}}; known are {', '.join(PLACEHOLDERS)}")
        elif conversion or not FORMAT.fullmatch(places or ""):
            faults.append(f"{{{name}}} has a format that is no number's")
    return faults

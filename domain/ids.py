"""Ids: those that people choose, and those that rows of other programs may have."""

from __future__ import annotations

import re

CHOSEN = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
CHOSEN_HINT = "lower-case letters, digits, '-', '_' and '.', at most 63"
_CHOSEN = re.compile(CHOSEN.strip("^$"))
_OF_A_ROW = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def may_be_chosen(text: str) -> bool:
    """Whether people may give something this id."""
    return _CHOSEN.fullmatch(text) is not None


def may_be_of_a_row(text: str) -> bool:
    """Whether a row with this id can be used, whoever wrote it."""
    return _OF_A_ROW.fullmatch(text) is not None

"""Text as people may write it, and as it is safe to show: what steers a terminal or hides a direction is no text."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

# C0, DEL and C1 control characters, line and paragraph separators, marks that turn the direction of writing, half surrogate pairs
_STEERING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
_IN_LINES = re.compile(f"[{_STEERING}]")
_IN_A_LINE = re.compile(f"[{_STEERING}\t\n]")
_MARKS = re.compile(r"[\\`*_\[\]<>&~|!]")
_AT_LINE_START = re.compile(r"(?m)^(\s*\d*)([#+\-.)=])")
MOST_SAID = 500


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with each character that steers a terminal written as its escape, such as ``\x1b``.

    With ``lines``, line breaks and tabs stay. What is plain comes back as it is.
    """
    return (_IN_LINES if lines else _IN_A_LINE).sub(lambda found: _escaped(found.group()), text)


def refuse_steering(text: str, *, lines: bool = False) -> str:
    """The text, when it holds no control character; ``lines`` allows line breaks and tabs.

    Raises:
        ValueError: naming the first and where it is.
    """
    found = (_IN_LINES if lines else _IN_A_LINE).search(text)
    if found:
        raise ValueError(f"holds the control character {_escaped(found.group())} at position {found.start() + 1}")
    return text


def cut(text: str, most: int) -> str:
    """At most so many characters; an ellipsis stands for the rest."""
    return text if len(text) <= most else text[: most - 1] + "…"


def said(text: str, most: int = MOST_SAID) -> str:
    """What somebody said, as it may be kept for ever: short, in lines, without control characters."""
    return cut(printable(text[: most + 1], lines=True), most) if text else text


def markdown(text: str) -> str:
    """The text for a place that reads Markdown, so that it is shown as it was written."""
    text = _MARKS.sub(r"\\\g<0>", printable(text, lines=True))
    return _AT_LINE_START.sub(r"\g<1>\\\g<2>", text).replace("://", ":\\//")


def _escaped(character: str) -> str:
    code = ord(character)
    return {9: r"\t", 10: r"\n", 13: r"\r"}.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


Line = Annotated[str, AfterValidator(refuse_steering)]
Lines = Annotated[str, AfterValidator(lambda text: refuse_steering(text, lines=True))]


def counted(count: int, singular: str, plural: str = "") -> str:
    """``1 alert``, ``2 alerts``, ``1,000 deliveries``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"

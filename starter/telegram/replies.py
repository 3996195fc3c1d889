"""What the bot says: Telegram's HTML with buttons below. A button's data has at most 64 bytes, so that ids are hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TypeVar

T = TypeVar("T")
KEY = 16  # hex digits of an id's hash


@dataclass(frozen=True)
class Button:
    """``data`` is ``action`` or ``action:key``."""

    label: str
    data: str


@dataclass(frozen=True)
class Reply:
    """``text`` is HTML."""

    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()
    picture: bytes | None = None


def key_of(id: str) -> str:
    """What stands for an id in a button."""
    return hashlib.sha256(id.encode()).hexdigest()[:KEY]


def button(label: str, action: str, id: str = "") -> Button:
    """One that does something to the thing with that id."""
    return Button(label, f"{action}:{key_of(id)}" if id else action)


def text(value: object) -> str:
    """Without what Telegram would read as markup."""
    return escape(str(value), quote=False)


def in_pages(items: Iterable[T], page: int, size: int) -> tuple[list[T], int, int]:
    """A page's items, its number from 0, and how many pages there are."""
    every = list(items)
    pages = max(1, -(-len(every) // size))
    page = min(max(page, 0), pages - 1)
    return every[page * size : (page + 1) * size], page, pages

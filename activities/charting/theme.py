"""Colours of charts, light and dark."""

from __future__ import annotations

from dataclasses import dataclass

LINES = ("#1f77b4", "#d98200", "#8e44ad", "#16a085", "#c0392b", "#7f8c1f")


@dataclass(frozen=True)
class Theme:
    """Colours of one look."""

    paper: str
    ink: str
    faint: str
    up: str
    down: str
    mark: str
    release: str


THEMES = {
    "light": Theme("#ffffff", "#20242a", "#c9ced6", "#2a9d5c", "#c8403a", "#d98200", "#3b6fb6"),
    "dark": Theme("#14181f", "#e6e9ee", "#3a424e", "#3cc47c", "#f0625c", "#ffb020", "#7aa7e8"),
}

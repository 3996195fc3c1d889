"""What commands print: tables for people, JSON for programs, messages always on stderr."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from domain.errors import InvalidInput
from domain.text import printable


class Failure(Exception):
    """A command that cannot go on: what happened, what to do, and the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        self.code = code
        super().__init__(message)


FAILED, INVALID, NOT_FOUND, NOT_ALLOWED, CONFLICT = 1, 2, 3, 4, 5
WIDE = 400  # characters, where nobody looks
FEWEST = 12
STYLED = ("status", "event", "")
STYLES = {
    "ARMED": "green", "TRIGGERED": "bold red", "COOLDOWN": "yellow", "INACTIVE": "dim", "INVALID": "magenta",
    "COMPLETED": "green", "RUNNING": "cyan", "FAILED": "red", "MISSED": "yellow", "SENT": "green", "DEAD": "red",
    "triggered": "bold red", "rearmed": "green", "ok": "green", "fail": "bold red", "note": "yellow",
}  # fmt: skip


def plain(value: Any) -> Any:
    """JSON values: times as UTC with ``Z``, enums by value."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def instant(at: datetime) -> str:
    """ISO in UTC with ``Z``; fractions only when there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def short(at: datetime | None) -> str:
    """A time for tables."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def ago(at: datetime | None) -> str:
    """How long ago, for tables."""
    if at is None:
        return "-"
    seconds = max(int((datetime.now(UTC) - at).total_seconds()), 0)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def number(value: float | None) -> str:
    """A price or indicator for tables."""
    return "missing" if value is None else f"{value:.6g}"


def pairs(data: Mapping[str, Any]) -> str:
    """``name=value, name=value``, in words: no quotes and braces of Python's."""
    return ", ".join(f"{key}={_in_words(value)}" for key, value in data.items())


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return f"({pairs(value)})" if value else "none"
    if isinstance(value, list | tuple):
        return " ".join(map(_in_words, value)) or "none"
    return "-" if value is None else str(value)


def print_json(data: Any) -> None:
    """Data alone on stdout."""
    sys.stdout.write(json.dumps(plain(data), indent=2, allow_nan=False, default=str) + "\n")


def say(text: str) -> None:
    """A message for people, on stderr."""
    sys.stderr.write(printable(text, lines=True) + "\n")
    sys.stderr.flush()


def say_notes(notes: Sequence[str]) -> None:
    """What was accepted, but not as its writer may think."""
    for note in notes:
        say(f"note: {note}")


def print_lines(*lines: str) -> None:
    """Text for people, on stdout."""
    sys.stdout.write("\n".join(printable(line, lines=True) for line in lines) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str = "nothing to show") -> None:
    """A table on stdout, as wide as the terminal, or as its content where there is none.

    The first column is never broken. Where the rest would be broken into pieces, each row becomes a block of lines.
    """
    if not rows:
        say(empty)
        return
    cells = [[printable(cell) for cell in row] for row in rows]
    width = _width()
    if width is not None and _needed(columns, cells) > width:
        _print_blocks(columns, cells, width)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=width or WIDE, no_color=not _colours(), highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in cells:
        table.add_row(*(Text(cell, style=_style(column, cell)) for column, cell in zip(columns, row, strict=True)))
    console.print(table)


def _width() -> int | None:
    """Of the terminal; None where stdout is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _needed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Characters that a readable table needs: the first column whole, of the others a dozen or their longest word."""
    total = 2 * (len(columns) - 1)
    for number, column in enumerate(columns):
        cells = [column, *(row[number] for row in rows)]
        longest = max(map(len, cells))
        total += longest if number == 0 else min(longest, FEWEST)
    return total


def _print_blocks(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> None:
    """Each row as lines of ``column  value``, an empty line between two."""
    label = max(map(len, columns)) + 2
    for number, row in enumerate(rows):
        lines = [""] if number else []
        for column, cell in zip(columns, row, strict=True):
            if cell in ("", "-"):
                continue
            first, *rest = textwrap.wrap(cell, max(width - label, FEWEST), break_on_hyphens=False) or [""]
            lines += [f"{column:<{label}}{first}", *(f"{'':<{label}}{more}" for more in rest)]
        sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _style(column: str, cell: str) -> str:
    word = cell.partition(" ")[0]
    return STYLES.get(word, "") if column in STYLED else ""


def _colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def print_faults(error: InvalidInput) -> None:
    """Every fault on its own line, on stderr."""
    say(f"{error.what}: {len(error.faults)} fault{'s' if len(error.faults) != 1 else ''}")
    for fault in error.faults:
        say(f"  {fault}")


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Any]:
    """A bar on stderr for people who watch; calls ``update(done, total)``. Nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total=None: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(label), total=total)
        yield lambda done, total=None: bar.update(task, completed=done, total=total)

"""What commands print: tables for people, JSON for programs, messages always on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
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


def number(value: float | None) -> str:
    """A price or indicator for tables."""
    return "missing" if value is None else f"{value:.6g}"


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
    """A table on stdout; its width follows the terminal, or its content where there is none."""
    if not rows:
        say(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    wide = None if sys.stdout.isatty() else 400
    console = Console(width=wide, no_color=not _colours(), highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)


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

"""A file's lines as a table: what stands before the header, the delimiter, the header or none, and the rows with their lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from io import StringIO

import numpy as np
from numpy.typing import NDArray

from activities.bar_files.decoding import MOST_SHOWN, refused
from activities.bar_files.words import KNOWN

DELIMITERS = ("\t", ";", "|", ",")
FEWEST_CELLS = 4  # a time and at least a close, with something between
FEWEST_NAMES = 2  # that are known, in a line that names columns
MARKS = '",;|\t '
SHOWN = 10_000  # characters in which the first rows are
LOOKED_AT = 40  # lines in which a header is looked for
PLAIN = re.compile(r"[\d\s.,:;|+\-TZ/\"eE]*")  # of a row without any word
NAME_END = re.compile(r"\*+$|[ \n]close price .*$|[ \n]adjusted close .*$")  # Yahoo's footnotes, and its words for them


@dataclass(frozen=True)
class Sheet:
    """``header`` in lower case, without brackets and stars; empty where there is none. ``sample`` are the first rows' cells.

    ``body`` is the text of all rows, of which the first is the file's line ``first_line``.
    """

    preamble: tuple[str, ...]
    delimiter: str
    header: tuple[str, ...]
    body: str
    first_line: int
    sample: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """Cells that each row should have."""
        return len(self.header) or len(self.sample[0])

    @cached_property
    def is_even(self) -> bool:
        """Whether all rows together have just as many delimiters as they should, and nothing that hides one."""
        hollow = self.delimiter * (self.width - 1)
        if '"' in self.body or "\n\n" in self.body or f"\n{hollow}\n" in self.body:
            return False
        if self.body.startswith(f"{hollow}\n") or self.body.endswith(f"\n{hollow}"):
            return False
        return self.body.count(self.delimiter) == (self.width - 1) * self.count

    @cached_property
    def count(self) -> int:
        """Lines there are."""
        return self.body.count("\n") + 1

    @cached_property
    def rows(self) -> tuple[list[str], NDArray[np.int64]]:
        """The lines that hold anything but marks, with their numbers in the file."""
        lines = self.body.split("\n")
        kept = [at for at, line in enumerate(lines) if line.strip(MARKS)]
        return [lines[at] for at in kept], np.array(kept, dtype=np.int64) + self.first_line

    def without(self, count: int) -> Sheet:
        """The same without its first lines.

        Raises:
            InvalidInput: nothing is left.
        """
        body = self.body.split("\n", count)[count:]
        return _sheet(self.preamble, self.delimiter, self.header, body[0] if body else "", self.first_line + count)


def _sheet(preamble: tuple[str, ...], delimiter: str, header: tuple[str, ...], body: str, first_line: int) -> Sheet:
    shown = [line for line in body[:SHOWN].split("\n") if line.strip(MARKS)]
    if not shown:
        raise refused("has a header but no bars")
    return Sheet(
        preamble, delimiter, header, body, first_line, tuple(tuple(cells_of(line, delimiter)) for line in shown[:5])
    )


def read_sheet(text: str) -> Sheet:
    """The table in a text.

    Raises:
        InvalidInput: there is none.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.rstrip("\n ")
    if not text.strip():
        raise refused("is empty; expected time,open,high,low,close,volume")
    lines = text.split("\n", LOOKED_AT)[:LOOKED_AT]
    first = next(line.strip() for line in lines if line.strip())
    if first[:1] in ("<", "{", "[") and not re.match(r"<\w+>[\t,;]", first):  # MetaTrader's header is in brackets, too
        raise refused("holds a page or a message instead of bars", first[:60])
    tables = [at for at, line in enumerate(lines) if line.strip(MARKS) and _is_of_a_table(line)]
    start = next((at for at in tables if _begins_one(lines[at])), tables[0] if tables else None)
    if start is None:
        raise refused("is no table of bars; expected time,open,high,low,close,volume", first[:60])
    start = _first_of(tables, lines, start)
    delimiter, is_header = _delimiter(lines[start]), not _has_values(lines[start])
    header = tuple(map(name_of, cells_of(lines[start], delimiter))) if is_header else ()
    skipped = start + is_header
    body = text.split("\n", skipped)[skipped:]
    return _sheet(tuple(lines[:start]), delimiter, header, body[0] if body else "", skipped + 1)


def _first_of(tables: list[int], lines: list[str], start: int) -> int:
    """Of rows without a header, the first: one with a word in it (NaN, $) is a row, too.

    Raises:
        InvalidInput: what stands above them is a header, in words that nobody knows.
    """
    if not _has_values(lines[start]):
        return start
    delimiter = _delimiter(lines[start])
    width = len(cells_of(lines[start], delimiter))
    above = [at for at in tables if at < start and len(cells_of(lines[at], delimiter)) == width]
    named = [at for at in above if not _has_values(lines[at])]
    if named:
        raise refused(
            "has a header in unknown words; rename them time,open,high,low,close,volume",
            lines[named[-1]][:MOST_SHOWN],
        )
    return above[0] if above else start


def _has_values(line: str) -> bool:
    """Whether it is a row: it begins with a time or a number."""
    first = cells_of(line, _delimiter(line))[0]
    return PLAIN.fullmatch(first) is not None and re.search(r"\d", first) is not None


def name_of(cell: str) -> str:
    """A column's name as formats know it."""
    name = " ".join(cell.strip().strip("<>").lower().split())
    return NAME_END.sub("", name).strip()


def cells_of(line: str, delimiter: str) -> list[str]:
    """A line's cells, without the spaces around them."""
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        return [cell.strip() for cell in next(csv.reader(StringIO(line), delimiter=delimiter, skipinitialspace=True))]
    except (csv.Error, StopIteration):
        return [cell.strip() for cell in line.split(delimiter)]


def widths(rows: Iterable[str], delimiter: str) -> list[int]:
    """How many cells each row has."""
    return [row.count(delimiter) + 1 if '"' not in row else len(cells_of(row, delimiter)) for row in rows]


def _is_of_a_table(line: str) -> bool:
    """Not a comment, an address or a sentence."""
    return not line.lstrip().startswith(("#", "http")) and len(cells_of(line, _delimiter(line))) >= FEWEST_CELLS


def _begins_one(line: str) -> bool:
    """Whether it names columns, or has values alone; a sentence has commas, too."""
    names = map(name_of, cells_of(line, _delimiter(line)))
    return PLAIN.fullmatch(line) is not None or sum(name in KNOWN for name in names) >= FEWEST_NAMES


def _delimiter(line: str) -> str:
    """The first that makes cells: commas may be decimal marks beside any other."""
    return next((one for one in DELIMITERS if len(cells_of(line, one)) >= FEWEST_CELLS), ",")

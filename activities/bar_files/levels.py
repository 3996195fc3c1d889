"""A header of several lines, as pandas writes it for several tickers: one line of prices, one of tickers, one of the index."""

from __future__ import annotations

from dataclasses import dataclass, replace

from activities.bar_files.sheet import Sheet, cells_of, name_of

PRICES = ("open", "high", "low", "close", "adj close", "volume")
NAMES_OF_LEVELS = ("price", "ticker", "", "unnamed: 0")
FEWEST = 3  # of the six names, in the line that has them


@dataclass(frozen=True)
class Levels:
    """Where each ticker's columns are: ``by_ticker[ticker][price]`` is a column."""

    by_ticker: dict[str, dict[str, int]]


def levels_of(sheet: Sheet) -> tuple[Levels, Sheet] | None:
    """The tickers' columns, and the sheet without the lines that name them; None for a header of one line."""
    sheet = _from_the_top(sheet)
    lines = sheet.body.split("\n", 2)
    if not sheet.header or sheet.header[0] not in NAMES_OF_LEVELS or len(lines) < 2:
        return None
    first, second = list(sheet.header), [name_of(cell) for cell in cells_of(lines[0], sheet.delimiter)]
    prices = next((line for line in (first, second) if sum(cell in PRICES for cell in line[1:]) >= FEWEST), None)
    if prices is None or len(first) != len(second) or second[0] not in NAMES_OF_LEVELS:
        return None
    tickers = second if prices is first else first
    written = cells_of(lines[0], sheet.delimiter) if tickers is second else None
    found: dict[str, dict[str, int]] = {}
    for at in range(1, len(first)):
        name = (written[at] if written else tickers[at]).upper()
        found.setdefault(name, {})[prices[at]] = at
    third = lines[1].strip().lower()
    skipped = 2 if third.startswith(("date", "datetime", "time")) else 1
    return Levels(found), sheet.without(skipped)


def _from_the_top(sheet: Sheet) -> Sheet:
    """With the line of tickers as the header, where it stands above that of the prices."""
    above = cells_of(sheet.preamble[-1], sheet.delimiter) if sheet.preamble and sheet.header else []
    if not above or len(above) != len(sheet.header) or name_of(above[0]) not in NAMES_OF_LEVELS:
        return sheet
    body = sheet.delimiter.join(sheet.header) + "\n" + sheet.body
    return replace(sheet, header=tuple(map(name_of, above)), body=body, first_line=sheet.first_line - 1)

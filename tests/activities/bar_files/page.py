"""``python -m tests.activities.bar_files.page`` writes the page of file formats from the examples that the tests read."""

from __future__ import annotations

from pathlib import Path

from tests.activities.bar_files.examples import READ, REFUSED, Example

PAGE = Path(__file__).parents[3] / "docs" / "bar-files.md"
SHOWN, WIDEST = 3, 110
TOP = """# Files of bars

`alerts preview`, `alerts indicator`, `alerts demo --bars` and the provider `csv` read what traders have. A file is recognised by its first lines, or
named with `--format`; pandas reads it; every row is checked. Newest first or oldest first, plain, `.gz` or `.zip`, UTF-8, UTF-16 or Latin-1, with
commas, semicolons or tabs: all the same. Prices stay as they are; what must be known of them is said. (This page is written from the examples of the
tests by `make generated`.)

What a file does not say of itself is asked for, never guessed:

| option | says |
|---|---|
| `--timezone ZONE` | the zone of times that carry none, where the program that wrote them has none of its own; days need none. For the provider `csv` it is `ALERTS_CSV_TIMEZONE` |
| `--dates dmy`, `mdy`, `ymd` | what `03/04/2024` or `03/04/05` is, where all rows can be read in several ways |
| `--decimal .`, `--decimal ,` | what `1,234` is, or `1.234` between semicolons, where all prices look like that |
| `--format NAME` | which program wrote the file, where two write the same |
| the ticker of the definition, or `--symbol` | which of several tickers in one file |

Our own form needs nothing said: `time,open,high,low,close,volume`, times in ISO (UTC unless they carry an offset, which is said), a bare date for a day, weeks and
months by their first days, an empty cell for what is missing. An empty row of ours keeps its place as a bar without values; rows without prices in
files of Yahoo, Investing.com and yfinance are holidays and are left out, which is said.

## What is read
"""


def block(text: str) -> list[str]:
    """The first lines, as wide as a page."""
    lines = text.lstrip("\ufeff").splitlines()
    shown = [line if len(line) <= WIDEST else f"{line[:WIDEST]}…" for line in lines[:SHOWN]]
    return ["```", *(line.replace("\t", " → ") for line in shown), "```"]


def command(example: Example) -> str:
    """How it is read."""
    named = {"symbol": "its definition names the ticker"}
    words = [f"--{name} {value}" for name, value in example.options.items() if name not in named]
    said = " ".join(["alerts preview alert.json --bars FILE", *words])
    more = f" ({named['symbol']} `{example.options['symbol']}`)" if "symbol" in example.options else ""
    return f"`{said}`{more}, format `{example.format}`"


def page() -> str:
    """The page, in Markdown."""
    parts = [TOP]
    for example in READ:
        parts += [
            f"**{example.title[0].upper()}{example.title[1:]}**: {command(example)}",
            "",
            *block(example.text),
            "",
        ]
    parts += ["## What is refused", "", "| what | first line | in which words |", "|---|---|---|"]
    for title, text, _, words in REFUSED:
        first = text.splitlines()[min(1, text.count("\n") - 1)] if text.count("\n") > 1 else text.strip()
        shown = first[:70].replace("|", "\\|").replace("\t", " → ") or " "
        parts.append(f"| {title} | `{shown}` | {words.replace('|', chr(92) + '|')} |")
    return "\n".join([*parts, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

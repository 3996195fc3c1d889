"""Files of bars on the command line: what they do not say of themselves, and how they were read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import Fault, InvalidInput
from domain.timeframe import Timeframe
from starter.cli import inputs
from starter.cli.output import progress, say

if TYPE_CHECKING:
    from activities.bar_table import BarTable

PLAIN = ("tradingview", "csv")  # formats of which nothing need be said

Zone = Annotated[str, typer.Option("--timezone", help="Zone of times that carry no offset, where the format has none.")]
FormatName = Annotated[
    str, typer.Option("--format", help="Which program wrote the file, where its lines do not show it.")
]
DateOrder = Annotated[str, typer.Option("--dates", help="dmy, mdy or ymd: what 03/04/2024 or 03/04/05 is.")]
Decimal = Annotated[str, typer.Option("--decimal", help="'.' or ',': what 1,234 is.")]


def read_bars(
    bars: Path, zone: str, kind: str, dates: str, decimal: str, symbol: str | None, faults: list[Fault]
) -> BarTable | None:
    """The bars of a file, or None and its faults; says how they were read where that is not plain."""
    from activities.bar_files.reading import Options, read_bar_file

    known = len(faults)
    if zone:
        try:
            inputs.zone(zone)
        except InvalidInput as error:
            faults += error.faults
    if dates not in ("", "dmy", "mdy", "ymd"):
        faults.append(Fault("--dates", "expected dmy, mdy or ymd", dates))
    if decimal not in ("", ".", ","):
        faults.append(Fault("--decimal", "expected '.' or ','", decimal))
    if len(faults) > known:
        return None
    options = Options(zone or None, kind or None, dates or None, decimal or None, symbol)  # type: ignore[arg-type]
    with progress("reading bars"):
        try:
            found = read_bar_file(bars, options)
        except InvalidInput as error:
            faults += error.under(str(bars))
            return None
    if found.format.name not in PLAIN or found.notes:
        say("; ".join([f"read as {found.format.title}: {_spanned(found.table)}", *found.notes]))
    return found.table


def _spanned(table: BarTable) -> str:
    first, last = (datetime.fromtimestamp(int(table.open_time[at]), UTC) for at in (0, -1))
    frame = Timeframe.of_length(table.interval)
    return f"{len(table)} bars of {frame or table.interval}, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"

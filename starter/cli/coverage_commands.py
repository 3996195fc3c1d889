"""Commands on the market data that is stored."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from domain.ticker import ticker
from starter.cli.options import Json
from starter.cli.output import print_json, print_table, short
from starter.cli.session import run_command
from starter.context import Context


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    data = typer.Typer(help="Market data that is stored.", no_args_is_help=True)
    data.callback()(lambda: None)
    data.command("status")(status)
    app.add_typer(data, name="data")


def status(
    symbol: Annotated[str, typer.Option(help="Of this ticker alone.")] = "",
    as_json: Json = False,
) -> None:
    """Show what market data there is: tickers, rows, oldest, newest, and holes that nobody could fill.

    Example: alerts data status --symbol AAPL
    """
    wanted = ticker(symbol) if symbol else None

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.coverage.all(wanted)

    found = run_command(work)
    if as_json:
        print_json([vars(one) for one in found])
        return
    rows = [
        [
            one.table,
            one.timeframe or "-",
            one.source,
            f"{one.tickers:,}" if one.tickers else "-",
            f"{one.rows:,}",
            short(one.oldest),
            short(one.newest),
            "-" if one.gaps is None else f"{one.gaps:,}",
        ]
        for one in found
    ]
    columns = ["table", "timeframe", "vendor", "tickers", "rows", "oldest", "newest", "gaps"]
    print_table(
        columns,
        rows,
        "nothing is stored yet; 'alerts schedules seed' makes data jobs, 'alerts backfill' brings history",
    )

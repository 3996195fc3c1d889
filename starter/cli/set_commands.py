"""Commands on sets of tickers, which screeners name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import Fault, InvalidInput
from domain.ticker_sets import KnownSet
from starter import sets
from starter.cli import inputs
from starter.cli.options import Json, User
from starter.cli.output import print_json, print_lines, print_table, say
from starter.cli.session import run_command
from starter.context import Context

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as tech or sp500.")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    own = typer.Typer(help="Sets of tickers that screeners name: sp500, nasdaq100, and your own.", no_args_is_help=True)
    for name, command in (("list", list_sets), ("show", show), ("put", put), ("remove", remove)):
        own.command(name)(command)
    app.add_typer(own, name="sets")


def _data(known: KnownSet) -> dict[str, Any]:
    one = known.set
    return {
        "name": one.name,
        "where": known.where,
        "tickers": len(one.symbols),
        "as_of": one.as_of and one.as_of.isoformat(),
    }


def list_sets(user: User = "", as_json: Json = False) -> None:
    """List the sets that screeners may name.

    Example: alerts sets list
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await sets.every(unit, context, inputs.owner(context.settings, user))

    found = [_data(one) for one in run_command(work)]
    if as_json:
        print_json(found)
        return
    rows = [[one["name"], one["where"], str(one["tickers"]), one["as_of"] or "-"] for one in found]
    print_table(["name", "where", "tickers", "as of"], rows)


def show(name: Name, user: User = "", as_json: Json = False) -> None:
    """Print a set's tickers, one a line.

    Example: alerts sets show sp500
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await sets.find(unit, context, inputs.owner(context.settings, user), name)

    found = run_command(work)
    if as_json:
        print_json({**_data(found), "symbols": list(found.set.symbols)})
    else:
        print_lines(*found.set.symbols)


def put(
    name: Name,
    tickers: Annotated[list[str] | None, typer.Argument(metavar="[TICKER]...", help="Its tickers.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="One ticker a line, or a CSV with a column symbol or ticker.")
    ] = None,
    user: User = "",
    as_json: Json = False,
) -> None:
    """Make a set of your own, or give it other tickers.

    Example: alerts sets put tech AAPL MSFT NVDA
    """
    if bool(tickers) == (file is not None):
        raise InvalidInput("options", [Fault("TICKER, --file", "give tickers or a file of them")])
    symbols = list(tickers or []) if file is None else sets.tickers_of(file)

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await sets.put(unit, context, inputs.owner(context.settings, user), name, symbols)

    one = run_command(work)
    if as_json:
        print_json({"name": one.name, "tickers": len(one.symbols)})
    else:
        say(f"{one.name}: {len(one.symbols)} ticker{'s' if len(one.symbols) > 1 else ''}")


def remove(name: Name, user: User = "", as_json: Json = False) -> None:
    """Remove a set of your own; one of that name that comes with the product counts again.

    Example: alerts sets remove tech
    """

    async def work(context: Context) -> None:
        async with context.database.transaction() as unit:
            await sets.remove(unit, context, inputs.owner(context.settings, user), name)

    run_command(work)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        say(f"{name} removed")

"""Commands on what a user holds, which portfolio reports are of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from domain.definition import faults_of
from domain.errors import Fault, InvalidInput
from domain.holding import Holding
from starter import holdings
from starter.cli import inputs
from starter.cli.options import Json, User
from starter.cli.output import number, print_json, print_table, say
from starter.cli.session import run_command
from starter.context import Context


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    own = typer.Typer(help="What you hold: portfolio reports are of it.", no_args_is_help=True)
    for name, command in (("list", list_holdings), ("put", put), ("import", bring), ("remove", remove)):
        own.command(name)(command)
    app.add_typer(own, name="holdings")


def list_holdings(user: User = "", as_json: Json = False) -> None:
    """List what you hold.

    Example: alerts holdings list
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.holdings.list(inputs.owner(context.settings, user))

    found = run_command(work)
    if as_json:
        print_json([one.model_dump() for one in found])
        return
    rows = [
        [one.symbol, f"{one.quantity:g}", "-" if one.cost is None else number(one.cost), one.currency or "-"]
        for one in found
    ]
    print_table(
        ["ticker", "quantity", "cost a share", "currency"], rows, "nothing yet; see: alerts holdings put --help"
    )


def put(
    ticker: Annotated[str, typer.Argument(help="The ticker.")],
    quantity: Annotated[float, typer.Argument(help="Shares; negative when sold short (after --).")],
    cost: Annotated[float | None, typer.Option(help="What a share was bought for.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217, such as USD.")] = "",
    user: User = "",
    as_json: Json = False,
) -> None:
    """Say how much of a ticker you hold.

    Example: alerts holdings put AAPL 12.5 --cost 151.20
    """
    try:
        one = Holding(symbol=ticker, quantity=quantity, cost=cost, currency=currency.upper())
    except ValidationError as error:
        raise InvalidInput("holding", faults_of(error)) from None
    _put([one], user, as_json, whole=False)


def bring(
    file: Annotated[
        Path, typer.Argument(help="CSV with the columns symbol and quantity; cost and currency may be there.")
    ],
    whole: Annotated[bool, typer.Option("--replace", help="These are all: what is not in the file goes.")] = False,
    user: User = "",
    as_json: Json = False,
) -> None:
    """Bring in what you hold from a broker's CSV; several lots of a ticker become one.

    Example: alerts holdings import examples/holdings.csv --replace
    """
    _put(holdings.of_file(file), user, as_json, whole=whole)


def _put(these: list[Holding], user: str, as_json: bool, *, whole: bool) -> None:
    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await holdings.put(unit, context, inputs.owner(context.settings, user), these, whole=whole)

    found = run_command(work)
    if as_json:
        print_json([one.model_dump() for one in found])
    else:
        say(f"{len(found)} holding{'s' if len(found) != 1 else ''} put")


def remove(
    tickers: Annotated[list[str] | None, typer.Argument(metavar="[TICKER]...", help="The tickers.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    user: User = "",
    as_json: Json = False,
) -> None:
    """Remove holdings.

    Example: alerts holdings remove AAPL
    """
    if bool(tickers) == every:
        raise InvalidInput("options", [Fault("TICKER, --all", "give tickers, or --all")])
    symbols = None if every else [one.upper() for one in tickers or []]

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await holdings.remove(unit, context, inputs.owner(context.settings, user), symbols)

    count = run_command(work)
    if as_json:
        print_json({"removed": count})
    else:
        say(f"{count} holding{'s' if count != 1 else ''} removed")

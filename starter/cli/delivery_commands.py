"""Commands on deliveries: what was told, what could not be, and telling it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from domain.errors import Fault, InvalidInput
from domain.text import counted
from starter import deliveries
from starter.cli.options import Json, Limit
from starter.cli.output import plain, print_json, print_table, progress, say, short
from starter.cli.session import among, run_command
from starter.context import Context
from storage.deliveries import Delivery, DeliveryFilter, DeliveryStatus

Number = Annotated[
    int, typer.Argument(metavar="NUMBER", min=1, help="Its number, as 'alerts deliveries list' shows it.")
]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    own = typer.Typer(help="Notices: what was told, what could not be, and telling it again.", no_args_is_help=True)
    own.command("list")(list_deliveries)
    own.command("show")(show)
    own.command("retry")(retry)
    app.add_typer(own, name="deliveries")


def list_deliveries(
    dead: Annotated[bool, typer.Option("--dead", help="Only those that could not be told.")] = False,
    alert: Annotated[str, typer.Option("--alert", help="Only of this alert or schedule.")] = "",
    status: Annotated[str, typer.Option(help="Only PENDING, SENT, DEAD, SILENCED or SPARED.")] = "",
    user: Annotated[str, typer.Option(help="Only this user's.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first.

    Example: alerts deliveries list --dead
    """
    among(status.upper(), [*DeliveryStatus, ""], "--status")
    wanted = DeliveryFilter(user or None, alert or None, "DEAD" if dead else status.upper() or None)

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.deliveries.page(wanted, None, limit)

    found = run_command(work)
    if as_json:
        print_json([_delivery(one) for one in found])
        return
    rows = [
        [str(one.id), one.alert_id, one.channel, one.status.value, str(one.attempts), short(one.created_at),
         short(one.attempted_at), one.subject, one.last_error]
        for one in found
    ]  # fmt: skip
    columns = ["number", "alert", "channel", "status", "tries", "made", "last try", "subject", "error"]
    print_table(columns, rows, "nothing could not be told" if dead else "nothing has been told yet")


def show(number: Number, as_json: Json = False) -> None:
    """Show one delivery with its words.

    Example: alerts deliveries show 812
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await deliveries.find(unit, context, number)

    data = _delivery(run_command(work))
    if as_json:
        print_json(data)
        return
    print_table(["", str(number)], [[name, str(plain(value))] for name, value in data.items()])


def retry(
    number: Annotated[int, typer.Argument(metavar="[NUMBER]", min=0, help="Which; 0 goes with --all.")] = 0,
    every: Annotated[bool, typer.Option("--all", help="All dead ones, at most a thousand at once.")] = False,
    alert: Annotated[str, typer.Option("--alert", help="With --all: only of this alert or schedule.")] = "",
    as_json: Json = False,
) -> None:
    """Tell a dead delivery again, or all of them, for a day more.

    Example: alerts deliveries retry --all --alert aapl-3f9c2a
    """
    if bool(number) is every:
        raise InvalidInput("options", [Fault("NUMBER, --all", "give one of them")])

    async def work(context: Context) -> list[tuple[Delivery, str]]:
        async with context.database.transaction() as unit:
            if every:
                found = await deliveries.retry_dead(unit, context, DeliveryFilter(alert_id=alert or None))
            else:
                found = [await deliveries.retry(unit, context, number)]
        with progress("telling Temporal", len(found)) as told:
            done = []
            for place, one in enumerate(found):
                done.append((one, await context.gateway.deliver(one)))
                told(place + 1)
        return done

    done = run_command(work)
    if as_json:
        print_json([_delivery(one) | {"told": not problem} for one, problem in done])
        return
    problems = {problem for _, problem in done if problem}
    say(f"{counted(len(done), 'delivery', 'deliveries')} told again")
    for problem in sorted(problems):
        say(f"Temporal will be told later ({problem})")


def _delivery(one: Delivery) -> dict[str, Any]:
    return {"id": one.id} | {name: value for name, value in vars(one).items() if name != "id"}

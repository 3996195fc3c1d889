"""Commands on quiet hours and silences."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from domain.errors import Fault, InvalidInput
from domain.quiet import Silenced
from starter import quiet
from starter.cli import inputs
from starter.cli.options import Json, User
from starter.cli.output import print_json, print_table, say, short
from starter.cli.session import run_command
from starter.clock import now
from starter.context import Context
from starter.times import span_of


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    hours = typer.Typer(help="Hours in which you are not told what can wait.", no_args_is_help=True)
    hours.command("show")(show)
    hours.command("set")(set_hours)
    hours.command("off")(off)
    silence = typer.Typer(help="Hear nothing of a ticker, a tag or an alert for a time.", no_args_is_help=True)
    silence.command("list")(list_silences)
    silence.command("add")(add)
    silence.command("end")(end)
    app.add_typer(hours, name="quiet")
    app.add_typer(silence, name="silence")


def show(user: User = "", as_json: Json = False) -> None:
    """Show the quiet hours.

    Example: alerts quiet show
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.quiet.hours(inputs.owner(context.settings, user))

    hours = run_command(work)
    until = hours.until(now()) if hours else None
    if as_json:
        print_json(
            {"hours": str(hours), "timezone": hours.timezone, "quiet_until": until} if hours else {"hours": None}
        )
    elif hours is None:
        say("no quiet hours; set some: alerts quiet set 22:00-07:00")
    else:
        say(f"{hours} {hours.timezone}" + (f"; quiet now, until {short(until)}" if until else ""))


def set_hours(
    hours: Annotated[str, typer.Argument(metavar="HH:MM-HH:MM", help="Over midnight where the second is earlier.")],
    timezone: Annotated[str, typer.Option(help="IANA time zone; default: SCHEDULER_TIMEZONE.")] = "",
    user: User = "",
    as_json: Json = False,
) -> None:
    """Set quiet hours: what can wait is held, and told together when they end.

    Example: alerts quiet set 22:00-07:00 --timezone Europe/Berlin
    """

    async def work(context: Context) -> Any:
        wanted = quiet.hours_of(hours, timezone or context.settings.scheduler_timezone)
        async with context.database.transaction() as unit:
            await quiet.set_hours(unit, context, inputs.owner(context.settings, user), wanted)
        return wanted

    done = run_command(work)
    if as_json:
        print_json({"hours": str(done), "timezone": done.timezone})
    else:
        say(f"quiet from {done.begin:%H:%M} to {done.end:%H:%M} {done.timezone}; urgent notices pass")


def off(user: User = "", as_json: Json = False) -> None:
    """Have no quiet hours.

    Example: alerts quiet off
    """

    async def work(context: Context) -> None:
        async with context.database.transaction() as unit:
            await quiet.set_hours(unit, context, inputs.owner(context.settings, user), None)

    run_command(work)
    if as_json:
        print_json({"hours": None})
    else:
        say("no quiet hours")


def list_silences(user: User = "", as_json: Json = False) -> None:
    """List the silences that have not ended.

    Example: alerts silence list
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.quiet.silences(inputs.owner(context.settings, user), now())

    found = run_command(work)
    if as_json:
        print_json([vars(one) for one in found])
        return
    rows = [[str(one.id), one.kind.value, one.value, short(one.until), one.reason] for one in found]
    print_table(["number", "of", "", "until", "reason"], rows, "no silences")


def add(
    span: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")],
    ticker: Annotated[str, typer.Option(help="Of this ticker.")] = "",
    tag: Annotated[str, typer.Option(help="Of alerts with this tag.")] = "",
    alert: Annotated[str, typer.Option(help="Of this alert.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for whoever looks.")] = "",
    user: User = "",
    as_json: Json = False,
) -> None:
    """Hear nothing of a ticker, a tag or an alert for a time; what happens is kept.

    Example: alerts silence add --ticker AAPL --for 2h --reason earnings
    """
    given = {Silenced.TICKER: ticker, Silenced.TAG: tag, Silenced.ALERT: alert}
    chosen = [(kind, value) for kind, value in given.items() if value]
    if len(chosen) != 1:
        raise InvalidInput("options", [Fault("--ticker, --tag, --alert", "give one of them")])
    ((kind, value),) = chosen

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            until = now() + span_of(span, "--for")
            return await quiet.silence(unit, context, inputs.owner(context.settings, user), kind, value, until, reason)

    one = run_command(work)
    if as_json:
        print_json(vars(one))
    else:
        say(f"silence {one.id}: nothing of {kind.value} {one.value} until {short(one.until)}")


def end(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As 'alerts silence list' shows it.")],
    user: User = "",
    as_json: Json = False,
) -> None:
    """End a silence now.

    Example: alerts silence end 3
    """

    async def work(context: Context) -> None:
        async with context.database.transaction() as unit:
            await quiet.end(unit, context, inputs.owner(context.settings, user), number)

    run_command(work)
    if as_json:
        print_json({"id": number, "ended": True})
    else:
        say(f"silence {number} ended")

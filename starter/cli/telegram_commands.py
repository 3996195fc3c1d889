"""Commands on the Telegram bot: it answers, codes that register chats, the chats there are."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated, Any

import typer

from starter.cli import inputs
from starter.cli.options import ConfigFile, Environment, Json, User
from starter.cli.output import print_json, print_lines, print_table, say, short
from starter.cli.serving import serve, settings_in_force, with_database
from starter.cli.session import run_command
from starter.context import Context, NotFound
from worker.settings import Settings

HELP = "Answer what people write to the bot of TELEGRAM_BOT_TOKEN; SIGTERM ends it."


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    own = typer.Typer(help=HELP, invoke_without_command=True)
    own.callback()(answer)
    own.command("code")(code)
    own.command("chats")(chats)
    own.command("remove")(remove)
    app.add_typer(own, name="telegram")


def answer(ctx: typer.Context, config: ConfigFile = None, env: Environment = "") -> None:
    """Answer what people write to the bot of TELEGRAM_BOT_TOKEN; SIGTERM ends it.

    Example: TELEGRAM_BOT_TOKEN=… DATABASE_URL=postgresql://user@host/alerts alerts telegram
    """
    if ctx.invoked_subcommand is None:
        serve(_answer(settings_in_force()))


async def _answer(settings: Settings) -> None:
    from starter.telegram.intake import telegram_bot
    from worker.beats import beating
    from worker.runner import unless_stopped

    async with with_database(settings) as (database, stop), AsyncExitStack() as exits:
        await exits.enter_async_context(beating(database, "telegram"))
        name = await unless_stopped(stop, exits.enter_async_context(telegram_bot(settings, database)))
        say(f"{name} answers; Ctrl-C stops")
        await stop.wait()


def code(user: User = "", as_json: Json = False) -> None:
    """Make a code that registers a chat for a user: good once, for a quarter of an hour.

    Example: alerts telegram code
    """
    from starter.telegram import registration

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await registration.make_code(unit, context, inputs.owner(context.settings, user))

    made, until = run_command(work)
    if as_json:
        print_json({"code": made, "expires_at": until})
        return
    print_lines(f"/start {made}")
    say(f"write this to the bot before {short(until)}")


def chats(user: User = "", as_json: Json = False) -> None:
    """List the chats that may steer alerts, and whose.

    Example: alerts telegram chats
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.chats.list(user or None)

    found = run_command(work)
    if as_json:
        print_json([vars(one) for one in found])
        return
    rows = [[str(one.chat_id), one.title, one.user_id, one.destination, short(one.created_at)] for one in found]
    print_table(["chat", "title", "user", "destination", "since"], rows, "no chats; see 'alerts telegram code'")


def remove(
    chat: Annotated[int, typer.Argument(metavar="CHAT", help="Its number; after -- where it is negative.")],
    as_json: Json = False,
) -> None:
    """Take a chat's rights away; its destination goes with it.

    Example: alerts telegram remove -- -1001234567890
    """
    from starter.telegram import registration

    async def work(context: Context) -> None:
        async with context.database.transaction() as unit:
            if await registration.unregister(unit, context, chat) is None:
                raise NotFound(str(chat), "chat", "alerts telegram chats")

    run_command(work)
    if as_json:
        print_json({"chat": chat, "removed": True})
    else:
        say(f"{chat} removed")

"""Commands on destinations: where a user wants to be told."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from domain.definition import CHANNELS
from domain.errors import Fault, InvalidInput
from domain.quiet import Grouping
from starter import destinations
from starter.cli import inputs
from starter.cli.options import Json, User
from starter.cli.output import FAILED, Failure, print_json, print_lines, print_table, say, short
from starter.cli.session import among, run_command
from starter.context import Context
from starter.times import span_of
from storage.destinations import Destination
from storage.sealing import new_key

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as me, desk or oncall.")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    own = typer.Typer(help="Where you want to be told: destinations with names.", no_args_is_help=True)
    for name, command in (
        ("list", list_channels), ("add", add), ("test", send_test), ("remove", remove),
        ("fallback", fall_back), ("group", group), ("rotate", rotate), ("key", key),
    ):  # fmt: skip
        own.command(name)(command)
    app.add_typer(own, name="channels")


def _state(one: Destination) -> str:
    if one.disabled_at:
        return f"disabled: {one.problem}"
    said = ["ok"]
    if one.fallback_after is not None:
        said.append(f"fallback after {one.fallback_after // 60} min")
    if one.group_by:
        said.append(f"grouped by {one.group_by}, {one.group_wait} s")
    return ", ".join(said)


def list_channels(user: User = "", as_json: Json = False) -> None:
    """List destinations, without their addresses, and the channels that are set up for all.

    Example: alerts channels list
    """
    from activities.notifications.channel import Unconfigured
    from activities.notifications.registry import build_channels

    async def work(context: Context) -> Any:
        built = build_channels(context.settings)
        words = {name: "" if not isinstance(one, Unconfigured) else one.advice for name, one in built.items()}
        for one in built.values():
            await one.close()
        async with context.database.transaction() as unit:
            return await unit.destinations.list(inputs.owner(context.settings, user)), words

    found, words = run_command(work)
    if as_json:
        print_json({"destinations": destinations.shown(found), "channels": words})
        return
    rows = [[one.name, one.kind, _state(one), short(one.updated_at)] for one in found]
    rows += [[name, "for all", advice or "ok", ""] for name, advice in words.items() if name in CHANNELS or not advice]
    print_table(["name", "kind", "state", "since"], rows)


def add(
    name: Name,
    address: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="telegram://CHAT, mailto:a@b, https://…, notify://USER, a URL of Apprise's; - reads stdin.",
        ),
    ],
    user: User = "",
    as_json: Json = False,
) -> None:
    """Add a destination, or give it another address; it is kept encrypted, and definitions hold its name alone.

    Example: alerts channels add me telegram://123456789
    """
    text = sys.stdin.readline().strip() if address == "-" else address

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await destinations.add(unit, context, inputs.owner(context.settings, user), name, text)

    added = run_command(work)
    if as_json:
        (one,) = destinations.shown([added.destination])
        print_json({**one} | ({"signing_secret": added.secret} if added.secret else {}))
        return
    print_lines(name)
    say(f"{added.destination.kind} added; try it: alerts channels test {name}")
    if added.secret:
        say(f"webhooks are signed with {added.secret}; it is not shown again")


def send_test(name: Name, user: User = "", as_json: Json = False) -> None:
    """Send a real message and say what came back.

    Example: alerts channels test me
    """

    async def work(context: Context) -> Any:
        return await destinations.send_test(context, inputs.owner(context.settings, user), name)

    found = run_command(work)
    if as_json:
        print_json({"name": name, "well": found.well, "said": found.said})
        if not found.well:
            raise typer.Exit(FAILED)
        return
    if not found.well:
        raise Failure(f"{name}: {found.said}", FAILED)
    say(f"{name}: the message was taken")


def fall_back(
    name: Name,
    after: Annotated[str, typer.Option(help="After how long: 10m, 1h.")] = "",
    off: Annotated[bool, typer.Option("--off", help="Never any more.")] = False,
    user: User = "",
    as_json: Json = False,
) -> None:
    """Tell a destination what is urgent and did not arrive elsewhere within a time.

    Example: alerts channels fallback oncall --after 10m
    """
    if bool(after) == off:
        raise InvalidInput("options", [Fault("--after, --off", "give one of them")])
    span = None if off else span_of(after, "--after", "options")

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await destinations.fall_back(unit, context, inputs.owner(context.settings, user), name, span)

    one = run_command(work)
    if as_json:
        print_json(destinations.shown([one])[0])
    elif off:
        say(f"{name} is told what names it, and nothing else")
    else:
        say(f"{name} is told what is urgent and did not arrive elsewhere within {after}")


def group(
    name: Name,
    by: Annotated[str, typer.Option(help="ticker, tag (an alert's first) or all.")] = "",
    wait: Annotated[str, typer.Option(help="How long the first waits for others: 30s, 5m.")] = "30s",
    off: Annotated[bool, typer.Option("--off", help="Each on its own again.")] = False,
    user: User = "",
    as_json: Json = False,
) -> None:
    """Tell a destination notices that belong together in one message.

    Example: alerts channels group desk --by ticker --wait 1m
    """
    if bool(by) == off:
        raise InvalidInput("options", [Fault("--by, --off", "give one of them")])
    if by:
        among(by, list(Grouping), "--by")
    wanted = None if off else Grouping(by)
    span = span_of(wait, "--wait", "options")

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            owner = inputs.owner(context.settings, user)
            return await destinations.group(unit, context, owner, name, wanted, span)

    one = run_command(work)
    if as_json:
        print_json(destinations.shown([one])[0])
    elif off:
        say(f"{name} is told each notice on its own")
    else:
        say(
            f"{name} is told notices of {'all alerts' if by == 'all' else f'one {by}'} in one message, {wait} after the first"
        )


def remove(name: Name, user: User = "", as_json: Json = False) -> None:
    """Remove a destination.

    Example: alerts channels remove desk
    """

    async def work(context: Context) -> None:
        async with context.database.transaction() as unit:
            await destinations.remove(unit, context, inputs.owner(context.settings, user), name)

    run_command(work)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        say(f"{name} removed")


def rotate(as_json: Json = False) -> None:
    """Encrypt every address anew with the first key of ALERTS_SECRET_KEY; the old one may go then.

    Example: ALERTS_SECRET_KEY=NEW,OLD alerts channels rotate
    """

    async def work(context: Context) -> int:
        async with context.database.transaction() as unit:
            return await destinations.rotate(unit, context)

    count = run_command(work)
    if as_json:
        print_json({"rotated": count})
    else:
        say(f"{count} destination{'s' if count != 1 else ''} encrypted anew")


def key(as_json: Json = False) -> None:
    """Print a new key for ALERTS_SECRET_KEY.

    Example: alerts channels key
    """
    made = new_key()
    if as_json:
        print_json({"key": made})
    else:
        print_lines(made)

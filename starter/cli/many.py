"""Options of commands that take several alerts, the question before all of them, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from domain.text import counted
from starter.cli.complete import alert_ids, groups, statuses
from starter.cli.output import FAILED, INVALID, NOT_FOUND, Failure, print_json, progress, say
from starter.cli.session import run_command
from starter.context import Context
from starter.selection import MOST_SAID, Many, Selection, chosen, each
from storage.stored_schedule import StoredSchedule

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, as 'alerts list' shows them.", autocompletion=alert_ids)
]  # fmt: skip
OfTag = Annotated[str, typer.Option("--tag", help="All with this tag.")]
OfSymbol = Annotated[str, typer.Option("--symbol", help="All of this ticker.")]
OfGroup = Annotated[str, typer.Option("--group", help="All of this group.", autocompletion=groups)]
OfStatus = Annotated[str, typer.Option("--status", help="All with this status.", autocompletion=statuses)]
All = Annotated[bool, typer.Option("--all", help="All there are.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
OnOne = Callable[[Context, StoredSchedule], Awaitable[Any]]


def selected(ids: list[str] | None, tag: str, symbol: str, group: str, status: str, everything: bool) -> Selection:
    """What the options choose.

    Raises:
        InvalidInput: nothing, or two things.
    """
    found = Selection(tuple(ids or ()), tag, symbol.strip(), group, status.strip(), everything)
    found.check()
    return found


def on_many(verb: str, selection: Selection, work: OnOne, *, yes: bool) -> Many:
    """Asks, where people did not name the alerts, and works on all with a bar that shows how far it is.

    Raises:
        Failure: nobody can be asked, or the answer was no.
    """
    found = run_command(lambda context: chosen(context, selection))
    if not found:
        raise Failure(
            "there are no alerts" if selection.everything else f"there are no alerts with {selection}", NOT_FOUND
        )
    if selection.by_words and not yes:
        _confirm(f"{verb} {counted(len(found), 'alert')} ({selection})?")

    async def whole(context: Context) -> Many:
        with progress(f"{verb} alerts", len(found)) as told:
            return await each(found, lambda stored: work(context, stored), told)

    answered: Many = run_command(whole)
    return answered


def say_many(done: str, many: Many, *, as_json: bool) -> None:
    """What came of it.

    Raises:
        Failure: some could not.
    """
    if as_json:
        print_json(many.as_json())
    else:
        say(f"{counted(len(many.done), 'alert')} {done}")
    failed = list(many.failed.items())
    for id, error in failed[:MOST_SAID]:
        say(f"  {id}: {error}")
    if len(failed) > MOST_SAID:
        say(f"  and {len(failed) - MOST_SAID:,} more")
    if failed:
        raise Failure(f"{counted(len(failed), 'alert')} could not be {done}", FAILED)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise Failure(f"{question.removesuffix('?')}: nobody can be asked here; say --yes", INVALID)
    if not typer.confirm(question, err=True):
        raise Failure("nothing was changed", FAILED)

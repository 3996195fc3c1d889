"""Commands that write definitions: add, update, clone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated, Any

import typer

from domain.alert import Alert
from domain.definition import AlertDefinition, chosen, edited, read_definition
from domain.errors import Fault, InvalidInput
from domain.ids import may_be_chosen
from domain.text import counted
from starter import alerts
from starter.cli import inputs
from starter.cli.advising import advise
from starter.cli.asking import asked_step_by_step
from starter.cli.complete import alert_ids, sets
from starter.cli.definition_options import in_zone_of, over, takes_definition
from starter.cli.many import All, Yes, on_many, say_many, selected
from starter.cli.options import AlertId, Json
from starter.cli.outlooks import print_outlooks, unknown_tickers
from starter.cli.output import FAILED, INVALID, Failure, print_json, print_lines, progress, say
from starter.cli.session import run_command
from starter.context import Context
from starter.definition_writes import new_id
from storage.stored_schedule import StoredSchedule
from worker.schema_folder import SchemaFolder
from worker.settings import Settings, load_settings

FEW = 5  # alerts whose tickers are looked up before they are added
MOST_AT_ONCE = 5_000
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Write nothing; show what would be made, its next ticks and its values now.")
]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for name, command in (("add", add), ("update", update), ("clone", clone)):
        app.command(name)(command)


@takes_definition
def add(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|RULE]", help="A JSON file, '-', or e.g. 'AAPL > 150'; none: asks step by step."),
    ] = None,
    id: Annotated[str | None, typer.Option("--id", help="Its id; default: made from the ticker.")] = None,
    user: Annotated[
        str, typer.Option("--user", help="Its owner; default: whom the file names, else ALERTS_USER_ID.")
    ] = "",
    symbols: Annotated[str, typer.Option("--symbols", help="One alert for each: AAPL,MSFT; in one group.")] = "",
    watchlist: Annotated[
        str, typer.Option("--watchlist", help="One alert for each ticker of a set by name.", autocompletion=sets)
    ] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
    fields: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Define an alert and start it.

    Example: alerts add "AAPL > 150 and rsi(14) > 70" --timeframe 1h --channel log
    """
    settings = load_settings()
    if what is None:
        if not sys.stdin.isatty():
            raise Failure("give a rule, such as alerts add 'AAPL > 150', or a file", INVALID)
        what, fields = asked_step_by_step(settings, fields, of_several=bool(symbols or watchlist))
    tickers = _tickers(settings, symbols, watchlist, user)
    if tickers and "group" not in fields:
        fields = {**fields, "group": watchlist or new_id(_one(what, {**fields, "symbol": tickers[0]}))}
    made = _for_each(what, fields, tickers, user, settings) if tickers else _given(what, fields, id, user, settings)
    if tickers and id is not None:
        raise Failure("--id goes with one alert", INVALID)
    definitions = [one.definition for one in made]
    if dry_run:
        print_outlooks(definitions, advise(settings, definitions), as_json=as_json)
        return
    warnings = advise(settings, definitions)
    _add(made, warnings, as_json=as_json, settings=settings)


def _add(made: list[Alert], warnings: list[list[str]], *, as_json: bool, settings: Settings) -> None:
    interrupted: alerts.PartlyAdded | None = None

    async def work(context: Context) -> list[alerts.Placed]:
        nonlocal interrupted
        try:
            with progress("adding alerts", len(made)) if len(made) > 1 else nullcontext(lambda done: None) as told:
                return await alerts.add(context, made, told)
        except alerts.PartlyAdded as error:
            interrupted = error
            return error.placed

    placed = run_command(work)
    unknown = unknown_tickers(placed) if len(placed) <= FEW else {}
    for text in unknown.values():
        say(f"note: {text}")
    warnings = [
        [*some, *([unknown[one.alert.id]] if one.alert.id in unknown else [])]
        for one, some in zip(placed, warnings, strict=False)
    ]
    if as_json:
        said = [placed_json(one, some) for one, some in zip(placed, warnings, strict=True)]
        print_json(said if len(made) > 1 else said[0])
    else:
        _say_placed(placed)
    if interrupted is not None:
        raise Failure(str(interrupted), FAILED)


def _say_placed(placed: Sequence[alerts.Placed]) -> None:
    for one in placed:
        print_lines(one.alert.id)
        if len(placed) <= FEW:
            say(f"{one.alert.definition.name}: {running(one)}")
            say_times(one.alert.definition)
    groups = {one.alert.definition.group for one in placed} - {""}
    if len(placed) > FEW or groups:
        waiting = [one for one in placed if not one.running]
        rest = f"; {len(waiting)} to be started by 'alerts up'" if waiting else ""
        group = f" in the group {', '.join(sorted(groups))}" if groups else ""
        say(f"{counted(len(placed), 'alert')} added{group}{rest}")


def say_times(definition: AlertDefinition) -> None:
    """When it ends, in its own zone."""
    from starter.times import told

    if definition.options.expires_at is not None:
        say(f"it expires {told(definition.options.expires_at, inputs.zone(definition.timezone))}")


def _tickers(settings: Settings, symbols: str, watchlist: str, user: str) -> list[str]:
    """Of ``--symbols`` or ``--watchlist``; none where neither is given."""
    if symbols and watchlist:
        raise InvalidInput("options", [Fault("--symbols, --watchlist", "give one of them")])
    if watchlist:
        return list(run_command(lambda context: _of_set(context, inputs.owner(context.settings, user), watchlist)))
    found = inputs.tickers(symbols, "--symbols") if symbols else []
    if len(found) > MOST_AT_ONCE:
        raise InvalidInput("options", [Fault("--symbols", f"at most {MOST_AT_ONCE:,} at once, got {len(found):,}")])
    return found


async def _of_set(context: Context, owner: str, name: str) -> tuple[str, ...]:
    from starter.sets import find

    async with context.database.transaction() as work:
        return (await find(work, context, owner, name)).set.symbols


def _one(what: str, fields: dict[str, Any]) -> AlertDefinition:
    return read_definition(inputs.merged(inputs.one_definition(what), fields))


def _for_each(what: str, fields: dict[str, Any], tickers: Sequence[str], user: str, settings: Settings) -> list[Alert]:
    """One alert a ticker; the rule must fit every one of them."""
    if "symbol" in fields:
        raise InvalidInput("options", [Fault("--symbol", "goes with one alert; --symbols names them all")])
    owner = inputs.owner(settings, user)
    data = inputs.one_definition(what)
    made = [read_definition(inputs.merged(data, {**fields, "symbol": ticker})) for ticker in tickers]
    return [Alert(id=new_id(one), user_id=owner, definition=one) for one in made]


def _given(what: str, fields: dict[str, Any], id: str | None, user: str, settings: Settings) -> list[Alert]:
    own = SchemaFolder(settings.alert_schema_dir).own()
    given = (
        inputs.read_all(what, fields, own)
        if inputs.is_file(what)
        else [inputs.Given(read_definition(inputs.merged(what, fields)))]
    )
    if id is not None and len(given) > 1:
        raise Failure(f"{what} holds {len(given)} definitions; --id goes with one", INVALID)
    return [
        Alert(
            id=inputs.alert_id(id or one.id or new_id(one.definition)),
            user_id=inputs.user(user or one.owner or settings.alerts_user_id),
            definition=one.definition,
        )
        for one in given
    ]


@takes_definition
def update(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]... [FILE|RULE]",
            help="Ids, none with --of-tag and the like; then the new rule or fields.",
            autocompletion=alert_ids,
        ),
    ] = None,
    of_tag: Annotated[str, typer.Option("--of-tag", help="Change all with this tag.")] = "",
    of_symbol: Annotated[str, typer.Option("--of-symbol", help="Change all of this ticker.")] = "",
    of_group: Annotated[str, typer.Option("--of-group", help="Change all of this group.")] = "",
    everything: All = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    fields: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Change some fields of an alert, or of many; a new rule, ticker, timeframe or rearm arms it afresh.

    Example: alerts update aapl-3f9c2a "AAPL > 160" --cooldown 1h
    """
    ids, what = _ids_and_rule(words or [])
    given = None if what is None else inputs.one_definition(what)
    if given is None and not fields:
        raise Failure("nothing to change; give an expression, a file or an option", INVALID)
    selection = selected(ids, of_tag, of_symbol, of_group, "", everything)
    if len(selection.ids) != 1:
        if dry_run:
            found = run_command(lambda context: _changed_all(context, selection, given, fields))
            print_outlooks(found, [[] for _ in found], as_json=as_json)
            return

        async def work(context: Context, stored: StoredSchedule) -> Any:
            return await alerts.update(context, stored.id, lambda now: changes_of(now, given, fields))

        say_many("updated", on_many("update", selection, work, yes=yes), as_json=as_json)
        return
    _update_one(selection.ids[0], given, fields, dry_run=dry_run, as_json=as_json)


def _ids_and_rule(words: list[str]) -> tuple[list[str], str | None]:
    """What can be an id is one; the last word that cannot is the rule, or a file."""
    if words and (inputs.is_file(words[-1]) or not may_be_chosen(words[-1])):
        return words[:-1], words[-1]
    return words, None


async def _changed_all(context: Context, selection: Any, given: Any, fields: dict[str, Any]) -> list[AlertDefinition]:
    from starter.selection import chosen as those

    return [
        edited(stored.alert.definition, changes_of(stored, given, fields)) for stored in await those(context, selection)
    ]


def _update_one(id: str, given: Any, fields: dict[str, Any], *, dry_run: bool, as_json: bool) -> None:
    if dry_run:

        async def changed(context: Context) -> AlertDefinition:
            stored = await context.alert(id)
            return edited(stored.alert.definition, changes_of(stored, given, fields))

        definition = run_command(changed)
        print_outlooks([definition], advise(load_settings(), [definition]), as_json=as_json)
        return

    async def work(context: Context) -> Any:
        return await alerts.update(context, id, lambda stored: changes_of(stored, given, fields))

    placed = run_command(work)
    (warnings,) = advise(load_settings(), [placed.alert.definition])
    if as_json:
        print_json(placed_json(placed, warnings))
        return
    say(f"{placed.alert.definition.name}: version {placed.alert.version}, {running(placed)}")
    if "expires_at" in fields.get("options", {}):
        say_times(placed.alert.definition)


def changes_of(stored: StoredSchedule, given: Any, fields: dict[str, Any]) -> Any:
    """What a file or rule says, and what the options say over it; rearm and options change only where they are named."""
    merged = dict(fields) if given is None else inputs.merged(given, fields)
    if not isinstance(merged, dict):
        return merged
    rearm = merged.get("rearm")
    if isinstance(rearm, dict) and "type" not in rearm:
        kept = stored.alert.definition.rearm.model_dump(exclude_none=True)
        merged["rearm"] = {**kept, **rearm}
        if kept.get("type") != "persistence" and "persistence" not in rearm:
            merged["rearm"].pop("persistence", None)
    if "options" in fields and not (isinstance(given, dict) and "options" in given):
        zone = stored.alert.definition.timezone
        changed = in_zone_of(fields["options"], zone, fields.get("timezone"))
        merged["options"] = over(stored.alert.definition.as_json().get("options", {}), changed)
    return merged


@takes_definition
def clone(
    id: AlertId,
    new: Annotated[str | None, typer.Option("--id", help="The new one's id; default: made from the ticker.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    fields: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Make another alert like one, with some fields changed.

    Example: alerts clone aapl-3f9c2a --symbol MSFT
    """

    async def read(context: Context) -> StoredSchedule:
        return await context.alert(id)

    stored = run_command(read)
    definition = read_definition(
        edited(stored.alert.definition, changes_of(stored, None, fields)).as_json()
        if fields
        else chosen(stored.alert.definition)
    )
    if dry_run:
        print_outlooks([definition], advise(load_settings(), [definition]), as_json=as_json)
        return
    settings = load_settings()
    made = Alert(id=inputs.alert_id(new) if new else new_id(definition), user_id=stored.user_id, definition=definition)
    _add([made], advise(settings, [definition]), as_json=as_json, settings=settings)


def placed_json(placed: Any, warnings: list[str]) -> dict[str, Any]:
    """A written alert for programs."""
    from activities.interface import alert_workflow_id

    alert = placed.alert
    return {
        "id": alert.id,
        "version": alert.version,
        "running": placed.running,
        "workflow": alert_workflow_id(alert.id),
        "definition": alert.definition.as_json(),
        **({"warnings": warnings} if warnings else {}),
    }


def running(placed: Any) -> str:
    """Whether it runs, in words."""
    if placed.running:
        return placed.problem or "running"
    return f"saved, to be started by 'alerts up' ({placed.problem})"

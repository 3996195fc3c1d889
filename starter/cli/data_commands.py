"""Commands on market data: providers, indicators, backfill, and the default set of data schedules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from activities.market_data.vendors.provider import Provider
from domain.errors import Fault, InvalidInput
from domain.indicators import catalogue, find
from domain.ticker import ticker
from domain.timeframe import DAILY, Timeframe
from starter.cli import inputs
from starter.cli.complete import indicators as indicator_names
from starter.cli.options import Json
from starter.cli.output import FAILED, Failure, print_json, print_lines, print_table, say, short
from starter.cli.session import run_command
from starter.clock import now
from starter.context import Context
from starter.definition_writes import Refused, create
from starter.seeds import seeds
from starter.times import moment_of
from worker.provider_settings import VENDORS
from worker.settings import Settings

SEEN = timedelta(minutes=2)
WATCHED = "SPY,QQQ,AAPL,MSFT"


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("providers")(providers)
    app.command("indicators")(indicators)
    app.command("backfill")(backfill)


def providers(as_json: Json = False) -> None:
    """Show the market data vendors: order, limits, and how they fare in each worker.

    Example: alerts providers
    """
    from activities.market_data.vendors.status import NOTE
    from worker.wiring import build_providers

    async def work(context: Context) -> Any:
        made = build_providers(context.settings)
        try:
            async with context.database.transaction() as unit:
                notes = await unit.reports.under(NOTE, now() - SEEN)
            return [_provider(context.settings, one, notes) for one in made]
        finally:
            for one in made:
                await one.close()

    found = run_command(work)
    if as_json:
        print_json(found)
        return
    rows = []
    for one in found:
        workers = one["workers"] or [{}]
        for state in workers:
            rows.append(
                [
                    one["name"], str(one["priority"]), one["key"], one["rate"] or "-", state.get("circuit", "no worker"),
                    short(_time(state.get("open_until"))), str(state.get("calls", "")), str(state.get("failures", "")),
                    short(_time(state.get("quota_until"))), state.get("last_error") or state.get("shortfall") or "",
                ]
            )  # fmt: skip
    columns = [
        "provider",
        "priority",
        "key",
        "rate",
        "state",
        "until",
        "calls",
        "failures",
        "quota until",
        "last error",
    ]
    print_table(columns, rows, "no providers; set ALERTS_PROVIDERS")


def _provider(settings: Settings, provider: Provider, notes: dict[str, Any]) -> dict[str, Any]:
    name = provider.name
    vendor = settings.vendor(name) if name in VENDORS else None
    workers = [
        {"worker": note.partition(":")[2], "seen_at": at.isoformat(), **state}
        for note, (at, value) in notes.items()
        for state in value.get("providers", [])
        if state["name"] == name
    ]
    return {
        "name": name,
        "priority": settings.priority(name),
        "key": ("set" if provider.has_key else "missing") if provider.needs_key else "not needed",
        "rate": vendor.rates if vendor else "",
        "timeout": vendor.timeout if vendor else None,
        "intervals": list(provider.intervals) or None,
        "kinds": sorted(kind.value for kind in provider.kinds),
        "workers": workers,
    }


def _may_be_asked(provider: Any) -> bool:
    return not provider.needs_key or bool(provider.has_key)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def indicators(
    name: Annotated[
        str, typer.Argument(help="Only this one, with its parameters' bounds.", autocompletion=indicator_names)
    ] = "",
    as_json: Json = False,
) -> None:
    """List the indicators a rule may name, with defaults, bounds and outputs.

    Example: alerts indicators macd
    """
    try:
        chosen = [find(name)] if name else list(catalogue().values())
    except ValueError as error:
        raise InvalidInput("indicators", [Fault("name", str(error), name)]) from None
    if as_json:
        print_json(
            [
                {
                    "name": one.name, "title": one.title, "inputs": list(one.inputs), "outputs": list(one.outputs),
                    "parameters": [
                        {"name": p.name, "default": p.default, "low": p.low, "high": p.high, "whole": p.whole}
                        for p in one.parameters
                    ],
                }
                for one in chosen
            ]
        )  # fmt: skip
        return
    if name:
        (one,) = chosen
        rows = [
            [p.name, f"{p.default:g}", f"{p.low:g}", f"{p.high:g}", "whole" if p.whole else "any"]
            for p in one.parameters
        ]
        print_table(["parameter", "default", "least", "most", "number"], rows, "no parameters")
        say(f"{one.name}: {one.title}; of {', '.join(one.inputs)}; outputs {', '.join(one.outputs)}")
        return
    print_table(
        ["name", "what", "parameters", "outputs"],
        [
            [one.name, one.title, ", ".join(f"{p.name}={p.default:g}" for p in one.parameters), ", ".join(one.outputs)]
            for one in chosen
        ],
        "no indicators",
    )


def backfill(
    symbol: Annotated[str, typer.Argument(help="The ticker.")],
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Length of the bars.")] = "1d",
    since: Annotated[
        str,
        typer.Option(
            "--from", help="First day or time, or 60d for so long ago; default: ten years, or one within a day."
        ),
    ] = "",
    until: Annotated[str, typer.Option("--to", help="Where to stop; default: now.")] = "",
    provider: Annotated[str, typer.Option(help="Ask this vendor; default: the first that has it.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Ask for what was brought before as well.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a ticker's history into the database. Cut off, it goes on where it was when run again.

    Example: alerts backfill AAPL --timeframe 1m --from 2025-11-20
    """
    faults: list[Fault] = []
    frame = DAILY
    try:
        frame = Timeframe(timeframe)
    except ValueError as error:
        faults.append(Fault("--timeframe", str(error), timeframe))
    try:
        symbol = ticker(symbol)
    except ValueError as error:
        faults.append(Fault("SYMBOL", str(error), symbol))
    start = _moment(since, "--from", faults) or now() - timedelta(days=365 if frame.is_intraday else 3653)
    end = _moment(until, "--to", faults) or now()
    if not faults and start >= end:
        faults.append(Fault("--from", "must lie before --to", since))
    if faults:
        raise InvalidInput("backfill", faults)

    async def work(context: Context) -> Any:
        return await _backfill(context, symbol, frame, start, end, provider, again)

    done = run_command(work)
    if as_json:
        print_json(done)
        return
    print_lines(f"{done['symbol']} {done['timeframe']} from {done['provider']}: {done['bars']} bars stored")
    if done["skipped"]:
        say(f"{done['skipped']} windows were there already")
    if done["from"] > start.isoformat():
        say(f"{done['provider']} reaches back to {done['from']} only")


async def _backfill(
    context: Context, symbol: str, frame: Timeframe, start: datetime, end: datetime, wanted: str, again: bool
) -> dict[str, Any]:
    from activities.market_data.vendors.errors import ProviderError, ProviderRefused
    from worker.wiring import build_market

    market = build_market(context.settings, context.database)
    try:
        chosen = [one for one in market.providers if one.durable and wanted in ("", one.name)]
        if not chosen:
            known = ", ".join(one.name for one in market.providers if one.durable) or "none"
            raise InvalidInput("backfill", [Fault("--provider", f"expected one of {known}", wanted)])
        refusals: list[str] = []
        for one in chosen:
            try:
                return await _from(context, market, one, symbol, frame, start, end, again)
            except ProviderRefused as error:
                refusals.append(str(error))
            except ProviderError as error:
                raise Failure(f"{error}; run it again to go on from there", FAILED) from None
        raise Failure("; ".join(refusals), FAILED)
    finally:
        await market.close()


async def _from(
    context: Context,
    market: Any,
    provider: Any,
    symbol: str,
    frame: Timeframe,
    start: datetime,
    end: datetime,
    again: bool,
) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from activities.market_data.feeds.backfill import Backfill

    hours = market.market(provider, symbol, start.date())
    work = Backfill(provider, hours, context.database, symbol, frame)
    if again:
        async with context.database.transaction() as unit:
            await unit.bars.uncover(*work.key)
    begins, ends = work.bounded(start, end)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    bars = skipped = 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(f"{symbol} {frame} from {provider.name}", total=(ends - begins).total_seconds())
        async for one in work.run(start, end):
            bars, skipped = one.bars, one.skipped
            said = f"waiting until {one.waits_until:%H:%M:%S} UTC" if one.waits_until else f"{bars} bars"
            shown.update(
                task, completed=one.done.total_seconds(), description=f"{symbol} {frame} from {provider.name}, {said}"
            )
    return {
        "symbol": symbol, "timeframe": frame, "provider": provider.name, "from": begins.isoformat(), "to": ends.isoformat(),
        "bars": bars, "skipped": skipped,
    }  # fmt: skip


def _moment(text: str, option: str, faults: list[Fault]) -> datetime | None:
    if not text:
        return None
    try:
        return moment_of(text, ZoneInfo("UTC"), now(), option, "backfill", past=True)
    except InvalidInput as error:
        faults += error.faults
        return None


def seed(
    symbols: Annotated[str, typer.Option(help="Tickers, separated by commas.")] = WATCHED,
    user: Annotated[str, typer.Option(help="Their owner; default: ALERTS_USER_ID.")] = "",
    as_json: Json = False,
) -> None:
    """Register the default data schedules: quotes, options, prices, companies, earnings, news, economic events.

    Those that are there already stay as they are. A kind no configured vendor has is added disabled.

    Example: alerts schedules seed --symbols AAPL,MSFT
    """
    from worker.wiring import build_providers

    names = tuple(dict.fromkeys(name.strip() for name in symbols.split(",") if name.strip()))

    async def work(context: Context) -> Any:
        made = build_providers(context.settings)
        offered = {kind for one in made if _may_be_asked(one) for kind in getattr(one, "sources", ())}
        for one in made:
            await one.close()
        owner = inputs.user(user or context.settings.alerts_user_id)
        wanted = seeds(names, owner, offered)
        async with context.database.transaction() as unit:
            there = {one.job.id: await unit.schedules.get(one.job.id) for one in wanted}
            others = sorted(id for id, row in there.items() if row is not None and row.user_id != owner)
            if others:
                raise Refused(f"{', '.join(others)} belong to another user")
            new = [one for one in wanted if there[one.job.id] is None]
            off = [one.job.id for one in new if not one.available]
            written = await create(unit, context.who, [one.job for one in new], now(), disabled=off)
        told = {one.id: not await context.gateway.tell(one) for one in written}
        return [(one, one in new, told.get(one.job.id, False)) for one in wanted]

    done = run_command(work)
    rows = [
        {
            "id": one.job.id, "kind": one.kind.value, "cron": one.job.definition.cron, "timezone": one.job.definition.timezone,
            "added": added, "enabled": one.available if added else None, "told": told,
        }
        for one, added, told in done
    ]  # fmt: skip
    if as_json:
        print_json(rows)
        return
    columns = ["id", "schedule", "what"]
    said = {True: "added", False: "added, disabled: no configured vendor has it", None: "was there already"}
    print_table(columns, [[row["id"], f"{row['cron']} {row['timezone']}", said[row["enabled"]]] for row in rows])

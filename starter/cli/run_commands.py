"""Commands that run it all: demo, up, worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.alert import EventKind
from domain.errors import Fault, InvalidInput
from domain.known_keys import hint
from domain.text import counted
from domain.timeframe import Timeframe
from starter import demo as examples
from starter.cli import inputs
from starter.cli.bar_options import DateOrder, Decimal, FormatName, Zone, read_bars
from starter.cli.options import ConfigFile, Environment, Json
from starter.cli.output import print_json, print_lines, say
from starter.cli.serving import serve, settings_in_force
from starter.clock import now
from starter.demo_home import demo_settings, leave_word
from worker.settings import Settings, load_settings


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("demo")(demo)
    app.command("up")(up)
    app.command("start", hidden=True)(up)
    app.command("worker")(worker)


def demo(
    definitions: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Definitions to run on --bars.")
    ] = None,
    seconds: Annotated[float, typer.Option("--for", min=0, help="End by itself after so many seconds.")] = 0,
    bars: Annotated[Path | None, typer.Option(help="CSV of recorded bars to replay as though live.")] = None,
    symbol: Annotated[str, typer.Option(help="Ticker of the recorded bars.")] = "",
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=10_000_000, help="How many times faster than recorded; default: one that shows something."
        ),
    ] = None,
    timezone: Zone = "",
    file_format: FormatName = "",
    dates: DateOrder = "",
    decimal: Decimal = "",
    as_json: Json = False,
) -> None:
    """Start everything with a simulated market and alerts that fire within a minute.

    Example: alerts demo --for 60
    """
    if (definitions or symbol) and bars is None:
        raise InvalidInput("options", [Fault("--bars", "is needed with --symbol or definition files")])
    from activities.market_data.vendors.local.csv_file import Replay
    from activities.market_data.vendors.local.simulated import SimulatedMarket
    from starter.replays import plan

    words: list[str] = []
    settings = demo_settings(load_settings())
    if bars is None:
        provider: Any = SimulatedMarket(settings.alerts_simulated_seed)
        alerts = examples.simulated_alerts()
    else:
        table, frame, given = _recorded(
            bars, (timezone, file_format, dates, decimal, symbol or None), definitions or []
        )
        symbol = symbol or bars.stem.split("_")[0].upper()
        alerts = examples.replayed_alerts(symbol, frame, given)
        planned = plan(table, alerts, speed)
        provider = Replay(table, symbol, planned.speed, planned.warm)
        words = planned.words(table, alerts)
    serve(_demo(settings, provider, alerts, seconds, words, as_json))


def _recorded(
    bars: Path, options: tuple[str, str, str, str, str | None], files: list[str]
) -> tuple[Any, str, list[Any]]:
    faults: list[Fault] = []
    table = read_bars(bars, *options, faults)
    if table is None or faults:
        raise InvalidInput("demo", faults)
    frame = Timeframe.of_length(table.interval)
    if frame is None:
        raise InvalidInput(str(bars), [Fault("$", f"bars of {table.interval} fit no timeframe")])
    given = [data for file in files for _, data in inputs.definitions_in(file)]
    return (
        table,
        frame,
        [one if isinstance(one, dict) else {"rule": one} for one in given],
    )


async def _demo(
    settings: Settings, provider: Any, alerts: list[Any], seconds: float, words: list[str], as_json: bool
) -> None:
    from activities.market_data.vendors.local.csv_file import Replay
    from starter.demo import Teller
    from starter.processes import Stack, fresh_alerts, keep_watching

    began = now()
    quiet = settings.model_copy(update={"log_level": "WARNING"})  # what happens is told below, line by line
    async with Stack(quiet, [provider], say, jobs=False) as stack:
        leave_word(settings)
        replay = provider if isinstance(provider, Replay) else None
        await keep_watching(stack)
        await fresh_alerts(stack, alerts, seen_until=replay.seen_until if replay else None)
        if replay:
            replay.begin(now())
        names = {alert.id: alert.definition.name for alert in alerts}
        untold = [EventKind.LATE] if replay else []  # a replay outruns the clock
        teller = Teller(stack.services.database, began, names, print_lines, untold)
        if not as_json:
            print_lines(
                f"Web UI:   {stack.ui_url}",
                *(f"          {line}" for line in stack.views[:2]),
                f"Alerts:   in another terminal: export ALERTS_HOME={settings.alerts_home.resolve()}",
                f"          alerts list | alerts explain {alerts[0].id} | alerts history {alerts[0].id}",
                f"Running:  {counted(len(alerts), 'alert')}; Ctrl-C ends",
                *words,
            )
        following = asyncio.create_task(teller.follow(stack.stop, as_json))
        if replay and not as_json:
            stack.exits.callback(asyncio.create_task(_say_when_over(replay)).cancel)
        try:
            await asyncio.wait_for(stack.stop.wait(), seconds or None)
        except TimeoutError:
            stack.stop.set()
        await following
        await teller.finish(as_json)
        summary, delivered = await teller.summary(), await teller.delivered()
    if as_json:
        print_json({"events": dict(teller.kinds), "deliveries": dict(delivered)})
    else:
        print_lines(f"Summary:  {summary}")


async def _say_when_over(replay: Any) -> None:
    while not replay.is_over(now()):
        await asyncio.sleep(0.5)
    await asyncio.sleep(2.0)  # alerts look once a second
    print_lines("Replay:   all bars are out; Ctrl-C ends")


def up(
    config: ConfigFile = None,
    env: Environment = "",
    telegram: Annotated[bool, typer.Option("--telegram", help="The Telegram bot, too.")] = False,
) -> None:
    """Start the Temporal server, the database, a worker and the REST API; stop all with Ctrl-C.

    Example: ALERTS_PROVIDERS=simulated alerts up
    """
    serve(_up(settings_in_force(), embedded=True, telegram=telegram))


def worker(
    config: ConfigFile = None,
    env: Environment = "",
    queues: Annotated[
        str, typer.Option("--queues", help="Serve these task queues alone, e.g. alerts,market-data; default: all.")
    ] = "",
) -> None:
    """Run a worker against the Temporal server at TEMPORAL_ADDRESS; SIGTERM drains it.

    Example: TEMPORAL_ADDRESS=127.0.0.1:7233 alerts worker
    """
    serve(_up(settings_in_force(), embedded=False, queues=_queues(queues) if queues else None))


def _queues(given: str) -> list[str]:
    from activities.interface import TaskQueue

    named, known = [one.strip() for one in given.split(",") if one.strip()], [queue.value for queue in TaskQueue]
    faults = [
        Fault("--queues", f"there is no such task queue{hint(one, known)}", one) for one in named if one not in known
    ]
    if faults or not named:
        raise InvalidInput("worker", faults or [Fault("--queues", f"name at least one of {', '.join(known)}", given)])
    return named


async def _up(
    settings: Settings, *, embedded: bool, telegram: bool = False, queues: Sequence[str] | None = None
) -> None:
    from starter.processes import Stack, resume_alerts
    from worker.runner import unless_stopped

    async with Stack(settings, None, say, embedded=embedded, queues=queues) as stack:
        count = await unless_stopped(stack.stop, resume_alerts(stack))
        if embedded:
            say(f"Web UI: {stack.ui_url}")
            for line in stack.views:
                say(f"        {line}")
            say(f"API:    {await stack.serve_api()}/docs")
        if telegram:
            say(f"Bot:    {await unless_stopped(stack.stop, stack.answer_telegram())}")
        say(f"{counted(count, 'alert')} running; Ctrl-C stops")
        await stack.stop.wait()
    say("stopped")

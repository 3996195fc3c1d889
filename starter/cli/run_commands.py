"""Commands that run: demo, up, worker, api."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from activities.outgoing import is_http
from domain.errors import ExpectedError, Fault, InvalidInput
from domain.timeframe import Timeframe
from starter import demo as examples
from starter.cli import inputs
from starter.cli.bar_options import DateOrder, Decimal, FormatName, Zone, read_bars
from starter.cli.options import ConfigFile, Environment, Json
from starter.cli.output import FAILED, INVALID, Failure, print_json, print_lines, say, say_notes
from starter.cli.session import CODES
from starter.clock import now
from worker.files import allow_many_files
from worker.logs import configure_logging
from worker.settings import Settings, load_settings, notes_on


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("demo")(demo)
    app.command("up")(up)
    app.command("start", hidden=True)(up)
    app.command("worker")(worker)
    app.command("api")(api)
    app.command("notifier")(notifier)
    app.command("web-ui")(web_ui)


def demo(
    definitions: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Definitions to run on --bars.")
    ] = None,
    seconds: Annotated[float, typer.Option("--for", min=0, help="End by itself after so many seconds.")] = 0,
    bars: Annotated[Path | None, typer.Option(help="CSV of recorded bars to replay as though live.")] = None,
    symbol: Annotated[str, typer.Option(help="Ticker of the recorded bars.")] = "",
    speed: Annotated[float, typer.Option(min=0.001, max=100_000, help="How many times faster than recorded.")] = 60,
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

    settings = load_settings()
    if bars is None:
        provider: Any = SimulatedMarket(settings.alerts_simulated_seed)
        alerts = examples.simulated_alerts()
    else:
        table, frame, given = _recorded(
            bars, (timezone, file_format, dates, decimal, symbol or None), definitions or []
        )
        symbol = symbol or bars.stem.split("_")[0].upper()
        alerts = examples.replayed_alerts(symbol, frame, given)
        provider = Replay(table, symbol, speed)
    _serve(_demo(settings, provider, alerts, seconds, as_json))


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


async def _demo(settings: Settings, provider: Any, alerts: list[Any], seconds: float, as_json: bool) -> None:
    from activities.market_data.vendors.local.csv_file import Replay
    from starter.demo import Teller
    from starter.processes import Stack, fresh_alerts

    began = now()
    quiet = settings.model_copy(update={"log_level": "WARNING"})  # what happens is told below, line by line
    async with Stack(quiet, [provider], say, jobs=False) as stack:
        replay = provider if isinstance(provider, Replay) else None
        await fresh_alerts(stack, alerts, seen_until=replay.bars[0].open_time if replay else None)
        if replay:
            replay.begin(now())
        names = {alert.id: alert.definition.name for alert in alerts}
        teller = Teller(stack.services.database, began, names, print_lines)
        if not as_json:
            print_lines(
                f"Web UI:   {stack.ui_url}   (try the query AlertStatus = 'TRIGGERED')",
                "Alerts:   alerts list | alerts explain demo-momentum | alerts history demo-momentum",
                f"Running:  {len(alerts)} alerts; Ctrl-C ends",
            )
        following = asyncio.create_task(teller.follow(stack.stop, as_json))
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


def up(config: ConfigFile = None, env: Environment = "") -> None:
    """Start the Temporal server, the database, a worker and the REST API; stop all with Ctrl-C.

    Example: ALERTS_PROVIDERS=simulated alerts up
    """
    _serve(_up(_settings(), embedded=True))


def worker(config: ConfigFile = None, env: Environment = "") -> None:
    """Run a worker against the Temporal server at TEMPORAL_ADDRESS; SIGTERM drains it.

    Example: TEMPORAL_ADDRESS=127.0.0.1:7233 alerts worker
    """
    _serve(_up(_settings(), embedded=False))


def api(config: ConfigFile = None, env: Environment = "") -> None:
    """Serve the REST API on ALERTS_API_PORT; workers run elsewhere. SIGTERM ends it.

    Example: DATABASE_URL=postgresql://user@host/alerts TEMPORAL_ADDRESS=host:7233 alerts api
    """
    _serve(_api(_settings()))


def notifier(config: ConfigFile = None, env: Environment = "") -> None:
    """Serve POST /api/notify on ALERTS_NOTIFIER_PORT: other programs' messages, told by the workers. SIGTERM ends it.

    Example: DATABASE_URL=postgresql://user@host/alerts TEMPORAL_ADDRESS=host:7233 alerts notifier
    """
    _serve(_notifier(_settings()))


def _settings() -> Settings:
    """Those in force, with what was set in vain said at once."""
    settings = load_settings()
    say_notes(notes_on(settings))
    return settings


def web_ui(
    address: Annotated[str, typer.Argument(help="Where Temporal's own Web UI is: http://host:port.")],
    host: Annotated[str, typer.Option("--host", help="The address to listen at.")] = "127.0.0.1",
) -> None:
    """Serve Temporal's Web UI on ALERTS_UI_PORT to people at this machine, refusing what pages of other sites ask of it.

    Example: alerts web-ui http://temporal-ui:8080
    """
    if not is_http(address):
        raise InvalidInput("web-ui", [Fault("ADDRESS", "expected an address such as http://temporal-ui:8080", address)])
    _serve(_web_ui(load_settings(), address, host))


async def _web_ui(settings: Settings, inside: str, host: str) -> None:
    from worker.runner import stop_on_signal
    from worker.web_ui import web_ui as door

    configure_logging(settings.log_level)
    allow_many_files()
    with stop_on_signal() as stop:
        async with door(inside, settings.alerts_ui_port, host) as address:
            say(f"Web UI: {address}, for localhost and 127.0.0.1; Ctrl-C stops")
            await stop.wait()
    say("stopped")


async def _api(settings: Settings) -> None:
    from starter.api.app import create_app

    port = ("ALERTS_API_PORT", settings.alerts_api_port)
    await _application(settings, create_app, port, lambda address: f"API: {address}/docs")


async def _notifier(settings: Settings) -> None:
    from starter.notifier.app import create_notifier

    port = ("ALERTS_NOTIFIER_PORT", settings.alerts_notifier_port)
    await _application(settings, create_notifier, port, lambda address: f"POST {address}/api/notify")


async def _application(
    settings: Settings, create: Callable[[Settings, Any], Any], port: tuple[str, int], told: Callable[[str], str]
) -> None:
    """One application on a port of its own, named by its variable, until the process is told to stop."""
    from worker.http_server import bounds_of, serving
    from worker.runner import stop_on_signal, unless_stopped
    from worker.wiring import build_database

    configure_logging(settings.log_level)
    allow_many_files()
    database = build_database(settings)
    try:
        with stop_on_signal() as stop:
            await unless_stopped(stop, database.upgrade())
            app, (variable, number) = create(settings, database), port
            async with serving(app, settings.api_host, number, bounds_of(settings), variable) as address:
                say(f"{told(address)}; Ctrl-C stops")
                await stop.wait()
    finally:
        await database.close()
    say("stopped")


async def _up(settings: Settings, *, embedded: bool) -> None:
    from starter.processes import Stack, resume_alerts
    from worker.runner import unless_stopped

    async with Stack(settings, None, say, embedded=embedded) as stack:
        count = await unless_stopped(stack.stop, resume_alerts(stack))
        if embedded:
            say(f"Web UI: {stack.ui_url}")
            say(f"API:    {await stack.serve_api()}/docs")
        say(f"{count} alert{'s' if count != 1 else ''} running; Ctrl-C stops")
        await stack.stop.wait()
    say("stopped")


def _serve(work: Any) -> None:
    """Runs a long command; what people can mend becomes a plain message.

    The work has closed all it opened when it returns, and the process leaves by ``os._exit``. So its loop is not closed: that
    would wait for every thread that is still busy, a backup's or a look-up's, for which nobody waits any more.
    """
    from worker.client import TemporalUnreachable
    from worker.runner import Stopped
    from worker.temporal_server import ServerFailed

    try:
        asyncio.Runner().run(work)
    except Stopped:
        say("stopped")
    except (ServerFailed, TemporalUnreachable) as error:
        raise Failure(str(error), FAILED) from None
    except InvalidInput:
        raise
    except ExpectedError as error:
        raise Failure(str(error), CODES.get(error.kind, FAILED)) from None
    except ValueError as error:
        if "database URL" not in str(error):
            raise
        raise Failure(str(error), INVALID) from None

"""Commands that serve one thing alone: the REST API, the notification service, the Web UI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from activities.outgoing import is_http
from domain.errors import Fault, InvalidInput
from starter.cli.options import ConfigFile, Environment
from starter.cli.output import say
from starter.cli.serving import serve, settings_in_force, with_database
from worker.files import allow_many_files
from worker.logs import configure_logging
from worker.settings import Settings, load_settings


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("api")(api)
    app.command("notifier")(notifier)
    app.command("web-ui")(web_ui)


def api(config: ConfigFile = None, env: Environment = "") -> None:
    """Serve the REST API on ALERTS_API_PORT; workers run elsewhere. SIGTERM ends it.

    Example: DATABASE_URL=postgresql://user@host/alerts TEMPORAL_ADDRESS=host:7233 alerts api
    """
    serve(_api(settings_in_force()))


def notifier(config: ConfigFile = None, env: Environment = "") -> None:
    """Serve POST /api/notify on ALERTS_NOTIFIER_PORT: other programs' messages, told by the workers. SIGTERM ends it.

    Example: DATABASE_URL=postgresql://user@host/alerts TEMPORAL_ADDRESS=host:7233 alerts notifier
    """
    serve(_notifier(settings_in_force()))


def web_ui(
    address: Annotated[str, typer.Argument(help="Where Temporal's own Web UI is: http://host:port.")],
    host: Annotated[str, typer.Option("--host", help="The address to listen at.")] = "127.0.0.1",
) -> None:
    """Serve Temporal's Web UI on ALERTS_UI_PORT to people at this machine, refusing what pages of other sites ask of it.

    Example: alerts web-ui http://temporal-ui:8080
    """
    if not is_http(address):
        raise InvalidInput("web-ui", [Fault("ADDRESS", "expected an address such as http://temporal-ui:8080", address)])
    serve(_web_ui(load_settings(), address, host))


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
    await _application(settings, "api", create_app, port, lambda address: f"API: {address}/docs")


async def _notifier(settings: Settings) -> None:
    from starter.notifier.app import create_notifier

    port = ("ALERTS_NOTIFIER_PORT", settings.alerts_notifier_port)
    await _application(settings, "notifier", create_notifier, port, lambda address: f"POST {address}/api/notify")


async def _application(
    settings: Settings,
    system: str,
    create: Callable[[Settings, Any], Any],
    port: tuple[str, int],
    told: Callable[[str], str],
) -> None:
    """One application on a port of its own, named by its variable, until the process is told to stop."""
    from worker.beats import beating
    from worker.http_server import bounds_of, serving

    async with with_database(settings) as (database, stop):
        app, (variable, number) = create(settings, database), port
        address_of = serving(app, settings.api_host, number, bounds_of(settings), variable)
        async with address_of as address, beating(database, system):
            say(f"{told(address)}; Ctrl-C stops")
            await stop.wait()

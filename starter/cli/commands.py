"""Every command with the module that has it, which is imported when the command is called: help and completion stay quick."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True)
class Place:
    """Where a command is, and what help says of it: the first sentence of its own."""

    module: str
    help: str
    hidden: bool = False


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_RUN, _ALERT, _SYSTEM = "run_commands", "alert_commands", "system_commands"
_DEFINE, _VIEW, _EXCHANGE = "define_commands", "alert_view_commands", "exchange_commands"
_TOOL, _DATA, _SERVICE = "tool_commands", "data_commands", "service_commands"
COMMANDS = {
    "demo": Place(_RUN, "Start everything with a simulated market and alerts that fire within a minute."),
    "up": Place(_RUN, "Start the Temporal server, the database, a worker and the REST API; stop all with Ctrl-C."),
    "start": Place(_RUN, "", hidden=True),
    "worker": Place(_RUN, "Run a worker against the Temporal server at TEMPORAL_ADDRESS; SIGTERM drains it."),
    "api": Place(_SERVICE, "Serve the REST API on ALERTS_API_PORT; workers run elsewhere."),
    "notifier": Place(
        _SERVICE, "Serve POST /api/notify on ALERTS_NOTIFIER_PORT: other programs' messages, told by the workers."
    ),
    "web-ui": Place(
        _SERVICE,
        "Serve Temporal's Web UI on ALERTS_UI_PORT to people at this machine, refusing what pages of other sites ask of it.",
    ),
    "telegram": Place(
        "telegram_commands", "Answer what people write to the bot of TELEGRAM_BOT_TOKEN; SIGTERM ends it."
    ),
    "add": Place(_DEFINE, "Define an alert and start it."),
    "list": Place(_VIEW, "List alerts with their status, their last look and how far they are from firing."),
    "show": Place(_VIEW, "Show one alert: its definition and, when it runs, its live state."),
    "explain": Place(_VIEW, "Say why an alert did or did not fire on its last bar."),
    "pause": Place(_ALERT, "Stop evaluating alerts, for good or for a while."),
    "snooze": Place(_ALERT, "Stop evaluating alerts for a while: a pause that ends by itself."),
    "acknowledge": Place(_ALERT, "Say that a fire was seen: no more reminders of it."),
    "resume": Place(_ALERT, "Go on evaluating; bars that closed meanwhile are left out."),
    "update": Place(
        _DEFINE, "Change some fields of an alert, or of many; a new rule, ticker, timeframe or rearm arms it afresh."
    ),
    "clone": Place(_DEFINE, "Make another alert like one, with some fields changed."),
    "evaluate": Place(_VIEW, "Evaluate an alert now, without moving its schedule, and show the result."),
    "delete": Place(
        _ALERT,
        "Delete alerts and end their workflows; their history stays, and 'alerts restore' brings them back for 30 days.",
    ),
    "restore": Place(_ALERT, "Bring deleted alerts back, armed afresh, within 30 days; without ids lists them."),
    "export": Place(
        _EXCHANGE,
        "Write alerts as JSON that 'alerts import' and 'alerts add' read: ids, owners, whether enabled, definitions.",
    ),
    "import": Place(
        _EXCHANGE,
        "Bring in alerts from a file: all of them, or none and every fault; ids that are there already are refused.",
    ),
    "history": Place(_VIEW, "List what happened to an alert, newest first."),
    "events": Place(_VIEW, "List what happened to all alerts, newest last; --follow goes on as it happens."),
    "sync": Place(_SYSTEM, "Bring every row of job_schedules to Temporal now, and show what differs."),
    "reload": Place(_SYSTEM, "", hidden=True),
    "status": Place(_SYSTEM, "Show how everything is: health, what there is, what it did."),
    "doctor": Place(
        _SYSTEM,
        "Check database, Temporal, search attributes, pollers, clock, schema and providers, and say how to mend each.",
    ),
    "test-db": Place(_SYSTEM, "", hidden=True),
    "config": Place(_SYSTEM, "Show the configuration in force; secrets are masked."),
    "preview": Place(
        "preview_commands", "Show when a definition would have fired over past bars, and what came after."
    ),
    "validate": Place(
        _TOOL,
        "Check definition files, the configuration and own schemas: every fault at once, with path, value and expectation.",
    ),
    "validate-config": Place(_TOOL, "", hidden=True),
    "validate-schemas": Place(_TOOL, "", hidden=True),
    "indicator": Place(_TOOL, "Compute an indicator over a CSV of bars; a value that would mean nothing is missing."),
    "providers": Place(_DATA, "Show the market data vendors: order, limits, and how they fare in each worker."),
    "indicators": Place(_DATA, "List the indicators a rule may name, with defaults, bounds and outputs."),
    "backfill": Place(_DATA, "Bring a ticker's history into the database."),
    "data": Place("coverage_commands", "Market data that is stored."),
    "register": Place(
        "register_commands",
        "Register the alerts and schedules of files: what is new is created, what differs edited, the rest left alone.",
    ),
    "schedules": Place("schedule_commands", "Schedules of any type: alerts, reports, screeners, backups …"),
    "runs": Place("job_run_commands", "What ran, and what came of it."),
    "reports": Place("report_commands", "Reports: made now, listed, read, opened in a browser."),
    "holdings": Place("holding_commands", "What you hold: portfolio reports are of it."),
    "channels": Place("channel_commands", "Where you want to be told: destinations with names."),
    "sets": Place("set_commands", "Sets of tickers that screeners name: sp500, nasdaq100, and your own."),
    "quiet": Place("quiet_commands", "Hours in which you are not told what can wait."),
    "silence": Place("quiet_commands", "Hear nothing of a ticker, a tag or an alert for a time."),
    "template": Place("template_commands", "Messages: what an alert's own words come to."),
    "deliveries": Place("delivery_commands", "Notices: what was told, what could not be, and telling it again."),
    "db": Place("database_commands", "The database: its schema, what is old, backups."),
    "keys": Place(_SYSTEM, "API keys: shown once, kept as a hash."),
    "cron": Place(_TOOL, "Cron expressions: 5 fields, or 6 with seconds first."),
}


def load(name: str) -> Any:
    """The command of that name, its module imported; None when there is none."""
    place = COMMANDS.get(name)
    if place is None:
        return None
    own = typer.Typer(rich_markup_mode=None)
    own.callback()(lambda: None)
    import_module(f"starter.cli.{place.module}").register(own)
    return get_group(own).commands[name]


class LazyCommands(TyperGroup):
    """Knows names and help; a command's code is imported when it is called."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = {
            name: TyperCommand(name, help=place.help, hidden=place.hidden) for name, place in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Of the words given: the command that they name, loaded."""
        name, known, rest = super().resolve_command(ctx, args)
        _log_to_stderr()
        found = known and load(str(name))
        gc.freeze()
        gc.enable()
        return name, found, rest


def _log_to_stderr() -> None:
    """What is printed is data; commands that run for long set their own level."""
    from worker.logs import configure_logging

    level = os.environ.get("LOG_LEVEL", "").upper()
    configure_logging(level if level in LEVELS else "WARNING")

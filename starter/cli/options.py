"""Options and arguments that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from starter.cli.complete import alert_ids, schedule_ids
from worker.settings_sources import FILE

Json = Annotated[bool, typer.Option("--json", help="Data for programs, alone on stdout.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")]
AlertId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The alert's id, as 'alerts list' shows it.", autocompletion=alert_ids),
]
ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.", autocompletion=schedule_ids)]
User = Annotated[str, typer.Option(help="Whose; default: ALERTS_USER_ID.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]


def _use_file(path: Path | None) -> Path | None:
    if path is not None:
        os.environ[FILE] = str(path)
    return path


def _use_environment(name: str) -> str:
    """A name is that of the environment, a path that of a file with its settings."""
    if name and Path(name).is_file():
        os.environ[FILE] = name
    elif name:
        os.environ["TRADING_ENV"] = name
    return name


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", callback=_use_file, help="File of settings: JSON, or NAME=value lines. Variables win over it."
    ),
]
Environment = Annotated[
    str,
    typer.Option(
        "--env",
        callback=_use_environment,
        help="development, test, staging or production; or a file of NAME=value lines.",
    ),
]

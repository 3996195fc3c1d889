"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Data for programs, alone on stdout.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")]
AlertId = Annotated[str, typer.Argument(metavar="ID", help="The alert's id, as 'alerts list' shows it.")]
ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]

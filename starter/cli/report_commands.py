"""Commands on reports: made now, listed, read, opened."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.job import JobType, read_job
from domain.job_words import REPORT_TYPES
from domain.run import RunStatus
from starter import reports
from starter.cli import inputs
from starter.cli.job_run_commands import followed, runs_table
from starter.cli.options import Json, Limit, User
from starter.cli.output import FAILED, print_json, print_lines, say
from starter.cli.session import among, run_command
from starter.context import Context
from starter.runs import order
from storage.runs import RunFilter

Report = Annotated[str, typer.Argument(metavar="ID", help="A run's id; or a schedule's, for its newest report.")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    own = typer.Typer(help="Reports: made now, listed, read, opened in a browser.", no_args_is_help=True)
    for name, command in (("run", make), ("list", list_reports), ("show", show), ("open", open_report)):
        own.command(name)(command)
    app.add_typer(own, name="reports")


def make(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help=f"{', '.join(REPORT_TYPES)}.")],
    tickers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TICKER]...", help="Default: what you hold, and your alerts' tickers."),
    ] = None,
    timeframe: Annotated[str, typer.Option(help="Bars of which length.")] = "1d",
    days: Annotated[int, typer.Option(help="performance_report: of how many days.")] = 30,
    lookback: Annotated[int, typer.Option(help="portfolio_analysis: over how many bars.")] = 252,
    benchmark: Annotated[str, typer.Option(help="portfolio_analysis: what beta is measured against.")] = "SPY",
    pdf: Annotated[bool, typer.Option("--pdf", help="As PDF, too.")] = False,
    channel: Annotated[list[str] | None, typer.Option(help="Where it is told; may be repeated.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it, and print it in words.")] = True,
    user: User = "",
    as_json: Json = False,
) -> None:
    """Make a report now, and print it.

    Example: alerts reports run daily_summary AAPL MSFT
    """
    among(kind, list(REPORT_TYPES), "TYPE")
    params: dict[str, Any] = {"report_type": kind, "timeframe": timeframe, "days": days, "lookback": lookback}
    params |= {"benchmark": benchmark, "pdf": pdf, "notification_channels": list(channel or [])}
    params |= {"symbols": tickers} if tickers else {}
    read_job(JobType.REPORT, params, cron="@daily")

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            run = await order(unit, JobType.REPORT, inputs.owner(context.settings, user), None, params)
        problem = await context.gateway.start(run)
        if problem:
            say(f"Temporal will be told later ({problem})")
        if not wait:
            return run, ""
        ended = await followed(context, run.run_id)
        if ended.status is not RunStatus.COMPLETED:
            return ended, ""
        async with context.database.transaction() as unit:
            return ended, (await reports.file_of(unit, ended, "text")).content.decode()

    run, text = run_command(work)
    if as_json:
        print_json({"run_id": run.run_id, "status": run.status, "result": run.result, "error": run.error})
    else:
        print_lines(text or run.run_id)
    if wait and run.status is not RunStatus.COMPLETED:
        say(f"{run.status}: {run.error}")
        raise typer.Exit(FAILED)
    say(f"see: alerts reports open {run.run_id}" if text else f"see: alerts runs watch {run.run_id}")


def list_reports(user: User = "", limit: Limit = 20, as_json: Json = False) -> None:
    """List reports that were made, newest first.

    Example: alerts reports list
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.runs.page(RunFilter(user or None, job_type=JobType.REPORT), None, limit)

    runs_table(run_command(work), as_json, "no report was made yet; see: alerts reports run --help")


def show(report: Report, as_json: Json = False) -> None:
    """Print a report in words.

    Example: alerts reports show closing
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            run = await reports.find(unit, context, report)
            return run, (await reports.file_of(unit, run, "text")).content.decode()

    run, text = run_command(work)
    if as_json:
        print_json({"run_id": run.run_id, "finished_at": run.finished_at, "result": run.result})
    else:
        print_lines(text.rstrip("\n"))


def open_report(
    report: Report,
    pdf: Annotated[bool, typer.Option("--pdf", help="The PDF.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write it there, and open nothing.")] = None,
) -> None:
    """Open a report in the browser; its file needs nothing from elsewhere.

    Example: alerts reports open closing --output closing.html
    """
    name = "pdf" if pdf else "html"

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            run = await reports.find(unit, context, report)
            return run, (await reports.file_of(unit, run, name)).content

    run, content = run_command(work)
    path = output or Path(tempfile.gettempdir()) / f"report-{run.run_id}.{name}"
    path.write_bytes(content)
    print_lines(str(path))
    if output is None and not webbrowser.open(path.resolve().as_uri()):
        say("there is no browser here; open the file yourself")

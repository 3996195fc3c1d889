"""Commands on runs of schedules: what ran, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer

from domain.job import JobType
from domain.run import OPEN, Run, RunStatus
from starter import runs
from starter.cli.options import Json, Limit, RunId
from starter.cli.output import FAILED, plain, print_json, print_lines, print_table, progress, say, short
from starter.cli.session import among, run_command
from starter.clock import now
from starter.context import Context, NotFound
from storage.runs import RunFilter

LOOK_EVERY = 0.5  # seconds


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    runs = typer.Typer(help="What ran, and what came of it.", no_args_is_help=True)
    runs.command("list")(list_runs)
    runs.command("show")(show_run)
    runs.command("watch")(watch)
    runs.command("cancel")(cancel)
    runs.command("retry")(retry)
    runs.command("stats")(stats)
    runs.command("cleanup")(cleanup)
    app.add_typer(runs, name="runs")


def list_runs(
    schedule: Annotated[str, typer.Option(help="Only of this schedule.")] = "",
    type: Annotated[str, typer.Option("--type", help="Only this job type.")] = "",
    status: Annotated[str, typer.Option(help="Only PENDING, RUNNING, COMPLETED, FAILED, CANCELLED or MISSED.")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="Only jobs that failed and were not run again since.")] = False,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List runs, newest first.

    Example: alerts runs list --status FAILED
    """
    among(type, [*JobType, ""], "--type")
    among(status.upper(), [*RunStatus, ""], "--status")
    wanted = RunFilter(job_id=schedule or None, job_type=type or None, status=status.upper() or None, dead=dead)

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.runs.page(wanted, None, limit)

    runs_table(run_command(work), as_json, "nothing has run yet")


def runs_table(found: Sequence[Run], as_json: bool, empty: str) -> None:
    """Runs for people or programs."""
    if as_json:
        print_json([_run(one) for one in found])
        return
    rows = [
        [
            one.run_id,
            one.job_type,
            one.job_id or "-",
            one.status.value,
            short(one.scheduled_for),
            short(one.finished_at),
            one.error or "",
        ]
        for one in found
    ]
    print_table(["run", "type", "schedule", "status", "slot", "finished", "error"], rows, empty)


def show_run(run: RunId, as_json: Json = False) -> None:
    """Show one run with its result.

    Example: alerts runs show 0a7c8a52-0f4e-4a7a-9f0e-0d3c5f1f2b11
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            found = await unit.runs.get(run)
        if found is None:
            raise NotFound(run, "run", "alerts runs list")
        return found

    data = _run(run_command(work))
    if as_json:
        print_json(data)
        return
    print_table(["", run], [[name, str(plain(value))] for name, value in data.items()])


def watch(run: RunId, as_json: Json = False) -> None:
    """Follow a run until it ends, with how far it has come; Ctrl-C leaves it running.

    Example: alerts runs watch 0a7c8a52-0f4e-4a7a-9f0e-0d3c5f1f2b11
    """

    ended: Run = run_command(lambda context: followed(context, run))
    if as_json:
        print_json(_run(ended))
    took = ended.finished_at - (ended.started_at or ended.finished_at) if ended.finished_at else timedelta()
    say(
        f"{ended.job_type} {ended.status} after {took.total_seconds():.1f} s{f': {ended.error}' if ended.error else ''}"
    )
    if ended.status is not RunStatus.COMPLETED:
        raise typer.Exit(FAILED)


async def followed(context: Context, run: str) -> Run:
    """The run once it has ended; a bar shows how far it has come.

    Raises:
        NotFound: there is none.
    """
    with progress(f"run {run[:8]}") as shown:
        while True:
            async with context.database.transaction() as unit:
                found = await unit.runs.get(run)
            if found is None:
                raise NotFound(run, "run", "alerts runs list")
            if found.status not in OPEN:
                return found
            so_far = found.progress or {}
            shown(so_far.get("done", 0), so_far.get("total") or None)
            await asyncio.sleep(LOOK_EVERY)


def cancel(run: RunId, as_json: Json = False) -> None:
    """Cancel a run that is pending or running.

    Example: alerts runs cancel 0a7c8a52-0f4e-4a7a-9f0e-0d3c5f1f2b11
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            found = await runs.cancel(unit, context, run)
        return await context.gateway.cancel(found)

    problem = run_command(work)
    if as_json:
        print_json({"run_id": run, "status": "CANCELLED", "told": not problem})
    else:
        say(f"{run} cancelled" + (f"; Temporal was not told: {problem}" if problem else ""))


def retry(run: RunId, as_json: Json = False) -> None:
    """Run the same work again: of a run that failed, was missed or was cancelled.

    Example: alerts runs retry 0a7c8a52-0f4e-4a7a-9f0e-0d3c5f1f2b11
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            fresh = await runs.retry(unit, context, run)
        return fresh, await context.gateway.start(fresh)

    fresh, problem = run_command(work)
    if as_json:
        print_json({"run_id": fresh.run_id, "retry_of": run, "status": fresh.status, "told": not problem})
        return
    print_lines(fresh.run_id)
    say(f"run again{f'; Temporal will be told later ({problem})' if problem else ''}")


def stats(
    hours: Annotated[float, typer.Option(min=0.01, max=876_000, help="Slots of the last so many hours.")] = 24.0,
    user: Annotated[str, typer.Option(help="Only this user's.")] = "",
    as_json: Json = False,
) -> None:
    """Count runs by type and status.

    Example: alerts runs stats --hours 168
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.runs.statistics(RunFilter(user or None, since=now() - timedelta(hours=hours)))

    found = run_command(work)
    if as_json:
        print_json([vars(one) for one in found])
        return
    rows = [
        [one.job_type, one.status, str(one.count), "-" if one.seconds is None else f"{one.seconds:.2f}"]
        for one in found
    ]
    print_table(["type", "status", "runs", "mean seconds"], rows, "nothing ran in that time")


def cleanup(
    days: Annotated[float, typer.Option(min=0, max=36_500, help="Runs whose slot is older.")] = 90.0,
    as_json: Json = False,
) -> None:
    """Delete ended runs older than so many days.

    Example: alerts runs cleanup --days 30
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.runs.clean(now() - timedelta(days=days))

    count = run_command(work)
    if as_json:
        print_json({"deleted": count})
    else:
        say(f"{count} run{'s' if count != 1 else ''} deleted")


def _run(one: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(one).items() if name != "id"}

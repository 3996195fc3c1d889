"""``/api/runs``: what ran, runs of reports and screeners by hand, cancellation."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, BeforeValidator

from domain.errors import Fault, InvalidInput
from domain.job import JobType, read_job
from domain.report import ReportParams
from domain.screener import ScreenerParams
from starter import quotas, runs
from starter.api.access import context_of, needs, whose
from starter.api.answers import RunCountOut, RunOut, RunPage, RunStatistics
from starter.api.paging import Cursor, Limit, cursor_of, page_of, read_row_cursor
from starter.api.requests import Params
from starter.api.routes.schedules import LOCATION, IdempotencyKey, for_admins_alone, ordered
from starter.api.writes import Outcome, perform
from starter.context import Context
from starter.keys import Scope
from storage.database import UnitOfWork
from storage.runs import RunFilter
from worker.schema_folder import SchemaFolder

router = APIRouter(tags=["runs"])


def _rfc3339(value: Any) -> Any:
    if isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", value):
        raise ValueError("expected a time such as 2026-01-05T14:30:00Z")
    return value


RunId = Annotated[str, Path(max_length=64, description="The run's id.")]
State = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "MISSED"]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
Since = Annotated[Moment | None, Query(description="Slots from this moment on, RFC 3339.")]
Until = Annotated[Moment | None, Query(description="Slots before this moment, RFC 3339.")]
JobId = Annotated[str | None, Query(max_length=64, description="Only runs of this schedule.")]
Dead = Annotated[bool, Query(description="Only jobs that failed with all their tries and were not run again since.")]
UserId = Annotated[str | None, Query(max_length=64, description="For admin keys: only this user's.")]


@router.get("/runs", response_model=RunPage, operation_id="listRuns", dependencies=[needs(Scope.READ)])
async def listing(
    request: Request,
    job_id: JobId = None,
    job_type: JobType | None = None,
    status: State | None = None,
    since: Since = None,
    until: Until = None,
    dead: Dead = False,
    user_id: UserId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Runs, newest first."""
    context = context_of(request)
    job_id = await _own(context, job_id)
    wanted = replace(_filter(context, user_id, job_id, job_type, status, since, until), dead=dead)
    async with context.database.transaction() as work:
        page = await work.runs.page(wanted, read_row_cursor(cursor), limit + 1)
    return await page_of(request, page, limit, RunOut.of, lambda run: cursor_of(str(run.id)))


@router.get(
    "/runs/stats", response_model=RunStatistics, operation_id="getRunStatistics", dependencies=[needs(Scope.READ)]
)
async def statistics(
    request: Request,
    job_id: JobId = None,
    job_type: JobType | None = None,
    since: Since = None,
    until: Until = None,
    user_id: UserId = None,
) -> RunStatistics:
    """Runs counted by type and status, with their mean duration."""
    context = context_of(request)
    job_id = await _own(context, job_id)
    wanted = _filter(context, user_id, job_id, job_type, None, since, until)
    async with context.database.transaction() as work:
        counts = await work.runs.statistics(wanted)
    return RunStatistics(items=[RunCountOut.of(one) for one in counts])


@router.get("/runs/{run_id}", response_model=RunOut, operation_id="getRun", dependencies=[needs(Scope.READ)])
async def get(request: Request, run_id: RunId) -> RunOut:
    """One run."""
    context = context_of(request)
    async with context.database.transaction() as work:
        return RunOut.of(await runs.find(work, context, run_id))


@router.delete("/runs/{run_id}", response_model=RunOut, operation_id="cancelRun", dependencies=[needs(Scope.RUN)])
async def cancel(request: Request, run_id: RunId) -> JSONResponse:
    """Cancels a run that is pending or running; one that has ended stays as it is."""
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        run = await runs.cancel(work, context, run_id)
        return Outcome(200, RunOut.of(run), cancelled=(run,))

    return await perform(request, context, change)


@router.post(
    "/runs/{run_id}/retry",
    status_code=202,
    response_model=RunOut,
    operation_id="retryRun",
    dependencies=[needs(Scope.RUN)],
    responses={202: {"headers": LOCATION}},
)
async def retry(request: Request, run_id: RunId, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Runs the same work again, now: of a run that failed, was missed or was cancelled. The new run is found at Location."""
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        for_admins_alone(context, (await runs.find(work, context, run_id)).job_type)
        await quotas.check_run(work, context)
        return ordered(await runs.retry(work, context, run_id))

    return await perform(request, context, change, idempotency_key)


@router.post(
    "/reports/run",
    status_code=202,
    response_model=RunOut,
    operation_id="runReport",
    tags=["reports"],
    dependencies=[needs(Scope.RUN)],
    responses={202: {"headers": LOCATION}},
)
async def report(request: Request, body: Params, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Makes a report now, once."""
    return await _run_once(request, JobType.REPORT, body, idempotency_key)


@router.post(
    "/screeners/run",
    status_code=202,
    response_model=RunOut,
    operation_id="runScreener",
    tags=["screeners"],
    dependencies=[needs(Scope.RUN)],
    responses={202: {"headers": LOCATION}},
)
async def screener(request: Request, body: Params, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Screens now, once."""
    return await _run_once(request, JobType.SCREENER, body, idempotency_key)


BODIES: dict[str, type[BaseModel]] = {"runReport": ReportParams, "runScreener": ScreenerParams}
EXAMPLES = {
    "runReport": {"report_type": "daily_summary", "symbols": ["AAPL", "MSFT"], "timeframe": "1d"},
    "runScreener": {
        "symbols": ["AAPL", "MSFT", "NVDA"],
        "filter_criteria": {"min_volume": 1000000, "conditions": ["rsi(14) < 30"]},
    },
}


async def _run_once(request: Request, job_type: JobType, body: Params, key: str | None) -> JSONResponse:
    context = context_of(request)
    try:
        definition = await asyncio.to_thread(partial(read_job, cron="@daily"), job_type, body)
        SchemaFolder(context.settings.alert_schema_dir).check_definition(definition)
    except InvalidInput as error:
        faults = [one.at(one.path.replace("$.task_params", "$", 1)) for one in error.faults]
        raise InvalidInput(job_type, faults) from None

    async def change(work: UnitOfWork) -> Outcome:
        await quotas.check_run(work, context, len(definition.params.symbols))
        return ordered(await runs.order(work, job_type, context.who.user_id, None, body))

    return await perform(request, context, change, key)


async def _own(context: Context, job_id: str | None) -> str | None:
    """The id under which the user's own schedule of that name is kept."""
    if job_id is None or context.owner is None:
        return job_id
    async with context.database.transaction() as work:
        return await context.kept_as(work, job_id)


def _filter(
    context: Context,
    user_id: str | None,
    job_id: str | None,
    job_type: str | None,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
) -> RunFilter:
    for name, at in (("since", since), ("until", until)):
        if at is not None and not 1970 <= at.year <= 9000:
            raise InvalidInput("the request", [Fault(f"query.{name}", "expected a year from 1970 to 9000", str(at))])
    return RunFilter(whose(context, user_id), job_id, job_type, status, since, until)

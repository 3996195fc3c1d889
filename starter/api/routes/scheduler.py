"""``/scheduler``: daily jobs, as the replaced service had them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema
from pydantic.config import JsonDict

from starter import daily_jobs, definition_writes
from starter.api.access import context_of, needs, owner_wanted
from starter.api.requests import In, Owner
from starter.api.routes.schedules import LOCATION, Id, IdempotencyKey
from starter.api.writes import Outcome, perform
from starter.clock import now
from starter.daily_jobs import DailyJob
from starter.keys import Scope
from storage.database import UnitOfWork

router = APIRouter(prefix="/scheduler", tags=["scheduler"])


def _named(value: Any) -> Any:
    """A number is the ticker of that name, as of Tokyo or Hong Kong."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


StockId = Annotated[
    Annotated[str, Field(min_length=1, max_length=32)],
    BeforeValidator(_named),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1, "maxLength": 32}, {"type": "integer"}]}),
]
Time = Annotated[str, Field(max_length=8, description="HH:MM, in ``timezone``.", examples=["16:30"])]
EXAMPLE: JsonDict = {"name": "After the close", "stock_ids": ["AAPL", "MSFT"], "schedule_time": "16:30"}


class DailyJobFields(In):
    """What may be changed; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: str | None = Field(default=None, max_length=255)
    stock_ids: list[StockId] | None = Field(default=None, max_length=2000, description="Tickers.")
    schedule_time: Time | None = None
    timezone: str | None = Field(default=None, max_length=64, description="IANA; left out: SCHEDULER_TIMEZONE.")
    enabled: StrictBool | None = None


class NewDailyJob(In):
    """A daily job to be made."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: str = Field(min_length=1, max_length=255)
    stock_ids: list[StockId] = Field(min_length=1, max_length=2000, description="Tickers.")
    schedule_time: Time
    timezone: str | None = Field(default=None, max_length=64, description="IANA; left out: SCHEDULER_TIMEZONE.")
    enabled: StrictBool = True
    user_id: Owner | None = Field(default=None, description="For admin keys: whose it is.")


class LastRun(BaseModel):
    """The newest run."""

    run_id: str
    status: Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "MISSED"]
    scheduled_for: datetime
    finished_at: datetime | None
    error: str | None


class DailyJobOut(BaseModel):
    """A daily job; it is ``running`` while it is scheduled, ``stopped`` while it is not."""

    id: str
    user_id: str
    name: str
    stock_ids: list[str]
    schedule_time: str = Field(description="HH:MM; a cron, where somebody gave it another schedule.")
    timezone: str
    status: Literal["running", "stopped"]
    next_run_time: datetime | None
    last_run: LastRun | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, one: DailyJob) -> DailyJobOut:
        """From the job."""
        stored = one.stored
        return cls(
            id=stored.id,
            user_id=stored.user_id,
            name=stored.name,
            stock_ids=list(one.stock_ids),
            schedule_time=one.schedule_time,
            timezone=stored.timezone,
            status="running" if stored.enabled else "stopped",
            next_run_time=stored.next_run_at if stored.enabled else None,
            last_run=LastRun.model_validate(found) if (found := daily_jobs.brief(one.last_run)) else None,
            created_at=stored.created_at,
            updated_at=stored.updated_at,
        )


class DailyJobs(BaseModel):
    """All of a user's."""

    jobs: list[DailyJobOut]
    total: int


class SchedulerStatus(BaseModel):
    """Whether daily jobs run, and how many there are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"running": True, "timezone": "UTC", "jobs": 3, "running_jobs": 2, "next_run_time": None}]
        }
    )

    running: bool = Field(description="Whether Temporal, which runs them, can be reached.")
    timezone: str
    jobs: int
    running_jobs: int
    next_run_time: datetime | None


@router.get(
    "/status", response_model=SchedulerStatus, operation_id="getSchedulerStatus", dependencies=[needs(Scope.READ)]
)
async def status(request: Request) -> SchedulerStatus:
    """What the scheduler does."""
    from worker.client import TemporalUnreachable

    context = context_of(request)
    async with context.database.transaction() as work:
        found = await daily_jobs.every(work, context)
    try:
        await context.gateway.client()
        running = True
    except TemporalUnreachable:
        running = False
    on = [one.stored for one in found if one.stored.enabled]
    due = [one.next_run_at for one in on if one.next_run_at is not None]
    return SchedulerStatus(
        running=running,
        timezone=context.settings.scheduler_timezone,
        jobs=len(found),
        running_jobs=len(on),
        next_run_time=min(due, default=None),
    )


@router.get("/jobs", response_model=DailyJobs, operation_id="listDailyJobs", dependencies=[needs(Scope.READ)])
async def listing(request: Request) -> DailyJobs:
    """The daily jobs, the oldest first; at most 500."""
    context = context_of(request)
    async with context.database.transaction() as work:
        found = [DailyJobOut.of(one) for one in await daily_jobs.every(work, context)]
    return DailyJobs(jobs=found, total=len(found))


@router.post(
    "/jobs",
    status_code=201,
    response_model=DailyJobOut,
    operation_id="createDailyJob",
    dependencies=[needs(Scope.WRITE)],
    responses={201: {"headers": LOCATION}},
)
async def create(request: Request, body: NewDailyJob, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Makes one: its tickers' prices and indicators are brought in once a day."""
    context, owner = context_of(request), owner_wanted(request, body.user_id)
    zone = body.timezone or context.settings.scheduler_timezone
    definition = daily_jobs.definition_of(body.name, body.stock_ids, body.schedule_time, zone)

    async def change(work: UnitOfWork) -> Outcome:
        found, written = await daily_jobs.create(work, context, owner, definition, enabled=body.enabled)
        headers = {"Location": f"/scheduler/jobs/{found.stored.id}"}
        return Outcome(201, DailyJobOut.of(found), headers, (written,))

    return await perform(request, context, change, idempotency_key)


@router.get("/jobs/{id}", response_model=DailyJobOut, operation_id="getDailyJob", dependencies=[needs(Scope.READ)])
async def get(request: Request, id: Id) -> DailyJobOut:
    """One."""
    context = context_of(request)
    async with context.database.transaction() as work:
        return DailyJobOut.of(await daily_jobs.find(work, context, id))


@router.put("/jobs/{id}", response_model=DailyJobOut, operation_id="updateDailyJob", dependencies=[needs(Scope.WRITE)])
async def update(request: Request, id: Id, body: DailyJobFields) -> JSONResponse:
    """Writes over what is given; what is left out stays."""

    def changed(one: DailyJob) -> tuple[Any, bool]:
        job, enabled = one.stored.job, bool(one.stored.enabled) if body.enabled is None else body.enabled
        return daily_jobs.altered(job, body.name, body.stock_ids, body.schedule_time, body.timezone), enabled

    return await _write(request, id, changed)


@router.delete(
    "/jobs/{id}",
    status_code=204,
    operation_id="deleteDailyJob",
    dependencies=[needs(Scope.WRITE)],
    response_class=Response,
)
async def delete(request: Request, id: Id) -> Response:
    """Ends it; its runs stay."""
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        found = await daily_jobs.find(work, context, id)
        return Outcome(204, written=(await definition_writes.remove(work, context.who, found.stored, now()),))

    await perform(request, context, change)
    return Response(status_code=204)


@router.post(
    "/jobs/{id}/start", response_model=DailyJobOut, operation_id="startDailyJob", dependencies=[needs(Scope.WRITE)]
)
async def start(request: Request, id: Id) -> JSONResponse:
    """Schedules it again."""
    return await _write(request, id, lambda one: (one.stored.job.definition, True))


@router.post(
    "/jobs/{id}/stop", response_model=DailyJobOut, operation_id="stopDailyJob", dependencies=[needs(Scope.WRITE)]
)
async def stop(request: Request, id: Id) -> JSONResponse:
    """It runs no more, until it is started."""
    return await _write(request, id, lambda one: (one.stored.job.definition, False))


async def _write(request: Request, id: str, changed: Any) -> JSONResponse:
    """``changed`` gives the definition and whether it is enabled."""
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        found = await daily_jobs.find(work, context, id)
        definition, enabled = changed(found)
        edited, written = await daily_jobs.edit(work, context, found, definition, enabled)
        return Outcome(200, DailyJobOut.of(edited), written=written)

    return await perform(request, context, change)

"""``/api/schedules``: every definition, whatever its type."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from domain.alert import Alert
from domain.definition import AlertDefinition, chosen
from domain.errors import Fault, InvalidInput
from domain.job import Job, JobDefinition, JobType
from domain.run import Run
from domain.schedule_draft import ScheduleDraft, names_its_ticker
from starter import definition_writes, quotas
from starter.api.access import context_of, needs, owner_wanted, whose
from starter.api.answers import AuditOut, AuditPage, RunOut, ScheduleOut, SchedulePage
from starter.api.paging import Cursor, Limit, after_row, cursor_of, page_of, read_row_cursor, read_time_cursor
from starter.api.problems import ProblemError
from starter.api.requests import NewSchedule, ScheduleEdit, ScheduleIn
from starter.api.writes import Outcome, etag, expected_version, perform
from starter.clock import now
from starter.context import Context
from starter.keys import Scope
from starter.names import MOST_CHOSEN
from starter.runs import order
from storage.database import UnitOfWork
from storage.stored_schedule import Filter, StoredSchedule
from storage.types import OddText, Unreadable
from worker.schema_folder import SchemaFolder
from worker.settings import Settings

router = APIRouter(tags=["schedules"])
Id = Annotated[str, Path(max_length=64, description="The schedule's id.")]
IfMatch = Annotated[str | None, Header(max_length=200, description="The ETag as it was read, or `*`.")]
IdempotencyKey = Annotated[
    str | None, Header(min_length=1, max_length=200, description="Repeats within 24 hours get the first answer.")
]
Status = Literal["ARMED", "TRIGGERED", "COOLDOWN", "INACTIVE"]
ETAG: dict[str, Any] = {"ETag": {"description": "The version, for If-Match.", "schema": {"type": "string"}}}
LOCATION: dict[str, Any] = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}


@router.post(
    "/schedules",
    status_code=201,
    response_model=ScheduleOut,
    operation_id="createSchedule",
    dependencies=[needs(Scope.WRITE)],
    responses={201: {"headers": {**ETAG, **LOCATION}}},
)
async def create(request: Request, body: NewSchedule, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Writes a definition; it runs within seconds, and as soon as Temporal can be reached."""
    context = context_of(request)
    user_id = owner_wanted(request, body.user_id)
    definition = await asyncio.to_thread(definition_in, body, context.settings)
    wanted = body.id or definition_writes.new_id(definition)
    for_admins_alone(context, SchemaFolder(context.settings.alert_schema_dir).own().runs_as(body.job_type))

    async def change(work: UnitOfWork) -> Outcome:
        one = made(await free_id(work, context, wanted), user_id, definition)
        await quotas.check(work, context, one, enabled=body.enabled)
        written = await definition_writes.create(
            work, context.who, [one], now(), disabled=() if body.enabled else (one.id,)
        )
        return await created(work, context, one.id, tuple(written))

    return await perform(request, context, change, idempotency_key)


@router.get(
    "/schedules",
    response_model=SchedulePage,
    operation_id="listSchedules",
    dependencies=[needs(Scope.READ)],
)
async def listing(
    request: Request,
    job_type: JobType | None = None,
    enabled: bool | None = None,
    status: Status | None = None,
    target: Annotated[str | None, Query(max_length=64, description="The ticker of alerts.")] = None,
    invalid: Annotated[bool | None, Query(description="Only rows that cannot be used, or only those that can.")] = None,
    user_id: Annotated[str | None, Query(max_length=64, description="For admin keys: only this user's.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Schedules, oldest first."""
    context = context_of(request)
    wanted = Filter(whose(context, user_id), job_type, enabled, status, target, invalid)
    async with context.database.transaction() as work:
        page = await work.schedules.page(wanted, read_time_cursor(cursor), limit + 1)
    return await page_of(request, page, limit, ScheduleOut.of, after_row)


@router.get(
    "/schedules/{id}",
    response_model=ScheduleOut,
    operation_id="getSchedule",
    dependencies=[needs(Scope.READ)],
    responses={200: {"headers": ETAG}},
)
async def get(request: Request, response: Response, id: Id) -> ScheduleOut:
    """One schedule."""
    context = context_of(request)
    async with context.database.transaction() as work:
        stored = await context.find(work, id)
    response.headers["ETag"] = etag(stored.version)
    return ScheduleOut.of(stored)


@router.put(
    "/schedules/{id}",
    response_model=ScheduleOut,
    operation_id="replaceSchedule",
    dependencies=[needs(Scope.WRITE)],
    responses={200: {"headers": ETAG}},
)
async def replace(request: Request, id: Id, body: ScheduleEdit, if_match: IfMatch = None) -> JSONResponse:
    """Writes over a definition; what is left out gets its default, or stays where ALERTS_API_STRICT is false.

    An alert keeps its state unless rule, ticker, timeframe or rearm change.
    """
    context = context_of(request)
    strict = context.settings.alerts_api_strict

    async def change(work: UnitOfWork) -> Outcome:
        stored = await context.find(work, id)
        expected_version(if_match, stored, strict=strict)
        for_admins_alone(context, stored.job_type)
        whole = body.over({} if strict else kept_of(stored, body))
        if stored.row.job_type != whole.job_type:
            raise definition_writes.Refused(f"{id} is of type {stored.row.job_type}; delete it and make another")
        definition = await asyncio.to_thread(definition_in, whole, context.settings)
        await quotas.check(work, context, made(stored.id, stored.user_id, definition), enabled=whole.enabled)
        written = await definition_writes.edit(work, context.who, stored, definition, now(), enabled=whole.enabled)
        return await changed(work, context, id, (written,) if written else ())

    return await perform(request, context, change)


@router.delete(
    "/schedules/{id}",
    status_code=204,
    operation_id="deleteSchedule",
    dependencies=[needs(Scope.WRITE)],
    response_class=Response,
)
async def delete(request: Request, id: Id, if_match: IfMatch = None) -> Response:
    """Ends what runs of it; its runs and events stay."""
    return await deleted(request, id, if_match, None)


@router.post(
    "/schedules/{id}/trigger",
    status_code=202,
    response_model=RunOut,
    operation_id="triggerSchedule",
    dependencies=[needs(Scope.RUN)],
    responses={202: {"headers": LOCATION}},
)
async def trigger(request: Request, id: Id, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Runs it now, whatever its cron says: an alert is evaluated. The run is found at Location."""
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        stored = await context.find(work, id)
        for_admins_alone(context, stored.job_type)
        await quotas.check_run(work, context)
        return ordered(await order(work, stored.job_type, stored.user_id, stored))

    return await perform(request, context, change, idempotency_key)


@router.get(
    "/schedules/{id}/audit",
    response_model=AuditPage,
    operation_id="listScheduleChanges",
    dependencies=[needs(Scope.READ)],
)
async def audit(request: Request, id: Id, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Who changed it, when, and from where; newest first. What was before it, under the same id, admins alone see."""
    context = context_of(request)
    async with context.database.transaction() as work:
        stored = await context.find(work, id)
        since = None if context.owner is None else stored.created_at
        page = await work.audit.of(stored.id, limit + 1, before=read_row_cursor(cursor), since=since)
    return await page_of(request, page, limit, AuditOut.of, lambda one: cursor_of(str(one.id)))


def kept_of(stored: StoredSchedule, edit: ScheduleEdit) -> dict[str, Any]:
    """The fields of a row that an edit leaves out; what was derived of others, or cannot be read, is to be made anew."""
    names = ("job_type", "name", "target", "task_params", "cron", "timezone", "enabled")
    kept = {name: getattr(stored.row, name) for name in names}
    if isinstance(stored.schedule, Alert):
        data = chosen(stored.schedule.definition)
        kept |= {"name": data.get("name", ""), "cron": data.get("cron", ""), "task_params": data}
        if edit.task_params is not None and names_its_ticker(edit.task_params):
            kept["target"] = None
    elif kept["name"] == f"{kept['job_type']} {kept['cron']}":
        kept["name"] = ""
    return {
        name: value for name, value in kept.items() if value is not None and not isinstance(value, Unreadable | OddText)
    }


def definition_in(body: ScheduleIn, settings: Settings) -> AlertDefinition | JobDefinition:
    """The definition a request holds, read as a row is, and checked by the operator's own schemas.

    Raises:
        InvalidInput: with every fault.
    """
    timezone = body.timezone or str(body.task_params.get("timezone") or settings.scheduler_timezone)
    folder = SchemaFolder(settings.alert_schema_dir)
    draft = ScheduleDraft(body.job_type, body.task_params, body.name, body.target, body.cron, timezone, folder.own())
    definition = draft.definition()
    folder.check_definition(definition)
    return definition


def for_admins_alone(context: Context, job_type: str) -> None:
    """Backups are the whole installation's, and so is what they remove."""
    if job_type == JobType.BACKUP and context.owner is not None:
        raise ProblemError(403, "forbidden", "backups are for admin keys")


def made(id: str, user_id: str, definition: AlertDefinition | JobDefinition) -> Alert | Job:
    """A new alert or job."""
    if isinstance(definition, JobDefinition):
        return Job(id=id, user_id=user_id, definition=definition)
    return Alert(id=id, user_id=user_id, definition=definition)


async def free_id(work: UnitOfWork, context: Context, wanted: str) -> str:
    """The id, or where another user has it, the same with the asker's mark: nobody learns here what others have.

    Raises:
        InvalidInput: it is too long to be marked.
    """
    if context.owner is not None and len(wanted) > MOST_CHOSEN:
        raise InvalidInput("the request", [Fault("$.id", f"expected at most {MOST_CHOSEN} characters", wanted)])
    return await context.kept_as(work, wanted)


async def created(
    work: UnitOfWork,
    context: Context,
    id: str,
    written: tuple[definition_writes.Written, ...],
    model: Any = ScheduleOut,
    at: str = "schedules",
) -> Outcome:
    """The answer to a POST that made a row."""
    stored = await context.find(work, id)
    headers = {"ETag": etag(stored.version), "Location": f"/api/{at}/{id}"}
    return Outcome(201, model.of(stored), headers, written)


async def changed(
    work: UnitOfWork,
    context: Context,
    id: str,
    written: tuple[definition_writes.Written, ...],
    model: Any = ScheduleOut,
) -> Outcome:
    """The answer to a write over a row."""
    stored = await context.find(work, id)
    return Outcome(200, model.of(stored), {"ETag": etag(stored.version)}, written)


async def deleted(request: Request, id: str, if_match: str | None, job_type: str | None) -> Response:
    """The answer to a DELETE."""
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        stored = await context.find(work, id, job_type)
        version = expected_version(if_match, stored, strict=context.settings.alerts_api_strict)
        for_admins_alone(context, stored.job_type)
        return Outcome(204, written=(await definition_writes.remove(work, context.who, stored, now(), version),))

    answer = await perform(request, context, change)
    return Response(
        status_code=204,
        headers={
            name: value for name, value in answer.headers.items() if name != "content-length" and name != "content-type"
        },
    )


def ordered(run: Run) -> Outcome:
    """The answer to an order: 202 with where to look."""
    return Outcome(202, RunOut.of(run), {"Location": f"/api/runs/{run.run_id}"}, ordered=(run,))

"""``/api/alerts``: conveniences for the schedules that are alerts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from activities.market_data.calendars.calendars import Calendars
from domain.alert import Alert
from domain.bar import FIELDS
from domain.definition import edited, read_definition
from starter import alerts, definition_writes, quotas
from starter.api.access import context_of, needs, owner_wanted, whose
from starter.api.answers import AlertOut, AlertPage, EventOut, Events
from starter.api.heavy import Heavy
from starter.api.paging import Cursor, Limit, after_row, cursor_of, page_of, read_time_cursor
from starter.api.previews import previewed, read_preview
from starter.api.requests import EXAMPLE_PREVIEW, AlertFields, NewAlert, Params, PauseIn, PreviewIn
from starter.api.routes.schedules import (
    ETAG,
    LOCATION,
    Id,
    IdempotencyKey,
    IfMatch,
    Status,
    changed,
    created,
    deleted,
    free_id,
    made,
)
from starter.api.writes import Outcome, etag, expected_version, perform
from starter.clock import now
from starter.context import NoAnswer
from starter.keys import Scope
from starter.liveness import liveness
from storage.database import UnitOfWork
from storage.schedules import ALERT
from storage.stored_schedule import DefinitionConflict, Filter
from worker.client import TemporalUnreachable
from worker.schema_folder import SchemaFolder

router = APIRouter(prefix="/alerts", tags=["alerts"])
STORED_BARS, TRIES = 5000, 10
BODIES: dict[str, type[BaseModel]] = {"previewAlert": PreviewIn}
EXAMPLES = {"previewAlert": EXAMPLE_PREVIEW}
Kind = Literal[
    "triggered", "reminder", "acknowledged", "rearmed", "returned", "suppressed", "late", "data_stale",
    "paused", "resumed", "updated", "expired", "error",
]  # fmt: skip


@router.post(
    "",
    status_code=201,
    response_model=AlertOut,
    operation_id="createAlert",
    dependencies=[needs(Scope.WRITE)],
    responses={201: {"headers": {**ETAG, **LOCATION}}},
)
async def create(request: Request, body: NewAlert, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Makes an alert, from an expression such as ``AAPL > 150`` or any other form."""
    context = context_of(request)
    given = {"timezone": context.settings.scheduler_timezone, **body.named()}
    definition = await asyncio.to_thread(read_definition, given)
    user_id = owner_wanted(request, body.user_id)
    SchemaFolder(context.settings.alert_schema_dir).check_definition(definition)
    wanted = body.id or definition_writes.new_id(definition)

    async def change(work: UnitOfWork) -> Outcome:
        alert = Alert(id=await free_id(work, context, wanted), user_id=user_id, definition=definition)
        await quotas.check(work, context, alert, enabled=body.enabled)
        disabled = () if body.enabled else (alert.id,)
        written = await definition_writes.create(work, context.who, [alert], now(), disabled=disabled)
        return await created(work, context, alert.id, tuple(written), AlertOut, "alerts")

    return await perform(request, context, change, idempotency_key)


@router.get("", response_model=AlertPage, operation_id="listAlerts", dependencies=[needs(Scope.READ)])
async def listing(
    request: Request,
    status: Status | Literal["INVALID"] | None = None,
    enabled: bool | None = None,
    symbol: Annotated[str | None, Query(max_length=64)] = None,
    user_id: Annotated[str | None, Query(max_length=64, description="For admin keys: only this user's.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Alerts, oldest first, with their state as last recorded."""
    context = context_of(request)
    wanted = Filter(whose(context, user_id), ALERT, enabled, status, symbol and symbol.strip().upper())
    async with context.database.transaction() as work:
        page = await work.schedules.page(wanted, read_time_cursor(cursor), limit + 1)
    alive = await liveness(context, page)
    return await page_of(request, page, limit, lambda one: AlertOut.of(one, alive), after_row)


@router.post("/preview", response_model=Params, operation_id="previewAlert", dependencies=[needs(Scope.READ)])
async def preview(request: Request, body: Params) -> Response:
    """When a definition would have fired on past bars, through the code that live alerts run.

    Events that would make the answer too long are left off; ``events_left_off`` says how many.
    """
    context = context_of(request)
    definition, rows = await asyncio.to_thread(read_preview, body)
    if rows is None:
        async with context.database.transaction() as work:
            stored = await work.bars.newest_of_any(definition.symbol, definition.timeframe, STORED_BARS, now())
        if not stored:
            raise definition_writes.Refused(
                f"no {definition.timeframe} bars of {definition.symbol} are stored; send some"
            )
        rows = [{"time": bar.open_time.isoformat(), **{name: getattr(bar, name) for name in FIELDS}} for bar in stored]
    heavy: Heavy = request.app.state.heavy
    calendars: Calendars = request.app.state.calendars
    told = await heavy.run(context.who.user_id, lambda deadline: previewed(definition, rows, deadline, calendars))
    return Response(told, media_type="application/json")


@router.get(
    "/{id}",
    response_model=AlertOut,
    operation_id="getAlert",
    dependencies=[needs(Scope.READ)],
    responses={200: {"headers": ETAG}},
)
async def get(request: Request, response: Response, id: Id) -> AlertOut:
    """One alert."""
    context = context_of(request)
    stored = await context.alert(id)
    response.headers["ETag"] = etag(stored.version)
    return AlertOut.of(stored, await liveness(context, [stored]))


@router.patch(
    "/{id}",
    response_model=AlertOut,
    operation_id="updateAlert",
    dependencies=[needs(Scope.WRITE)],
    responses={200: {"headers": ETAG}},
)
async def update(request: Request, id: Id, body: AlertFields, if_match: IfMatch = None) -> JSONResponse:
    """Changes the fields given; ``null`` sets one back to its default."""
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        stored = await context.find(work, id, ALERT)
        expected_version(if_match, stored, strict=context.settings.alerts_api_strict)
        definition = await asyncio.to_thread(edited, stored.alert.definition, body.given())
        SchemaFolder(context.settings.alert_schema_dir).check_definition(definition)
        await quotas.check(work, context, made(stored.id, stored.user_id, definition), enabled=stored.enabled)
        written = await definition_writes.edit(work, context.who, stored, definition, now())
        return await changed(work, context, id, (written,) if written else (), AlertOut)

    return await perform(request, context, change)


@router.delete(
    "/{id}", status_code=204, operation_id="deleteAlert", dependencies=[needs(Scope.WRITE)], response_class=Response
)
async def delete(request: Request, id: Id, if_match: IfMatch = None) -> Response:
    """Ends it; its history stays."""
    return await deleted(request, id, if_match, ALERT)


@router.post("/{id}/pause", response_model=AlertOut, operation_id="pauseAlert", dependencies=[needs(Scope.WRITE)])
async def pause(
    request: Request, id: Id, body: PauseIn | None = None, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Stops evaluating, until resumed, or for some seconds: then Temporal must be there."""
    given = body or PauseIn()
    if given.seconds is not None:
        context = context_of(request)
        await alerts.snooze(context, id, (now() + timedelta(seconds=given.seconds)).isoformat(), given.reason)
        return JSONResponse(AlertOut.of(await context.alert(id)).model_dump(mode="json"))
    return await _enable(request, id, False, given.reason, idempotency_key)


@router.post("/{id}/resume", response_model=AlertOut, operation_id="resumeAlert", dependencies=[needs(Scope.WRITE)])
async def resume(request: Request, id: Id, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Goes on evaluating; bars that closed meanwhile are left out."""
    context = context_of(request)
    stored = await context.alert(id)
    answer = await _enable(request, id, True, "", idempotency_key)
    if stored.enabled:  # enabled already, but perhaps snoozed, which Temporal alone knows for sure
        try:
            await alerts.send(context, id, "resume")
        except (NoAnswer, TemporalUnreachable, alerts.AlertGone):
            if stored.reason == "snoozed":
                raise
    return answer


@router.post(
    "/{id}/acknowledge",
    status_code=202,
    operation_id="acknowledgeAlert",
    dependencies=[needs(Scope.WRITE)],
    response_class=Response,
)
async def acknowledge(request: Request, id: Id) -> Response:
    """Its last fire was seen: no more reminders of it. Nothing happens where there is none to acknowledge."""
    await alerts.acknowledge(context_of(request), id)
    return Response(status_code=202)


@router.post("/{id}/evaluate", response_model=Params, operation_id="evaluateAlert", dependencies=[needs(Scope.RUN)])
async def evaluate(request: Request, id: Id) -> dict[str, Any]:
    """Evaluates now, without moving the schedule, and answers with the result."""
    return await alerts.send(context_of(request), id, "evaluate_now")


@router.get("/{id}/explain", response_model=Params, operation_id="explainAlert", dependencies=[needs(Scope.READ)])
async def explain(request: Request, id: Id) -> dict[str, Any]:
    """Each condition's values on the last bar, and why it did or did not fire."""
    return await alerts.query(context_of(request), id, "explain")


@router.get("/{id}/history", response_model=Events, operation_id="listAlertEvents", dependencies=[needs(Scope.READ)])
async def history(
    request: Request,
    id: Id,
    kind: Annotated[list[Kind] | None, Query(max_length=12)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What happened to it, newest first. What was before it, under the same id, admins alone see."""
    context = context_of(request)
    async with context.database.transaction() as work:
        stored = await context.find(work, id, ALERT)
        since = None if context.owner is None else stored.created_at
        page = await work.events.page(stored.id, list(kind or []), read_time_cursor(cursor), limit + 1, since)
    return await page_of(
        request, page, limit, lambda one: EventOut.of(one[1]), lambda one: cursor_of(one[0].isoformat(), one[1].id)
    )


async def _enable(request: Request, id: str, enabled: bool, reason: str, key: str | None) -> JSONResponse:
    """No precondition is asked for, so an edit in between is no reason to refuse."""
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        stored = await context.find(work, id, ALERT)
        if enabled and not stored.enabled and stored.schedule is not None:
            await quotas.check(work, context, stored.schedule, enabled=True)
        written = await definition_writes.enable(work, context.who, stored, enabled, now(), reason)
        return await changed(work, context, id, (written,) if written else (), AlertOut)

    for _ in range(TRIES):
        try:
            return await perform(request, context, change, key)
        except DefinitionConflict:
            continue
    raise definition_writes.Refused(f"{id} is being edited all the time; try again")

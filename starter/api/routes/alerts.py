"""``/api/alerts``: conveniences for the schedules that are alerts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from domain.alert import Alert
from domain.definition import AlertDefinition, edited, read_definition
from starter import alerts, writing
from starter.api.access import context_of, needs, owner_wanted
from starter.api.models import (
    AlertFields,
    AlertOut,
    AlertPage,
    Bar,
    EventOut,
    Events,
    NewAlert,
    Params,
    PauseIn,
    PreviewIn,
)
from starter.api.paging import Cursor, Limit, next_time_cursor, read_time_cursor
from starter.api.routes.schedules import ETAG, LOCATION, Id, IdempotencyKey, IfMatch, Status, changed, created, deleted
from starter.api.writes import Outcome, etag, expected_version, perform
from starter.context import now
from starter.keys import Scope
from starter.schemas import SchemaFolder
from storage.database import UnitOfWork
from storage.schedules import ALERT, Filter

router = APIRouter(prefix="/alerts", tags=["alerts"])
STORED_BARS, MOST_EVENTS = 5000, 5000
Kind = Literal[
    "triggered", "rearmed", "suppressed", "late", "data_stale", "paused", "resumed", "updated", "expired", "error"
]


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
    definition = read_definition({"timezone": context.settings.scheduler_timezone, **_named(body)})
    user_id = owner_wanted(request, body.user_id)
    SchemaFolder(context.settings.alert_schema_dir).check(ALERT, definition.as_json())
    alert = Alert(id=body.id or writing.new_id(definition), user_id=user_id, definition=definition)

    async def change(work: UnitOfWork) -> Outcome:
        written = await writing.create(work, context.who, [alert], now(), enabled=body.enabled)
        return await created(work, context, alert.id, tuple(written), AlertOut, "alerts")

    return await perform(request, context, change, idempotency_key)


@router.get("", response_model=AlertPage, operation_id="listAlerts", dependencies=[needs(Scope.READ)])
async def listing(
    request: Request,
    status: Status | None = None,
    enabled: bool | None = None,
    symbol: Annotated[str | None, Query(max_length=64)] = None,
    user_id: Annotated[str | None, Query(max_length=64, description="For admin keys: only this user's.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AlertPage:
    """Alerts, oldest first, with their state as last recorded."""
    context = context_of(request)
    wanted = Filter(context.owner or user_id, ALERT, enabled, status, symbol)
    async with context.database.transaction() as work:
        page = await work.schedules.page(wanted, read_time_cursor(cursor), limit + 1)
    return AlertPage(items=[AlertOut.of(one) for one in page[:limit]], next_cursor=next_time_cursor(page, limit))


@router.post("/preview", response_model=Params, operation_id="previewAlert", dependencies=[needs(Scope.READ)])
async def preview(request: Request, body: PreviewIn) -> Params:
    """When a definition would have fired on past bars, through the code that live alerts run."""
    context = context_of(request)
    definition = read_definition(_named(body.definition))
    if body.bars is not None:
        rows = body.bars
    else:
        async with context.database.transaction() as work:
            stored = await work.bars.newest_of_any(definition.symbol, definition.timeframe, STORED_BARS, now())
        if not stored:
            raise writing.Refused(f"no {definition.timeframe} bars of {definition.symbol} are stored; send some")
        rows = [
            Bar(
                time=bar.open_time.isoformat(),
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=bar.volume,
            )
            for bar in stored
        ]
    return await asyncio.to_thread(_preview, definition, rows)


@router.get(
    "/{id}",
    response_model=AlertOut,
    operation_id="getAlert",
    dependencies=[needs(Scope.READ)],
    responses={200: {"headers": ETAG}},
)
async def get(request: Request, response: Response, id: Id) -> AlertOut:
    """One alert."""
    stored = await context_of(request).alert(id)
    response.headers["ETag"] = etag(stored.version)
    return AlertOut.of(stored)


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
        expected_version(if_match, stored)
        definition = edited(stored.alert.definition, body.given())
        SchemaFolder(context.settings.alert_schema_dir).check(ALERT, definition.as_json())
        written = await writing.edit(work, context.who, stored, definition, now())
        return await changed(work, context, id, (written,) if written else (), AlertOut)

    return await perform(request, context, change)


@router.delete(
    "/{id}", status_code=204, operation_id="deleteAlert", dependencies=[needs(Scope.WRITE)], response_class=Response
)
async def delete(request: Request, id: Id, if_match: IfMatch = None) -> Response:
    """Ends it; its history stays."""
    return await deleted(request, id, if_match, ALERT)


@router.post("/{id}/pause", response_model=AlertOut, operation_id="pauseAlert", dependencies=[needs(Scope.WRITE)])
async def pause(request: Request, id: Id, body: PauseIn | None = None) -> JSONResponse:
    """Stops evaluating, until resumed or for some seconds."""
    given = body or PauseIn()
    if given.seconds is not None:
        context = context_of(request)
        await alerts.snooze(context, id, (now() + timedelta(seconds=given.seconds)).isoformat())
        return JSONResponse(AlertOut.of(await context.alert(id)).model_dump(mode="json"))
    return await _enable(request, id, False, given.reason)


@router.post("/{id}/resume", response_model=AlertOut, operation_id="resumeAlert", dependencies=[needs(Scope.WRITE)])
async def resume(request: Request, id: Id) -> JSONResponse:
    """Goes on evaluating; bars that closed meanwhile are left out."""
    context = context_of(request)
    stored = await context.alert(id)
    if stored.enabled and stored.reason == "snoozed":
        await alerts.send(context, id, "resume")
    return await _enable(request, id, True, "")


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
    kind: Annotated[list[Kind] | None, Query(max_length=10)] = None,
    limit: Limit = 50,
) -> Events:
    """What happened to it, newest first."""
    if kind is None:
        kind = []
    context = context_of(request)
    async with context.database.transaction() as work:
        await context.find(work, id, ALERT)
        events = await work.events.of_alert(id, kinds=list(kind), limit=limit, newest_first=True)
    return Events(items=[EventOut.of(event) for event in events])


async def _enable(request: Request, id: str, enabled: bool, reason: str) -> JSONResponse:
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        stored = await context.find(work, id, ALERT)
        written = await writing.enable(work, context.who, stored, enabled, now(), reason)
        return await changed(work, context, id, (written,) if written else (), AlertOut)

    return await perform(request, context, change)


def _named(body: AlertFields) -> dict[str, Any]:
    return {name: value for name, value in body.given().items() if value is not None}


def _preview(definition: AlertDefinition, bars: list[Bar]) -> dict[str, Any]:
    from activities.csv_bars import bars_of
    from activities.preview import as_json, preview

    table = bars_of([bar.model_dump() for bar in bars])
    said = as_json(preview(Alert(id="preview", definition=definition), table))
    said["events"] = said["events"][:MOST_EVENTS]
    return said

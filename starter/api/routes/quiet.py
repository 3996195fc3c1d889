"""``/api/quiet`` and ``/api/silences``: when a user is left alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import ConfigDict, Field

from domain.quiet import Silenced
from starter import quiet
from starter.api.access import context_of, needs, owner_wanted
from starter.api.notice_answers import QuietOut, SilenceOut, Silences
from starter.api.requests import In, Owner, Whose
from starter.clock import now
from starter.keys import Scope
from starter.times import span_of

router = APIRouter(tags=["quiet"])
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The silence's number.")]


class QuietIn(In):
    """Hours of the day; null for none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"hours": "22:00-07:00", "timezone": "Europe/Berlin"}]})

    hours: str | None = Field(max_length=20)
    timezone: str | None = Field(
        default=None, max_length=64, description="IANA zone; the server's default when left out."
    )
    user_id: Owner | None = Field(default=None, description="For admin keys: whose.")


class SilenceIn(In):
    """What nothing is to be told of, and for how long."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "ticker", "value": "AAPL", "for": "2h"}]})

    kind: Annotated[Silenced, Field(strict=False)]
    value: str = Field(min_length=1, max_length=255)
    span: str = Field(alias="for", max_length=20, description="30m, 2h, 1d, or seconds.")
    reason: str = Field(default="", max_length=500)
    user_id: Owner | None = Field(default=None, description="For admin keys: whose.")


@router.get("/quiet", response_model=QuietOut, operation_id="getQuietHours", dependencies=[needs(Scope.READ)])
async def show(request: Request, user_id: Whose = None) -> dict[str, Any]:
    """The quiet hours, and when they end where they are now."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        hours = await work.quiet.hours(owner)
    if hours is None:
        return {"hours": None}
    return {"hours": str(hours), "timezone": hours.timezone, "quiet_until": hours.until(now())}


@router.put("/quiet", response_model=QuietOut, operation_id="setQuietHours", dependencies=[needs(Scope.WRITE)])
async def put(request: Request, body: QuietIn) -> dict[str, Any]:
    """Others, or none: what can wait is held, and told together when they end. Urgent notices pass."""
    context, owner = context_of(request), owner_wanted(request, body.user_id)
    zone = body.timezone or context.settings.scheduler_timezone
    hours = None if body.hours is None else quiet.hours_of(body.hours, zone)
    async with context.database.transaction() as work:
        await quiet.set_hours(work, context, owner, hours)
    if hours is None:
        return {"hours": None}
    return {"hours": str(hours), "timezone": hours.timezone, "quiet_until": hours.until(now())}


@router.get("/silences", response_model=Silences, operation_id="listSilences", dependencies=[needs(Scope.READ)])
async def listing(request: Request, user_id: Whose = None) -> dict[str, Any]:
    """Those that have not ended, the first to end first."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        return {"items": [vars(one) for one in await work.quiet.silences(owner, now())]}


@router.post(
    "/silences",
    status_code=201,
    response_model=SilenceOut,
    operation_id="addSilence",
    dependencies=[needs(Scope.WRITE)],
)
async def add(request: Request, body: SilenceIn) -> dict[str, Any]:
    """Nothing is told of a ticker, a tag or an alert for a time; what happens is kept."""
    context, owner = context_of(request), owner_wanted(request, body.user_id)
    until = now() + span_of(body.span)
    async with context.database.transaction() as work:
        return vars(await quiet.silence(work, context, owner, body.kind, body.value, until, body.reason))


@router.delete(
    "/silences/{number}",
    status_code=204,
    operation_id="endSilence",
    dependencies=[needs(Scope.WRITE)],
    response_class=Response,
)
async def end(request: Request, number: Number, user_id: Whose = None) -> Response:
    """Ends it now."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        await quiet.end(work, context, owner, number)
    return Response(status_code=204)

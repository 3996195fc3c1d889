"""``/api/deliveries``: what was told, what could not be, and telling it again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from starter import deliveries
from starter.api.access import context_of, needs, whose
from starter.api.notice_answers import DeliveryOut, DeliveryPage
from starter.api.paging import Cursor, Limit, cursor_of, page_of, read_row_cursor
from starter.api.routes.schedules import LOCATION, IdempotencyKey
from starter.api.writes import Outcome, perform
from starter.keys import Scope
from storage.database import UnitOfWork
from storage.deliveries import DeliveryFilter

router = APIRouter(tags=["deliveries"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The delivery's number.")]
State = Literal["PENDING", "SENT", "DEAD", "SILENCED", "SPARED"]


@router.get("/deliveries", response_model=DeliveryPage, operation_id="listDeliveries", dependencies=[needs(Scope.READ)])
async def listing(
    request: Request,
    alert_id: Annotated[str | None, Query(max_length=64, description="Only of this alert or schedule.")] = None,
    status: State | None = None,
    user_id: Annotated[str | None, Query(max_length=64, description="For admin keys: only this user's.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Deliveries, newest first; `status=DEAD` are those that could not be told."""
    context = context_of(request)
    async with context.database.transaction() as work:
        kept = alert_id if alert_id is None or context.owner is None else await context.kept_as(work, alert_id)
        wanted = DeliveryFilter(whose(context, user_id), kept, status)
        page = await work.deliveries.page(wanted, read_row_cursor(cursor), limit + 1)
    return await page_of(request, page, limit, DeliveryOut.of, lambda one: cursor_of(str(one.id)))


@router.get(
    "/deliveries/{number}", response_model=DeliveryOut, operation_id="getDelivery", dependencies=[needs(Scope.READ)]
)
async def get(request: Request, number: Number) -> DeliveryOut:
    """One delivery, with its words."""
    context = context_of(request)
    async with context.database.transaction() as work:
        return DeliveryOut.of(await deliveries.find(work, context, number))


@router.post(
    "/deliveries/{number}/retry",
    status_code=202,
    response_model=DeliveryOut,
    operation_id="retryDelivery",
    dependencies=[needs(Scope.RUN)],
    responses={202: {"headers": LOCATION}},
)
async def retry(request: Request, number: Number, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Tells a dead one again, with the words it had."""
    context = context_of(request)

    async def change(work: UnitOfWork) -> Outcome:
        found = await deliveries.retry(work, context, number)
        return Outcome(202, DeliveryOut.of(found), {"Location": f"/api/deliveries/{number}"}, delivered=(found,))

    return await perform(request, context, change, idempotency_key)

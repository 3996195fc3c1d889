"""``POST /api/notify``: a message for a user, kept in the database until each of the user's destinations has it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from starter import notices
from starter.api.access import context_of, needs, owner_wanted
from starter.api.notice_answers import NoticeOut
from starter.api.requests import In, Owner
from starter.api.routes.schedules import IdempotencyKey
from starter.api.writes import Outcome, perform
from starter.keys import Scope
from storage.database import UnitOfWork

router = APIRouter(tags=["notify"])


class NoticeIn(In):
    """What is to be told, to whom, by what: the first line is the subject where there is no ``subject``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": 7, "message": "AAPL is at 151.20", "priority": "high", "notification_type": "alert"}
            ]
        }
    )

    user_id: Owner = Field(description="A number or a text; another than the key's own needs an admin key.")
    message: str = Field(min_length=1, max_length=20_000)
    priority: Literal["normal", "high", "urgent"] = "normal"
    notification_type: Literal["alert", "report", "screener", "notification"] = "alert"
    channels: list[Annotated[str, Field(min_length=1, max_length=80)]] = Field(
        default_factory=list, max_length=10, description="Destinations or channels; none: all of the user's."
    )
    subject: str = Field(default="", max_length=300)


@router.post(
    "/notify", status_code=202, response_model=NoticeOut, operation_id="notify", dependencies=[needs(Scope.RUN)]
)
async def notify(request: Request, body: NoticeIn, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Puts it in the queue. What becomes of each delivery is at `/api/deliveries/{number}`."""
    context = context_of(request)
    given = notices.Notice(
        owner_wanted(request, body.user_id), body.message, body.notification_type, body.priority,
        tuple(body.channels), body.subject,
    )  # fmt: skip

    async def change(work: UnitOfWork) -> Outcome:
        queued = await notices.queue(work, context, given)
        said = [{"id": one.id, "channel": one.channel} for one in queued]
        return Outcome(202, {"status": "queued", "deliveries": said}, delivered=tuple(queued))

    return await perform(request, context, change, idempotency_key)

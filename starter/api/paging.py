"""Opaque cursors over (created_at, id) or row numbers; a page says where the next begins."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from domain.errors import Fault, InvalidInput
from storage.stored_schedule import StoredSchedule

Limit = Annotated[int, Query(ge=1, le=200, description="How many items a page has at most.")]
Cursor = Annotated[str | None, Query(max_length=400, description="The `next_cursor` of the page before.")]


T = TypeVar("T")


def cursor_of(*parts: str) -> str:
    """Text for ``next_cursor``."""
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode().rstrip("=")


def _parts(text: str, count: int) -> list[str]:
    try:
        parts = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split("|", count - 1)
    except (ValueError, binascii.Error):
        parts = []
    if len(parts) != count:
        raise _bad(text)
    return parts


def read_row_cursor(text: str | None) -> int | None:
    """The row number a page begins below.

    Raises:
        InvalidInput: when it is no cursor of ours.
    """
    if text is None:
        return None
    (number,) = _parts(text, 1)
    if not number.isascii() or not number.isdigit() or int(number) >= 2**62:
        raise _bad(text)
    return int(number)


def read_time_cursor(text: str | None) -> tuple[datetime, str] | None:
    """The (created_at, id) a page begins after.

    Raises:
        InvalidInput: when it is no cursor of ours.
    """
    if text is None:
        return None
    created, schedule_id = _parts(text, 2)
    try:
        at = datetime.fromisoformat(created).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _bad(text) from None
    if "\x00" in schedule_id:
        raise _bad(text)
    return at, schedule_id


async def page_of(
    request: Request, rows: Sequence[T], limit: int, shown: Callable[[T], BaseModel], after: Callable[[T], str | None]
) -> Response:
    """A page as JSON, made in a thread: at most ``limit`` of the rows, of which there is one more where more follow.

    It ends early when it would be larger than ``API_PAGE_BYTES``, but never before the first. ``after`` is the cursor that
    follows a row.
    """
    room = request.app.state.settings.api_page_bytes
    return Response(
        await asyncio.to_thread(_page, rows[:limit], len(rows), shown, after, room), media_type="application/json"
    )


def _page(
    rows: Sequence[T], there: int, shown: Callable[[T], BaseModel], after: Callable[[T], str | None], room: int
) -> bytes:
    texts: list[bytes] = []
    for row in rows:
        text = shown(row).model_dump_json().encode()
        room -= len(text)
        if texts and room < 0:
            break
        texts.append(text)
    more = after(rows[len(texts) - 1]) if len(texts) < there else None
    return b'{"items":[' + b",".join(texts) + b'],"next_cursor":' + to_json(more) + b"}"


def after_row(row: StoredSchedule) -> str | None:
    """The cursor that follows a row; None for one that has no time, since another program wrote it."""
    return None if row.created_at is None else cursor_of(row.created_at.isoformat(), row.id)


def _bad(text: Any) -> InvalidInput:
    return InvalidInput("the request", [Fault("query.cursor", "is no cursor of this list", text)])

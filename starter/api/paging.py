"""Opaque cursors over (created_at, id) or row numbers; a page says where the next begins."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query

from domain.errors import Fault, InvalidInput
from storage.schedules import StoredSchedule

Limit = Annotated[int, Query(ge=1, le=200, description="How many items a page has at most.")]
Cursor = Annotated[str | None, Query(max_length=400, description="The `next_cursor` of the page before.")]


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


def next_time_cursor(page: list[StoredSchedule], limit: int) -> str | None:
    """Where the next page begins, None when this is the last."""
    if len(page) <= limit:
        return None
    last = page[limit - 1]
    if last.created_at is None:
        return None
    return cursor_of(last.created_at.isoformat(), last.id)


def _bad(text: Any) -> InvalidInput:
    return InvalidInput("the request", [Fault("query.cursor", "is no cursor of this list", text)])

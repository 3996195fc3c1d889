"""Writes over HTTP: versions as ETags, and POSTs that may be repeated (RFC 9110, the Idempotency-Key draft)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from domain.run import Run
from starter.api.problems import ProblemError
from starter.clock import now
from starter.context import Context
from starter.definition_writes import Written
from storage.access import KeptAnswer
from storage.database import UnitOfWork
from storage.deliveries import Delivery
from storage.stored_schedule import DuplicateAlert, StoredSchedule

KEPT = timedelta(hours=24)
TOLD = "Temporal-Told"
TRIES = 3  # of a request whose id or Idempotency-Key somebody else wrote first
NEEDED = (
    "If-Match is needed, with the ETag of the object as it was read, or * for whatever it is; "
    "the operator may set ALERTS_API_STRICT=false for clients that send none"
)


@dataclass(frozen=True)
class Outcome:
    """What a write is answered with, and what Temporal is to be told after the commit."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    written: tuple[Written, ...] = ()
    ordered: tuple[Run, ...] = ()
    cancelled: tuple[Run, ...] = ()
    delivered: tuple[Delivery, ...] = ()


class _SomebodyWasFirst(Exception):
    """The same Idempotency-Key was kept by another request."""


async def perform(
    request: Request, context: Context, change: Callable[[UnitOfWork], Awaitable[Outcome]], key: str | None = None
) -> JSONResponse:
    """One transaction for row, audit and the kept answer; then Temporal is told, and when it cannot be, the reconciler does."""
    digest = hashlib.sha256(b"\0".join((request.method.encode(), request.url.path.encode(), await request.body())))
    for attempt in range(TRIES):
        try:
            outcome, repeated = await _once(context, change, key, digest.hexdigest())
            break
        except _SomebodyWasFirst:
            continue
        except DuplicateAlert:  # written a moment ago: by the same request sent twice, or by another user
            if attempt == (1 if key is None else TRIES - 1):
                raise
    else:
        raise ProblemError(409, "conflict", "a request with this Idempotency-Key is under way")
    headers = dict(outcome.headers)
    if repeated:
        headers["Idempotency-Replayed"] = "true"
    problems = [await context.gateway.tell(one) for one in outcome.written]
    problems += [await context.gateway.start(one) for one in outcome.ordered]
    problems += [await context.gateway.cancel(one) for one in outcome.cancelled]
    problems += [await context.gateway.deliver(one) for one in outcome.delivered]
    if problems:
        headers[TOLD] = "false" if any(problems) else "true"
    return JSONResponse(outcome.body, outcome.status, headers=headers)


async def _once(
    context: Context, change: Callable[[UnitOfWork], Awaitable[Outcome]], key: str | None, digest: str
) -> tuple[Outcome, bool]:
    at, user_id = now(), context.who.user_id
    async with context.database.transaction() as work:
        if key is not None:
            await work.answers.clean(at - KEPT)
            kept = await work.answers.get(user_id, key, at - KEPT)
            if kept is not None:
                if kept.request_hash != digest:
                    raise ProblemError(422, "key-reused", "this Idempotency-Key was used for another request")
                return Outcome(kept.status, kept.body, kept.headers), True
        outcome = await change(work)
        outcome = replace(outcome, body=jsonable_encoder(outcome.body))
        if key is not None:
            answer = KeptAnswer(user_id, key, digest, outcome.status, outcome.headers, outcome.body, at)
            if not await work.answers.keep(answer):
                raise _SomebodyWasFirst
        return outcome, False


def etag(version: int) -> str:
    """A strong ETag: the row's version."""
    return f'"{version}"'


def expected_version(if_match: str | None, stored: StoredSchedule, *, strict: bool) -> int:
    """The version a write is made from: without If-Match the newest, unless the operator is ``strict``.

    Raises:
        ProblemError: 428 without If-Match, 412 when it names another version.
    """
    if if_match is None and not strict:
        return int(stored.version)
    if if_match is None:
        raise ProblemError(428, "precondition-required", NEEDED)
    wanted = [one.strip() for one in if_match.split(",")]
    if "*" not in wanted and etag(stored.version) not in wanted:
        raise ProblemError(
            412,
            "precondition-failed",
            f"the object is at version {stored.version} now",
            headers={"ETag": etag(stored.version)},
        )
    return stored.version  # type: ignore[no-any-return]

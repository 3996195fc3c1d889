"""Every error is ``application/problem+json`` (RFC 9457) with all its faults, and nothing secret in it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from domain.definition import json_path
from domain.errors import MOST_FAULTS, ErrorKind, ExpectedError, Fault, InvalidInput, first, more_than
from starter.api.strictness import domain_faults, unknown_parameters

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger(__name__)
KINDS = {
    "invalid-input": "Something in the request cannot be used; `errors` lists every fault by its JSON path.",
    "bad-request": "The request cannot be read as HTTP or JSON.",
    "unauthorized": "The request needs a valid bearer API key; make one with `alerts keys create`.",
    "forbidden": "The key lacks the scope that this operation needs.",
    "not-found": "There is nothing of that id that this key may see.",
    "method-not-allowed": "The path exists, but not for this method; see the Allow header.",
    "duplicate": "Something with this id exists already.",
    "conflict": "The object is in a state in which this cannot be done.",
    "precondition-failed": "The object was changed meanwhile: read it again, and use its new ETag.",
    "precondition-required": "Send If-Match with the ETag of the object as it was read, or `*`.",
    "too-large": "The request body is larger than the server reads.",
    "too-slow": "The request did not come in time.",
    "over-quota": "More than one user may have; `detail` says which bound it is, and the operator may raise it.",
    "takes-too-long": "The answer takes more time to compute than a request may take.",
    "too-many-requests": "The key's rate limit is reached; wait as long as Retry-After says.",
    "key-reused": "This Idempotency-Key was used for another request.",
    "unavailable": "The database or Temporal cannot be reached now; nothing was changed.",
    "internal": "A fault of ours; it was logged under `instance`.",
}


class FieldError(BaseModel):
    """One fault: where, what was expected, what was found."""

    path: str = Field(examples=["$.task_params.rule"])
    message: str = Field(examples=["expected a comparison"])
    value: Any = None


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["/problems/invalid-input"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str
    instance: str | None = None
    errors: list[FieldError] = Field(default_factory=list)


class ProblemError(Exception):
    """An answer that is a problem."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        faults: Sequence[Fault] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status, self.kind, self.detail, self.faults = status, kind, detail, tuple(faults)
        self.headers = headers or {}
        super().__init__(detail)


def respond(error: ProblemError, instance: str | None = None) -> JSONResponse:
    """The answer."""
    body = Problem(
        type=f"/problems/{error.kind}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=_text(error.detail),
        instance=instance,
        errors=[
            FieldError(path=_text(one.path), message=_text(one.message), value=_shown(one.value))
            for one in error.faults
        ],
    )
    return JSONResponse(
        body.model_dump(mode="json", exclude_none=True), error.status, headers=error.headers, media_type=MEDIA_TYPE
    )


ANSWERS: dict[ErrorKind, tuple[int, str, dict[str, str]]] = {  # status, problem, headers
    ErrorKind.INVALID: (422, "invalid-input", {}),
    ErrorKind.NOT_FOUND: (404, "not-found", {}),
    ErrorKind.DUPLICATE: (409, "duplicate", {}),
    ErrorKind.STALE: (412, "precondition-failed", {}),
    ErrorKind.STATE: (409, "conflict", {}),
    ErrorKind.NOT_RUNNING: (409, "conflict", {}),
    ErrorKind.OVER_QUOTA: (403, "over-quota", {}),
    ErrorKind.BUSY: (429, "over-quota", {"Retry-After": "10"}),
    ErrorKind.UNAVAILABLE: (503, "unavailable", {"Retry-After": "5"}),
}
WHOLE = (ErrorKind.OVER_QUOTA, ErrorKind.BUSY, ErrorKind.STALE)  # the others' texts name commands after a semicolon


def translate(error: Exception) -> ProblemError | None:
    """A failure of the use cases as an answer; None for what we did not foresee."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ExpectedError):
        status, kind, headers = ANSWERS[error.kind]
        if isinstance(error, InvalidInput):
            return ProblemError(status, kind, f"{error.what} cannot be used", error.faults)
        text = str(error) if error.kind in WHOLE else str(error).partition(";")[0]
        return ProblemError(status, kind, text, headers=headers)
    if isinstance(error, DBAPIError) and isinstance(getattr(error.orig, "__cause__", error.orig), UnicodeError):
        return ProblemError(422, "invalid-input", "a text cannot be stored")
    if isinstance(error, PoolTimeout | SQLAlchemyError | OSError):
        return ProblemError(503, "unavailable", "the database cannot be used now", headers={"Retry-After": "5"})
    return None


def install(app: FastAPI) -> None:
    """Handlers for all that can go wrong."""

    async def known(request: Request, error: Exception) -> JSONResponse:
        found = translate(error)
        if found is None or found.status >= 500:
            log.error(
                "request failed",
                action="api",
                request_id=request.scope.get("request_id"),
                error=f"{type(error).__name__}: {error}"[:500],
            )
        found = found or ProblemError(500, "internal", "a fault of ours")
        return respond(found, request.scope.get("request_id"))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        found = error.errors()
        shape = [_fault(one) for one in found[:MOST_FAULTS]]
        told = {one.path for one in shape}
        others = [*unknown_parameters(request), *await asyncio.to_thread(domain_faults, request, error.body)]
        faults = first([*shape, *(one for one in others if one.path not in told), *more_than(len(found))])
        return respond(ProblemError(422, "invalid-input", "the request cannot be used", faults))

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        kinds = {404: "not-found", 405: "method-not-allowed", 401: "unauthorized", 403: "forbidden"}
        kind = kinds.get(error.status_code, "bad-request")
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else {}
        return respond(ProblemError(error.status_code, kind, str(error.detail), headers=headers))

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    for kind in (ProblemError, ExpectedError, SQLAlchemyError, OSError):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(Exception, known)


def _allowed(request: Request) -> str:
    """All methods of the path, not only those of the first route that has it."""
    paths: dict[str, Any] = request.app.openapi()["paths"]
    here = request.url.path.split("/")
    for template, operations in paths.items():
        parts = template.split("/")
        if len(parts) == len(here) and all(
            part == given or part.startswith("{") for part, given in zip(parts, here, strict=True)
        ):
            exact = paths.get(request.url.path, operations)
            return ", ".join(sorted(name.upper() for name in exact))
    return "GET"


def _fault(detail: Any) -> Fault:
    where, *rest = detail["loc"] or ("body",)
    message = str(detail["msg"]).removeprefix("Value error, ")
    own = {"missing": "is needed", "extra_forbidden": "unknown key"}
    message = own.get(detail["type"]) or message[:1].lower() + message[1:]
    if where == "body":
        path = "$" if rest and isinstance(rest[0], int) and detail["type"] == "json_invalid" else json_path(tuple(rest))
    else:
        path = f"{where}.{'.'.join(str(part) for part in rest)}"
    return Fault(path, message, None if detail["type"] == "missing" else detail.get("input"))


def _text(text: str) -> str:
    """Without halves of surrogate pairs, which no answer can hold."""
    return text.encode(errors="replace").decode()


def _shown(value: Any) -> Any:
    """The value as it can be shown: short, and valid JSON."""
    if isinstance(value, str):
        return _text(value[:200])
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else f"{value:.6e}" if abs(value) < 10**300 else "a very large number"
    return None

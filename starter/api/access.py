"""Who asks and how often: request ids, rate limits, bearer keys, body size. Plain ASGI, so that it runs before all else."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.errors import InvalidInput
from starter.api import body
from starter.api.problems import ProblemError, respond, translate
from starter.api.strictness import unknown_parameters
from starter.context import Context
from starter.gateway import Gateway
from starter.keys import Scope as KeyScope
from starter.keys import verify
from starter.names import mark_of
from starter.who import Who
from storage.database import Database
from worker.http_server import address_of
from worker.settings import Settings

HEADERS = 2  # of every answer; those of the rate limit that counts follow
GUARDED = ("/api/", "/scheduler/")
WITHOUT_KEY = ("/stats",)  # a key narrows what is told to its user's
OPEN = "/api/v1/health"  # for monitors; a key widens what is told
_schema_only = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key: `alerts keys create`.")


@dataclass(frozen=True)
class Principal:
    """Whoever a key belongs to."""

    user_id: str
    key_id: str
    scopes: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Sees and changes every user's objects."""
        return KeyScope.ADMIN in self.scopes

    def may(self, scope: KeyScope) -> bool:
        """Whether the key has a scope."""
        return self.is_admin or scope in self.scopes


class Guard:
    """The outermost layer."""

    def __init__(self, app: ASGIApp, settings: Settings, database: Database, clock: Callable[[], datetime]) -> None:
        self.app, self.database, self.clock = app, database, clock
        self.most_bytes = settings.api_max_body
        self.allowed: RateLimitItem = parse(settings.api_rate_limit)
        self.of_an_address: RateLimitItem = parse(settings.api_address_rate_limit)
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers itself what is not let through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["request_id"] = request_id = uuid.uuid4().hex
        extra = [(b"x-request-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            await self._check(scope, extra)
            content = await self._body(scope, receive)
        except body.Gone:
            return  # half a request is none
        except Exception as error:
            found = translate(error)
            if found is None:
                raise
            await respond(found, request_id)(scope, receive, sending)
            return
        principal: Principal | None = scope.get("principal")
        telling = sending if principal is None or principal.is_admin else unmarked(sending, principal.user_id)
        await self.app(scope, body.again(content, receive), telling)

    async def _check(self, scope: Scope, extra: list[tuple[bytes, bytes]]) -> None:
        path = scope["path"]
        if "\x00" in path or b"%00" in scope.get("query_string", b""):
            raise ProblemError(400, "bad-request", "the address must not contain NUL characters")
        peer = address_of(scope.get("client"))
        await self._limit(self.of_an_address, f"address {peer}", extra)
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        is_open = path == OPEN or path.startswith(f"{OPEN}/")
        guarded = path.startswith(GUARDED) and not is_open
        if not guarded and not (given and (is_open or path in WITHOUT_KEY)):
            return
        scheme, _, token = given.decode("latin-1").partition(" ")
        key = None
        if scheme.lower() == "bearer" and token:
            async with self.database.transaction() as work:
                key = await verify(work, token.strip(), self.clock())
        await self._limit(self.allowed, key.id if key else f"from {peer}", extra)
        if key is None:
            raise ProblemError(
                401, "unauthorized", "a valid bearer API key is needed", headers={"WWW-Authenticate": "Bearer"}
            )
        scope["principal"] = Principal(key.user_id, key.id, frozenset(key.scopes))

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return b""
        content = await body.read(receive, self.most_bytes)
        await body.check(content)
        return content

    async def _limit(self, allowed: RateLimitItem, who: str, extra: list[tuple[bytes, bytes]]) -> None:
        passed = await self.limiter.hit(allowed, who)
        window = await self.limiter.get_window_stats(allowed, who)
        wait = max(0, math.ceil(window.reset_time - time.time()))
        extra[HEADERS:] = [
            (b"ratelimit-limit", str(allowed.amount).encode()),
            (b"ratelimit-remaining", str(max(0, window.remaining)).encode()),
            (b"ratelimit-reset", str(wait).encode()),
        ]
        if not passed:
            headers = {"Retry-After": str(max(1, wait))}
            raise ProblemError(429, "too-many-requests", f"more than {allowed} requests", headers=headers)


def unmarked(send: Send, user_id: str) -> Send:
    """Tells a user nothing of the mark that an id of theirs bears where another user had it first."""
    mark = mark_of(user_id).encode()
    start: Message = {}

    async def sending(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = {**message, "headers": [(name, value.replace(mark, b"")) for name, value in message["headers"]]}
            return
        plain = message.get("body", b"").replace(mark, b"")
        if start:
            size = str(len(plain)).encode()
            headers = [(name, size if name == b"content-length" else value) for name, value in start["headers"]]
            await send({**start, "headers": headers})
            start = {}
        await send({**message, "body": plain})

    return sending


def needs(scope: KeyScope) -> Any:
    """A dependency that refuses keys without a scope."""

    async def check(request: Request, _credentials: Any = Depends(_schema_only)) -> None:
        principal: Principal = request.scope["principal"]
        if not principal.may(scope):
            raise ProblemError(403, "forbidden", f"the key lacks the scope '{scope}'")

    return Depends(check)


def context_of(request: Request) -> Context:
    """What the use cases work with, on behalf of the key's user.

    Raises:
        InvalidInput: the query has parameters that the operation does not know.
    """
    if unknown := unknown_parameters(request):
        raise InvalidInput("the request", unknown)
    principal: Principal = request.scope["principal"]
    state = request.app.state
    gateway: Gateway = state.gateway
    return Context(
        state.settings,
        state.database,
        Who(principal.user_id, "api"),
        gateway=gateway,
        owner=None if principal.is_admin else principal.user_id,
    )


def whose(context: Context, user_id: str | None) -> str | None:
    """Whose objects a list has: the key's user's, or for an admin those asked for, or all."""
    return user_id if context.owner is None else context.owner


def owner_wanted(request: Request, user_id: str | None) -> str:
    """Whose object is to be made: the key's user's, or for an admin anybody's."""
    principal: Principal = request.scope["principal"]
    if user_id is None or user_id == principal.user_id:
        return principal.user_id
    if not principal.is_admin:
        raise ProblemError(403, "forbidden", "only an admin key may write for another user")
    return user_id

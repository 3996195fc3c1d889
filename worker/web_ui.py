"""The door to Temporal's Web UI, which itself answers whoever finds it: pages of other sites are not let in.

A page on the Internet may send requests to this machine through its visitor's browser, or let its own name stand for 127.0.0.1.
So a request must name this machine as its host, and come from the UI's own pages, or from the address bar.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from worker.http_server import serving

MOST_BYTES = 4_000_000
SECONDS = 60.0
OWN = {"localhost", "127.0.0.1", "::1"}
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
    "host", "content-length",
}  # fmt: skip


def refusal(method: str, headers: Any) -> str:
    """Why a request is not let in; empty when it is. Browsers say where a request comes from, other programs need not."""
    host = headers.get("host", "")
    if _name(f"//{host}") not in OWN:
        return "the Web UI answers to localhost and 127.0.0.1 alone"
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return "the request comes from another site"
    site = headers.get("sec-fetch-site", "none")
    followed = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
    if site not in ("none", "same-origin") and not followed:
        return "the request comes from another site"
    return ""


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


class Door:
    """An ASGI application that passes on what is let in."""

    def __init__(self, inside: str) -> None:
        self.http = httpx.AsyncClient(base_url=inside, timeout=SECONDS, trust_env=False, follow_redirects=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        why = refusal(request.method, request.headers)
        try:
            answer = PlainTextResponse(f"{why}\n", 403) if why else await self._pass_on(request)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _pass_on(self, request: Request) -> Response:
        body = bytearray()
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    return PlainTextResponse("too large\n", 413)
        headers = [(name, value) for name, value in request.headers.items() if name not in HOP_BY_HOP]
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        try:
            sent = self.http.build_request(request.method, target, headers=headers, content=bytes(body))
            answer = await self.http.send(sent, stream=True)
        except httpx.HTTPError:
            return PlainTextResponse("the Temporal server does not answer\n", 502)
        passed = StreamingResponse(_rest(answer), answer.status_code)
        passed.raw_headers = [
            (name.lower(), value) for name, value in answer.headers.raw if name.decode().lower() not in HOP_BY_HOP
        ]
        return passed


async def _rest(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()


@asynccontextmanager
async def web_ui(inside: str, port: int, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """The UI at ``inside`` for this machine's people, on ``port``; yields its address."""
    door = Door(inside)
    try:
        async with serving(door, host, port, variable="ALERTS_UI_PORT") as address:
            yield address
    finally:
        await door.http.aclose()

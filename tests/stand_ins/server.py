"""An HTTP/1.1 server on loopback that can also do what servers do on bad days: drip, break off, hang up."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from activities.market_data.vendors.http import VendorSettings

CHUNK = 65_536
PATIENT = 600.0  # longer than pytest lets a test run: nothing fails because the machine is slow


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """One answer. ``how`` is ``whole``, ``cut`` (half the body), ``drip`` (a byte, and the rest never), ``reset``, or ``endless``."""

    status: int = 200
    body: Any = ""
    content: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "whole"

    def raw(self) -> bytes:
        """The body as sent: text as it is, anything else as JSON."""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


class StandIn:
    """Serves ``answer``; counts what it was asked. ``url`` is known once it has started."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.counts: Counter[str] = Counter()
        self.streamed = 0  # bytes of endless answers that somebody took
        self.url = ""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def settings(self, key: str = "", timeout: float = PATIENT, **more: Any) -> VendorSettings:
        """Those of the vendor that is asked here."""
        return VendorSettings(self.url, key, timeout, **more)

    def hang_up(self) -> None:
        """Ends every connection, answered or not."""
        for writer in list(self._open):
            writer.transport.abort()

    async def __aenter__(self) -> StandIn:
        """Starts on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops at once."""
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        parts = urlsplit(head[0].split(" ")[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        asked = Asked(unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True)), headers)
        await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(asked)
        reply = self.answer(asked)
        if reply.how == "reset":
            writer.transport.abort()
            return False
        if reply.how == "endless":
            return await self._endless(reply, reader, writer)
        body = reply.raw()
        lines = [f"HTTP/1.1 {reply.status} X", f"Content-Type: {reply.content}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if reply.how == "drip":
            writer.write(body[:1])
            await reader.read()  # until they hang up
            return False
        writer.write(body if reply.how == "whole" else body[: len(body) // 2])
        await writer.drain()
        return reply.how == "whole"

    async def _endless(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Sends for as long as anybody reads."""
        head = f"HTTP/1.1 {reply.status} X\r\nContent-Type: {reply.content}\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        chunk = f"{CHUNK:x}\r\n".encode() + b"x" * CHUNK + b"\r\n"
        while not reader.at_eof():
            writer.write(chunk)
            await writer.drain()
            self.streamed += CHUNK
            await asyncio.sleep(0)
        return False

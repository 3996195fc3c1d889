"""A program that takes notices over HTTP, and what such programs do on bad days."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

STATUSES = {"flood": 429, "server_error": 500, "blocked": 403, "gone": 410}


@dataclass(frozen=True)
class Taken:
    """One notice, as it came."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """``fault`` is how the next calls go: slow (taken, and nobody hears of it), silent, reset, or a name of ``STATUSES``."""

    port: int = 0
    fault: str = ""
    faults_left: int = 10**9
    asked: int = 0
    taken: list[Taken] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                size = int((re.search(r"content-length: (\d+)", head, re.I) or ["", "0"])[1])
                body = await reader.readexactly(size)
                self.asked += 1
                fault = self.fault if self.faults_left > 0 else ""
                self.faults_left -= 1
                if fault == "reset":
                    writer.transport.abort()
                    return
                if fault == "silent":
                    await asyncio.sleep(3600)
                status = STATUSES.get(fault, 200)
                if status == 200:
                    lines = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
                    self.taken.append(Taken({name.lower(): value for name, _, value in lines}, body))
                if fault == "slow":
                    await asyncio.sleep(3600)
                wait = b"Retry-After: 35\r\n" if status == 429 else b""
                writer.write(b"HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nok" % (status, wait))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """On a port of its own."""
    made = Receiver()
    server = await asyncio.start_server(made._handle, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()

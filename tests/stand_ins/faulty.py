"""An HTTP/1.1 server on loopback that takes requests whole, and on bad days breaks off, says nothing, or never says that it took one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

FOREVER = 3600.0  # seconds: longer than any test


@dataclass(frozen=True)
class Told:
    """One answer."""

    status: int
    body: bytes
    headers: str = ""


@dataclass
class Faulty:
    """``fault`` is how the next ``faults_left`` calls go: ``reset``, ``silent`` (not taken, and nobody says so), ``slow`` (taken,
    and nobody hears of it), or what ``answer`` makes of it.
    """

    port: int = 0
    fault: str = ""
    faults_left: int = 10**9
    asked: int = 0

    async def answer(self, head: str, body: bytes, fault: str) -> Told:
        """What is said to a request."""
        raise NotImplementedError

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
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
                    await asyncio.sleep(FOREVER)
                told = await self.answer(head, body, fault)
                if fault == "slow":
                    await asyncio.sleep(FOREVER)
                line = f"HTTP/1.1 {told.status} X\r\n{told.headers}Content-Length: {len(told.body)}\r\n\r\n"
                writer.write(line.encode() + told.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


S = TypeVar("S", bound=Faulty)


@asynccontextmanager
async def listening(made: S) -> AsyncIterator[S]:
    """It, on a port of its own."""
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()

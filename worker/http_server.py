"""Serves an ASGI application in the loop of its process, to clients that may be slow, many, or neither: bounded for each."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from worker.settings import Settings
from worker.temporal_server import ServerFailed

GRACE_SECONDS = 10
MOST_HEAD_BYTES = 16_384
FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Bounds:
    """What clients may hold: connections, in all and from one address, and seconds for a request's head and for all of it."""

    connections: int = 1000
    of_an_address: int = 100
    head_seconds: float = 10.0
    exchange_seconds: float = 120.0
    open: Counter[str] = field(default_factory=Counter)

    def admits(self, address: str) -> bool:
        """Counts a connection in, when there is room for it."""
        if self.open.total() >= self.connections or self.open[address] >= self.of_an_address:
            return False
        self.open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Counts it out."""
        self.open -= Counter([address])


def address_of(client: Any) -> str:
    """Whose a connection is: the address, of IPv6 the network of 64 bits that one customer has."""
    host = str(client[0]) if client else "unknown"
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


class Patient(H11Protocol):
    """One connection. Its patience ends: with a head that does not come, an answer that nobody takes, a body that drips."""

    def __init__(self, *given: Any, bounds: Bounds, **named: Any) -> None:
        super().__init__(*given, **named)
        self.bounds = bounds
        self.address: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waits_for: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refused when there are too many."""
        super().connection_made(transport)
        address = address_of(self.client)
        if not self.bounds.admits(address):
            transport.write(FULL)
            transport.close()
            return
        self.address = address
        self._expect_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Counted out."""
        super().connection_lost(exc)
        self._stop_waiting()
        if self.address is not None:
            self.bounds.leave(self.address)
            self.address = None

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        if self.address is None:
            return
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait(self.cycle, self.bounds.exchange_seconds)
        elif self._timer is None:
            self._expect_a_head()

    def on_response_complete(self) -> None:
        """The next request's head has its own time; until its first byte the keep-alive time counts."""
        self._stop_waiting()
        super().on_response_complete()

    def _expect_a_head(self) -> None:
        self._wait("a head", self.bounds.head_seconds)

    def _wait(self, what: object, seconds: float) -> None:
        if self._waits_for is what:
            return
        self._stop_waiting()
        self._waits_for = what
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        self._waits_for = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self.transport.abort()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, which stops everything in order."""
        yield


def bounds_of(settings: Settings) -> Bounds:
    """As the operator set them."""
    return Bounds(settings.api_max_connections, settings.api_connections_per_address)


def bind(host: str, port: int, variable: str = "ALERTS_API_PORT") -> socket.socket:
    """A listening address.

    Raises:
        ServerFailed: when the port is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol named asyncio switches Nagle's algorithm off; each answer would wait 40 ms otherwise
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ServerFailed(f"port {port} of {host} cannot be used ({error.strerror}); set {variable}") from None
    listening.setblocking(False)
    return listening


@asynccontextmanager
async def serving(
    app: Any, host: str, port: int, bounds: Bounds | None = None, variable: str = "ALERTS_API_PORT"
) -> AsyncIterator[str]:
    """The application, answering inside the block; yields its address."""
    listening = bind(host, port, variable)
    config = uvicorn.Config(
        app,
        http=partial(Patient, bounds=bounds or Bounds()),  # type: ignore[arg-type]
        ws="none",
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        if task.done():
            task.result()
            raise ServerFailed(f"the server on port {port} ended at once")
        await asyncio.sleep(0.01)
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task

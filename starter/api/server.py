"""Runs the API in the loop of its process: bound before it is said to run, stopped with the rest."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from worker.temporal_server import ServerFailed

GRACE_SECONDS = 10


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, which stops everything in order."""
        yield


def bind(host: str, port: int) -> socket.socket:
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
        raise ServerFailed(f"port {port} of {host} cannot be used ({error.strerror}); set ALERTS_API_PORT") from None
    listening.setblocking(False)
    return listening


@asynccontextmanager
async def serving(app: FastAPI, host: str, port: int) -> AsyncIterator[str]:
    """The API, answering inside the block; yields its address."""
    listening = bind(host, port)
    config = uvicorn.Config(
        app,
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
            raise ServerFailed("the API ended at once")
        await asyncio.sleep(0.01)
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task

"""Clients that are slow, silent, half or many: each holds little for a short time, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from worker.http_server import Bounds, address_of, bind, serving
from worker.temporal_server import ServerFailed

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
FOREVER = 600.0


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, answers ``ok``; what is asked of ``/endless`` is answered for as long as it is taken."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    while scope["path"] == "/endless":
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def client(address: str, source: str = "127.0.0.1") -> AsyncIterator[tuple[Any, asyncio.StreamWriter]]:
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=(source, 0))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in head:
        return head + await reader.readuntil(b"0\r\n\r\n")
    return head


def gone(reader: asyncio.StreamReader) -> Any:
    """Waits until the server has hung up; what it said before is lost with it."""

    async def wait() -> bool:
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
        return True

    return wait()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: here\r\nX: "])
async def test_a_head_that_does_not_come_is_not_waited_for(sent: bytes) -> None:
    bounds = Bounds(head_seconds=0, exchange_seconds=FOREVER)
    async with serving(app, "127.0.0.1", 0, bounds) as address, client(address) as (reader, writer):
        writer.write(sent)
        assert await gone(reader)
    assert bounds.open.total() == 0


async def test_half_a_head_after_an_answer_is_not_waited_for_either() -> None:
    bounds = Bounds()
    async with serving(app, "127.0.0.1", 0, bounds) as address, client(address) as (reader, writer):
        writer.write(GET)
        assert b"200" in await answer(reader)
        bounds.head_seconds = 0
        writer.write(b"GET / HTT")
        assert await gone(reader)


async def test_a_body_that_drips_is_not_waited_for() -> None:
    bounds = Bounds(head_seconds=FOREVER, exchange_seconds=0)
    async with serving(app, "127.0.0.1", 0, bounds) as address, client(address) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\nx")
        assert await gone(reader)


async def test_an_answer_that_nobody_takes_is_given_up() -> None:
    bounds = Bounds(head_seconds=FOREVER, exchange_seconds=0.5)
    async with serving(app, "127.0.0.1", 0, bounds) as address, client(address) as (reader, writer):
        writer.write(GET.replace(b"GET /", b"GET /endless"))
        while bounds.open.total():
            await asyncio.sleep(0.01)
        assert await gone(reader)


async def test_the_same_connection_serves_many_requests() -> None:
    bounds = Bounds()
    async with serving(app, "127.0.0.1", 0, bounds) as address, client(address) as (reader, writer):
        for _ in range(5):
            writer.write(GET)
            assert b"200" in await answer(reader)
        writer.write(GET + GET)
        assert b"200" in await answer(reader)
        assert b"200" in await answer(reader)
        assert bounds.open.total() == 1


async def test_one_address_cannot_take_all_connections() -> None:
    bounds = Bounds(connections=10, of_an_address=2, head_seconds=FOREVER)
    async with serving(app, "127.0.0.1", 0, bounds) as address, client(address), client(address):
        async with client(address) as (reader, writer):
            writer.write(GET)
            assert (await answer(reader)).startswith(b"HTTP/1.1 503")
        async with client(address, "127.0.0.2") as (reader, writer):
            writer.write(GET)
            assert b"200" in await answer(reader)
    assert bounds.open.total() == 0


async def test_there_is_a_bound_for_all_addresses_too() -> None:
    bounds = Bounds(connections=3, of_an_address=2, head_seconds=FOREVER)
    async with (
        serving(app, "127.0.0.1", 0, bounds) as address,
        client(address),
        client(address, "127.0.0.2"),
        client(address, "127.0.0.3"),
        client(address, "127.0.0.4") as (reader, writer),
    ):
        writer.write(GET)
        assert (await answer(reader)).startswith(b"HTTP/1.1 503")


async def test_a_head_of_megabytes_is_refused() -> None:
    async with serving(app, "127.0.0.1", 0) as address, client(address) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"x" * 1_000_000)
        assert (await answer(reader)).startswith(b"HTTP/1.1 400")


def test_one_customers_ipv6_addresses_count_as_one() -> None:
    assert address_of(("2001:db8::1", 1)) == address_of(("2001:db8::ffff:2", 2)) == "2001:db8::/64"
    assert address_of(("10.0.0.1", 1)) == "10.0.0.1"
    assert address_of(("fe80::1%eth0", 1)) == "fe80::/64"
    assert address_of(None) == "unknown"


async def test_a_port_in_use_is_said_with_what_to_set() -> None:
    first = bind("127.0.0.1", 0)
    first.listen()
    with pytest.raises(ServerFailed, match="set ALERTS_UI_PORT"):
        bind("127.0.0.1", first.getsockname()[1], "ALERTS_UI_PORT")
    first.close()

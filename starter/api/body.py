"""The body of a request: read within a time, and refused before anything is made of it when it holds too much."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.types import Receive

from domain.bounds import refuse_too_much
from domain.errors import InvalidInput
from starter.api.problems import ProblemError

MOST_DRAINED = 32_000_000
MOST_COMMAS = 100_000
MOST_VALUES = 60_000  # 5,000 bars of seven values are the largest thing anybody may send
A_LITTLE = 4096  # bytes: so few can hold nothing that takes long
SLOWEST = 20_000  # bytes a second; a body may take some seconds more
PATIENCE = 10.0


class Gone(Exception):
    """The client hung up before its request was whole."""


async def read(receive: Receive, most: int) -> bytes:
    """The whole body.

    Raises:
        ProblemError: 408 when it comes too slowly, 413 when it is too large.
        Gone: the client hung up.
    """
    try:
        async with asyncio.timeout(PATIENCE + most / SLOWEST):
            return await _read(receive, most)
    except TimeoutError:
        raise ProblemError(408, "too-slow", "the body did not come in time", headers={"Connection": "close"}) from None


async def _read(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < most + MOST_DRAINED:  # what is too large is read to its end, or its sender sees a reset
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        size += len(message.get("body", b""))
        if size <= most:
            parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    if size > most:
        raise ProblemError(413, "too-large", f"a body has at most {most} bytes", headers={"Connection": "close"})
    return b"".join(parts)


async def check(body: bytes) -> None:
    """Lets a body pass that holds no more than we read, and only what a database keeps.

    Raises:
        ProblemError: 422, saying what is too much.
        InvalidInput: naming where.
    """
    if body.count(b",") > MOST_COMMAS:
        raise ProblemError(422, "invalid-input", f"the body holds more than {MOST_VALUES:,} values")
    if len(body) > A_LITTLE:
        await asyncio.to_thread(_check, body)
    else:
        _check(body)


def _check(body: bytes) -> None:
    odd = b"\\u" in body or b"\x00" in body or b"\xed" in body
    if not odd and len(body) <= A_LITTLE:
        return
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError):
        return  # no JSON: told by whoever reads it
    try:
        refuse_too_much(data, "the request", MOST_VALUES)
    except InvalidInput as error:
        raise ProblemError(422, "invalid-input", "the request holds too much", error.faults) from None
    if odd:
        _refuse_unstorable(data)


def _refuse_unstorable(data: Any) -> None:
    """NUL and half surrogate pairs are valid JSON, but no database keeps them."""
    try:
        text = json.dumps(data, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        raise ProblemError(422, "invalid-input", "a text holds half of a surrogate pair") from None
    if "\\u0000" in text:
        raise ProblemError(422, "invalid-input", "a text must not contain NUL characters")


def again(body: bytes, receive: Receive) -> Receive:
    """What the application reads: the body once more, then what comes."""
    given = False

    async def replay() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay

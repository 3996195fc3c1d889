"""Runs one command in a session of its own; failures that people can mend become exit codes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from domain.errors import ErrorKind, ExpectedError, Fault, InvalidInput
from starter.cli.output import CONFLICT, FAILED, NOT_ALLOWED, NOT_FOUND, Failure, say
from starter.context import run, session

CODES = {  # invalid input has an answer of its own: every fault is printed
    ErrorKind.NOT_FOUND: NOT_FOUND,
    ErrorKind.DUPLICATE: CONFLICT,
    ErrorKind.STALE: CONFLICT,
    ErrorKind.STATE: CONFLICT,
    ErrorKind.NOT_RUNNING: FAILED,
    ErrorKind.OVER_QUOTA: NOT_ALLOWED,
    ErrorKind.BUSY: NOT_ALLOWED,
    ErrorKind.UNAVAILABLE: FAILED,
}


def among(value: str, known: list[Any], option: str) -> None:
    if value not in known:
        choices = ", ".join(str(one) for one in known if one)
        raise InvalidInput("options", [Fault(option, f"expected one of {choices}", value)])


def run_command(work: Any) -> Any:
    """Runs one command in a session; known failures become exit codes."""

    async def whole() -> Any:
        waiting = asyncio.create_task(_say_when_slow())
        try:
            async with session() as context:
                return await _awaited(work(context))
        finally:
            waiting.cancel()

    try:
        return run(whole())
    except Exception as error:
        code = code_of(error)
        if code is None:
            raise
        raise Failure(str(error), code) from None


async def _say_when_slow() -> None:
    """People who wait for more than a second are told for what."""
    await asyncio.sleep(1.0)
    if sys.stderr.isatty():
        say("waiting for Temporal …")


async def _awaited(work: Coroutine[Any, Any, Any]) -> Any:
    return await work


def is_known(error: Exception) -> bool:
    return code_of(error) is not None


def code_of(error: Exception) -> int | None:
    """The exit code of a failure that people can mend; None for any other."""
    return CODES.get(error.kind) if isinstance(error, ExpectedError) else None

"""Work on the configured database alone, whatever its schema; what people can mend becomes a plain message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from domain.errors import ExpectedError, InvalidInput
from starter.cli.output import FAILED, Failure
from starter.cli.session import CODES
from storage.database import Database
from worker.settings import load_settings

T = TypeVar("T")


def in_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """What the work gives.

    Raises:
        Failure: with its exit code.
    """

    async def whole() -> T:
        database = Database(load_settings().database)
        try:
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(whole())
    except InvalidInput:
        raise
    except ExpectedError as error:
        raise Failure(str(error), CODES.get(error.kind, FAILED)) from None
    except (SQLAlchemyError, OSError) as error:
        raise Failure(f"the database cannot be used: {getattr(error, 'orig', None) or error}", FAILED) from None
    except Exception as error:
        if type(error).__name__ != "CommandError":
            raise
        raise Failure(str(error), FAILED) from None

"""What a client command works with: settings, the database, and Temporal when it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from storage.database import Database
from storage.schedules import StoredSchedule
from worker.settings import Settings, load_settings

if TYPE_CHECKING:
    from temporalio.client import Client

ANSWER_SECONDS = 8.0
T = TypeVar("T")


class NotFound(Exception):
    """No alert has that id."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"there is no alert '{alert_id}'; see 'alerts list'")


class NoAnswer(Exception):
    """Temporal has the alert, but no worker answered in time."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"no worker answered for alert '{alert_id}'; is 'alerts up' or 'alerts worker' running?")


class DatabaseUnavailable(Exception):
    """The database cannot be used."""


class Context:
    """One command's session."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database

    async def alert(self, alert_id: str) -> StoredSchedule:
        """The stored alert.

        Raises:
            NotFound: when there is none.
        """
        async with self.database.transaction() as work:
            found = await work.schedules.get(alert_id)
        if found is None:
            raise NotFound(alert_id)
        return found

    async def temporal(self) -> Client:
        """A connected client; raises ``TemporalUnreachable``."""
        from worker.client import connect

        return await connect(self.settings)


@asynccontextmanager
async def session() -> AsyncIterator[Context]:
    """Settings checked, database there and migrated."""
    settings = load_settings()
    try:
        database = Database(settings.database, echo=settings.sql_echo)
    except ImportError as error:
        raise DatabaseUnavailable(f"the driver of DATABASE_URL is not installed: {error.name}") from None
    try:
        try:
            await database.upgrade()
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            raise DatabaseUnavailable(
                f"the database cannot be opened: {cause}; see DATABASE_URL and ALERTS_HOME"
            ) from None
        yield Context(settings, database)
    finally:
        await database.close()


async def answered(alert_id: str, call: Awaitable[T]) -> T:
    """The answer of a workflow, within a bound.

    Raises:
        NoAnswer: when none came.
    """
    try:
        return await asyncio.wait_for(call, ANSWER_SECONDS)
    except TimeoutError:
        raise NoAnswer(alert_id) from None


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs one command's coroutine."""
    return asyncio.run(work)


def now() -> datetime:
    """Real time."""
    return datetime.now(UTC)

"""What a client command works with: settings, the database, and Temporal when it is needed."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from domain.errors import ErrorKind, ExpectedError
from domain.text import cut, printable
from starter.clock import now
from starter.names import marked
from starter.who import Who
from storage.audit import AuditEntry
from storage.database import Database, UnitOfWork
from storage.stored_schedule import StoredSchedule
from worker.schema_folder import SchemaFolder
from worker.settings import Settings, load_settings

if TYPE_CHECKING:
    from starter.gateway import Gateway

ANSWER_SECONDS = 8.0
MOST_NAME = 100
T = TypeVar("T")


class NotFound(ExpectedError):
    """Nothing has that id."""

    kind = ErrorKind.NOT_FOUND

    def __init__(self, name: str, kind: str = "alert", see: str = "alerts list") -> None:
        super().__init__(f"there is no {kind} '{cut(printable(name[:MOST_NAME]), MOST_NAME)}'; see '{see}'")


class NoAnswer(ExpectedError):
    """Temporal has the alert, but no worker answered in time."""

    kind = ErrorKind.UNAVAILABLE

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"no worker answered for alert '{alert_id}'; is 'alerts up' or 'alerts worker' running?")


class DatabaseUnavailable(ExpectedError):
    """The database cannot be used."""

    kind = ErrorKind.UNAVAILABLE


class Context:
    """What use cases work with, on behalf of somebody. ``owner`` bounds them to one user's objects; None sees all."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        who: Who,
        *,
        gateway: Gateway | None = None,
        owner: str | None = None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.who = who
        self.owner = owner
        self._gateway = gateway

    @property
    def gateway(self) -> Gateway:
        """The way to Temporal."""
        if self._gateway is None:
            from starter.gateway import Gateway

            self._gateway = Gateway(self.settings, self.database)
        return self._gateway

    async def find(self, work: UnitOfWork, schedule_id: str, job_type: str | None = None) -> StoredSchedule:
        """The row, in a transaction.

        Raises:
            NotFound: when there is none, or it is somebody else's.
        """
        found = await self._own(work, schedule_id, job_type)
        if found is None:
            if job_type == "alert":
                raise NotFound(schedule_id)
            raise NotFound(schedule_id, "schedule", "alerts schedules list")
        return found

    async def kept_as(self, work: UnitOfWork, schedule_id: str) -> str:
        """The id under which the owner's schedule of that name is kept, or would be: marked where it is somebody else's."""
        if self.owner is None:
            return schedule_id
        other = marked(schedule_id, self.owner)
        owners = await work.schedules.owners(schedule_id, other)  # in one look: the same user may just be writing it
        if self.owner in (owners.get(schedule_id), owners.get(other)):
            return schedule_id if owners.get(schedule_id) == self.owner else other
        return other if schedule_id in owners else schedule_id

    async def audit(
        self, work: UnitOfWork, action: str, kind: str, object_id: str, detail: dict[str, Any] | None = None
    ) -> None:
        """Notes what somebody did, now, to one thing of some kind."""
        await work.audit.add(
            AuditEntry(now(), self.who.user_id, self.who.client, action, kind, object_id, detail=detail or {})
        )

    async def _own(self, work: UnitOfWork, schedule_id: str, job_type: str | None = None) -> StoredSchedule | None:
        found = await work.schedules.get(schedule_id, job_type)
        if self.owner is None or (found is not None and found.user_id == self.owner):
            return found
        found = await work.schedules.get(marked(schedule_id, self.owner), job_type)
        return found if found is not None and found.user_id == self.owner else None

    async def alert(self, alert_id: str) -> StoredSchedule:
        """The stored alert; a row that cannot be read is found, but has no alert.

        Raises:
            NotFound: when there is none.
        """
        async with self.database.transaction() as work:
            return await self.find(work, alert_id, "alert")


@asynccontextmanager
async def session() -> AsyncIterator[Context]:
    """Settings checked, database there and migrated."""
    settings = load_settings()
    try:
        database = Database(
            settings.database,
            echo=settings.sql_echo,
            pool_size=settings.db_pool_size,
            max_overflow=settings.db_max_overflow,
            own=SchemaFolder(settings.alert_schema_dir).own,
        )
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
        yield Context(settings, database, Who(getpass.getuser(), "cli"))
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

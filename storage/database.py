"""The connection to SQL, its migrations, and the unit of work."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from domain.alert import Alert
from domain.job import Job
from domain.own_types import NONE, OwnTypes
from storage.private import private_file, private_folder
from storage.runs import Runs
from storage.schedules import Schedules
from storage.types import read_json

if TYPE_CHECKING:
    from storage.access import Answers, ApiKeys
    from storage.adoption import Change, Found
    from storage.audit import AuditLog
    from storage.bars import Bars
    from storage.coverage import DataCoverage
    from storage.deleted import DeletedAlerts
    from storage.deliveries import Deliveries
    from storage.destinations import Destinations
    from storage.events import Events
    from storage.fundamentals import CompanyFigures
    from storage.heartbeats import Heartbeats
    from storage.holdings import Holdings, RunFiles
    from storage.looks import LookStore
    from storage.process_reports import ProcessReports
    from storage.quiet import Quiet
    from storage.telegram import TelegramChats
    from storage.ticker_sets import TickerSets
    from storage.turns import NoticeTurns
    from storage.vendor_data import Records
    from storage.watched import WatchedAlerts

HEAD = "0011"
MIGRATIONS = Path(__file__).with_name("migrations")
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}

REPOSITORIES = {  # of a unit of work, by name: imported when they are first asked for
    "events": ("storage.events", "Events"),
    "bars": ("storage.bars", "Bars"),
    "deliveries": ("storage.deliveries", "Deliveries"),
    "destinations": ("storage.destinations", "Destinations"),
    "quiet": ("storage.quiet", "Quiet"),
    "turns": ("storage.turns", "NoticeTurns"),
    "chats": ("storage.telegram", "TelegramChats"),
    "heartbeats": ("storage.heartbeats", "Heartbeats"),
    "sets": ("storage.ticker_sets", "TickerSets"),
    "companies": ("storage.fundamentals", "CompanyFigures"),
    "coverage": ("storage.coverage", "DataCoverage"),
    "holdings": ("storage.holdings", "Holdings"),
    "deleted": ("storage.deleted", "DeletedAlerts"),
    "looks": ("storage.looks", "LookStore"),
    "files": ("storage.holdings", "RunFiles"),
    "audit": ("storage.audit", "AuditLog"),
    "keys": ("storage.access", "ApiKeys"),
    "answers": ("storage.access", "Answers"),
    "reports": ("storage.process_reports", "ProcessReports"),
    "records": ("storage.vendor_data", "Records"),
    "watched": ("storage.watched", "WatchedAlerts"),
}


class UnitOfWork:
    """One transaction with a repository for each aggregate."""

    def __init__(self, session: AsyncSession, own: OwnTypes = NONE) -> None:
        self.session = session
        self.schedules = Schedules(session, own)
        self.runs = Runs(session, own)

    if TYPE_CHECKING:
        events: Events
        bars: Bars
        deliveries: Deliveries
        destinations: Destinations
        quiet: Quiet
        turns: NoticeTurns
        chats: TelegramChats
        heartbeats: Heartbeats
        sets: TickerSets
        companies: CompanyFigures
        coverage: DataCoverage
        holdings: Holdings
        deleted: DeletedAlerts
        looks: LookStore
        files: RunFiles
        audit: AuditLog
        keys: ApiKeys
        answers: Answers
        reports: ProcessReports
        records: Records
        watched: WatchedAlerts

    def __getattr__(self, name: str) -> Any:
        """A repository, made when it is first asked for."""
        if name not in REPOSITORIES:
            raise AttributeError(name)
        module, kind = REPOSITORIES[name]
        made = getattr(import_module(module), kind)(self.session)
        setattr(self, name, made)
        return made

    async def never_before(self, these: Sequence[Alert | Job]) -> list[Alert | Job]:
        """The same with versions that nothing of their ids ever had: a deleted one's events and ETags are not its own."""
        ids = [one.id for one in these]
        of_events, of_changes = await self.events.newest_versions(ids), await self.audit.newest_versions(ids)
        found: list[Alert | Job] = []
        for one in these:
            last = max(of_events.get(one.id, 0), of_changes.get(one.id, 0))
            # what a model caches is its definition's, so that the copy may keep it
            found.append(one if last == 0 else one.model_copy(update={"version": last + 1}))
        return found


class Database:
    """An engine on ``url`` (``sqlite:///file`` or ``postgresql://…``; the async driver is chosen here).

    ``own`` says which types of an operator's rows there are.
    """

    def __init__(
        self,
        url: str,
        *,
        echo: bool = False,
        pool_size: int = 5,
        max_overflow: int = 10,
        own: Callable[[], OwnTypes] = lambda: NONE,
    ) -> None:
        self.url, self.own = async_url(url), own
        pool = {} if ":memory:" in self.url else {"pool_size": pool_size, "max_overflow": max_overflow}
        self.engine: AsyncEngine = create_async_engine(
            self.url, echo=echo, pool_pre_ping="sqlite" not in self.url, json_deserializer=read_json, **pool
        )
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine.sync_engine, "connect", _tune_sqlite)
            event.listen(self.engine.sync_engine, "invalidate", _let_go)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        """Commits at the end, rolls back on any error."""
        async with self._sessions() as session, session.begin():
            yield UnitOfWork(session, self.own())

    async def revision(self) -> str | None:
        """The migration the database is at; None before the first."""
        async with self.engine.connect() as connection:
            try:
                found = await connection.execute(text("SELECT version_num FROM alembic_version"))
            except Exception:  # no such table: each driver has its own error
                return None
            return found.scalar()

    async def upgrade(self) -> None:
        """Migrates to the newest schema; does nothing, cheaply, when it is there already.

        Raises:
            NotAdopted: when the database has the tables of an earlier service.
        """
        if self.url.startswith("sqlite"):
            path = make_url(self.url).database
            if path and path != ":memory:":
                if not Path(path).parent.exists():
                    private_folder(Path(path).parent)
                private_file(Path(path))
        if await self.revision() != HEAD:
            from storage.adoption import NotAdopted

            if await self.is_foreign():
                raise NotAdopted
            await asyncio.to_thread(migrate, self.url, "head")

    async def is_foreign(self) -> bool:
        """Whether an earlier service's tables are there, and not ours."""
        from storage.adoption import is_foreign

        async with self.engine.connect() as connection:
            return await is_foreign(connection)

    async def look(self) -> Found:
        """What an earlier service left, and what would be done with it; nothing is changed.

        Raises:
            CannotAdopt: when it cannot be taken over as it is.
        """
        from storage.adoption import found_in

        async with self.engine.connect() as connection:
            return await connection.run_sync(found_in)

    async def adopt(self, zone: str) -> Sequence[Change]:
        """Takes over an earlier service's tables, with ``zone`` for their crons; what was done.

        Raises:
            CannotAdopt: when that cannot be done as they are.
        """
        from storage.adoption import adopt_in

        await self.engine.dispose()  # what its connections remember of the tables is no longer so
        return await asyncio.to_thread(adopt_in, self.url, zone, HEAD)

    async def close(self) -> None:
        """Gives the connections back."""
        await self.engine.dispose()


def async_url(url: str) -> str:
    """The URL with the async driver of its database."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in _DRIVERS:
        raise ValueError("expected a database URL such as sqlite:///alerts.db or postgresql://user@host/name")
    if scheme.startswith("postgres"):
        rest = re.sub(r"([?&])sslmode=", r"\1ssl=", rest)  # as libpq spells it
    return f"{_DRIVERS[scheme.partition('+')[0]]}://{rest}"


def migrate(url: str, revision: str, *, down: bool = False) -> None:
    """Runs Alembic up to ``revision`` (``head``), or down to it (``base`` is always down). Blocking."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    if down or revision == "base":
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)


def _readable(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _let_go(connection: Any, _record: Any, _error: BaseException | None) -> None:
    """Gives the lock back at once when a transaction was cut off, by a cancelled activity for example.

    Closing alone does not: while a cursor of the transaction is still referred to, SQLite keeps the connection and its lock,
    and nobody else can write until the garbage collector comes by. The driver works in order, so that this comes first.
    """
    driver = connection.driver_connection
    raw = driver._connection
    if raw is not None:
        raw.interrupt()
        driver._tx.put_nowait((None, raw.rollback))


def _tune_sqlite(connection: Any, _record: Any) -> None:
    connection.driver_connection.text_factory = _readable  # another program may have written anything
    cursor = connection.cursor()
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()

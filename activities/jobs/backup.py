"""A verified copy of the database, and no more copies than are wanted."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from activities.jobs.executor import Done, JobFailed, JobRefused, Task
from activities.side_process import SideProcess
from domain.job import BackupParams
from storage import every_table  # noqa: F401 (their tables are Base's)
from storage.backups.contents import Contents, NotTheSame, as_json
from storage.backups.export import checked_export, export
from storage.backups.postgres import NoTool, ToolFailed, checked_dump, dump
from storage.backups.restore import BESIDE, DUMP, EXPORT, SQLITE
from storage.backups.sqlite_file import copy_sqlite
from storage.database import HEAD, Database
from storage.private import private_file, private_folder
from storage.tables import Base

PART = ".part"
OLD_PART = timedelta(days=1)  # what a killed process has left
MOST_ERROR = 500
ENDINGS = (SQLITE, DUMP, EXPORT)


class Backup:
    """SQLite by its own online backup; PostgreSQL by ``pg_dump``, or an export of our own where it is not there.

    Each is restored into a scratch database and compared with the snapshot it was made from before it counts.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        side: SideProcess | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.url, self.folder, self.side, self.clock = make_url(database.url), folder, side, clock

    async def __call__(self, task: Task) -> Done:
        """``{"file", "bytes", "checked", "rows", "tables", "removed"}``."""
        params: BackupParams = task.job.params
        return Done(await self.make(task.run_id[:8], params.keep))

    async def make(self, mark: str, keep: int) -> dict[str, object]:
        """A backup; the oldest go beyond so many.

        Raises:
            JobFailed: it cannot be made now, or is not the same as the database.
            JobRefused: the database is in memory.
        """
        private_folder(self.folder)
        stem = f"alerts-{self.clock():%Y%m%dT%H%M%S}-{mark}"
        try:
            path, contents, checked = await self._made(stem)
        except (NotTheSame, ToolFailed, NoTool) as error:
            raise JobFailed(str(error)) from None
        except (sqlite3.Error, DBAPIError, asyncpg.PostgresError, OSError) as error:
            said = getattr(error, "orig", None) or error
            raise JobFailed(f"{type(said).__name__}: {said}"[:MOST_ERROR]) from None
        finally:
            self._clear(stem)
        beside = private_file(path.with_name(path.name + BESIDE))
        beside.write_text(json.dumps({"schema": HEAD, "checked": checked, "tables": as_json(contents)}, indent=1))
        old = backups_in(self.folder)[keep:]
        for one in old:
            one.unlink(missing_ok=True)
            one.with_name(one.name + BESIDE).unlink(missing_ok=True)
        return {
            "file": path.name,
            "bytes": path.stat().st_size,
            "checked": checked,
            "rows": sum(one.rows for one in contents.values()),
            "tables": len(contents),
            "removed": [one.name for one in old],
        }

    def _clear(self, stem: str) -> None:
        """Of this try, and of processes that were killed."""
        long_ago = (self.clock() - OLD_PART).timestamp()
        for part in self.folder.glob(f"*{PART}*"):
            if part.name.startswith(stem) or part.stat().st_mtime < long_ago:
                part.unlink(missing_ok=True)

    async def _made(self, stem: str) -> tuple[Path, Contents, str]:
        if self.url.get_backend_name() != "postgresql":
            return await self._sqlite(stem)
        try:
            part = self._part(stem, DUMP)
            contents = await dump(self.url, part)
            checked = await checked_dump(self.url, part, contents)
        except NoTool:
            part = self._part(stem, EXPORT)
            contents = await export(self.url, part, tuple(Base.metadata.tables))
            checked = await checked_export(self.url, part)
        return self._whole(part), contents, checked

    async def _sqlite(self, stem: str) -> tuple[Path, Contents, str]:
        if not self.url.database or self.url.database == ":memory:":
            raise JobRefused("a database in memory cannot be backed up")
        part = self._part(stem, SQLITE)
        if self.side is None:
            contents = await asyncio.to_thread(copy_sqlite, self.url.database, part)
        else:
            contents = await self.side.run(copy_sqlite, self.url.database, part)
        return self._whole(part), contents, "restored"

    def _part(self, stem: str, ending: str) -> Path:
        part = self.folder / f"{stem}{ending}{PART}"
        part.unlink(missing_ok=True)
        return private_file(part)

    @staticmethod
    def _whole(part: Path) -> Path:
        return part.rename(part.with_name(part.name.removesuffix(PART)))


def backups_in(folder: Path) -> list[Path]:
    """The backups there are, newest first."""
    return sorted(
        (one for one in folder.glob("alerts-*") if one.suffix in ENDINGS), key=lambda one: one.name, reverse=True
    )

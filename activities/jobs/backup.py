"""A verified copy of the database, and no more copies than are wanted (R-504)."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from activities.jobs.executor import Done, JobFailed, JobRefused, Task
from domain.job import BackupParams
from storage.database import Database


class Backup:
    """SQLite by its own ``VACUUM INTO``, PostgreSQL by ``pg_dump``; each is read back before it counts."""

    def __init__(
        self, database: Database, folder: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.url = make_url(database.url)
        self.folder = folder
        self.clock = clock

    async def __call__(self, task: Task) -> Done:
        """``{"file", "bytes", "removed"}``."""
        params: BackupParams = task.job.params
        self.folder.mkdir(parents=True, exist_ok=True)
        suffix = "dump" if self.url.get_backend_name() == "postgresql" else "db"
        path = self.folder / f"alerts-{self.clock():%Y%m%dT%H%M%S}-{task.run_id[:8]}.{suffix}"
        part = path.with_suffix(f".{suffix}.part")
        part.unlink(missing_ok=True)
        if suffix == "db":
            await asyncio.to_thread(self._sqlite, part)
        else:
            await self._postgres(part)
        part.rename(path)
        old = sorted(self.folder.glob(f"alerts-*.{suffix}"))[: -params.keep]
        for one in old:
            one.unlink()
        return Done({"file": path.name, "bytes": path.stat().st_size, "removed": [one.name for one in old]})

    def _sqlite(self, path: Path) -> None:
        if not self.url.database or self.url.database == ":memory:":
            raise JobRefused("a database in memory cannot be backed up")
        source = sqlite3.connect(self.url.database, timeout=30)
        try:
            source.execute("VACUUM INTO ?", (str(path),))
        except sqlite3.Error as error:
            raise JobFailed(f"VACUUM INTO failed: {error}") from None
        finally:
            source.close()
        copy = sqlite3.connect(path)
        try:
            found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        finally:
            copy.close()
        if found != "ok":
            raise JobFailed(f"the copy is not sound: {found}")

    async def _postgres(self, path: Path) -> None:
        if shutil.which("pg_dump") is None:
            raise JobRefused("pg_dump is not installed beside the worker")
        url = self.url
        host = url.host or url.query.get("host")
        given = {"PGHOST": host, "PGPORT": url.port, "PGUSER": url.username, "PGPASSWORD": url.password}
        environment = {**os.environ, **{name: str(value) for name, value in given.items() if value}}
        await _run(["pg_dump", "--format=custom", "--file", str(path), str(url.database)], environment)
        await _run(["pg_restore", "--list", str(path)], environment)


async def _run(command: list[str], environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        raise JobFailed(f"{command[0]}: {said.decode(errors='replace').strip()[:500]}")

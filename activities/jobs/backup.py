"""A verified copy of the database, and no more copies than are wanted."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from activities.jobs.executor import Done, JobFailed, JobRefused, Task
from domain.job import BackupParams
from storage.database import Database
from storage.private import private_file, private_folder

PLAIN = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "LD_LIBRARY_PATH", "SYSTEMROOT")
OPTIONS = {
    "host": "PGHOST",
    "port": "PGPORT",
    "ssl": "PGSSLMODE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "passfile": "PGPASSFILE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


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
        private_folder(self.folder)
        suffix = "dump" if self.url.get_backend_name() == "postgresql" else "db"
        path = self.folder / f"alerts-{self.clock():%Y%m%dT%H%M%S}-{task.run_id[:8]}.{suffix}"
        part = path.with_suffix(f".{suffix}.part")
        part.unlink(missing_ok=True)
        private_file(part)
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
        environment = environment_of(url)
        await _run(["pg_dump", "--format=custom", "--file", str(path), str(url.database)], environment)
        await _run(["pg_restore", "--list", str(path)], environment)


def environment_of(url: URL) -> dict[str, str]:
    """What the tools of PostgreSQL need to connect as we do, TLS included, and nothing else of ours: no vendor's keys."""
    own = {name: value for name, value in os.environ.items() if name.startswith(("PG", "LC_")) or name in PLAIN}
    asked = [(variable, url.query.get(name)) for name, variable in OPTIONS.items()]
    given = [("PGHOST", url.host), ("PGPORT", url.port), ("PGUSER", url.username), ("PGPASSWORD", url.password)]
    named = {
        name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in [*asked, *given] if value
    }
    if named.get("PGSSLMODE", "").lower() in ("true", "1"):
        named["PGSSLMODE"] = "verify-full"
    return {**own, **named}


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

"""SQLite: copied by its own online backup from one snapshot, and put back as a file."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from storage.backups.contents import Contents, NotTheSame, refuse_unlike, sqlite_contents
from storage.private import SQLITE_BESIDE, private_file, private_folder

WAIT_SECONDS = 30
VERSIONS = "alembic_version"


def copy_sqlite(source: str, target: Path) -> Contents:
    """A copy of the database as it is at one moment, checked row by row; what it holds. Writers go on meanwhile. Blocking.

    Raises:
        NotTheSame: the copy differs, or is not sound.
        sqlite3.Error: it cannot be read or written.
    """
    private_file(target)
    with closing(_opened(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.execute("BEGIN")
        contents = sqlite_contents(original)  # the snapshot begins with the first read, and the copy is made from it
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    refuse_unlike(contents, checked_sqlite(target))
    return contents


def checked_sqlite(path: Path) -> Contents:
    """What a sound file of ours holds. Blocking.

    Raises:
        NotTheSame: it is no sound database, or none of ours.
    """
    try:
        with closing(_opened(path, read_only=True)) as copy:
            found = str(copy.execute("PRAGMA integrity_check").fetchone()[0])
            if found != "ok":
                raise NotTheSame(f"{path.name} is not sound: {found}")
            contents = sqlite_contents(copy)
    except sqlite3.DatabaseError as error:
        raise NotTheSame(f"{path.name} is no sound SQLite database: {error}") from None
    if VERSIONS not in contents:
        raise NotTheSame(f"{path.name} is no database of this program: it has no schema of ours")
    return contents


def schema_of(path: Path) -> str:
    """The revision of its schema. Blocking."""
    with closing(_opened(path, read_only=True)) as copy:
        return str(copy.execute(f"SELECT version_num FROM {VERSIONS}").fetchone()[0])  # noqa: S608


def put_back_sqlite(backup: Path, contents: Contents, target: Path, stamp: str) -> Path | None:
    """A backup that was found to hold this, in place of the database; where what was there is now. Blocking.

    The new file is whole before anything of the old one moves, and takes its place in one step; the old one stays beside it.

    Raises:
        NotTheSame: what was put there is not what the backup holds; nothing is changed.
    """
    private_folder(target.parent)
    fresh = target.with_name(f"{target.name}.restoring")
    for ending in SQLITE_BESIDE:
        Path(f"{fresh}{ending}").unlink(missing_ok=True)
    private_file(fresh)
    with closing(_opened(backup, read_only=True)) as original, closing(sqlite3.connect(fresh)) as copy:
        original.backup(copy)
    refuse_unlike(contents, checked_sqlite(fresh))
    before = _kept(target, target.with_name(f"{target.name}.before-{stamp}"))
    os.replace(fresh, target)
    return before


def _kept(target: Path, before: Path) -> Path | None:
    """What is there, under another name as well: its log is worked in first where that can be done, else it goes along."""
    if target.exists() and target.stat().st_size:
        with suppress(sqlite3.DatabaseError), closing(_opened(target)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before.unlink(missing_ok=True)
        os.link(target, before)
    for ending in SQLITE_BESIDE[1:]:  # another's log must not be taken for the new one's
        if Path(f"{target}{ending}").exists():
            os.replace(f"{target}{ending}", f"{before}{ending}")
    return before if before.exists() else None


def _opened(path: str | Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Never made where it is missing; a path with ``#``, ``?`` or ``%`` means itself."""
    address = f"{Path(path).absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    return sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS, isolation_level=None)

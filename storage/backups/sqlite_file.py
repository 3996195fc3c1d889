"""SQLite: copied by its own online backup from one snapshot, and put back as a file."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from storage.backups.contents import Contents, NotTheSame, refuse_unlike, sqlite_contents
from storage.private import SQLITE_BESIDE, private_file

WAIT_SECONDS = 30


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
    """What a sound file holds. Blocking.

    Raises:
        NotTheSame: it is no sound database.
    """
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
            found = str(copy.execute("PRAGMA integrity_check").fetchone()[0])
            if found != "ok":
                raise NotTheSame(f"{path.name} is not sound: {found}")
            return sqlite_contents(copy)
    except sqlite3.DatabaseError as error:
        raise NotTheSame(f"{path.name} is no sound SQLite database: {error}") from None


def put_back_sqlite(backup: Path, target: Path, stamp: str) -> Path | None:
    """The backup in place of the database; where what was there is now. Blocking.

    Raises:
        NotTheSame: what was put there is not what the backup holds; nothing is changed.
    """
    contents = checked_sqlite(backup)
    fresh = target.with_name(f"{target.name}.restoring")
    for ending in SQLITE_BESIDE:
        Path(f"{fresh}{ending}").unlink(missing_ok=True)
    private_file(fresh)
    with closing(_opened(str(backup), read_only=True)) as original, closing(sqlite3.connect(fresh)) as copy:
        original.backup(copy)
    refuse_unlike(contents, checked_sqlite(fresh))
    before = None
    if target.exists():
        before = target.with_name(f"{target.name}.before-{stamp}")
        for ending in SQLITE_BESIDE:
            if Path(f"{target}{ending}").exists():
                os.replace(f"{target}{ending}", f"{before}{ending}")
    os.replace(fresh, target)
    return before


def _opened(path: str, *, read_only: bool = False) -> sqlite3.Connection:
    mode = "ro" if read_only else "rw"
    return sqlite3.connect(f"file:{path}?mode={mode}", uri=True, timeout=WAIT_SECONDS, isolation_level=None)

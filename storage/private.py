"""Files that nobody but their owner may read: databases hold keys' hashes, addresses and what people watch."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

FOLDER, FILE, OTHERS = 0o700, 0o600, 0o077
SQLITE_BESIDE = ("", "-wal", "-shm", "-journal")


def private_folder(path: Path) -> Path:
    """The folder, made where it is missing, open to its owner alone."""
    path.mkdir(parents=True, exist_ok=True, mode=FOLDER)
    _close(path, FOLDER)
    return path


def private_file(path: Path) -> Path:
    """The file, made empty where it is missing, open to its owner alone; a database's own files beside it as well."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
    for ending in SQLITE_BESIDE:
        _close(Path(f"{path}{ending}"), FILE)
    return path


def make_private(home: Path) -> None:
    """The home folder, and what lies in it and in its backups, also what an earlier version left open."""
    for folder in (home, home / "backups"):
        if folder.is_dir():
            _close(folder, FOLDER)
            for one in folder.iterdir():
                if one.is_file() and not one.is_symlink():
                    _close(one, FILE)


def open_to_others(home: Path, more: Iterable[Path] = ()) -> list[Path]:
    """What others may read or write: the home folder, what lies in it and in its backups, and ``more``."""
    folders = [folder for folder in (home, home / "backups") if folder.is_dir()]
    inside = [one for folder in folders for one in folder.iterdir() if one.is_file()]
    found = [*folders, *inside, *(one for one in more if one.exists())]
    return [one for one in dict.fromkeys(found) if stat.S_IMODE(one.stat().st_mode) & OTHERS]


def _close(path: Path, mode: int) -> None:
    """Takes from others what they have; what is not ours, or on a system without modes, stays as it is."""
    with suppress(OSError):
        if stat.S_IMODE(path.stat().st_mode) & OTHERS:
            path.chmod(mode)

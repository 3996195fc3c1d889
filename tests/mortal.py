"""What tests start ends with them, however they end: SIGKILL runs no ``finally`` (Linux; elsewhere it is ended by hand)."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork: in between, nothing may be
_US = os.getpid()


def with_us() -> None:
    """A child's ``preexec_fn``: it is killed when we are gone."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL)
        if os.getppid() != _US:
            os._exit(1)


def mortal(command: str, folder: Path) -> str:
    """The same command for those who start processes themselves, as Temporal's core does: it asks for that first."""
    if _LIBC is None:
        return command
    script = folder / Path(command).name
    script.write_text(
        f"#!{sys.executable} -IS\nimport ctypes, os, sys\nctypes.CDLL(None).prctl(1, 9)\n"
        f"os.getppid() == {_US} or os._exit(1)\nos.execv({command!r}, [{command!r}, *sys.argv[1:]])\n"
    )
    script.chmod(0o755)
    return str(script)


@contextmanager
def watched(pid: int, folder: Path) -> Iterator[None]:
    """For a daemon, whose parent is another: a shell in a session of its own reads our pipe, and sees us go."""
    end = 'read _ || { kill -QUIT "$0"; while kill -0 "$0"; do sleep 0.1; done; rm -rf "$1"; } 2>/dev/null'
    words = ["/bin/sh", "-c", end, str(pid), str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True) as shell:
        try:
            yield
        finally:
            shell.communicate(b"\n")

"""Files that people name: a file, a pipe or a device, read as far as anything sensible goes and no further."""

from __future__ import annotations

from pathlib import Path


def read_at_most(path: Path, most: int) -> bytes:
    """The whole of it.

    Raises:
        OSError: it cannot be read, or it is larger.
    """
    with path.open("rb") as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError(f"it has more than {most:,} bytes")
    return found

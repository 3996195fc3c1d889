"""A file's bytes as text: unpacked where it is compressed, in the encoding that it shows."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

from activities.files import read_at_most
from domain.errors import Fault, InvalidInput

MOST_BYTES = 512 << 20  # ten years of minutes, day and night
ENDINGS = (".csv", ".txt", ".tsv", ".prn")  # of the tables in an archive
MOST_SHOWN = 200  # characters of a file that a fault quotes
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"


def text_of(path: Path) -> str:
    """The file's text, with any line ends.

    Raises:
        InvalidInput: it is not there, too large, no text, or an archive of more than one table.
    """
    try:
        data = read_at_most(path, MOST_BYTES)
        if data.startswith(GZIP):
            data = _bounded(gzip.GzipFile(fileobj=BytesIO(data)).read(MOST_BYTES + 1))
        elif data.startswith(ZIP):
            data = _only_table(data)
    except FileNotFoundError:
        raise refused("there is no such file") from None
    except IsADirectoryError:
        raise refused("is a folder; expected a CSV file") from None
    except InvalidInput:
        raise
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        raise refused(f"cannot be read: {str(error).strip() or type(error).__name__}") from None
    return _decoded(data)


def refused(message: str, value: object = None) -> InvalidInput:
    """A file that cannot be read at all."""
    return InvalidInput("bars", [Fault("$", message, value)])


def _only_table(data: bytes) -> bytes:
    archive = zipfile.ZipFile(BytesIO(data))
    names = [one.filename for one in archive.infolist() if one.filename.lower().endswith(ENDINGS)]
    names = [name for name in names if not name.startswith("__MACOSX/")]  # what macOS keeps beside each file
    if len(names) != 1:
        held = ", ".join(names[:5]) or "no CSV file"
        raise refused(f"is an archive that holds {held}; expected one table, so unpack it", len(names))
    with archive.open(names[0]) as file:
        return _bounded(file.read(MOST_BYTES + 1))


def _bounded(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise refused(f"holds more than {MOST_BYTES >> 20} MB")
    return data


def _decoded(data: bytes) -> str:
    """By its byte order mark; without one UTF-8, or UTF-16 by its zeros, else Latin-1 as Western Windows writes it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\x00" in data[:1000]:
        encodings = ["utf-16-le" if data[1:2] == b"\x00" else "utf-16-be"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise refused("is no text in UTF-8, UTF-16 or Latin-1")

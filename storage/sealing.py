"""Secrets of users at rest: encrypted with a key of the operator's, or with one that is made and kept in the home folder."""

from __future__ import annotations

from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from domain.errors import ErrorKind, ExpectedError, Fault, InvalidInput
from storage.private import private_file, private_folder

KEY_FILE = "secret.key"
NAME = "ALERTS_SECRET_KEY"


class CannotOpen(ExpectedError):
    """What was sealed cannot be opened with the keys there are."""

    kind = ErrorKind.STATE

    def __init__(self) -> None:
        super().__init__(
            f"a stored address cannot be read: it was encrypted with another key; set {NAME} to that one, too"
        )


class Sealer:
    """Seals with the first key and opens with any: a new key is put before the old one, then everything is sealed anew."""

    def __init__(self, keys: list[str]) -> None:
        self._all = MultiFernet([Fernet(key) for key in keys])

    def seal(self, text: str) -> str:
        """The text, encrypted; another one each time."""
        return self._all.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text.

        Raises:
            CannotOpen: it was sealed with a key that is not among ours.
        """
        try:
            return self._all.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise CannotOpen from None

    def again(self, sealed: str) -> str:
        """The same, sealed with the first key.

        Raises:
            CannotOpen: as ``open``.
        """
        try:
            return self._all.rotate(sealed.encode()).decode()
        except InvalidToken:
            raise CannotOpen from None


def keys_of(text: str) -> list[str]:
    """The keys of a setting, the newest first.

    Raises:
        InvalidInput: one of them is none.
    """
    keys = [part.strip() for part in text.split(",") if part.strip()]
    try:
        for key in keys:
            Fernet(key)
    except ValueError:
        hint = "expected 32 bytes in URL-safe base64, such as 'alerts channels key' prints; several with commas, the newest first"
        raise InvalidInput("settings", [Fault(NAME, hint)]) from None
    return keys


def sealer(text: str, home: Path) -> Sealer:
    """With the keys of the setting; without any, with that of the home folder, made once and closed to others.

    Raises:
        InvalidInput: as ``keys_of``.
    """
    keys = keys_of(text)
    if keys:
        return Sealer(keys)
    private_folder(home)
    path = private_file(home / KEY_FILE)
    if not path.read_text().strip():
        path.write_text(new_key() + "\n")
    return Sealer([path.read_text().strip()])


def new_key() -> str:
    """A key that nobody has."""
    return Fernet.generate_key().decode()

"""A program that takes notices over HTTP, and what such programs do on bad days."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from tests.stand_ins.faulty import Faulty, Told, listening

STATUSES = {"flood": 429, "server_error": 500, "blocked": 403, "gone": 410}


@dataclass(frozen=True)
class Taken:
    """One notice, as it came."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver(Faulty):
    """``fault`` may also be a name of ``STATUSES``."""

    taken: list[Taken] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    async def answer(self, head: str, body: bytes, fault: str) -> Told:
        status = STATUSES.get(fault, 200)
        if status == 200:
            lines = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
            self.taken.append(Taken({name.lower(): value for name, _, value in lines}, body))
        return Told(status, b"ok", "Retry-After: 35\r\n" if status == 429 else "")


def receiver() -> AbstractAsyncContextManager[Receiver]:
    """On a port of its own."""
    return listening(Receiver())

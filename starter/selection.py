"""Several alerts at once: chosen by ids, tag, ticker, group or status, then worked on one by one, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.errors import ExpectedError, Fault, InvalidInput
from starter.context import Context
from storage.schedules import ALERT
from storage.stored_schedule import StoredSchedule

AT_ONCE = 20
MOST_SAID = 20


@dataclass(frozen=True)
class Selection:
    """Which alerts: those of ``ids``, or all that fit every word given; ``everything`` chooses them without any."""

    ids: tuple[str, ...] = ()
    tag: str = ""
    symbol: str = ""
    group: str = ""
    status: str = ""
    everything: bool = False

    @property
    def by_words(self) -> bool:
        """Whether nobody named the alerts one by one."""
        return not self.ids

    def check(self, path: str = "ID") -> None:
        """Whether it says something, and one thing; ``path`` is where ids are written.

        Raises:
            InvalidInput: it does not.
        """
        words = any((self.tag, self.symbol, self.group, self.status))
        if self.ids and (words or self.everything):
            raise InvalidInput("options", [Fault(path, "give ids, or a tag, ticker, group, status, or all; not both")])
        if not self.ids and not words and not self.everything:
            raise InvalidInput("options", [Fault(path, "give ids, or a tag, ticker, group, status, or all")])

    def __str__(self) -> str:
        pairs = (
            ("tag", self.tag),
            ("ticker", self.symbol.upper()),
            ("group", self.group),
            ("status", self.status.upper()),
        )
        return ", ".join(f"{name} {value}" for name, value in pairs if value) or "all"


@dataclass
class Many:
    """What came of it: of each id the answer, or why not."""

    done: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "matched": len(self.done) + len(self.failed),
            "done": list(self.done),
            "failed": [{"id": id, "error": error} for id, error in self.failed.items()],
        }


async def chosen(context: Context, selection: Selection) -> list[StoredSchedule]:
    """The alerts, oldest first; those of ids in their order.

    Raises:
        NotFound: there is none with one of the ids.
    """
    if selection.ids:
        async with context.database.transaction() as work:
            return [await context.find(work, one, ALERT) for one in dict.fromkeys(selection.ids)]
    found = await all_alerts(context, status=selection.status, symbol=selection.symbol, tag=selection.tag)
    return [
        one for one in found
        if (context.owner is None or one.user_id == context.owner)
        and (not selection.group or (one.schedule is not None and one.alert.definition.group == selection.group))
    ]  # fmt: skip


async def each(
    these: Sequence[StoredSchedule],
    work: Callable[[StoredSchedule], Awaitable[Any]],
    told: Callable[[int], object] = lambda done: None,
) -> Many:
    """Works on all of them; what one refuses stops no other. ``told`` hears how many are done."""
    found, turn, done = Many(), asyncio.Semaphore(AT_ONCE), 0
    answers: dict[str, Any] = {}

    async def one(stored: StoredSchedule) -> None:
        nonlocal done
        async with turn:
            try:
                answers[stored.id] = await work(stored)
            except (ExpectedError, InvalidInput) as error:
                found.failed[stored.id] = str(error)
        done += 1
        told(done)

    await asyncio.gather(*(one(stored) for stored in these))
    found.done = {stored.id: answers[stored.id] for stored in these if stored.id in answers}
    found.failed = {stored.id: found.failed[stored.id] for stored in these if stored.id in found.failed}
    return found


async def all_alerts(context: Context, *, status: str = "", symbol: str = "", tag: str = "") -> list[StoredSchedule]:
    """All alerts, oldest first, filtered by what is given; one that cannot be read has no tags."""
    async with context.database.transaction() as work:
        stored = await work.schedules.alerts()
    return [
        one
        for one in stored
        if (not status or one.status == status.upper())
        and (not symbol or _ticker(one) == symbol.upper())
        and (not tag or (one.schedule is not None and tag in one.alert.definition.tags))
    ]


def _ticker(stored: StoredSchedule) -> str:
    ticker = str(stored.target or "") if stored.schedule is None else stored.alert.definition.symbol
    return ticker.upper()

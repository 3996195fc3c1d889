"""Several alerts at once: chosen by ids, tag, ticker, group or status, then worked on one by one, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from domain.errors import ExpectedError, Fault, InvalidInput
from starter.context import Context
from storage.schedules import ALERT
from storage.stored_schedule import Filter, StoredSchedule

AT_ONCE = 20
MOST_SAID = 20
PAGE, EVERY = 500, 10_000_000
log = structlog.get_logger(__name__)


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

    def takes(self, stored: StoredSchedule) -> bool:
        """Whether it fits; one that cannot be read has neither tags nor a group."""
        if self.status and stored.status != self.status.upper():
            return False
        if self.symbol and _ticker(stored) != self.symbol.upper():
            return False
        if not self.tag and not self.group:
            return True
        if stored.schedule is None:
            return False
        definition = stored.alert.definition
        return (not self.tag or self.tag in definition.tags) and self.group in ("", definition.group)

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
    return [one for one in await _of_owner(context) if selection.takes(one)]


async def _of_owner(context: Context) -> list[StoredSchedule]:
    """All alerts that the asker may see, oldest first, some hundreds at a time: others have their turn."""
    wanted = Filter(context.owner, ALERT)
    found: list[StoredSchedule] = []
    after: tuple[datetime, str] | None = None
    while True:
        async with context.database.transaction() as work:
            page = await work.schedules.page(wanted, after, PAGE)
        found += page
        if len(page) < PAGE:
            return found
        await asyncio.sleep(0)
        if page[-1].created_at is None:  # another program's row, which has no place in the order
            async with context.database.transaction() as work:
                return await work.schedules.page(wanted, None, EVERY)
        after = page[-1].created_at, page[-1].id


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
            except Exception as error:  # the others are not left half done for it
                log.warning("not done", action="many", alert_id=stored.id, error=repr(error)[:300])
                found.failed[stored.id] = f"unexpected {type(error).__name__}; try it again"
        done += 1
        told(done)

    await asyncio.gather(*(one(stored) for stored in these))
    found.done = {stored.id: answers[stored.id] for stored in these if stored.id in answers}
    found.failed = {stored.id: found.failed[stored.id] for stored in these if stored.id in found.failed}
    return found


def _ticker(stored: StoredSchedule) -> str:
    ticker = str(stored.target or "") if stored.schedule is None else stored.alert.definition.symbol
    return ticker.upper()

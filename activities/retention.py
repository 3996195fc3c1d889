"""Removes what has been kept for as long as it should be, table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import structlog
from temporalio import activity

from activities.heartbeat import heartbeats
from activities.interface import PRUNE, PRUNE_HEARTBEAT
from storage.database import Database
from storage.retention import BATCH, RULES, Part, Rule, count_older, cutoff, remove_some

log = structlog.get_logger(__name__)


class Retention:
    """``days`` by rule, 0 for ever; what is not named has the rule's own."""

    def __init__(
        self, database: Database, days: Mapping[str, int], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.database, self.days, self.clock = database, days, clock

    @activity.defn(name=PRUNE)
    async def prune(self) -> dict[str, int]:
        """Removes all that is due; rows by rule, of those that lost any. Cut off, it goes on where it was."""
        async with heartbeats(PRUNE_HEARTBEAT):
            return await self.run()

    async def run(self, told: Callable[[str, int], None] = lambda name, rows: None) -> dict[str, int]:
        """The same for a command; ``told`` hears of each step."""
        removed: dict[str, int] = {}
        now = self.clock()
        for rule, part, before in self._parts(now):
            rows = BATCH
            while rows == BATCH:
                rows = await remove_some(self.database, part, before)
                if rows:
                    removed[rule.name] = removed.get(rule.name, 0) + rows
                    told(rule.name, removed[rule.name])
        if removed:
            log.info("pruned", action="prune", **removed)
        return removed

    async def due(self) -> dict[str, int]:
        """Rows that would go, by rule, of those that would lose any."""
        found: dict[str, int] = {}
        for rule, part, before in self._parts(self.clock()):
            if rows := await count_older(self.database, part, before):
                found[rule.name] = found.get(rule.name, 0) + rows
        return found

    def _parts(self, now: datetime) -> Iterator[tuple[Rule, Part, datetime]]:
        for rule in RULES:
            before = cutoff(now, self.days.get(rule.name, rule.days))
            if before is not None:
                for part in rule.parts:
                    yield rule, part, before

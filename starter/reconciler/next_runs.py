"""Keeps ``next_run_at`` true for what runs: an alert that sees nothing new for hours writes nothing into its row itself."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from activities.market_data.calendars.calendars import Calendars
from domain.alert import AlertState
from domain.cron import next_fire
from domain.definition import AlertDefinition
from domain.job import JobDefinition
from domain.ticks import next_tick
from storage.database import Database
from storage.schedules import Overdue

PATIENCE = timedelta(seconds=20)  # a tick under way writes its own next
AT_ONCE = 2000
MOST_KEPT = 50_000
Definition = AlertDefinition | JobDefinition


class NextRuns:
    """Definitions are kept by their hash, so that a row is read once however often it is moved."""

    def __init__(self, database: Database, calendars: Calendars | None, clock: Callable[[], datetime]) -> None:
        self.database, self.calendars, self.clock = database, calendars, clock
        self._known: OrderedDict[str, Definition] = OrderedDict()

    async def move(self) -> int:
        """Writes the next tick or slot of every row whose last one has passed; how many."""
        now, moved, after = self.clock(), 0, ""
        while True:
            async with self.database.transaction() as work:
                overdue = await work.schedules.overdue(now - PATIENCE, after, AT_ONCE)
            await self._learn(overdue)
            found = await asyncio.to_thread(self._all_next, overdue, now)
            async with self.database.transaction() as work:
                await work.schedules.move_next_runs(found)
            moved += len(found)
            if len(overdue) < AT_ONCE:
                return moved
            after = overdue[-1].id

    async def _learn(self, overdue: list[Overdue]) -> None:
        unknown = [one.id for one in overdue if one.hash not in self._known]
        for start in range(0, len(unknown), 500):
            async with self.database.transaction() as work:
                rows = await work.schedules.these(unknown[start : start + 500])
            self._known |= {
                str(row.definition_hash): row.schedule.definition for row in rows if row.schedule is not None
            }
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)

    def _all_next(self, overdue: list[Overdue], now: datetime) -> list[tuple[Overdue, datetime]]:
        found = []
        for one in overdue:
            definition = self._known.get(one.hash)
            at = None if definition is None else self._next(definition, max(now, one.snoozed_until or now))
            if at is not None:
                found.append((one, at))
        return found

    def _next(self, definition: Definition, after: datetime) -> datetime | None:
        try:
            if isinstance(definition, JobDefinition):
                return next_fire(definition.parsed_cron, ZoneInfo(definition.timezone), after)
            return next_tick(definition, AlertState(), after, self._next_close(definition, after))
        except LookupError:  # the cron never fires again
            return None

    def _next_close(self, definition: AlertDefinition, after: datetime) -> datetime | None:
        if self.calendars is None:  # markets that never close
            return None
        try:
            return self.calendars.of(definition.symbol).next_close(definition.timeframe, after)
        except ValueError:  # a market that nobody knows
            return None

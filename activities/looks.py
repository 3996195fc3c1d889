"""When each alert looked last, and what it saw: kept in memory, written together every few seconds.

A quiet tick changes nothing else in SQL; without this a list could not tell an alert that looks from one that does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from activities.interface import ALERT_PREFIX, EvaluateResult
from domain.text import cut
from storage.database import Database
from storage.looks import Look

EVERY = 5.0  # seconds
BATCH = 500  # rows in one transaction: alerts write in between
MOST_PROBLEM = 300
log = structlog.get_logger(__name__)


class Looks:
    """Of this process's alerts, since they were written last."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.database, self.clock = database, clock
        self._new: dict[str, Look] = {}

    def saw(self, workflow_id: str, result: EvaluateResult) -> None:
        """What an alert's workflow was answered; of another's nothing is kept."""
        if not workflow_id.startswith(ALERT_PREFIX):
            return
        alert_id = workflow_id.removeprefix(ALERT_PREFIX)
        before = self._new.get(alert_id, Look(alert_id, self.clock()))
        look = replace(before, looked_at=self.clock(), problem=cut(result.problem or "", MOST_PROBLEM))
        if result.snapshots:
            newest = result.snapshots[-1]
            look = replace(look, bar_close=newest.bar_close, values=dict(newest.values))
        self._new[alert_id] = look

    async def write(self) -> int:
        """Writes what is new; how many. What cannot be written is written the next time."""
        found, self._new = list(self._new.values()), {}
        for start in range(0, len(found), BATCH):
            some = found[start : start + BATCH]
            try:
                async with self.database.transaction() as work:
                    await work.looks.put(some)
            except Exception as error:  # the database may be away; alerts go on
                self._new = {one.alert_id: one for one in found[start:]} | self._new
                log.debug("looks not written", action="write_looks", error=type(error).__name__)
                return start
        return len(found)

    async def keep_writing(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.write()

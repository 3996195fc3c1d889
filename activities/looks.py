"""When each alert looked last, and what it saw: kept in memory, written together every few seconds.

A quiet tick changes nothing else in SQL; without this a list could not tell an alert that looks from one that does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError

from activities.interface import ALERT_PREFIX, EvaluateResult
from domain.bar import BarSnapshot
from domain.text import said
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
        look = replace(before, looked_at=self.clock(), problem=said(result.problem or "", MOST_PROBLEM))
        carried = result.before.last_snapshot if result.before else None
        newest = result.snapshots[-1] if result.snapshots else carried
        if newest is not None:
            look = replace(look, bar_close=newest.bar_close, values=dict(newest.values))
        self._new[alert_id] = look

    def watched(self, alert_id: str, newest: BarSnapshot | None) -> None:
        """The watch has looked for an alert."""
        look = Look(alert_id, self.clock())
        if newest is not None:
            look = replace(look, bar_close=newest.bar_close, values=dict(newest.values))
        self._new[alert_id] = look

    async def write(self) -> int:
        """Writes what is new; how many. What cannot be written now is written the next time, but for what can never be."""
        found, self._new = list(self._new.values()), {}
        written = 0
        for start in range(0, len(found), BATCH):
            some = found[start : start + BATCH]
            try:
                await self._put(some)
                written += len(some)
            except (OperationalError, OSError, TimeoutError) as error:  # the database is away; alerts go on
                self._keep(some)
                log.debug("looks not written", action="write_looks", error=type(error).__name__)
            except Exception:
                written += await self._put_one_by_one(some)
        return written

    async def _put(self, some: Sequence[Look]) -> None:
        async with self.database.transaction() as work:
            await work.looks.put(some)

    async def _put_one_by_one(self, some: Sequence[Look]) -> int:
        """One that cannot be written keeps none of the others from it."""
        written = 0
        for one in some:
            try:
                await self._put([one])
                written += 1
            except Exception as error:
                log.warning("look not written", action="write_looks", alert_id=one.alert_id, error=type(error).__name__)
        return written

    def _keep(self, some: Sequence[Look]) -> None:
        """For the next time; a newer look counts, with the values that an older one saw where it saw none."""
        for old in some:
            new = self._new.get(old.alert_id)
            if new is None:
                self._new[old.alert_id] = old
            elif new.bar_close is None:
                self._new[old.alert_id] = replace(new, bar_close=old.bar_close, values=old.values)

    async def keep_writing(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.write()

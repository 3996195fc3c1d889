"""Under ``record: all`` each quiet bar is a run, too: the watch keeps them and writes those of many alerts at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from activities.evaluation_runs import run_of
from domain.outbox import EvaluationRun
from storage.database import Database

AT_ONCE = 250  # runs of one transaction
MOST_KEPT = 200_000  # while the database is away; what is over it is written by the alerts' self-checks
Kept = tuple[str, int, EvaluationRun]  # of an alert, judged by a version of it


class RunLog:
    """Runs not yet written, ``size`` of them."""

    def __init__(self, database: Database, owner: str, clock: Callable[[], datetime]) -> None:
        self.database, self.owner, self.clock = database, owner, clock
        self.size = 0
        self._kept: dict[str, list[Kept]] = {}

    def add(self, alert_id: str, version: int, done: EvaluationRun) -> None:
        """One more of an alert."""
        if self.size < MOST_KEPT:
            self._kept.setdefault(alert_id, []).append((alert_id, version, done))
            self.size += 1

    async def write(self, alert_ids: Collection[str] | None = None) -> None:
        """Those of some alerts, or all. What cannot be written is kept; writing one twice leaves one."""
        ids = list(self._kept) if alert_ids is None else alert_ids
        kept = [one for alert_id in ids for one in self._kept.pop(alert_id, ())]
        self.size -= len(kept)
        for start in range(0, len(kept), AT_ONCE):
            try:
                await self._write(kept[start : start + AT_ONCE])
            except BaseException:
                for one in kept[start:]:
                    self.add(*one)
                raise

    async def _write(self, kept: Sequence[Kept]) -> None:
        come: dict[datetime, set[str]] = {}
        for alert_id, _, done in kept:
            if not done.error:
                come.setdefault(done.slot, set()).add(alert_id)
        async with self.database.transaction() as work:
            rows = await work.runs.written({alert_id for alert_id, _, _ in kept}, sorted(come))
            for slot, ids in come.items():
                if failed := [alert_id for alert_id in ids if alert_id in rows and rows[alert_id].has_failed]:
                    await work.runs.forget_failed(failed, [slot])
            now = self.clock()
            await work.runs.add(
                [
                    run_of(
                        alert_id, version, done, rows[alert_id], worker_id=self.owner, started_at=now, finished_at=now
                    )
                    for alert_id, version, done in kept
                    if alert_id in rows and not (done.error and alert_id in come.get(done.slot, ()))
                ]
            )

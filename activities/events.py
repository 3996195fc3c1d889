"""Activities that keep SQL in step with the workflows: events, runs, projections, definitions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from temporalio import activity

from activities.evaluation_runs import run_of
from activities.interface import (
    LOAD_ALERT,
    RECORD,
    SAVE_ALERT,
    RecordAnswer,
    RecordInput,
    SaveInput,
    StoredDefinition,
    Watching,
)
from activities.watch.shards import Shards
from domain.outbox import EvaluationRun
from domain.run import Run
from storage.audit import AuditEntry
from storage.database import Database, UnitOfWork
from storage.runs import WrittenDefinition
from storage.schedules import ALERT
from storage.stored_schedule import DefinitionConflict, StoredSchedule
from storage.watched import WatchedAlert


class EventStore:
    """Every write may be repeated: events and runs by their id, definitions by their version."""

    def __init__(
        self,
        database: Database,
        worker_id: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        shards: Shards | None = None,
    ) -> None:
        self.database, self.shards = database, shards
        self.worker_id = worker_id
        self.clock = clock

    @activity.defn(name=RECORD)
    async def record(self, given: RecordInput) -> RecordAnswer:
        """Writes events and runs not yet there, and what lists show of the state; whether the watch begins at it."""
        now, until = self.clock(), given.watched_until
        if given.watching is Watching.OFFERED:
            until = await self.shards.until(given.alert_id, given.symbol, now) if self.shards else None
        async with self.database.transaction() as work:
            await work.events.record(given.events, now)
            if given.runs:
                evaluated = {run.slot for run in given.runs if not run.error}
                runs = [run for run in given.runs if not run.error or run.slot not in evaluated]
                row = (await work.runs.written([given.alert_id], sorted(evaluated))).get(given.alert_id)
                if row is not None and row.has_failed:  # a tick that failed as the bar closed
                    await work.runs.forget_failed([given.alert_id], sorted(evaluated))
                await work.runs.add([self._run(given, run, row, now) for run in runs])
            await work.schedules.project(
                given.alert_id, given.version, given.state, given.next_run_at, given.snoozed_until, given.memory_key
            )
            await _note_watching(work, given, until, now)
        return RecordAnswer(until)

    @activity.defn(name=LOAD_ALERT)
    async def load(self, alert_id: str) -> StoredDefinition:
        """The definition as its row has it; a row that cannot be read is there, but gives none."""
        async with self.database.transaction() as work:
            return _definition(await work.schedules.get(alert_id, ALERT))

    @activity.defn(name=SAVE_ALERT)
    async def save(self, given: SaveInput) -> StoredDefinition:
        """Writes a definition changed through Temporal; when the row is newer it wins and is answered."""
        alert, now = given.alert, self.clock()
        try:
            async with self.database.transaction() as work:
                await work.schedules.replace(alert, given.expected_version, now, enabled=given.enabled)
                await _audit(work, given, now)
        except DefinitionConflict:
            return await self._found(given, now)
        return StoredDefinition(alert, True if given.enabled is None else given.enabled)

    async def _found(self, given: SaveInput, now: datetime) -> StoredDefinition:
        """The row that stood in the way. Where it was edited by somebody else, it wins, and the audit log says what lost."""
        async with self.database.transaction() as work:
            stored = await work.schedules.get(given.alert.id, ALERT)
            if stored is not None and stored.schedule is not None and stored.version >= given.expected_version:
                detail = {
                    "from_version": given.expected_version,
                    "found_version": stored.version,
                    "enabled": given.enabled,
                    "fields": given.alert.definition.unlike(stored.alert.definition),
                }
                await work.audit.add(
                    AuditEntry(
                        now, "temporal", "temporal", "discarded", "schedule", stored.id, given.alert.version, detail
                    )
                )
        return _definition(stored)

    def _run(self, given: RecordInput, run: EvaluationRun, row: WrittenDefinition | None, now: datetime) -> Run:
        return run_of(
            given.alert_id,
            given.version,
            run,
            row,
            worker_id=self.worker_id,
            started_at=activity.info().started_time if activity.in_activity() else now,
            finished_at=now,
        )


async def _note_watching(work: UnitOfWork, given: RecordInput, until: datetime | None, now: datetime) -> None:
    if until is not None:
        revision = given.state.revision
        await work.watched.put(WatchedAlert(given.alert_id, given.symbol, given.version, revision, until), now)
    elif given.watching is not Watching.ITSELF:
        await work.watched.end(given.alert_id, now)


async def _audit(work: UnitOfWork, given: SaveInput, now: datetime) -> None:
    detail: dict[str, Any] = {"from_version": given.expected_version, "enabled": given.enabled}
    if given.why:
        detail["why"] = given.why
    alert = given.alert
    await work.audit.add(AuditEntry(now, "temporal", "temporal", "edited", "schedule", alert.id, alert.version, detail))


def _definition(stored: StoredSchedule | None) -> StoredDefinition:
    if stored is None:
        return StoredDefinition(None)
    if stored.schedule is None:
        return StoredDefinition(None, stored.enabled, readable=False)
    return StoredDefinition(stored.alert, stored.enabled)

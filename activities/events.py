"""Activities that keep SQL in step with the workflows: events, projections, definitions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from temporalio import activity

from activities.interface import LOAD_ALERT, RECORD, SAVE_ALERT, RecordInput, SaveInput, StoredDefinition
from storage.database import Database
from storage.schedules import DefinitionConflict


class EventStore:
    """Every write may be repeated: events by their id, definitions by their version."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.database = database
        self.clock = clock

    @activity.defn(name=RECORD)
    async def record(self, given: RecordInput) -> None:
        """Writes events not yet there, and what lists show of the state."""
        async with self.database.transaction() as work:
            await work.events.record(given.events, self.clock())
            await work.schedules.project(given.alert_id, given.version, given.state, given.next_run_at)

    @activity.defn(name=LOAD_ALERT)
    async def load(self, alert_id: str) -> StoredDefinition:
        """The definition as its row has it."""
        async with self.database.transaction() as work:
            stored = await work.schedules.get(alert_id)
        return StoredDefinition(stored.alert if stored else None)

    @activity.defn(name=SAVE_ALERT)
    async def save(self, given: SaveInput) -> StoredDefinition:
        """Writes a definition changed through Temporal; when the row is newer it wins and is answered."""
        try:
            async with self.database.transaction() as work:
                await work.schedules.replace(given.alert, given.expected_version, self.clock())
        except DefinitionConflict:
            return await self.load(given.alert.id)
        return StoredDefinition(given.alert)

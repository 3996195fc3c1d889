"""What an alert workflow tells: people through deliveries, SQL of events and runs, its row of edits (DESIGN 3).

What cannot be written now stays in the memory, bounded, and is tried again at the next tick.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import DeliveryInput, RecordInput, SaveInput, StoredDefinition
    from domain import outbox
    from domain.alert import Alert, AlertEvent, EventKind, new_event
    from domain.outbox import EvaluationRun
    from workflows.alert_messages import AlertMessages
    from workflows.delivery import start_delivery
    from workflows.failures import ACTIVITY_FAILED, let_cancellation_pass

MOST_AT_ONCE = 500  # rows in one transaction, so that others may write in between
DISCARDED = "discarded what was edited through Temporal ({}): the row had been edited since it was made"


class AlertStore(AlertMessages):
    """The part of an alert workflow that keeps SQL in step."""

    @property
    def _is_unwritten(self) -> bool:
        """Whether there is anything that SQL should have and does not."""
        return bool(self.pending or self.runs) or self.unsaved_from is not None

    def _tell_late(self) -> None:
        """One notice for all fires that came too late to be told on their own (R-108)."""
        late, catching_up = self.late, self.catching_up and not (self.state.is_over or self.state.is_paused)
        if late is None or catching_up:
            return
        last = late.last
        span = f"{late.first:%Y-%m-%d %H:%M:%S}" + (f" to {last.at:%Y-%m-%d %H:%M:%S}" if late.count > 1 else "")
        notice = new_event(self.alert, self.state, EventKind.LATE, last.at, count=late.count, detail=f"{span} UTC")
        self._note([replace(notice, values=last.values, bar_close=last.bar_close, source=last.source)])
        self.late = None

    async def _deliver(self, event: AlertEvent) -> None:
        await start_delivery(DeliveryInput(self.alert, event), f"{self.alert.definition.symbol} {event.kind.value}")

    async def _record(self) -> None:
        """Writes what is pending, in batches, and what lists show of the state."""
        while await self._record_batch(tuple(self.pending[:MOST_AT_ONCE]), tuple(self.runs[:MOST_AT_ONCE])):
            if not (self.pending or self.runs):
                self.projection_due = False
                break
        if self.lost and not self.pending:
            said = f"{self.lost} events or evaluations were not recorded: the database was away for too long"
            self._note([new_event(self.alert, self.state, EventKind.ERROR, workflow.now(), detail=said)])
            self.lost, self.woken = 0, True

    async def _record_batch(self, events: tuple[AlertEvent, ...], runs: tuple[EvaluationRun, ...]) -> bool:
        given = RecordInput(
            self.alert.id,
            self.alert.version,
            events,
            self.state,
            self.due,
            runs,
            self.snoozed_until,
            self.alert.definition.memory_key,
        )
        try:
            await workflow.execute_local_activity(
                interface.RECORD,
                given,
                schedule_to_close_timeout=interface.LOCAL_TIMEOUT,
                retry_policy=interface.LOCAL_RETRY,
                summary="record",
            )
        except ACTIVITY_FAILED as error:
            let_cancellation_pass(error)
            workflow.logger.warning("events not recorded", extra={"action": "record", "count": len(self.pending)})
            self.pending, dropped = outbox.bounded_events(self.pending)
            self.runs, forgotten = outbox.bounded_runs(self.runs)
            self.lost += dropped + forgotten
            return False
        self.pending = self.pending[len(events) :]
        self.runs = self.runs[len(runs) :]
        return True

    async def _settle_definition(self) -> None:
        """Writes an edit through, or reads the row; the row is adopted when it has moved on (DESIGN 3)."""
        sent, made_from, reload = self.alert, self.unsaved_from, self.reload
        if made_from is None and not reload:
            return
        try:
            if made_from is not None:
                found = await self._store(
                    interface.SAVE_ALERT, SaveInput(sent, made_from, self.enabled, self.unsaved_why)
                )
            else:
                self.reload = False
                found = await self._store(interface.LOAD_ALERT, sent.id)
        except ACTIVITY_FAILED as error:
            let_cancellation_pass(error)
            self.reload = reload
            workflow.logger.warning("definition not settled", extra={"action": "settle_definition"})
            return
        if not found.readable:
            return  # the last definition that could be read goes on; the row says what is wrong with it
        if found.alert is None:
            self.deleted = True
        else:
            self._compare(found.alert, found.enabled, sent, made_from)

    def _compare(self, row: Alert, enabled: bool, sent: Alert, made_from: int | None) -> None:
        """What the row says now, against what was ``sent`` to it or was there already."""
        if row.version < (sent.version if made_from is None else made_from):
            self.unsaved_from, self.woken = row.version, True  # a restored backup, older than what we began with
        elif row.version == sent.version and row.definition == sent.definition:
            self.unsaved_from = row.version if self.alert is not sent else None  # edited again meanwhile
            if self.unsaved_from is None:
                self._follow(enabled)
        else:
            self._give_way(row, enabled, made_from)

    def _give_way(self, row: Alert, enabled: bool, made_from: int | None) -> None:
        """The row was edited by somebody else and wins; an edit of ours that it had not got is told as discarded.

        A version names one definition: when both sides have made the same one, the row's gets the next.
        """
        newest, version = self.alert.version, max(self.alert.version, row.version)
        began_with = self.unsaved_from if made_from is None else made_from
        edits = began_with is not None
        oldest = newest if began_with is None else began_with + 1
        discarded = f"version {newest}" if oldest >= newest else f"versions {oldest} to {newest}"
        self.unsaved_from, self.unsaved_why = None, ""
        if row.version <= self.alert.version:
            self.unsaved_from, self.unsaved_why = row.version, "numbered anew: edited on both sides"
            row = row.model_copy(update={"version": version + 1})
            self.woken = True
        silently = enabled is not self.enabled and not edits
        self._adopt(row, silently=silently, detail=DISCARDED.format(discarded) if edits else "")
        self._follow(enabled)

    async def _store(self, name: str, argument: Any) -> StoredDefinition:
        found: StoredDefinition = await workflow.execute_local_activity(
            name,
            argument,
            result_type=StoredDefinition,
            schedule_to_close_timeout=interface.LOCAL_TIMEOUT,
            retry_policy=interface.LOCAL_RETRY,
            summary=name.replace("_", " "),
        )
        return found

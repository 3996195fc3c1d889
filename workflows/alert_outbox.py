"""What an alert tells: people through deliveries, SQL of events, evaluations and its state.

What cannot be written now stays in the outbox, bounded, and is tried again.
"""

from __future__ import annotations

from dataclasses import replace

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import DeliveryInput, RecordAnswer, RecordInput, Watching
    from domain.alert_memory import Shown
    from domain.live_alert import LiveAlert
    from workflows import search_attributes
    from workflows.alarm import MOMENT
    from workflows.delivery import start_delivery
    from workflows.details import show_details
    from workflows.failures import ACTIVITY_FAILED, let_cancellation_pass
    from workflows.inbox import Inbox
    from workflows.messages import SUMMARY, memo_of

MOST_AT_ONCE = 500  # rows in one transaction, so that others may write in between


async def publish(live: LiveAlert, inbox: Inbox, *, is_in_history: bool = False) -> None:
    """Deliveries for what must be told, SQL for all of it, search attributes and details for onlookers.

    ``is_in_history``: what is told came of signals alone, and would come of them again.
    """
    memory = live.memory
    live.tell_late()
    told, memory.to_tell = memory.to_tell, ()
    if live.definition.notification_channels:
        for event in told:
            await start_delivery(DeliveryInput(live.alert, event), f"{live.definition.symbol} {event.kind.value}")
    elif told and not is_in_history:
        # what SQL is told must be in the history: a worker that dies in between would forget it, and fire anew
        await workflow.sleep(MOMENT)
    live.next_tick(workflow.now())  # settled now, since lists and details show it
    if memory.outbox.is_behind(live.projection) or live.offered:
        await _record(live)
        inbox.woken = live.tell_lost(workflow.now()) or inbox.woken
    _show(live)


def _show(live: LiveAlert) -> None:
    memory, state = live.memory, live.state
    assert memory.shown is not None
    updates = search_attributes.changed(live.alert, state, memory.shown)
    if updates:
        workflow.upsert_search_attributes(updates)
        memory.shown = Shown(state.status.value, live.alert.version, state.triggered_at)
    stamp = (live.alert.version, live.definition.digest, memory.row.enabled)
    if stamp != memory.row.stamp:
        workflow.upsert_memo({**memo_of(*stamp), SUMMARY: live.definition.name})
        memory.row = replace(memory.row, stamp=stamp)
    show_details(live)


def _watching(live: LiveAlert) -> Watching:
    projected = live.memory.outbox.projected
    if live.offered:
        return Watching.OFFERED
    if live.is_watched:
        return Watching.WATCHED
    return Watching.ENDED if projected is not None and projected.revision is not None else Watching.ITSELF


async def _record(live: LiveAlert) -> None:
    """Writes what is pending, in batches, and what lists show of the state."""
    while await _record_batch(live):
        if not live.memory.outbox.is_waiting:
            return


async def _record_batch(live: LiveAlert) -> bool:
    memory, state, alert, projection = live.memory, live.state, live.alert, live.projection
    given = RecordInput(
        alert.id,
        alert.version,
        memory.outbox.events[:MOST_AT_ONCE],
        state,
        live.next_look(workflow.now()),
        memory.outbox.runs[:MOST_AT_ONCE],
        memory.due.snoozed_until,
        alert.definition.memory_key,
        alert.definition.symbol,
        _watching(live),
        memory.due.watched_until,
    )
    live.offered = False
    try:
        answer = await workflow.execute_local_activity(
            interface.RECORD,
            given,
            result_type=RecordAnswer,
            schedule_to_close_timeout=interface.LOCAL_TIMEOUT,
            retry_policy=interface.LOCAL_RETRY,
            summary="record",
        )
    except ACTIVITY_FAILED as error:
        let_cancellation_pass(error)
        waiting = len(memory.outbox.events)
        workflow.logger.warning("events not recorded", extra={"action": "record", "count": waiting})
        memory.outbox = memory.outbox.bounded()
        live.be_watched(None)  # the watch waits for what cannot be written; the alert does not
        return False
    if given.watching is Watching.OFFERED and not live.is_idle and live.alert is alert:
        live.be_watched(answer.watched_until)
    offered = given.watching is Watching.OFFERED and answer.watched_until is not None
    said = given.state.revision if offered or given.watching is Watching.WATCHED else None
    projection = replace(projection, revision=said)
    memory.outbox = memory.outbox.written(len(given.events), len(given.runs), projection)
    return True

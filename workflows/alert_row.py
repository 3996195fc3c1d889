"""Keeps an alert's definition and its row in step: an edit is written through, a newer row is adopted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import SaveInput, StoredDefinition
    from domain.live_alert import LiveAlert
    from workflows.failures import ACTIVITY_FAILED, let_cancellation_pass
    from workflows.inbox import Inbox


async def settle_definition(live: LiveAlert, inbox: Inbox) -> None:
    """Writes an edit through, or reads the row that is said to have changed."""
    sent, row = live.alert, live.memory.row
    if not row.is_unsettled:
        return
    try:
        if row.unsaved_from is not None:
            edit = SaveInput(sent, row.unsaved_from, row.enabled, row.unsaved_why)
            found = await _store(interface.SAVE_ALERT, edit)
        else:
            live.memory.row = replace(row, reload=False)
            found = await _store(interface.LOAD_ALERT, sent.id)
    except ACTIVITY_FAILED as error:
        let_cancellation_pass(error)
        live.memory.row = replace(live.memory.row, reload=live.memory.row.reload or row.reload)
        workflow.logger.warning("definition not settled", extra={"action": "settle_definition"})
        return
    if not found.readable:
        return  # the last definition that could be read goes on; the row says what is wrong with it
    if found.alert is None:
        inbox.deleted = True
    elif live.compare(found.alert, found.enabled, sent, row.unsaved_from, workflow.now()):
        inbox.woken = True
    if live.memory.row.reload and not inbox.deleted:  # it was said meanwhile, and nobody will say it again
        inbox.woken = True


async def _store(name: str, argument: Any) -> StoredDefinition:
    found: StoredDefinition = await workflow.execute_local_activity(
        name,
        argument,
        result_type=StoredDefinition,
        schedule_to_close_timeout=interface.LOCAL_TIMEOUT,
        retry_policy=interface.LOCAL_RETRY,
        summary=name.replace("_", " "),
    )
    return found

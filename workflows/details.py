"""What onlookers see of an alert in Temporal's Web UI."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.explain import details
    from domain.live_alert import LiveAlert


def show_details(live: LiveAlert) -> None:
    """As it is now; costs no event."""
    memory = live.memory
    due, watched_until = live.next_look(workflow.now()), memory.due.watched_until
    said = details(live.alert, live.state, due, memory.recent, memory.problem, watched_until)
    workflow.set_current_details(said)

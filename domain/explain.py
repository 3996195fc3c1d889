"""Says why an alert did or did not fire, and what it looks like now, in words and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.alert import Alert, AlertEvent, AlertState, Reason, Status
from domain.compiled_rule import Leaf, Side, leaf_json, truth_text
from domain.definition import AlertDefinition
from domain.text import counted, markdown


def explain(alert: Alert, before: Mapping[str, Side], state: AlertState, problem: str = "") -> dict[str, Any]:
    """Each comparison's values on the last bar, the rule's truth, and the reason of the outcome.

    ``before`` are the sides the last bar found; ``problem`` what is known of its data's trouble.
    """
    snapshot = state.last_snapshot
    answer: dict[str, Any] = {
        "alert": alert.id,
        "rule": str(alert.definition.rule),
        "status": state.status.value,
    }
    if snapshot is None:
        edited = "the rule was edited: it is judged from the next close"
        nothing = edited if state.reason == Reason.UPDATED else "no bar has been evaluated yet"
        why_none = f"no bar could be judged yet: {problem}" if problem else nothing
        return {**answer, "truth": "UNKNOWN", "why": why_none, "conditions": []}
    truth = alert.compiled.truth(snapshot.values, dict(before))
    leaves = alert.compiled.explain(snapshot.values, before)
    return {
        **answer,
        "bar_close": snapshot.bar_close,
        "values": snapshot.values,
        "truth": truth_text(truth),
        "why": why(alert, state, truth, leaves, problem),
        "conditions": [leaf_json(leaf) for leaf in leaves],
    }


def why(alert: Alert, state: AlertState, truth: bool | None, leaves: list[Leaf], problem: str = "") -> str:
    """One sentence on the last bar."""
    snapshot = state.last_snapshot
    if snapshot is not None and state.triggered_at == snapshot.bar_close:
        return "it fired on this bar"
    if state.status is Status.INACTIVE:
        return f"the alert is inactive ({state.reason})"
    if truth is None:
        missing = [leaf.text for leaf in leaves if leaf.truth is None]
        known = f": {problem}" if problem else ""
        return f"data is missing for {', '.join(missing)}, so the rule is neither true nor false{known}"
    if state.status is Status.COOLDOWN and state.cooldown_until:
        return f"it is cooling down until {_instant(state.cooldown_until)}"
    if state.status is Status.TRIGGERED:
        return "it has fired and waits to be released before it may fire again"
    if truth is False:
        false = [leaf.text for leaf in leaves if leaf.truth is False]
        return f"not true: {', '.join(false) or str(alert.definition.rule)}"
    needed = alert.definition.rearm.persistence
    if state.persistence_count < needed:
        return f"true for {state.persistence_count} of {needed} bars in a row"
    return "armed"


def details(
    alert: Alert,
    state: AlertState,
    due: datetime | None,
    recent: tuple[AlertEvent, ...],
    problem: str,
    watched_until: datetime | None = None,
) -> str:
    """The current details shown in the Web UI (Markdown)."""
    definition = alert.definition
    lines = [
        f"**{state.status.value}** ({state.reason}) **{markdown(definition.name)}**",
        f"{definition.symbol} {definition.timeframe}: `{definition.rule}`",
        f"Next tick: {_instant(due)}" if due else "Next tick: none",
    ]
    if watched_until:
        lines.append(f"Watched: it is woken for bars that matter, and looks for itself at {_instant(watched_until)}")
    if state.cooldown_until:
        lines.append(f"Cooling down until {_instant(state.cooldown_until)}")
    snapshot = state.last_snapshot
    if snapshot:
        values = ", ".join(
            f"{name} = {'missing' if value is None else format(value, '.8g')}"
            for name, value in snapshot.values.items()
        )
        lines.append(f"Bar {_instant(snapshot.bar_close)}: {values}")
    lines.append(f"Fired {counted(state.trigger_count, 'time')}" + (", acknowledged" if state.acknowledged else ""))
    if problem:
        lines.append(f"Problem: {markdown(problem)}")
    lines += _definition_lines(definition)
    lines += [f"- {_instant(event.at)} {event.kind.value}" for event in reversed(recent)]
    return "\n\n".join(lines[:3]) + "\n\n" + "\n".join(lines[3:])


def _definition_lines(definition: AlertDefinition) -> list[str]:
    """What its owner said: a run that goes on as a new one has lost what it was started with."""
    channels = ", ".join(definition.notification_channels) or "none"
    lines = [f"Rearm: {definition.rearm}; schedule: `{definition.cron}` ({definition.timezone}); channels: {channels}"]
    if definition.tags or definition.group:
        tags = ", ".join(definition.tags) or "none"
        lines.append(markdown(f"Tags: {tags}" + (f"; group: {definition.group}" if definition.group else "")))
    return [*lines, markdown(definition.description)] if definition.description else lines


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"

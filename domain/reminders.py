"""Reminders: an alert that has fired is told again and again while it stays TRIGGERED, until somebody acknowledges it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from domain.alert import Alert, AlertEvent, AlertState, EventKind, Reason, Status, new_event


def is_wanted(alert: Alert, state: AlertState) -> bool:
    """Whether one more reminder is to come."""
    options = alert.definition.options
    if options.remind_every is None or state.acknowledged:
        return False
    if options.remind_max is not None and state.reminders >= options.remind_max:
        return False
    return state.status is Status.TRIGGERED and state.reason != Reason.ALREADY_TRUE


def remind(alert: Alert, state: AlertState, at: datetime) -> tuple[AlertState, list[AlertEvent]]:
    """One reminder, with the values of the newest bar."""
    number, most = state.reminders + 1, alert.definition.options.remind_max
    reminded = replace(state, reminders=number)
    fired = f"{state.triggered_at:%Y-%m-%d %H:%M:%S} UTC" if state.triggered_at else "an unknown time"
    said = f"reminder {number}{f' of {most}' if most else ''}: it fired at {fired} and nobody has acknowledged it"
    snapshot = state.last_snapshot
    return reminded, [
        new_event(alert, reminded, EventKind.REMINDER, at, snapshot=snapshot, ordinal=number, detail=said)
    ]


def acknowledge(alert: Alert, state: AlertState, at: datetime) -> tuple[AlertState, list[AlertEvent]]:
    """No more reminders of this fire; nothing where there is no fire to acknowledge, or somebody has done so."""
    status = state.before_pause if state.is_paused else state.status
    was_true = state.was_already_true or state.reason == Reason.ALREADY_TRUE
    has_fired = status in (Status.TRIGGERED, Status.COOLDOWN) and not was_true
    if not has_fired or state.acknowledged:
        return state, []
    seen = replace(state, acknowledged=True)
    return seen, [new_event(alert, seen, EventKind.ACKNOWLEDGED, at)]

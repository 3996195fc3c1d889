"""The rearm machine: ``step`` is the whole of what a bar does to an alert, live and in preview.

Pure: (alert, state, snapshot) in, (state, events) out; no clock but the bar's close.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from domain.alert import Alert, AlertEvent, AlertState, EventKind, Reason, Status, new_event
from domain.bar import BarSnapshot
from domain.compiled_rule import Truth, Values

STALE_AFTER = 3
Transition = tuple[AlertState, list[AlertEvent]]


def step(alert: Alert, state: AlertState, snapshot: BarSnapshot) -> Transition:
    """The state after one closed bar, and what happened on it. A bar that is not newer changes nothing."""
    if state.status is Status.INACTIVE:
        return state, []
    if state.last_bar_close is not None and snapshot.bar_close <= state.last_bar_close:
        return state, []
    definition = alert.definition
    expires_at = definition.options.expires_at
    if expires_at is not None and snapshot.bar_close >= expires_at:
        return expire(alert, replace(state, last_bar_close=snapshot.bar_close), snapshot)

    first_bar = state.last_snapshot is None
    sides = dict(state.sides)
    truth = alert.compiled.truth(snapshot.values, sides)
    seen = replace(state, last_bar_close=snapshot.bar_close, last_snapshot=snapshot, sides=sides)
    if truth is None:
        if first_bar:
            seen = replace(seen, last_snapshot=None)
        return unknown(alert, seen, snapshot.bar_close, snapshot)

    fired_while_forming = state.triggered_at == snapshot.bar_close
    count = 0 if truth is False else state.persistence_count + (not fired_while_forming)
    seen = replace(seen, unknown_count=0, persistence_count=count)
    if first_bar and truth and definition.options.skip_if_already_true:
        return replace(seen, status=Status.TRIGGERED, reason=Reason.ALREADY_TRUE), []
    return _move(alert, seen, snapshot, truth, may_fire=not fired_while_forming)


def _move(alert: Alert, state: AlertState, snapshot: BarSnapshot, truth: bool, *, may_fire: bool) -> Transition:
    """One known bar through the machine; ``state`` already holds what was seen."""
    ready = truth and may_fire and state.persistence_count >= alert.definition.rearm.persistence
    if state.status is Status.ARMED:
        return _fire(alert, state, snapshot) if ready else (state, [])
    released = is_released(alert, state, snapshot.values, truth)
    if state.status is Status.TRIGGERED:
        if not released:
            return state, []
        armed = replace(state, status=Status.ARMED, reason=Reason.RELEASED)
        return armed, [new_event(alert, armed, EventKind.REARMED, snapshot.bar_close, snapshot=snapshot)]

    released = released or state.released
    assert state.cooldown_until is not None, "COOLDOWN has an end"
    if snapshot.bar_close < state.cooldown_until:
        state = replace(state, released=released)
        if not ready:
            return state, []
        return state, [new_event(alert, state, EventKind.SUPPRESSED, snapshot.bar_close, snapshot=snapshot)]
    if not released:
        return replace(state, status=Status.TRIGGERED, reason=Reason.COOLED_DOWN, cooldown_until=None), []
    state = replace(state, status=Status.ARMED, reason=Reason.COOLED_DOWN, cooldown_until=None, released=False)
    events = []
    if not alert.definition.rearm.policy.always_released:
        events.append(new_event(alert, state, EventKind.REARMED, snapshot.bar_close, snapshot=snapshot))
    if ready:
        state, fired = _fire(alert, state, snapshot)
        events += fired
    return state, events


def is_released(alert: Alert, state: AlertState, values: Values, truth: Truth) -> bool:
    """Whether a bar lets an alert that has fired go, so that it may fire again."""
    rearm = alert.definition.rearm
    if rearm.policy.relaxed:
        return alert.compiled.relaxed_truth(values) is False
    if state.reason == Reason.ALREADY_TRUE:
        return truth is False
    if rearm.policy.single_shot:
        return False
    return rearm.policy.always_released or truth is False


def _fire(alert: Alert, state: AlertState, snapshot: BarSnapshot) -> Transition:
    definition = alert.definition
    rearm, count = definition.rearm, state.trigger_count + 1
    limit = definition.options.max_triggers
    cooldown_until = None
    reason = Reason.FIRED
    if rearm.policy.single_shot or (limit is not None and count >= limit):
        status, reason = Status.INACTIVE, Reason.DONE
    elif rearm.cooldown > 0:
        status = Status.COOLDOWN
        cooldown_until = snapshot.bar_close + timedelta(seconds=rearm.cooldown)
    else:
        status = Status.ARMED if rearm.policy.always_released else Status.TRIGGERED
    fired = replace(
        state,
        status=status,
        reason=reason,
        persistence_count=0,
        released=False,
        cooldown_until=cooldown_until,
        triggered_at=snapshot.bar_close,
        trigger_count=count,
        acknowledged=False,
        reminders=0,
    )
    return fired, [new_event(alert, fired, EventKind.TRIGGERED, snapshot.bar_close, snapshot=snapshot)]


def step_forming(alert: Alert, state: AlertState, snapshot: BarSnapshot) -> Transition:
    """The forming bar under ``evaluate_on: tick``: it may fire an ARMED alert once, and changes nothing else."""
    if state.status is not Status.ARMED or state.triggered_at == snapshot.bar_close:
        return state, []
    if state.last_bar_close is not None and snapshot.bar_close <= state.last_bar_close:
        return state, []
    options = alert.definition.options
    if state.last_snapshot is None and options.skip_if_already_true:
        return state, []
    if options.expires_at is not None and snapshot.bar_close >= options.expires_at:
        return state, []
    truth = alert.compiled.truth(snapshot.values, dict(state.sides))
    if truth is not True or state.persistence_count + 1 < alert.definition.rearm.persistence:
        return state, []
    return _fire(alert, state, snapshot)


def unknown(alert: Alert, state: AlertState, at: datetime, snapshot: BarSnapshot | None = None) -> Transition:
    """One more judgement without data; the third in a row is told once."""
    state = replace(state, unknown_count=state.unknown_count + 1)
    if state.unknown_count != STALE_AFTER:
        return state, []
    return state, [new_event(alert, state, EventKind.DATA_STALE, at, snapshot=snapshot)]


def expire(alert: Alert, state: AlertState, snapshot: BarSnapshot | None = None) -> Transition:
    """The end by the definition's ``expires_at``."""
    at = alert.definition.options.expires_at
    assert at is not None, "only an alert that expires can expire"
    ended = replace(state, status=Status.INACTIVE, reason=Reason.EXPIRED, cooldown_until=None)
    return ended, [new_event(alert, ended, EventKind.EXPIRED, at, snapshot=snapshot)]


def pause(alert: Alert, state: AlertState, at: datetime, reason: str = Reason.PAUSED, detail: str = "") -> Transition:
    """INACTIVE until resumed. Persistence and sides are dropped; a second pause only changes the reason."""
    if state.is_over:
        return state, []
    if state.is_paused:
        return replace(state, reason=reason), []
    paused = replace(
        state,
        status=Status.INACTIVE,
        reason=reason,
        before_pause=state.status,
        was_already_true=state.reason == Reason.ALREADY_TRUE,
        persistence_count=0,
        sides={},
    )
    return paused, [new_event(alert, paused, EventKind.PAUSED, at, detail=detail)]


def resume(alert: Alert, state: AlertState, at: datetime, market_time: datetime | None = None) -> Transition:
    """Back to the status before the pause; bars that closed meanwhile, by the market's time, are not evaluated."""
    if not state.is_paused:
        return state, []
    status = state.before_pause or Status.ARMED
    reason = Reason.RELEASED if status is Status.ARMED else Reason.FIRED
    if state.was_already_true:  # it has not fired, and is released as though it never had to
        reason = Reason.ALREADY_TRUE
    seen = max(market_time or at, state.last_bar_close) if state.last_bar_close else market_time or at
    resumed = replace(
        state, status=status, reason=reason, before_pause=None, was_already_true=False, last_bar_close=seen
    )
    return resumed, [new_event(alert, resumed, EventKind.RESUMED, at)]


def updated(
    earlier: Alert, alert: Alert, state: AlertState, at: datetime, market_time: datetime | None = None
) -> Transition:
    """The state under an edited definition: fresh when the rule, ticker, timeframe or rearm changed, else kept.

    A fresh one is judged from the next close, like a new alert: no bar that had closed before the edit, by the market's time.
    """
    if not alert.definition.keeps_state_of(earlier.definition):
        paused = state.is_paused
        state = AlertState(
            status=Status.INACTIVE if paused else Status.ARMED,
            reason=state.reason if paused else Reason.UPDATED,
            before_pause=Status.ARMED if paused else None,
            trigger_count=state.trigger_count,
            last_bar_close=market_time or at,
        )
    elif state.is_over and not still_over(alert, state, at):
        state = replace(state, status=Status.ARMED, reason=Reason.UPDATED)
    return state, [new_event(alert, state, EventKind.UPDATED, at)]


def still_over(alert: Alert, state: AlertState, at: datetime) -> bool:
    """Whether an alert that is over stays so under its definition as it is now."""
    options = alert.definition.options
    expired = options.expires_at is not None and at >= options.expires_at
    spent = options.max_triggers is not None and state.trigger_count >= options.max_triggers
    return expired or spent or (alert.definition.rearm.policy.single_shot and state.trigger_count > 0)

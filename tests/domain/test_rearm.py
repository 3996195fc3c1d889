"""The parts of the rearm rules that the vectors leave out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alert import AlertEvent, AlertState, EventKind, Reason, Status
from domain.bar import BarSnapshot
from domain.compiled_rule import Side
from domain.explain import explain
from domain.rearm import pause, resume, step, step_forming, updated
from tests.conftest import START, closes, make_alert

MINUTE = timedelta(minutes=1)


def run(alert: Any, values: list[float | None], state: AlertState | None = None) -> tuple[AlertState, list[AlertEvent]]:
    state, events = state or AlertState(), []
    for bar in closes(*values):
        state, happened = step(alert, state, bar)
        events += happened
    return state, events


def kinds(events: list[AlertEvent]) -> list[str]:
    return [event.kind.value for event in events]


def test_a_bar_delivered_twice_changes_nothing() -> None:
    alert, bar = make_alert(), closes(101)[0]
    state, events = step(alert, AlertState(), bar)
    assert kinds(events) == ["triggered"]
    assert step(alert, state, bar) == (state, [])
    assert step(alert, state, replace(bar, values={"close": 1.0})) == (state, [])


def test_kleene_tables() -> None:
    both = make_alert({"symbol": "X", "rule": "close > 100 and open > 100"}).compiled
    either = make_alert({"symbol": "X", "rule": "close > 100 or open > 100"}).compiled
    negated = make_alert({"symbol": "X", "rule": "not close > 100"}).compiled
    numbers = {True: 101.0, False: 99.0, None: None}
    for a in (True, False, None):
        for b in (True, False, None):
            values = {"close": numbers[a], "open": numbers[b]}
            assert both.truth(values, {}) == (False if False in (a, b) else None if None in (a, b) else True)
            assert either.truth(values, {}) == (True if True in (a, b) else None if None in (a, b) else False)
        assert negated.truth({"close": numbers[a]}, {}) == (None if a is None else not a)
    for bad in (float("nan"), float("inf")):
        assert negated.truth({"close": bad}, {}) is None


def test_the_third_unknown_is_told_once_until_good_data_returns() -> None:
    _, events = run(make_alert(), [None, None, None, None, 99, None, None, None])
    assert kinds(events) == ["data_stale", "data_stale"]
    assert [e.at - START for e in events] == [3 * MINUTE, 8 * MINUTE]


def test_suppressed_fires_are_counted_in_the_cooldown() -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 100", "rearm": {"type": "edge", "cooldown": 180}})
    state, events = run(alert, [101, 99, 101, 99])
    assert kinds(events) == ["triggered", "suppressed", "rearmed"]
    assert state.status is Status.ARMED


def test_max_triggers_and_expiry_end_the_alert() -> None:
    limited = make_alert({"symbol": "X", "rule": "close > 100", "options": {"max_triggers": 2}})
    state, events = run(limited, [101, 99, 101, 99, 101])
    assert (state.status, state.reason, kinds(events).count("triggered")) == (Status.INACTIVE, Reason.DONE, 2)
    expiry = (START + 2 * MINUTE).isoformat()
    brief = make_alert({"symbol": "X", "rule": "close > 100", "options": {"expires_at": expiry}})
    state, events = run(brief, [99, 101, 101])
    assert (state.reason, kinds(events)) == (Reason.EXPIRED, ["expired"])


def test_already_true_waits_for_its_release_when_asked_to() -> None:
    for rearm in ("edge", "simple", "once"):
        definition = {"symbol": "X", "rule": "close > 100", "rearm": rearm, "options": {"skip_if_already_true": True}}
        _, events = run(make_alert(definition), [101, 101, 99, 101])
        assert [e.at - START for e in events if e.kind is EventKind.TRIGGERED] == [4 * MINUTE]


def test_pause_drops_persistence_and_sides_and_resume_returns() -> None:
    alert = make_alert({"symbol": "X", "rule": "close crosses 100", "rearm": {"type": "simple", "cooldown": 600}})
    state, events = run(alert, [99, 101])
    assert state.status is Status.COOLDOWN
    paused, told = pause(alert, state, START, detail="lunch")
    assert (paused.sides, paused.persistence_count, kinds(told)) == ({}, 0, ["paused"])
    assert run(alert, [90, 110], paused)[1] == []
    at = START + 30 * MINUTE
    back, told = resume(alert, paused, at)
    assert (back.status, back.cooldown_until, kinds(told)) == (Status.COOLDOWN, state.cooldown_until, ["resumed"])
    assert step(alert, back, BarSnapshot(START, at, {"close": 1.0})) == (back, [])
    assert kinds(events) == ["triggered"]


def test_only_an_edit_of_substance_arms_afresh() -> None:
    alert = make_alert("X > 100")
    state, _ = run(alert, [101])
    renamed = make_alert({"symbol": "X", "rule": "close > 100", "name": "n", "notification_channels": []}, version=2)
    assert updated(alert, renamed, state, START)[0] == state
    rule = make_alert("X > 200", version=2)
    fresh, events = updated(alert, rule, state, START)
    assert (fresh.status, fresh.reason, fresh.last_bar_close) == (Status.ARMED, Reason.UPDATED, START)
    assert kinds(events) == ["updated"]


def test_an_edited_rule_is_judged_from_the_next_close() -> None:
    """Not on a bar that had closed before the edit, as a new alert would not be."""
    alert = make_alert("X > 100")
    state, _ = run(alert, [99])
    edited_at = START + 90 * MINUTE
    fresh, _ = updated(alert, make_alert("X > 50", version=2), state, edited_at)
    changed = make_alert("X > 50", version=2)
    before = BarSnapshot(START, edited_at - MINUTE, {"close": 101.0})
    assert step(changed, fresh, before) == (fresh, [])
    after = BarSnapshot(edited_at - MINUTE, edited_at + MINUTE, {"close": 101.0})
    assert kinds(step(changed, fresh, after)[1]) == ["triggered"]


def test_the_forming_bar_fires_once_and_its_close_does_not_fire_again() -> None:
    definition = {"symbol": "X", "rule": "close > 100", "rearm": "simple", "options": {"evaluate_on": "tick"}}
    alert, bar = make_alert(definition), replace(closes(101)[0], final=False)
    state, events = step_forming(alert, AlertState(), bar)
    assert kinds(events) == ["triggered"]
    assert step_forming(alert, state, bar) == (state, [])
    closed, events = step(alert, state, replace(bar, final=True))
    assert (events, closed.trigger_count) == ([], 1)


def test_event_ids_tell_alerts_versions_bars_and_kinds_apart() -> None:
    first = run(make_alert(), [101, 99])[1]
    again = run(make_alert(), [101, 99])[1]
    other = run(make_alert(version=2), [101, 99])[1]
    assert [e.id for e in first] == [e.id for e in again]
    assert len({e.id for e in first + other}) == 4


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["close > 100", "not close <= 100", "close crosses 100", "close > 100 or close < 98"]),
    st.sampled_from(
        ["edge", "simple", "crossing", {"type": "edge", "cooldown": 120}, {"type": "persistence", "persistence": 2}]
    ),
    st.lists(st.sampled_from([97.0, 99.0, 100.0, 101.0, 103.0, None]), max_size=30),
    st.integers(0, 29),
)
def test_unknown_bars_never_fire_rearm_or_count(rule: str, rearm: Any, values: list[float | None], at: int) -> None:
    """A bar without data in between changes nothing but times and its own count."""
    alert = make_alert({"symbol": "X", "rule": rule, "rearm": rearm})
    state, _ = run(alert, values[:at])
    gap = BarSnapshot(START + at * MINUTE, START + (at + 1) * MINUTE, {"close": None})
    after, events = step(alert, state, gap)
    same = ("status", "persistence_count", "sides", "released", "cooldown_until", "trigger_count")
    assert [getattr(after, name) for name in same] == [getattr(state, name) for name in same]
    assert set(kinds(events)) <= {"data_stale"}


def test_explain_names_what_is_false_or_missing() -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 100 and open > 100"})
    before = AlertState()
    bar = BarSnapshot(START, START + MINUTE, {"close": 99.0, "open": None})
    state, _ = step(alert, before, bar)
    said = explain(alert, before.sides, state)
    assert said["truth"] == "FALSE"
    assert said["why"] == "not true: close > 100"
    assert [one["truth"] for one in said["conditions"]] == ["FALSE", "UNKNOWN"]
    assert explain(alert, before.sides, before)["why"] == "no bar has been evaluated yet"


def test_step_is_quick_enough_to_share() -> None:
    """``step`` should take less than 50 µs; here only that it does not grow with what has been."""
    alert = make_alert({"symbol": "X", "rule": "close crosses 100"})
    state, _ = run(alert, [99.0, 101.0] * 200)
    assert state.sides == {"0": Side.ABOVE}
    assert len(repr(state)) < 900


@pytest.mark.parametrize("rearm", ["edge", "simple"])
def test_inactive_alerts_are_left_alone(rearm: str) -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 100", "rearm": rearm})
    over = AlertState(status=Status.INACTIVE, reason=Reason.DONE)
    assert run(alert, [101, 99, 101], over) == (over, [])
    assert pause(alert, over, START) == (over, [])
    assert resume(alert, over, START) == (over, [])


@pytest.mark.parametrize("rearm", ["once", "simple", "edge"])
def test_a_pause_does_not_make_a_fire_of_a_rule_that_was_true_from_the_start(rearm: str) -> None:
    """Released by a bar on which the rule is false, as without the pause; ``once`` has not fired yet."""
    definition = {"symbol": "X", "rule": "close > 100", "rearm": rearm, "options": {"skip_if_already_true": True}}
    alert = make_alert(definition)
    states = {}
    for paused in (False, True):
        state, _ = step(alert, AlertState(), closes(101.0)[0])
        assert state.reason == Reason.ALREADY_TRUE
        if paused:
            at = state.last_bar_close
            assert at is not None
            state, _ = resume(alert, pause(alert, state, at)[0], at)
        kinds = []
        for bar in closes(101.0, 102.0, 99.0, 103.0)[1:]:
            state, events = step(alert, state, bar)
            kinds += [event.kind.value for event in events]
        states[paused] = (state.status, kinds)
    assert states[True] == states[False]
    assert "triggered" in states[True][1]

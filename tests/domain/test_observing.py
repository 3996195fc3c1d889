"""The road through quiet bars leads where stepping every bar does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alert import Alert, AlertEvent, AlertState, EventKind, Status
from domain.bar import BarSnapshot
from domain.observing import MOST_BYTES, MOST_SNAPSHOTS, QUIET_RUN, Observer, can_wait, observe
from domain.rearm import pause, resume, step, step_forming, updated
from tests.conftest import START, closes, make_alert

MINUTE = timedelta(minutes=1)
RULES = (
    "close > 100", "close < 100 or open > 102", "not close > 100", "close crosses_above 100", "close crosses open",
    "close crosses_below 101 and open > 99", "close between 99 and 101", "close == 100",
)  # fmt: skip
REARMS: tuple[dict[str, Any], ...] = (
    {"type": "simple"},
    {"type": "edge"},
    {"type": "edge", "cooldown": 240},
    {"type": "edge", "persistence": 3},
    {"type": "hysteresis", "threshold": 0.01},
    {"type": "hysteresis", "threshold": 0.01, "cooldown": 180},
    {"type": "cooldown", "cooldown": 180},
    {"type": "persistence", "persistence": 2, "cooldown": 120},
    {"type": "crossing"},
    {"type": "crossing", "direction": "down", "cooldown": 180},
    {"type": "once"},
)
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"skip_if_already_true": True},
    {"max_triggers": 2},
    {"expires_at": (START + 30 * MINUTE).isoformat()},
)


def alerts() -> st.SearchStrategy[Alert]:
    """Of every rule and rearm type that go together."""
    found = []
    for rule in RULES:
        for rearm in REARMS:
            for options in OPTIONS:
                try:
                    found.append(make_alert({"symbol": "X", "rule": rule, "rearm": rearm, "options": options}))
                except ValueError:
                    continue
    return st.sampled_from(found)


PRICE = st.sampled_from([None, 98.0, 98.9, 99.5, 100.0, 100.5, 101.0, 103.0])


@st.composite
def bars(draw: st.DrawFn) -> list[BarSnapshot]:
    """Quiet stretches, restless ones, holes in the values and bars that are not there; now and then one comes twice."""
    found: list[BarSnapshot] = []
    minute = 0
    for _ in range(draw(st.integers(1, 6))):
        quiet, many = draw(PRICE), draw(st.integers(1, 80))
        for _ in range(many if draw(st.booleans()) else draw(st.integers(1, 8))):
            minute += draw(st.sampled_from([1, 1, 1, 2, 30]))
            close = quiet if many > 8 else draw(PRICE)
            at = START + minute * MINUTE
            found.append(BarSnapshot(at - MINUTE, at, {"close": close, "open": draw(PRICE)}))
            if draw(st.integers(0, 30)) == 0:
                found.append(replace(found[-1], values={"close": 1.0, "open": 1.0}))
    return found


def stepped(alert: Alert, state: AlertState, these: list[BarSnapshot]) -> tuple[AlertState, list[AlertEvent]]:
    events: list[AlertEvent] = []
    for bar in these:
        state, happened = step(alert, state, bar)
        events += happened
    return state, events


def observed(alert: Alert, state: AlertState, these: list[BarSnapshot]) -> tuple[AlertState, list[AlertEvent], int]:
    """As a workflow does it: one answer after the other, each from the bars after the last one it has seen."""
    events: list[AlertEvent] = []
    answers, more = 0, True
    while more:
        seen = state.last_bar_close
        found = observe(alert, state, [bar for bar in these if seen is None or bar.bar_close > seen])
        assert len(found.snapshots) <= MOST_SNAPSHOTS
        state, happened = stepped(alert, found.before, list(found.snapshots))
        events += happened
        answers, more = answers + 1, found.more
    return state, events, answers


@settings(max_examples=400)
@given(
    alert=alerts(),
    these=bars(),
    edit=alerts(),
    at=st.integers(0, 200),
    what=st.sampled_from(["", "edit", "pause", "forming"]),
)
def test_stepping_what_matters_equals_stepping_every_bar(
    alert: Alert, these: list[BarSnapshot], edit: Alert, at: int, what: str
) -> None:
    cut = min(at, len(these))
    both = []
    for way in (stepped, lambda *given: observed(*given)[:2]):
        now = these[cut - 1].bar_close if cut else START
        state, events = way(alert, AlertState(), these[:cut])
        after = alert
        if what == "edit":
            after = edit.model_copy(update={"version": 2})
            state, more = updated(alert, after, state, now, now)
            events += more
        elif what == "pause":
            state, more = pause(alert, state, now)
            state, again = resume(alert, state, now + MINUTE, now)
            events += more + again
        elif what == "forming" and cut < len(these):
            state, more = step_forming(alert, state, replace(these[cut], values={"close": 103.0, "open": 103.0}))
            events += more
        state, more = way(after, state, these[cut:])
        both.append((state, events + more))
    assert both[0] == both[1]


@settings(max_examples=200)
@given(alert=alerts(), these=bars())
def test_an_observer_takes_the_quiet_and_leaves_what_matters(alert: Alert, these: list[BarSnapshot]) -> None:
    state, observer = AlertState(), Observer(alert, AlertState())
    for bar in these:
        after, events = step(alert, state, bar)
        matters = bool(events) or after.status is not state.status
        assert observer.looks(bar) is not matters
        if matters:
            assert observer.state == state, "what matters is left alone"
            observer.resume(after)
        state = after
        assert observer.state == state


def test_a_quiet_week_is_one_small_answer() -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 100"})
    found = observe(alert, AlertState(), closes(*[99.0] * 10_000))
    assert (found.quiet, found.snapshots, found.more) == (10_000, (), False)
    assert found.before == stepped(alert, AlertState(), closes(*[99.0] * 10_000))[0]


def test_what_fires_again_and_again_comes_in_bounded_answers() -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 100", "rearm": {"type": "simple"}})
    restless = closes(*[101.0, 99.0] * 1000)
    state, events, answers = observed(alert, AlertState(), restless)
    assert (state, events) == stepped(alert, AlertState(), restless)
    assert answers == 2000 / MOST_SNAPSHOTS, "bars between two that matter go along: each answer costs more than a bar"
    rare = closes(*([99.0] * 500 + [101.0]) * 4)
    assert observed(alert, AlertState(), rare)[2] == 4 + 0, "quiet stretches are carried over"
    bulky = [replace(bar, values={**bar.values, "x" * 20_000: 1.0}) for bar in restless]
    found = observe(alert, AlertState(), bulky)
    assert sum(bar.size for bar in found.snapshots) <= MOST_BYTES
    assert found.more


def test_every_bar_matters_where_each_is_to_be_recorded() -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 100"})
    found = observe(alert, AlertState(), closes(99, 98, 97), every=True)
    assert [bar.values["close"] for bar in found.snapshots] == [99, 98, 97]
    assert found.quiet == 0


def test_the_third_look_without_data_matters() -> None:
    observer = Observer(make_alert(), AlertState())
    assert [observer.lacks() for _ in range(3)] == [True, True, False]
    assert observer.state.unknown_count == 2


@pytest.mark.parametrize(("kind", "waits"), [(EventKind.SUPPRESSED, True), (EventKind.TRIGGERED, False)])
def test_only_what_was_suppressed_can_wait(kind: EventKind, waits: bool) -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 100", "rearm": {"type": "cooldown", "cooldown": 180}})
    state, _ = stepped(alert, AlertState(), closes(101))
    bar = closes(101, start=START + (1 if kind is EventKind.SUPPRESSED else 3) * MINUTE)[0]
    after, events = step(alert, state, bar)
    assert [event.kind for event in events] == [kind]
    assert can_wait(state, after, events) is waits
    assert Status.COOLDOWN is after.status


def test_a_quiet_run_that_is_cut_off_is_looked_at_again() -> None:
    alert = make_alert({"symbol": "X", "rule": "close > 100"})
    these = closes(101, *[102.0] * (QUIET_RUN + 10))
    found = observe(alert, AlertState(), these)
    assert (len(found.snapshots), found.more) == (1, True)

"""Reminders of a fire: when they come, when they end, and which definitions may ask for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.alert import EventKind, Status
from domain.alert_memory import AlertMemory
from domain.bar import BarSnapshot
from domain.definition import read_definition
from domain.errors import InvalidInput
from domain.live_alert import LiveAlert
from tests.conftest import make_alert

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HALF_HOUR = timedelta(minutes=30)


def live(rearm: Any = "edge", **options: Any) -> LiveAlert:
    whole = {"symbol": "X", "rule": "close > 100", "rearm": rearm, "options": {"remind_every": 1800, **options}}
    return LiveAlert(make_alert(whole), AlertMemory())


def see(one: LiveAlert, close: float | None, minutes: int) -> datetime:
    """One bar; its close."""
    at = NOON + minutes * MINUTE
    one.step(BarSnapshot(at - MINUTE, at, {"close": close}), at, "yahoo")
    return at


def test_a_fire_is_told_again_until_it_is_acknowledged() -> None:
    one = live()
    assert one.next_reminder(NOON) is None, "nothing has fired"
    at = see(one, 101, 0)
    assert one.next_reminder(at) == at + HALF_HOUR
    assert one.next_reminder(at + MINUTE) == at + HALF_HOUR, "it does not move"
    one.memory.to_tell = ()
    later = see(one, 105, 29)
    one.remind(later + MINUTE)
    (told,) = one.memory.to_tell
    assert (told.kind, told.values, told.bar_close) == (EventKind.REMINDER, {"close": 105}, later)
    assert told.detail == "reminder 1: it fired at 2026-01-05 12:00:00 UTC and nobody has acknowledged it"
    assert one.next_reminder(later + MINUTE) == later + MINUTE + HALF_HOUR
    one.acknowledge(later + 2 * MINUTE)
    one.acknowledge(later + 3 * MINUTE)
    assert one.next_reminder(later + 3 * MINUTE) is None
    assert [event.kind for event in one.memory.recent][-2:] == [EventKind.REMINDER, EventKind.ACKNOWLEDGED]
    assert [event.kind for event in one.memory.to_tell] == [EventKind.REMINDER], "who acknowledges knows it"


def test_the_next_fire_has_reminders_of_its_own() -> None:
    one = live(remind_max=2)
    see(one, 101, 0)
    one.acknowledge(NOON)
    see(one, 99, 1)
    assert one.next_reminder(NOON + MINUTE) is None, "it is armed"
    at = see(one, 101, 2)
    for number in (1, 2):
        due = one.next_reminder(at)
        assert due == at + HALF_HOUR
        one.remind(due)
        at = due
        assert one.memory.recent[-1].detail.startswith(f"reminder {number} of 2: it fired at 2026-01-05 12:02:00 UTC")
    assert one.next_reminder(at) is None, "two are enough"


def test_a_fire_in_a_catch_up_begins_anew() -> None:
    """Released and fired again between two looks: what was due of the earlier fire is not told of the later one."""
    one = live()
    at = see(one, 101, 0)
    one.next_reminder(at)
    see(one, 99, 10)
    at = see(one, 101, 20)
    assert one.next_reminder(at) == at + HALF_HOUR


def test_after_an_outage_there_is_one_not_as_many_as_were_missed() -> None:
    one = live()
    at = see(one, 101, 0)
    one.next_reminder(at)
    back = at + timedelta(hours=9)
    one.remind(back)
    assert one.next_reminder(back) == back + HALF_HOUR


def test_a_cooldown_is_quiet_and_reminders_begin_when_it_ends() -> None:
    one = live({"type": "edge", "cooldown": 3600})
    at = see(one, 101, 0)
    assert one.state.status is Status.COOLDOWN
    assert one.next_reminder(at) is None
    at = see(one, 101, 60)
    assert one.next_reminder(at) == at + HALF_HOUR
    one = live({"type": "edge", "cooldown": 3600})
    one.acknowledge(see(one, 101, 0))
    assert one.next_reminder(see(one, 101, 60)) is None, "acknowledged while it cooled down"


def test_paused_alerts_are_quiet_and_can_be_acknowledged() -> None:
    one = live()
    at = see(one, 101, 0)
    one.next_reminder(at)
    one.pause(at, "paused", "")
    assert one.next_reminder(at) is None
    one.acknowledge(at)
    one.resume(at)
    assert one.state.status is Status.TRIGGERED
    assert one.next_reminder(at) is None


def test_a_rule_that_was_true_from_the_start_has_not_fired() -> None:
    one = live(skip_if_already_true=True)
    at = see(one, 101, 0)
    assert one.state.status is Status.TRIGGERED
    assert one.next_reminder(at) is None
    one.acknowledge(at)
    assert one.memory.recent == (), "there is no fire to acknowledge"


def test_an_edit_of_the_options_counts_from_the_edit() -> None:
    one = live()
    at = see(one, 101, 0)
    one.next_reminder(at)
    definition = one.definition.model_dump(by_alias=True, exclude_defaults=True)
    one.edit(read_definition({**definition, "options": {"remind_every": 60}}), at + MINUTE)
    assert one.next_reminder(at + MINUTE) == at + 2 * MINUTE


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"rearm": "simple", "options": {"remind_every": 60}}, "reminders come while an alert stays TRIGGERED, which one of type simple never does"),
        ({"rearm": "once", "options": {"remind_every": 60}}, "one of type once never does"),
        ({"rearm": {"type": "cooldown", "cooldown": 60}, "options": {"remind_every": 60}}, "one of type cooldown never does"),
        ({"options": {"remind_max": 3}}, "'remind_max' goes with 'remind_every'"),
        ({"options": {"remind_every": 59}}, "greater than or equal to 60"),
        ({"options": {"remind_every": 60, "remind_max": 0}}, "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault):
        read_definition({"rule": "X > 100", **given})

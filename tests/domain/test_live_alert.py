"""An alert's memory: what SQL lacks, when it is due, and how an edit stands against its row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from domain.alert import Alert, EventKind, Reason, Status
from domain.alert_memory import AlertMemory, Shown
from domain.bar import BarSnapshot
from domain.live_alert import LiveAlert
from domain.outbox import MOST_KEPT, MOST_UNPROJECTED, Outbox
from tests.conftest import make_alert

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def live(definition: Any = "X > 100", version: int = 1) -> LiveAlert:
    return LiveAlert(make_alert(definition, version=version), AlertMemory())


def bar(close: float, minutes: int = 1) -> BarSnapshot:
    at = NOON + minutes * MINUTE
    return BarSnapshot(at - MINUTE, at, {"close": close})


def written(one: LiveAlert) -> None:
    outbox = one.memory.outbox
    one.memory.outbox = outbox.written(len(outbox.events), len(outbox.runs), one.projection)


def test_sql_is_behind_until_it_has_status_version_and_events() -> None:
    one = live()
    assert one.is_unwritten, "nothing was written yet"
    written(one)
    assert not one.is_unwritten
    one.step(bar(101), NOON + MINUTE, "yahoo")
    assert [event.source for event in one.memory.outbox.events] == ["yahoo"]
    assert one.is_unwritten
    written(one)
    assert not one.is_unwritten
    one.memory.state = replace(one.state, status=Status.COOLDOWN)
    assert one.is_unwritten, "a move that makes no event"


def test_a_memory_that_only_counts_is_written_now_and_then() -> None:
    one = live()
    one.step(bar(99), NOON + MINUTE, "")
    written(one)
    for minute in range(2, MOST_UNPROJECTED + 2):
        assert not one.is_unwritten, minute
        one.step(bar(99, minute), NOON + minute * MINUTE, "")
    assert one.is_unwritten


def test_what_is_written_meanwhile_stays_to_be_written() -> None:
    one = live({"symbol": "X", "rule": "close > 100", "rearm": "simple"})
    one.step(bar(101, 1), NOON + MINUTE, "")
    sent = one.memory.outbox
    one.step(bar(101, 2), NOON + 2 * MINUTE, "")
    rest = one.memory.outbox.written(len(sent.events), len(sent.runs), one.projection)
    assert [event.at for event in rest.events] == [NOON + 2 * MINUTE]
    assert rest.is_waiting


def test_an_outbox_is_bounded_and_says_what_it_lost() -> None:
    one = live({"symbol": "X", "rule": "close > 100", "rearm": "simple"})
    for minute in range(1, 2 * MOST_KEPT + 1):
        one.step(bar(101, minute), NOON + minute * MINUTE, "")
    one.memory.outbox = one.memory.outbox.bounded()
    assert one.memory.outbox.lost == 2 * MOST_KEPT, "events and evaluations"
    assert not one.tell_lost(NOON), "not before SQL has the rest"
    written(one)
    assert one.tell_lost(NOON)
    assert [event.kind for event in one.memory.outbox.events] == [EventKind.ERROR]
    assert not one.tell_lost(NOON)


def test_late_fires_wait_for_one_notice_after_the_catch_up() -> None:
    one = live({"symbol": "X", "rule": "close > 100", "rearm": "simple"})
    one.memory.schedule(catching_up=True)
    for minute in (1, 2, 3):
        one.step(bar(101, minute), NOON + timedelta(hours=1), "")
    one.tell_late()
    assert one.memory.to_tell == ()
    one.memory.schedule(catching_up=False)
    one.tell_late()
    assert [(event.kind, event.count) for event in one.memory.to_tell] == [(EventKind.LATE, 3)]
    assert one.memory.outbox.late is None


@pytest.mark.parametrize(
    ("tick", "look_again", "expires", "expected"),
    [
        (2, None, None, 2),
        (2, 1, None, 1),
        (1, 2, None, 1),
        (1, 2, -1, 2),  # expired: only the bar that is still to come is waited for
    ],
)
def test_which_time_comes_next(tick: int, look_again: int | None, expires: int | None, expected: int) -> None:
    options = {} if expires is None else {"options": {"expires_at": (NOON + expires * MINUTE).isoformat()}}
    one = live({"symbol": "X", "rule": "close > 100", **options})
    again = None if look_again is None else NOON + look_again * MINUTE
    one.memory.schedule(tick=NOON + tick * MINUTE, look_again=again)
    assert one.next_tick(NOON) == NOON + expected * MINUTE


def test_a_paused_alert_has_no_tick_and_goes_on_where_it_was() -> None:
    one = live()
    one.step(bar(101), NOON + MINUTE, "")
    assert one.next_tick(NOON + MINUTE) is not None
    one.pause(NOON + 2 * MINUTE, Reason.PAUSED, "lunch")
    assert one.next_tick(NOON + 2 * MINUTE) is None
    one.resume(NOON + 9 * MINUTE)
    assert (one.state.status, one.state.last_bar_close) == (Status.TRIGGERED, NOON + 9 * MINUTE)


def edited(one: LiveAlert, rule: str) -> Alert:
    one.edit(make_alert(rule).definition, NOON)
    return one.alert


def test_an_edit_is_written_through_from_the_version_it_was_made_from() -> None:
    one = live(version=4)
    sent = edited(one, "X > 200")
    assert (one.alert.version, one.memory.row.unsaved_from) == (5, 4)
    assert not one.compare(sent, True, sent, 4, NOON)
    assert one.memory.row.unsaved_from is None
    assert one.state.reason == Reason.UPDATED


def test_an_edit_made_meanwhile_is_written_after_the_first() -> None:
    one = live(version=4)
    first = edited(one, "X > 200")
    edited(one, "X > 300")
    assert not one.compare(first, True, first, 4, NOON)
    assert (one.alert.version, one.memory.row.unsaved_from) == (6, 5)


def test_a_row_that_was_edited_by_others_wins_and_says_what_was_discarded() -> None:
    one = live(version=4)
    sent = edited(one, "X > 200")
    theirs = make_alert("X > 500", version=6)
    assert not one.compare(theirs, True, sent, 4, NOON)
    assert one.alert == theirs
    assert "discarded what was edited through Temporal (version 5)" in one.memory.recent[-1].detail


def test_a_version_that_both_sides_made_is_numbered_anew() -> None:
    one = live(version=4)
    sent = edited(one, "X > 200")
    theirs = make_alert("X > 500", version=5)
    assert one.compare(theirs, True, sent, 4, NOON), "to be written again"
    assert (one.alert.version, one.memory.row.unsaved_from) == (6, 5)
    assert one.alert.definition == theirs.definition


def test_a_restored_backup_is_brought_up_to_date() -> None:
    one = live(version=4)
    assert one.compare(make_alert(version=2), True, one.alert, None, NOON)
    assert one.memory.row.unsaved_from == 2


def test_a_row_that_was_disabled_pauses_for_the_reason_given() -> None:
    one = live()
    one.memory.row = replace(one.memory.row, pause_reason="earnings today")
    assert not one.compare(one.alert, False, one.alert, None, NOON)
    assert (one.state.is_paused, one.memory.recent[-1].detail) == (True, "earnings today")


def test_the_memory_is_handed_on_whole() -> None:
    """Whatever is in it: through JSON and back, as from one run of the workflow to the next."""
    one = live({"symbol": "X", "rule": "close > 100", "rearm": {"type": "edge", "cooldown": 60}})
    one.memory.schedule(catching_up=True, snoozed_until=NOON, jitter=timedelta(seconds=2), market_lag=timedelta(days=9))
    one.step(bar(101), NOON + timedelta(hours=1), "polygon")
    one.enable(False)
    one.lack("no answer", NOON, NOON, refused=True)
    one.memory.shown = Shown("COOLDOWN", 3, NOON)
    kind = TypeAdapter(AlertMemory)
    again = kind.validate_json(kind.dump_json(one.memory))
    assert again == one.memory
    assert isinstance(again.outbox, Outbox)

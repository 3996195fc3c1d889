"""What is logged: the same line again and again is told a few times, then counted; nothing in it steers a terminal."""

from __future__ import annotations

import logging

import pytest
import structlog

from worker.logs import A_FEW, MOST_KINDS, WINDOW, Folding, Repeated, plain


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def told(folding: Folding, times: int, **record: object) -> list[dict[str, object]]:
    found = []
    for _ in range(times):
        try:
            found.append(dict(folding(None, "", {"event": "no more files", **record})))
        except structlog.DropEvent:
            continue
    return found


def test_a_line_that_repeats_itself_is_told_a_few_times_and_then_counted() -> None:
    clock = Clock()
    folding = Folding(clock)
    assert len(told(folding, 325_000 // 100)) == A_FEW
    clock.now += WINDOW
    assert told(folding, 1) == [{"event": "no more files", "repeated": 3250 - A_FEW}]
    assert "repeated" not in told(folding, 1)[0]


def test_lines_that_differ_in_anything_are_all_told() -> None:
    folding = Folding(Clock())
    assert sum(len(told(folding, 1, alert_id=f"a{number}")) for number in range(200)) == 200


def test_what_is_remembered_of_lines_is_bounded() -> None:
    folding = Folding(Clock())
    for number in range(MOST_KINDS * 3):
        assert len(told(folding, 1, alert_id=f"a{number}")) == 1
    assert len(folding.seen) <= MOST_KINDS


def test_the_libraries_lines_are_folded_too(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    filtering = Repeated(Folding(clock))
    record = logging.LogRecord(
        "asyncio", logging.ERROR, "x", 1, "socket.accept() out of system resource %s", ("a",), None
    )
    assert sum(filtering.filter(record) for _ in range(1000)) == A_FEW
    clock.now += WINDOW
    assert filtering.filter(record)
    assert record.getMessage() == "socket.accept() out of system resource a (995 more in between)"


def test_no_text_in_a_record_steers_the_terminal() -> None:
    shown = plain(None, "", {"event": "x\x1b[2Jy", "exception": "line\nline\x07", "count": 3})
    assert shown == {"event": "x\\x1b[2Jy", "exception": "line\nline\\x07", "count": 3}

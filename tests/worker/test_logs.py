"""What is logged: the same line again and again is told a few times, then counted; nothing in it steers a terminal."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import replace

import pytest
import structlog
from temporalio.testing import ActivityEnvironment

from worker.logs import A_FEW, MOST_KINDS, WINDOW, Folding, Repeated, for_collectors, plain


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


SHOWN = """
import logging, structlog
from worker.logs import configure_logging
configure_logging("INFO")
log = structlog.get_logger("x")
log.info("run closed", action="runs", run_id="r1", error="late")
structlog.contextvars.bind_contextvars(job_id="7", user_id="123")
log.warning("row cannot be used", id="other", message_of_ours="m")
logging.getLogger("temporalio.worker").warning("poll failed %s", "soon")
"""


def test_collectors_find_the_fields_they_look_for() -> None:
    found = subprocess.run([sys.executable, "-c", SHOWN], capture_output=True, text=True, check=True)
    assert found.stdout == ""
    first, second, third = (json.loads(line) for line in found.stderr.splitlines())
    for one in (first, second, third):
        assert one["service"] == "market-alerts"
        assert one["message"] == one["event"]
        assert {"level", "timestamp", "component", "job_id", "user_id", "context"} <= set(one)
    assert (first["component"], first["job_id"], first["user_id"]) == ("runs", None, None)
    assert first["context"] == {"action": "runs", "run_id": "r1", "error": "late"}
    assert (second["job_id"], second["user_id"], second["level"]) == ("7", "123", "warning")
    assert (third["component"], third["message"]) == ("temporalio.worker", "poll failed soon")


async def test_an_activity_of_an_alert_says_of_which() -> None:
    async def logs() -> dict[str, object]:
        return dict(for_collectors(None, "", {"event": "no bars", "action": "evaluate"}))

    environment = ActivityEnvironment()
    environment.info = replace(environment.info, workflow_id="alert-aapl-1")
    assert (await environment.run(logs))["job_id"] == "aapl-1"
    environment.info = replace(environment.info, workflow_id="reconcile")
    assert (await environment.run(logs))["job_id"] is None


FAILING = """
import asyncio, logging, os, sys
sys.stderr.isatty = lambda: {tty}
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from worker.logs import configure_logging
configure_logging({level!r})

@activity.defn(name="deliver")
def deliver(secret):
    for number in range(30):
        try:
            raise ApplicationError("ChannelUnavailable: could not be reached\\nsecond line")
        except ApplicationError:
            activity.logger.warning("Completing activity as failed", exc_info=True)
    try:
        {{}}["nothing"]
    except KeyError:
        logging.getLogger("ours").error("unforeseen", exc_info=True)

ActivityEnvironment().run(deliver, "p4ssw0rd")
"""


@pytest.mark.parametrize("tty", [True, False], ids=["a terminal", "a collector"])
def test_a_failure_is_one_line_a_few_times_without_the_values_around_it(tty: bool) -> None:
    code = FAILING.format(tty=tty, level="INFO")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == A_FEW + 1, done.stderr
    assert "ApplicationError: ChannelUnavailable: could not be reached" in lines[0]
    assert "attempt" in lines[0]
    assert "second line" not in done.stderr
    assert "KeyError: 'nothing'" in lines[-1]
    assert "<string>:" in lines[-1], "where it was raised"
    assert "p4ssw0rd" not in done.stderr


def test_at_debug_there_is_the_traceback_without_the_values_in_it() -> None:
    code = FAILING.format(tty=True, level="DEBUG")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Traceback (most recent call last)" in done.stderr
    assert "p4ssw0rd" not in done.stderr

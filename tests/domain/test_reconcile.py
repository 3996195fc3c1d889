"""The reconciler's plan: every case of row and running, as a table."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.reconcile import Row, Running, plan, summary
from tests.conftest import START

SOON, PAST = START + timedelta(days=1), START - timedelta(days=1)


def row(version: int = 3, hash: str | None = "h", enabled: bool = True, over: bool = False, kind: str = "alert") -> Row:
    return Row("x", kind, version, hash, enabled, over)


def there(
    version: int | None = 3,
    hash: str = "h",
    enabled: bool = True,
    paused: bool | None = None,
    kind: str = "alert",
    stale_at: object = SOON,
) -> Running:
    return Running(
        "x",
        kind,
        version,
        hash,
        enabled,
        (not enabled) if paused is None else paused,
        None if kind == "alert" else stale_at,
    )  # type: ignore[arg-type]


CASES = [
    ("agreed", row(), there(), None),
    ("missing", row(), None, "create"),
    ("disabled and missing", Row("x", "alert", 3, "h", False, False, True), None, None),
    ("disabled while missing", row(enabled=False), None, "pause"),
    ("over and missing", row(over=True), None, None),
    ("unreadable and missing", row(hash=None), None, None),
    ("unreadable goes on as it was", row(version=4, hash=None), there(), None),
    ("edited", row(version=4, hash="g"), there(), "update"),
    ("both edited to the same version", row(hash="g"), there(), "update"),
    ("Temporal is newer, its write is on the way", row(), there(version=4, hash="g"), "update"),
    ("disabled", row(version=4, enabled=False), there(), "pause"),
    ("disabled and edited", row(version=4, hash="g", enabled=False), there(), "pause"),
    ("enabled again", row(version=5), there(version=4, enabled=False), "resume"),
    ("paused in Temporal, not yet written", row(), there(version=4, enabled=False), "resume"),
    ("says nothing", row(), there(version=None), "update"),
    ("orphan", None, there(), "delete"),
    ("job agreed", row(kind="report"), there(kind="report"), None),
    ("job missing", row(kind="report"), None, "create"),
    ("job disabled and missing is there, paused", row(kind="report", enabled=False), None, "create"),
    ("job edited", row(kind="report", version=4), there(kind="report"), "update"),
    ("job disabled", row(kind="report", version=4, enabled=False), there(kind="report"), "pause"),
    ("job paused in Temporal", row(kind="report"), there(kind="report", paused=True), "adopt"),
    ("job resumed in Temporal", row(kind="report", enabled=False), there(kind="report", enabled=False, paused=False), "adopt"),
    ("job paused in Temporal and edited: the row wins", row(kind="report", version=4), there(kind="report", paused=True), "update"),
    ("job's calendars end soon", row(kind="report"), there(kind="report", stale_at=PAST), "update"),
    ("job orphan", None, there(kind="report"), "delete"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wanted", "running", "expected"), CASES, ids=[case[0] for case in CASES])
def test_plan(name: str, wanted: Row | None, running: Running | None, expected: str | None) -> None:
    actions = plan([wanted] if wanted else [], [running] if running else [], START)
    assert [action.kind for action in actions] == ([expected] if expected else [])
    assert all(action.why and action.id == "x" for action in actions)


def test_a_row_that_became_another_type_ends_what_ran_of_it() -> None:
    actions = plan([row(kind="report")], [there()], START)
    assert [(one.kind, one.job_type) for one in actions] == [("create", "report"), ("delete", "alert")]
    assert plan([row(kind="report", hash=None)], [there()], START) == []
    assert summary(actions) == {"create": 1, "delete": 1}

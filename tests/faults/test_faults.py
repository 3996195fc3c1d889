"""A short run of the harness on both databases; ``make faults`` plays as long as one likes."""

from __future__ import annotations

import os
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.alert import AlertState
from domain.bar import BarSnapshot
from domain.rearm import step
from tests.conftest import START, make_alert
from tests.faults import checker, episode
from tests.faults.actions import Edit
from tests.faults.stack import running

SEEDS = int(os.environ.get("FAULT_SEEDS", "2"))


@pytest.mark.e2e
@pytest.mark.timeout(300 + 150 * SEEDS)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_nothing_is_lost_or_doubled(tmp_path: Path, kind: str) -> None:
    async with running(tmp_path / "home", kind, random.Random(1)) as stack:
        for seed in range(1, SEEDS + 1):
            found, _ = await episode.play(stack, seed, 3)
            assert not found, f"seed {seed} on {kind}: python -m tests.faults --seeds 1 --seed {seed} --database {kind}"
        assert stack.done.total() > SEEDS


def test_the_checker_sees_what_is_lost_doubled_or_different() -> None:
    alert, state, events = (
        make_alert({"symbol": "X", "rule": "close > 1", "rearm": "simple"}),
        AlertState(),
        list[Any](),
    )
    for number in range(1, 4):
        at = START + number * timedelta(minutes=1)
        state, happened = step(alert, state, BarSnapshot(at - timedelta(minutes=1), at, {"close": 2.0 + number}))
        events += happened
    want = [checker._same(event) for event in events]
    assert checker._difference("a", want, want) == []
    assert "lost" in checker._difference("a", want, want[1:])[0]
    assert "not in the reference" in checker._difference("a", want, [*want, want[0]])[0]
    assert checker._between(START, START + timedelta(seconds=3)) == [
        START + timedelta(seconds=1),
        START + timedelta(seconds=2),
    ]


def edit(token: str, road: str, began: float, ended: float, answer: str = "yes", version: int | None = None) -> Edit:
    return Edit(token, road, began, ended, answer, version)


@pytest.mark.parametrize(
    ("final", "edits", "told", "is_lost"),
    [
        ("b", [edit("a", "api", 1, 2), edit("b", "sql", 3, 4)], set(), False),
        ("a", [edit("a", "api", 1, 2), edit("b", "sql", 3, 4)], set(), True),
        ("a", [edit("a", "api", 1, 3), edit("b", "sql", 2, 4)], set(), False),  # at the same time
        ("a", [edit("a", "api", 1, 2), edit("b", "temporal", 3, 4, version=3)], {3}, False),
        ("a", [edit("a", "api", 1, 2), edit("b", "temporal", 3, 4, version=4)], {3}, True),
        ("a", [edit("a", "api", 1, 2), edit("b", "sql", 3, 4, "maybe")], set(), False),
        ("X", [edit("a", "api", 1, 2)], set(), True),
        ("b", [edit("a", "api", 1, 2), edit("b", "temporal", 3, 4, "no")], set(), True),
    ],
)
def test_the_checker_sees_lost_edits(final: str, edits: list[Edit], told: set[int], is_lost: bool) -> None:
    assert bool(checker.lost_edits("a1", final, edits, told)) is is_lost

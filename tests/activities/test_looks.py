"""What alerts saw is written together, whatever one of them holds, and newer over older."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from activities.interface import EvaluateResult, Freshness
from activities.looks import Looks
from domain.bar import BarSnapshot
from storage.database import Database
from storage.looks import Look, LookStore
from tests.conftest import START

SECOND = timedelta(seconds=1)


def result(close: float | None = None, problem: str = "") -> EvaluateResult:
    seen = () if close is None else (BarSnapshot(START, START, {"close": close}),)
    return EvaluateResult(Freshness.FRESH, START, seen, problem=problem)


async def looks_of(database: Database, *ids: str) -> dict[str, Look]:
    async with database.transaction() as work:
        return await work.looks.of(ids)


async def test_what_was_seen_is_kept_when_a_later_look_sees_nothing_new(any_database: Database) -> None:
    now = START
    looks = Looks(any_database, lambda: now)
    looks.saw("alert-a", result(101.0))
    now += SECOND
    looks.saw("alert-a", result())
    looks.saw("screener-b", result(5.0))
    assert await looks.write() == 1
    now += SECOND
    looks.saw("alert-a", result(problem="vendor away"))
    assert await looks.write() == 1
    (one,) = (await looks_of(any_database, "a")).values()
    assert (one.values, one.looked_at, one.problem) == ({"close": 101.0}, now, "vendor away")


async def test_a_database_that_is_away_loses_nothing(any_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(any_database, lambda: START)
    looks.saw("alert-a", result(101.0))

    async def away(self: LookStore, these: object) -> None:
        raise OperationalError("INSERT", {}, Exception("connection refused"))

    with monkeypatch.context() as patched:
        patched.setattr(LookStore, "put", away)
        assert await looks.write() == 0
    looks.saw("alert-a", result())
    assert await looks.write() == 1
    assert (await looks_of(any_database, "a"))["a"].values == {"close": 101.0}


async def test_one_that_can_never_be_written_keeps_no_other_from_it(any_database: Database) -> None:
    looks = Looks(any_database, lambda: START)
    for number in range(30):
        looks.saw(f"alert-a{number}", result(1.0, problem="odd \udc80 and \0" if number == 7 else ""))
    looks.saw("alert-" + "x" * 300 + "\udc80", result(1.0))
    written = await looks.write()
    assert written >= 30
    assert await looks.write() == 0, "it is not tried for ever"
    assert len(await looks_of(any_database, *[f"a{number}" for number in range(30)])) == 30

"""How workers share the shards of the watch, and take those of one that is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.watch.places import Places
from activities.watch.shards import note_of
from storage.database import Database
from storage.process_reports import ProcessReports
from tests.conftest import START


class Shared:
    """Workers that share shards, under one clock; each word of theirs is said when ``pass_`` lets some seconds go by."""

    def __init__(self, database: Database, shards: int, *names: str) -> None:
        self.database, self.now = database, [START]
        self.workers = {name: Places(database, name, shards, lambda: self.now[0]) for name in names}

    async def pass_(self, seconds: float, *silent: str) -> None:
        for _ in range(round(seconds)):
            self.now[0] += timedelta(seconds=1)
            for name, one in self.workers.items():
                if name in silent:
                    continue
                await one.look()
                async with self.database.transaction() as work:
                    for shard in one.held:
                        await work.reports.put(note_of(shard), self.now[0], {"shards": one.count, "owner": name})

    def given_up(self, name: str) -> list[int]:
        return [shard for shard in sorted(self.workers[name].held) if self.workers[name].gives_up(shard)]


async def test_workers_share_the_shards(any_database: Database) -> None:
    """The first takes all; one that comes later is left its part, one shard after the other."""
    town = Shared(any_database, 5, "a", "b")
    first, second = town.workers.values()
    del town.workers["b"]
    assert [await first.take(shard) for shard in range(5)] == [True] * 5
    await town.pass_(20)
    assert town.given_up("a") == [], "alone it has them all"
    town.workers["b"] = second
    await town.pass_(3)
    assert town.given_up("a") == [], "not at once: workers come and go"
    await town.pass_(16)
    assert town.given_up("a") == [4]
    assert not await first.take(4), "the other has room"
    assert await second.take(4)
    await town.pass_(3)
    assert town.given_up("a") == [3]
    assert await second.take(3)
    await town.pass_(60)
    assert (first.held, second.held) == ({0, 1, 2}, {3, 4})
    assert town.given_up("a") == town.given_up("b") == []


async def test_a_silent_shard_is_anybodys(database: Database) -> None:
    town = Shared(database, 2, "a", "b")
    first, second = town.workers.values()
    await town.pass_(1)
    assert await first.take(0)
    assert await second.take(1)
    await town.pass_(3)
    assert not await first.take(1), "it is looked after"
    await town.pass_(8, "b")
    assert await first.take(1), "its worker was killed"
    await town.pass_(40, "b")
    assert town.given_up("a") == [], "nobody else is there"


async def test_shards_of_a_worker_that_leaves_are_taken_at_once(database: Database) -> None:
    town = Shared(database, 2, "a", "b")
    first, second = town.workers.values()
    await town.pass_(1)
    assert await first.take(0)
    assert await second.take(1)
    await town.pass_(3)
    await second.leave()
    assert await first.take(1)


async def test_without_a_database_a_shard_is_taken(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    town = Shared(database, 2, "a", "b")
    await town.pass_(1)
    assert await town.workers["a"].take(0)

    async def away(*given: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(ProcessReports, "put", away)
    assert await town.workers["a"].take(1)

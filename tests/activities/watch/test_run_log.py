"""Under ``record: all`` each quiet bar of a watched alert is a run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput
from activities.market_data.failover import MarketData
from activities.market_data.vendors.errors import ProviderUnavailable
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.watch.run_log import RunLog
from activities.watch.shards import Shards
from domain.alert import AlertState
from domain.outbox import EvaluationRun
from domain.run import Run, RunStatus
from storage.database import Database
from storage.runs import RunFilter, Runs
from tests.activities.watch.support import MINUTE, Corner, alert
from tests.conftest import START


async def test_each_quiet_bar_is_a_run_where_all_are_recorded(any_database: Database) -> None:
    recorded = alert("close > 1000000", options={"record": "all"})
    corner, log = Corner(recorded), RunLog(any_database, "w1", lambda: START)
    corner.replicas[0].runs = log
    async with any_database.transaction() as work:
        await work.schedules.add(recorded, START)
    await corner.look(0)
    corner.vendor.trouble = ProviderUnavailable("simulated", "HTTP 503")
    await corner.look(59.5)
    while not log.size:
        assert await corner.look(max((corner.group.due - corner.now[0]).total_seconds(), 0.1)) == []
    await log.write()

    async def runs() -> list[Run]:
        async with any_database.transaction() as work:
            return sorted(await work.runs.page(RunFilter(), None, 100), key=lambda run: run.scheduled_for)

    (failed,) = await runs()
    assert (failed.status, failed.scheduled_for) == (RunStatus.FAILED, START + MINUTE)
    assert "HTTP 503" in str(failed.error)
    corner.vendor.trouble = None
    await corner.look(60)
    last = corner.replicas[0].last_close
    assert last is not None
    log.add("gone", 1, EvaluationRun(START, "ARMED", "created"))  # deleted meanwhile
    kept = list(log._kept["a1"])
    await log.write()
    for one in kept:
        log.add(*one)
    await log.write(["a1"])  # a second time, as after a crash
    found = await runs()
    assert {run.status for run in found} == {RunStatus.COMPLETED}, "what failed has come to something after all"
    assert [run.scheduled_for for run in found] == [START + (n + 1) * MINUTE for n in range((last - START) // MINUTE)]
    newest = found[-1]
    assert (newest.status, newest.user_id, newest.worker_id) == (RunStatus.COMPLETED, recorded.user_id, "w1")
    assert newest.job_snapshot["definition"]["options"] == {"record": "all"}
    assert newest.result is not None
    assert newest.result["values"]["close"] > 0


async def test_runs_that_cannot_be_written_are_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    one, log = alert(), RunLog(database, "w1", lambda: START)
    async with database.transaction() as work:
        await work.schedules.add(one, START)
    for number in range(600):
        log.add("a1", 1, EvaluationRun(START + number * MINUTE, "ARMED", "created"))
    add = Runs.add

    async def away(self: Runs, runs: list[Run]) -> None:
        if any(run.scheduled_for >= START + 300 * MINUTE for run in runs):
            raise OSError("away")
        await add(self, runs)

    monkeypatch.setattr(Runs, "add", away)
    with pytest.raises(OSError, match="away"):
        await log.write()
    assert log.size == 350, "the first 250 are there"
    monkeypatch.undo()
    await log.write()
    async with database.transaction() as work:
        assert len(await work.runs.page(RunFilter(), None, 1000)) == 600
    assert log.size == 0


async def test_a_self_check_where_all_is_recorded_has_missed_nothing(database: Database) -> None:
    now, shards = [START + timedelta(minutes=90)], Shards(database, 1, lambda: START)
    evaluation = Evaluation(MarketData([SimulatedMarket()], clock=lambda: now[0]), 60, shards=shards)
    one = alert("close > 1000000", options={"record": "all"})
    asked = EvaluateInput(
        "X", one.definition.timeframe, tuple(one.definition.operands), now[0], after=START, alert=one,
        state=AlertState(last_bar_close=START), checks=True,
    )  # fmt: skip
    found = await evaluation.evaluate(asked)
    assert len(found.snapshots) == 90, "each is to be a run"
    assert shards.found_late[0] == 0

"""What an alert's evaluations leave in ``job_schedule_runs``: a bar's own run, though a tick failed at the moment it closed."""

from __future__ import annotations

from datetime import timedelta

from temporalio.testing import ActivityEnvironment

from activities.events import EventStore
from activities.interface import RecordInput
from domain.alert import AlertState
from domain.outbox import EvaluationRun
from domain.run import RunStatus
from storage.database import Database
from storage.runs import RunFilter
from tests.conftest import START, make_alert


async def test_a_bar_that_comes_after_all_takes_the_place_of_the_tick_that_failed(any_database: Database) -> None:
    alert, store = make_alert(), EventStore(any_database, clock=lambda: START)
    async with any_database.transaction() as work:
        await work.schedules.add(alert, START)
    later = START + timedelta(seconds=1)
    failed = [EvaluationRun(at, "ARMED", "created", error="vendor is away") for at in (START, later)]
    bars = [EvaluationRun(at, "ARMED", "created", values={"close": 1.0}) for at in (START, later)]
    for runs in ([failed[0]], [bars[0], failed[1], bars[1]], failed, bars):
        given = RecordInput(alert.id, 1, (), AlertState(), runs=tuple(runs))
        await ActivityEnvironment().run(store.record, given)
    async with any_database.transaction() as work:
        found = await work.runs.page(RunFilter(job_id=alert.id), None, 10)
    assert sorted((run.scheduled_for, run.status) for run in found) == [
        (START, RunStatus.COMPLETED),
        (later, RunStatus.COMPLETED),
    ]

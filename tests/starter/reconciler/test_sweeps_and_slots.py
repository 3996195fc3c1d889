"""Sweeps wait behind no job, and every slot that had no run is written down, however many there are."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from activities.interface import ReconcileReport, TaskQueue
from activities.jobs.executor import Done, Task
from domain.job import JobType
from domain.run import Run, RunStatus
from starter.clock import now
from starter.reconciler import runs as missed
from starter.reconciler.runs import RunSupervisor
from storage.database import Database
from storage.runs import RunFilter
from tests.starter.reconciler.support import Installation
from workflows.reconcile import ReconcileWorkflow


async def test_a_sweep_does_not_wait_for_jobs_that_hold_every_slot(home: Installation) -> None:
    slots, working, release = home.services.job_slots, list[str](), asyncio.Event()

    async def holds(task: Task) -> Done:
        working.append(task.run_id)
        await release.wait()
        return Done({})

    home.services.jobs.executors = {**home.services.jobs.executors, JobType.REPORT: holds}
    for number in range(slots + 2):
        await home.insert(f"slow-{number}", '{"symbols": ["X"]}', "report")
    await home.reconciler.sweep(full=False)
    for number in range(slots + 2):
        await home.client.get_schedule_handle(f"report-slow-{number}").trigger()

    async def all_held() -> bool:
        return len(working) == slots

    await home.becomes(all_held, "every slot has a job")
    await home.insert("meanwhile")
    report: ReconcileReport = await home.client.execute_workflow(
        ReconcileWorkflow.run, False, id="a-sweep", task_queue=TaskQueue.RECONCILE
    )
    assert report.actions == {"create": 1}
    assert len(working) == slots  # they still hold
    release.set()

    async def all_ran() -> bool:
        return len(working) == slots + 2

    await home.becomes(all_ran, "the others have had their turn")


async def test_every_missed_slot_is_written(any_database: Database) -> None:
    """Two hours without a worker, a slot every ten seconds."""
    at, client = now().replace(microsecond=0), Any
    async with any_database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO job_schedules (key, job_type, task_params, cron) "
            "VALUES ('often', 'notification', '{\"message\": \"m\"}', '*/10 * * * * *')"
        )
    keeper = RunSupervisor(client, any_database, lambda: at + timedelta(hours=2))  # type: ignore[arg-type]
    written = await keeper.write_missed()
    async with any_database.transaction() as work:
        runs = await work.runs.page(RunFilter(job_id="often"), None, 1000)
    slots = sorted(run.scheduled_for for run in runs)
    assert written == len(slots) > 500
    assert {run.status for run in runs} == {RunStatus.MISSED}
    assert slots == [slots[0] + timedelta(seconds=10 * number) for number in range(len(slots))]
    assert slots[0] - at <= timedelta(seconds=11)
    assert await keeper.write_missed() == 0


async def _insert(database: Database, cron: str, zone: str = "UTC", updated: str = "2026-01-01 00:00:00") -> None:
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO job_schedules (key, job_type, task_params, cron, timezone, created_at, updated_at) "
            f"VALUES ('slots', 'notification', '{{\"message\": \"m\"}}', '{cron}', '{zone}', '{updated}', '{updated}')"
        )


async def _runs(database: Database) -> list[Run]:
    async with database.transaction() as work:
        return sorted(await work.runs.page(RunFilter(job_id="slots"), None, 10_000), key=lambda run: run.scheduled_for)


async def test_an_outage_of_days_is_no_silence(any_database: Database) -> None:
    await _insert(any_database, "0 * * * *")
    at = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
    first = RunSupervisor(None, any_database, lambda: at)  # type: ignore[arg-type]
    await first.write_missed()
    before = len(await _runs(any_database))
    back = RunSupervisor(None, any_database, lambda: at + timedelta(days=9))  # type: ignore[arg-type]
    await back.write_missed()
    runs = await _runs(any_database)
    assert len(runs) - before == 9 * 24
    gaps = {later.scheduled_for - earlier.scheduled_for for earlier, later in pairwise(runs)}
    assert gaps == {timedelta(hours=1)}, "each slot has its row"


async def test_more_than_a_row_each_can_tell_is_told_in_one(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed, "MOST_MISSED", 100)
    monkeypatch.setattr(missed, "MISSED_AT_ONCE", 50)
    await _insert(any_database, "* * * * *")
    at = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
    keeper = RunSupervisor(None, any_database, lambda: at)  # type: ignore[arg-type]
    assert await keeper.write_missed() == 101
    *_, last = await _runs(any_database)
    assert last.error is not None
    assert last.error.startswith("no run began for this slot, nor for any other until 2026-03-02 12:")


async def test_what_temporal_passes_over_where_clocks_are_set_back_is_made_up_for(any_database: Database) -> None:
    await _insert(any_database, "*/30 * * * *", "Europe/Berlin")
    at = datetime(2026, 10, 25, 1, 2, tzinfo=UTC)  # 02:02 for the second time
    keeper = RunSupervisor(None, any_database, lambda: at)  # type: ignore[arg-type]
    async with any_database.transaction() as work:
        stored = await work.schedules.get("slots")
    assert stored is not None
    for _ in range(2):
        await keeper._make_up(stored, at)
    runs = await _runs(any_database)
    assert [(run.scheduled_for.hour, run.scheduled_for.minute, run.status) for run in runs] == [
        (1, 0, RunStatus.PENDING)
    ]
    assert runs[0].job_snapshot["workflow_id"] == f"run-{runs[0].run_id}"
    async with any_database.transaction() as work:
        assert [run.run_id for run in await work.runs.waiting(at + timedelta(minutes=1))] == [runs[0].run_id]


async def test_a_run_that_is_under_way_is_not_joined_by_another(any_database: Database) -> None:
    await _insert(any_database, "*/30 * * * *", "Europe/Berlin")
    at = datetime(2026, 10, 25, 1, 2, tzinfo=UTC)
    earlier = Run(
        run_id="0e5c7c3c-0000-4000-8000-000000000001", job_type="notification", job_id="slots", user_id="local", status=RunStatus.RUNNING,
        scheduled_for=at - timedelta(minutes=62), enqueued_at=at, job_snapshot={},
    )  # fmt: skip
    async with any_database.transaction() as work:
        await work.runs.add([earlier])
        stored = await work.schedules.get("slots")
    assert stored is not None
    await RunSupervisor(None, any_database, lambda: at)._make_up(stored, at)  # type: ignore[arg-type]
    assert [run.run_id for run in await _runs(any_database)] == ["0e5c7c3c-0000-4000-8000-000000000001"]

"""Sweeps wait behind no job, and every slot that had no run is written down, however many there are."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from activities.interface import ReconcileReport, TaskQueue
from activities.jobs.executor import Done, Task
from domain.job import JobType
from domain.run import RunStatus
from starter.clock import now
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

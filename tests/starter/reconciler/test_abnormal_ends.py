"""Alerts that end though nobody wished it, and tasks that fail again and again: seen, told, and not restored in a tight loop."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from starter.clock import now
from starter.gateway import Gateway
from starter.health import Examiner, Health, Level
from starter.reconciler.endings import FIRST_WAIT, LONGEST_WAIT, wait
from storage.database import Database
from tests.starter.reconciler.support import Installation
from tests.starter.reconciler.test_reconciler import _swept
from worker.settings import Settings


async def health(home: Installation, at: Any = None) -> Health:
    settings = Settings(temporal_address=home.client.service_client.config.target_host)
    return await Examiner(home.database, Gateway(settings, home.database), 0).health(at or now())


async def recorded(home: Installation, id: str) -> bool:
    """Whether SQL has something of its memory."""
    return (await home.row(id)).state is not None


async def test_an_alert_that_keeps_ending_is_told_and_comes_back_ever_more_slowly(home: Installation) -> None:
    await home.insert("dying")
    await home.reconciler.sweep(full=False)
    handle = home.client.get_workflow_handle("alert-dying")
    for number in range(1, 5):
        await home.becomes(lambda: recorded(home, "dying"))
        await handle.terminate(reason=f"GrpcMessageTooLarge {number}")
        if number <= 3:
            await home.becomes(lambda: _swept(home, {"create": 1}))
            assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    found = await health(home)
    (issue,) = [one for one in found.issues if one.component == "alerts"]
    assert (issue.level, "dying: GrpcMessageTooLarge 3" in issue.message) == (Level.DEGRADED, True)
    await home.becomes(lambda: _swept(home, {"create": 1}))  # planned, and put off
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED
    assert (await health(home)).components["alerts"]["ending_abnormally"] == {"dying": "GrpcMessageTooLarge 4"}
    home.reconciler.applier.clock = lambda: now() + FIRST_WAIT
    await home.reconciler.sweep(full=True)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    assert (await health(home, now() + timedelta(hours=2))).components["alerts"]["ending_abnormally"] == {}
    async with home.database.transaction() as work:
        ends = [entry for entry in await work.audit.of("dying") if entry.action == "ended"]
        events = await work.events.of_alert("dying", kinds=["returned"])
    assert [entry.detail["why"] for entry in ends] == [f"GrpcMessageTooLarge {number}" for number in (4, 3, 2, 1)]
    told = [f"its workflow terminated: GrpcMessageTooLarge {number}" for number in range(1, 5)]
    assert [event.detail for event in events] == told, "its history says so, too"


def test_the_waits_grow_and_are_bounded() -> None:
    assert [wait(ends) for ends in range(1, 4)] == [timedelta(0)] * 3
    assert (wait(4), wait(5), wait(60)) == (FIRST_WAIT, 2 * FIRST_WAIT, LONGEST_WAIT)


@workflow.defn(name="AlertWorkflow")
class Broken:
    """A version with a fault of ours."""

    @workflow.run
    async def run(self, _given: Any = None) -> None:
        raise RuntimeError("a fault of ours")


@pytest.mark.usefixtures("dev_server")
async def test_a_task_that_fails_again_and_again_is_told(dev_server: WorkflowEnvironment, database: Database) -> None:
    client = dev_server.client
    settings = Settings(temporal_address=client.service_client.config.target_host)
    examiner = Examiner(database, Gateway(settings, database), 0)
    async with Worker(client, task_queue="broken", workflows=[Broken], workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await client.start_workflow("AlertWorkflow", id="alert-broken", task_queue="broken")
        home = Installation(client, database, None, None)  # type: ignore[arg-type]

        async def told() -> bool:
            found = await examiner.health(now())
            assert "unknown" not in found.components["workflow_tasks"]
            return any("alert-broken: WorkflowWorkerUnhandledFailure" in one.message for one in found.issues)

        await home.becomes(told, "the failing task is an issue")
        await handle.terminate()

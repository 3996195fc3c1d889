"""Other programs and installations in the same namespace: nothing of theirs is ended, signalled or overwritten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    ScheduleState,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.common import RawValue
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain.alert import Alert
from domain.reconcile import ActionKind
from starter import alert_workflows
from starter.alert_workflows import Ownership, TakenByOthers
from starter.definition_writes import Written
from starter.gateway import Gateway
from starter.reconciler.apply import Applier
from tests.conftest import START, make_alert
from tests.starter.reconciler.support import Installation
from tests.starter.reconciler.test_reconciler import _swept
from worker.settings import Settings

QUEUE = "somebody-elses"
THEIRS = Ownership("another0one0")


@workflow.defn(name="AlertWorkflow")
class TheirWorkflow:
    """It goes by the name of ours, and counts what it is sent."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, _given: Any = None) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal(dynamic=True)
    def anything(self, name: str, _arguments: Sequence[RawValue]) -> None:
        self.heard.append(name)

    @workflow.query
    def what_was_heard(self) -> list[str]:
        return self.heard


@pytest.fixture
async def their_worker(home: Installation) -> AsyncIterator[None]:
    async with Worker(
        home.client, task_queue=QUEUE, workflows=[TheirWorkflow], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        yield


async def theirs(home: Installation, id: str, memo: dict[str, Any] | None = None) -> WorkflowHandle[Any, Any]:
    return await home.client.start_workflow("AlertWorkflow", id=f"alert-{id}", task_queue=QUEUE, memo=memo)


async def untouched(handle: WorkflowHandle[Any, Any]) -> bool:
    running = (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    return running and not await handle.query("what_was_heard", result_type=list)


async def their_schedule(home: Installation, id: str, **memo: Any) -> Any:
    return await home.client.create_schedule(
        id,
        Schedule(
            action=ScheduleActionStartWorkflow("Theirs", id="theirs", task_queue=QUEUE),
            spec=ScheduleSpec(),
            state=ScheduleState(note="theirs"),
        ),
        memo=memo or None,
    )


@pytest.mark.usefixtures("their_worker")
@pytest.mark.parametrize("mark", [None, "another0one0"], ids=["unmarked", "another's"])
async def test_a_deleted_row_takes_nothing_of_others_along(home: Installation, mark: str | None) -> None:
    """Row 'nightly' goes: their Schedule 'backup-nightly' and their 'alert-nightly' stay."""
    memo = {"installation": mark} if mark else {}
    alert = await theirs(home, "nightly", memo)
    await their_schedule(home, "backup-nightly", **memo)
    await home.insert("nightly", '{"message": "m"}', "notification")
    await home.reconciler.sweep(full=False)
    await home.sql("DELETE FROM job_schedules WHERE key = 'nightly'")
    report = await home.reconciler.sweep(full=False)
    assert report.actions == {"delete": 1}  # ours
    await home.reconciler.sweep(full=True)
    assert await untouched(alert)
    assert (await home.client.get_schedule_handle("backup-nightly").describe()).schedule.state.note == "theirs"


@pytest.mark.usefixtures("their_worker")
async def test_a_row_whose_id_is_taken_is_told_and_touches_nothing(home: Installation) -> None:
    """Created, edited, paused and deleted by every road, while another's workflow and Schedule go by its id."""
    alert, schedule = await theirs(home, "taken"), await their_schedule(home, "notification-job")
    await home.insert("taken")
    await home.insert("job", '{"message": "m"}', "notification")
    report = await home.reconciler.sweep(full=False)
    assert set(report.troubles) == {"taken", "job"}
    assert all("another program's; choose another id" in why for why in report.troubles.values())
    await home.sql("UPDATE job_schedules SET enabled = false")
    await home.reconciler.sweep(full=True)
    row = (await home.row("taken")).alert
    settings = Settings(temporal_address=home.client.service_client.config.target_host)
    gateway = Gateway(settings, home.database)
    for kind in (ActionKind.CREATE, ActionKind.UPDATE, ActionKind.RESUME):
        assert await gateway.tell(Written(kind, "taken", "alert", row)) or kind is not ActionKind.CREATE
    await home.sql("DELETE FROM job_schedules")
    for kind, id in (("alert", "taken"), ("notification", "job")):
        await gateway.tell(Written(ActionKind.DELETE, id, kind))
    await home.reconciler.sweep(full=False)
    await home.reconciler.sweep(full=True)
    assert await untouched(alert)
    assert (await schedule.describe()).schedule.state.note == "theirs"


@pytest.mark.usefixtures("their_worker")
async def test_a_memo_that_is_no_json_fails_no_sweep(home: Installation) -> None:
    from temporalio.api.common.v1 import Memo, Payload

    raw = Memo(fields={"installation": Payload(metadata={"encoding": b"binary/plain"}, data=b"\xff\x00no json")})
    assert alert_workflows.memo_fields(raw) == {}
    alert = await theirs(home, "odd", {"installation": ["a", "list"], "definition": "text"})
    await home.insert("mine")
    for full in (False, True):
        assert (await home.reconciler.sweep(full=full)).failed == 0
    assert await untouched(alert)


@pytest.mark.usefixtures("their_worker")
async def test_registration_leaves_others_alone(home: Installation) -> None:
    alert: Alert = make_alert({"symbol": "X", "rule": "close > 1", "cron": "0 0 1 1 *"}, id="shared")
    handle = await theirs(home, "shared", {"installation": THEIRS.installation})
    ours = home.reconciler.ours
    for call in (
        alert_workflows.ensure_running(home.client, alert, ours),
        alert_workflows.start_afresh(home.client, alert, None, ours),
        alert_workflows.tell(home.client, "shared", ours),
        alert_workflows.stop_running(home.client, "shared", ours),
        Applier(home.client, home.database, ours, lambda: START)._delete(_deletion("shared")),
    ):
        with pytest.raises(TakenByOthers, match="another installation's"):
            await call
    assert await untouched(handle)


async def test_a_schedule_edited_out_of_its_stamp_is_still_ours(home: Installation) -> None:
    """Somebody changed its calendars in the Web UI: the stamp in them is gone, the memo is not."""
    await home.insert("job", '{"message": "m"}', "notification")
    await home.reconciler.sweep(full=False)
    handle = home.client.get_schedule_handle("notification-job")

    def bare(given: Any) -> Any:
        from temporalio.client import ScheduleIntervalSpec, ScheduleUpdate

        made = given.description.schedule
        made.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))])
        return ScheduleUpdate(made)

    await handle.update(bare)
    await home.becomes(lambda: _swept(home, {"update": 1}))
    assert (await handle.describe()).schedule.spec.calendars
    await home.sql("DELETE FROM job_schedules")
    assert (await home.reconciler.sweep(full=False)).actions == {"delete": 1}


def _deletion(id: str) -> Any:
    from domain.reconcile import Action

    return Action(ActionKind.DELETE, id, "alert", "has no row")

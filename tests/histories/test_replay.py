"""Every recorded history replays on today's code, with the sandbox on."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from worker.converter import DATA_CONVERTER
from workflows.alert import AlertWorkflow
from workflows.delivery import DeliveryWorkflow
from workflows.jobs import ALL as JOB_WORKFLOWS
from workflows.retention import RetentionWorkflow
from workflows.watch import WatchWorkflow

FILES = sorted(Path(__file__).parent.glob("v*/*.json"))
MESSAGES = {"pause", "resume", "snooze", "acknowledge", "definition_changed", "update_definition", "evaluate_now",
            "bars_observed"}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=[path.name.partition(".")[0] for path in FILES])
async def test_replays(path: Path) -> None:
    workflow_id = path.name.partition(".")[2].removesuffix(".json")
    history = WorkflowHistory.from_json(workflow_id, path.read_text(encoding="utf-8"))
    replayer = Replayer(
        workflows=[AlertWorkflow, DeliveryWorkflow, RetentionWorkflow, WatchWorkflow, *JOB_WORKFLOWS],
        data_converter=DATA_CONVERTER,
    )
    await replayer.replay_workflow(history)


def test_every_message_is_in_a_history() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    assert {name for name in MESSAGES if f'"{name}"' in text} == MESSAGES
    for name in ("expired", "late", "once", "cooldown", "settling", "forming", "watched", "watch"):
        assert any(path.name.startswith(f"{name}.") for path in FILES)
    for name in ("job", "data-steps", "job-failed", "job-told", "notification", "notification-dead", "retention"):
        assert any(path.name.startswith(f"{name}.") for path in FILES)
    for event in ("CONTINUED_AS_NEW", "TIMER_CANCELED", "CHILD_WORKFLOW_EXECUTION_STARTED", "ACTIVITY_TASK_CANCEL"):
        assert event in text

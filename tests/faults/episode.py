"""One seed: alerts of its own, faults and deeds side by side, then quiet, and the checker."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import datetime, timedelta

from starter.reconciler.sweep import SCHEDULE
from tests.faults import actions, checker, faults
from tests.faults.actions import Deeds
from tests.faults.stack import Stack

SECONDS = 3.0
QUIET = 100.0


async def play(stack: Stack, seed: int, count: int) -> tuple[list[str], int]:
    """The findings of a seed, and how many deeds were done."""
    rng = random.Random(seed)
    deeds = await actions.set_up(stack, rng, seed)
    until = time.monotonic() + SECONDS
    playing = asyncio.create_task(faults.play(stack, random.Random(rng.random()), count))
    await actions.act(stack, random.Random(rng.random()), deeds, until)
    await playing
    found = await _come_to_rest(stack, deeds)
    if found:
        found += await _evidence(stack)
    await _clear(stack, deeds)
    return found, deeds.count


async def _come_to_rest(stack: Stack, deeds: Deeds) -> list[str]:
    """Nothing is wrong any more, or what still is when it has been quiet for long."""
    at = checker.now()
    deadline = time.monotonic() + QUIET
    found = ["not looked at"]
    while found and time.monotonic() < deadline:
        await _nudge(stack, deeds)
        await asyncio.sleep(0.4)
        try:
            found = await _look(stack, deeds, at)
        except Exception as error:  # something is still on its way back
            found = [f"{type(error).__name__}: {error}"[:300]]
    return found


async def _look(stack: Stack, deeds: Deeds, at: datetime) -> list[str]:
    waiting = []
    for id in deeds.steady:
        runs = await checker.runs_of(stack, id)
        if not runs or max(run.scheduled_for for run in runs if run.error is None) < at:
            waiting.append(f"{id}: has not come to {at:%H:%M:%S}")
    return waiting or await checker.findings(stack, deeds, at - timedelta(seconds=2))


async def _nudge(stack: Stack, deeds: Deeds) -> None:
    """What a quarter of a minute would bring anyway: a sweep, and another look at the row."""
    try:
        await stack.client.get_schedule_handle(SCHEDULE).trigger()
        for id in (*deeds.edited, *deeds.moody):
            await stack.client.get_workflow_handle(f"alert-{id}").signal("definition_changed")
    except Exception:
        return


async def _evidence(stack: Stack) -> list[str]:
    """What Temporal has under way, for whoever reads the findings."""
    found = []
    try:
        async for one in stack.client.list_workflows(
            "ExecutionStatus = 'Running' AND WorkflowType != 'AlertWorkflow'", limit=20
        ):
            raw = (await stack.client.get_workflow_handle(one.id).describe()).raw_description
            pending = [(a.activity_type.name, a.attempt, a.last_failure.message[:80]) for a in raw.pending_activities]
            found.append(f"under way: {one.workflow_type} {one.id} {pending} task {raw.pending_workflow_task.attempt}")
        info = (await stack.client.get_schedule_handle(SCHEDULE).describe()).info
        found.append(
            f"sweeps: {info.running_actions} {info.recent_actions[-1:]} skipped {info.num_actions_skipped_overlap}"
        )
        async with stack.database.transaction() as work:
            found.append(
                f"last sweep: {await work.reports.get('reconciler')}; changes {len(await work.schedules.changes())}"
            )
    except Exception as error:
        found.append(f"no evidence: {error!r}"[:200])
    return found


async def _clear(stack: Stack, deeds: Deeds) -> None:
    """The next seed begins without this one's alerts."""
    await stack.patient_sql("DELETE FROM job_schedules WHERE key LIKE :p OR name LIKE :p", p=f"{deeds.prefix}-%")
    try:
        await stack.client.get_schedule_handle(SCHEDULE).trigger()
        await stack.client.get_workflow_handle(f"alert-{deeds.prefix}-theirs").terminate()
        await stack.client.get_schedule_handle(f"backup-{deeds.prefix}-nightly").delete()
    except Exception:
        return

"""Six weeks of slots, one clock change among them, on the real server, with workers and server killed meanwhile.

Temporal's own backfill plays most of them late; the rest were slept through. A matcher that knows nothing but the cron reads the
table of runs: each slot has exactly one row, a COMPLETED run or a MISSED one that says why.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import ScheduleBackfill, ScheduleOverlapPolicy

from domain.cron import next_fire, parse
from domain.run import Run, RunStatus
from starter.reconciler.runs import MISSED_NOTE
from starter.reconciler.sweep import SCHEDULE
from tests.e2e.processes import eventually
from tests.faults import checker
from tests.faults.stack import SERVER, Stack, running
from tests.faults.test_faults import SEEDS

END = datetime(2026, 11, 9, tzinfo=UTC)
BEGIN = END - timedelta(weeks=6)  # 25 October lies between
TOLD = {"message": "slot", "notification_channels": ["webhook"]}
SCREEN = {"symbols": ["C1-USDT"], "timeframe": "1m", "filter_criteria": {"conditions": ["close > 0"]}}
JOBS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "every4h": ("screener", SCREEN, "0 */4 * * *", "Europe/Berlin"),
    "half2": ("notification", TOLD, "30 2 * * *", "Europe/Berlin"),  # shown twice on 25 October
    "session": ("screener", SCREEN, "*/30 9-16 * * MON-FRI", "America/New_York"),
}


def expected(cron: str, zone: str) -> list[datetime]:
    """By the cron alone."""
    parsed, where, found, at = parse(cron), ZoneInfo(zone), [], BEGIN
    while (at := next_fire(parsed, where, at)) <= END:
        found.append(at)
    return found


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["postgresql"] if SEEDS <= 2 else ["sqlite", "postgresql"])
async def test_every_slot_has_one_run_or_says_why_not(tmp_path: Path, kind: str) -> None:
    rng = random.Random(7)
    async with running(tmp_path / "home", kind, rng) as stack:
        await _set_up(stack)
        await eventually(lambda: _are_missed(stack), 90, "what was slept through is MISSED")
        played = {name: await _backfilled(stack, name, rng) for name in JOBS}
        for _ in range(6):
            await asyncio.sleep(rng.uniform(1.0, 3.0))
            await _kill(stack, rng)
        found = ["not looked at"]

        async def is_whole() -> bool:
            nonlocal found
            found = [one for name in JOBS for one in await _findings(stack, name, played[name])]
            return not found

        try:
            await eventually(is_whole, 300, "each slot has its row")
        except AssertionError:
            raise AssertionError(found[:20]) from None


async def _set_up(stack: Stack) -> None:
    """Rows that were there all the time, and nobody has looked since."""
    for name, (kind, params, cron, zone) in JOBS.items():
        await stack.patient_sql(
            "INSERT INTO job_schedules (key, job_type, task_params, cron, timezone) VALUES (:k, :t, :p, :c, :z)",
            k=name, t=kind, p=json.dumps(params), c=cron, z=zone,
        )  # fmt: skip

    async def scheduled() -> bool:
        try:
            for name, (kind, *_) in JOBS.items():
                await stack.client.get_schedule_handle(f"{kind}-{name}").describe()
        except Exception:
            return False
        return True

    await eventually(scheduled, 90, "Temporal has the schedules")


async def _are_missed(stack: Stack) -> bool:
    """The last look is put back six weeks until a sweep has found what was slept through."""
    try:
        async with stack.database.transaction() as work:
            for name in JOBS:
                (stored,) = await work.schedules.these([name])
                stored.row.updated_at = BEGIN
                work.session.add(stored.row)
            await work.reports.put(MISSED_NOTE, BEGIN, {})
        await stack.client.get_schedule_handle(SCHEDULE).trigger()
    except Exception:
        return False
    return all([len(await _rows(stack, name)) >= len(expected(*JOBS[name][2:])) for name in JOBS])


async def _rows(stack: Stack, name: str) -> list[Run]:
    return [run for run in await checker.runs_of(stack, name) if BEGIN < run.scheduled_for <= END]


async def _backfilled(stack: Stack, name: str, rng: random.Random) -> list[datetime]:
    """Spans of days that Temporal plays after all; the slots in them."""
    kind, _, cron, zone = JOBS[name]
    handle, at = stack.client.get_schedule_handle(f"{kind}-{name}"), BEGIN
    spans = list[tuple[datetime, datetime]]()
    while at < END:
        until = min(at + timedelta(days=rng.randint(2, 9)), END)
        if rng.random() < 0.65:
            spans.append((at, until))
        at = until
    asked = [ScheduleBackfill(start, until, overlap=ScheduleOverlapPolicy.ALLOW_ALL) for start, until in spans]
    await stack.patiently(
        lambda: handle.backfill(*asked)
    )  # at once: of two requests in a row Temporal may forget the first
    return [slot for slot in expected(cron, zone) if any(start < slot <= until for start, until in spans)]


async def _kill(stack: Stack, rng: random.Random) -> None:
    """-9; who supervises starts it again."""
    number = rng.choice([0, 1, SERVER])
    process = stack.server if number == SERVER else stack.workers[number]
    if process is not None and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        stack.done["kill -9"] += 1


async def _findings(stack: Stack, name: str, played: list[datetime]) -> list[str]:
    try:
        rows = await _rows(stack, name)
    except Exception as error:
        return [f"{name}: {error}"[:200]]
    _, _, cron, zone = JOBS[name]
    slots, late = expected(cron, zone), set(played)
    have = [run.scheduled_for for run in rows]
    found = [f"{name}: {at} has no row" for at in slots if at not in set(have)]
    found += [f"{name}: {at} is no slot, or has two rows" for at in have if at not in set(slots) or have.count(at) > 1]
    for run in rows:
        if run.status is RunStatus.MISSED:
            if run.scheduled_for in late:
                found.append(f"{name}: {run.scheduled_for} was played, and is MISSED")
            elif not run.error:
                found.append(f"{name}: {run.scheduled_for} is MISSED and does not say why")
        elif run.status is not RunStatus.COMPLETED:  # what a kill cut off is begun again
            found.append(f"{name}: {run.scheduled_for} is {run.status} {run.error}")
    return found

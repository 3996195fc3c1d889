"""The restore drill: a backup, database and Temporal both destroyed, the backup put back, and no fire lost or doubled."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.e2e.processes import eventually
from tests.faults import checker
from tests.faults.actions import RULES, SECONDS
from tests.faults.stack import API, SERVER, WORKERS, Stack, running
from tests.postgres import execute

ALERTS = [f"drill-{number}" for number in range(len(RULES))]


@pytest.mark.e2e
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_alerts_go_on_with_their_memory(tmp_path: Path, kind: str) -> None:
    async with running(tmp_path / "home", kind, random.Random(3)) as stack:
        for id, rule in zip(ALERTS, RULES, strict=True):
            options = {"record": "all"}
            body = {"symbol": "C1-USDT", "timeframe": "1s", "cron": SECONDS, "id": id, "options": options, **rule}
            assert (
                await stack.http.post("/api/alerts", json={**body, "notification_channels": ["webhook"]})
            ).status_code == 201
        await eventually(lambda: _have_fired(stack), 60, "alerts fire")
        made = await asyncio.to_thread(stack.home.data, "db", "backup")
        assert made["checked"] == "restored"
        count = await _events(stack)  # at the backup, or a moment after it
        await eventually(lambda: _has_more(stack, count + 6), 60, "they go on after the backup")

        await _destroy(stack)
        assert stack.home.run("status").returncode != 0
        restored = await asyncio.to_thread(stack.home.data, "db", "restore", made["file"], "--yes")
        assert restored["rows"]["job_schedules"] == len(ALERTS)
        await stack.database.engine.dispose()
        assert await _events(stack) <= count
        await _forget_what_came_after(stack)
        stack.start_server()
        for number in range(WORKERS):
            stack.start_worker(number)
        stack.start_api()
        stack.held.clear()

        at = checker.now()
        found = ["not looked at"]

        async def is_whole() -> bool:
            nonlocal found
            found = await _look(stack, at)
            return not found

        try:
            await eventually(is_whole, 120, "every bar was judged once, with the memory of the backup")
        except AssertionError:
            raise AssertionError(found) from None


async def _forget_what_came_after(stack: Stack) -> None:
    """What was told after the backup's moment is told again: nobody knows of it any more. Its key is the same."""
    known = {row[0]: row[1] for row in await stack.patient_sql("SELECT event_id, attempts FROM deliveries")}
    heard = stack.receiver.heard
    stack.receiver.heard = Counter({id: min(count, known[id]) for id, count in heard.items() if id in known})


async def _events(stack: Stack) -> int:
    return int((await stack.patient_sql("SELECT count(*) FROM alert_events WHERE kind = 'triggered'"))[0][0])


async def _have_fired(stack: Stack) -> bool:
    found = await stack.patient_sql("SELECT count(DISTINCT alert_id) FROM alert_events WHERE kind = 'triggered'")
    return bool(found[0][0] == len(ALERTS))


async def _has_more(stack: Stack, count: int) -> bool:
    return await _events(stack) >= count


async def _destroy(stack: Stack) -> None:
    """By -9, and their files are gone."""
    stack.held |= {*range(WORKERS), API, SERVER}
    processes = [*stack.workers.values(), stack.api, stack.server]
    for process in processes:
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)
    for process in processes:
        assert process is not None
        await asyncio.to_thread(process.wait)
    await stack.database.engine.dispose()
    folder = stack.home.folder
    gone = [*folder.glob("temporal*.db*")]
    assert gone
    if stack.store.kind == "sqlite":
        gone += folder.glob("alerts.db*")
    else:
        url = make_url(stack.store.url)
        await execute(url.set(database="template1"), f'DROP DATABASE "{url.database}" WITH (FORCE)')
    for one in gone:
        one.unlink()


async def _look(stack: Stack, at: object) -> list[str]:
    try:
        for id in ALERTS:
            runs = await checker.runs_of(stack, id)
            if not runs or max(run.scheduled_for for run in runs if run.error is None) < at:  # type: ignore[operator]
                return [f"{id}: has not come so far"]
        found = [one for id in ALERTS for one in await checker._steady(stack, id, checker.now() - timedelta(seconds=2))]
        return found or [one for id in ALERTS for one in await checker._agrees(stack, id)]
    except Exception as error:  # something is still on its way back
        return [f"{type(error).__name__}: {error}"[:300]]

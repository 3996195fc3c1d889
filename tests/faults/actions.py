"""What users and other programs do meanwhile: every road an edit can take, and what each was answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowUpdateFailedError,
)

from tests.faults.stack import Stack

RARELY = "0 0 1 1 *"
TRUE = "TRUE"  # tickers of which the vendor tells no lies
SECONDS = "* * * * * *"
RULES: Sequence[dict[str, Any]] = (
    {"rule": "close > sma(4)"},
    {"rule": "close crosses sma(5)", "rearm": {"type": "crossing", "direction": "both"}},
    {"rule": "close > sma(3)", "rearm": {"type": "edge", "cooldown": 3}},
    {"rule": "close > close[1]", "rearm": {"type": "persistence", "persistence": 2}},
    {"rule": "close > sma(6)", "rearm": {"type": "hysteresis", "threshold": 0.001}},
    {"rule": "close > close[2]", "rearm": {"type": "simple", "cooldown": 4}},
)


@dataclass
class Edit:
    """One edit of a name. ``answer``: ``yes``, ``no`` or ``maybe``, where nobody can tell what came of it."""

    token: str
    road: str
    began: float
    ended: float = 0.0
    answer: str = "maybe"
    version: int | None = None


@dataclass
class Deeds:
    """What an episode did, for the checker. ``steady`` are never touched, and record every bar; nor are ``watched``, which
    sleep until one matters. ``edited`` change their name; ``moody`` are paused."""

    prefix: str
    steady: list[str] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    moody: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    edits: dict[str, list[Edit]] = field(default_factory=dict)
    job: str = ""
    count: int = 0


async def set_up(stack: Stack, rng: random.Random, seed: int) -> Deeds:
    """The episode's alerts, jobs, and things in the namespace that are none of ours."""
    deeds = Deeds(f"s{seed}")
    bodies = []
    for number in range(3):
        rule = rng.choice(RULES)
        deeds.steady.append(f"{deeds.prefix}-steady{number}")
        options = {"record": "all", **({"jitter": 0} if number % 2 else {})}
        bodies.append(
            {**_second(rng), **rule, "id": deeds.steady[-1], "options": options, "notification_channels": ["webhook"]}
        )
    for number in range(2):
        deeds.watched.append(f"{deeds.prefix}-watched{number}")
        told = {"id": deeds.watched[-1], "symbol": f"{TRUE}{number}-USDT", "notification_channels": ["webhook"]}
        bodies.append({**_second(rng), **rng.choice(RULES), **told})
    for number in range(2):
        deeds.edited.append(f"{deeds.prefix}-edited{number}")
        bodies.append({"symbol": "E-USDT", "rule": "close > 1000000", "cron": RARELY, "id": deeds.edited[-1]})
    deeds.moody.append(f"{deeds.prefix}-moody")
    bodies.append({**_second(rng), **rng.choice(RULES), "id": deeds.moody[0], "notification_channels": []})
    deeds.deleted = [f"{deeds.prefix}-nightly"]
    bodies.append({"symbol": "E-USDT", "rule": "close > 1000000", "cron": RARELY, "id": deeds.deleted[0]})
    for body in bodies:
        await _until_made(stack, body)
    await _begun(stack, deeds)
    deeds.job = f"{deeds.prefix}-job"
    await stack.patient_sql(
        "INSERT INTO job_schedules (key, job_type, task_params, cron) VALUES (:i, 'notification', :p, '*/2 * * * * *')",
        i=deeds.job,
        p=json.dumps({"message": deeds.job, "notification_channels": ["webhook"]}),
    )
    await _foreign(stack, deeds)
    return deeds


def _second(rng: random.Random) -> dict[str, Any]:
    return {"symbol": f"C{rng.randrange(3)}-USDT", "timeframe": "1s", "cron": SECONDS}


async def _until_made(stack: Stack, body: dict[str, Any]) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await stack.http.post("/api/alerts", json=body)
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code in (201, 409):
                return
            if answer is not None and answer.status_code < 500:
                raise AssertionError(f"{body['id']}: {answer.status_code} {answer.text}")
            await asyncio.sleep(0.2)


async def _begun(stack: Stack, deeds: Deeds) -> None:
    """Each steady alert has seen its first bar, and each watched one its first event: from then on none may be lost."""
    async with asyncio.timeout(120):
        for id in deeds.steady:
            while not await stack.patient_sql(
                "SELECT 1 FROM job_schedule_runs WHERE job_key = :i AND error IS NULL", i=id
            ):
                await asyncio.sleep(0.2)
        for id in deeds.watched:
            while not await stack.patient_sql("SELECT 1 FROM alert_events WHERE alert_id = :i", i=id):
                await asyncio.sleep(0.2)


async def _foreign(stack: Stack, deeds: Deeds) -> None:
    """A workflow and a Schedule of somebody else's, under the ids that a row of ours has under another type."""
    name = f"{deeds.prefix}-nightly"
    started = ScheduleActionStartWorkflow("Theirs", id=f"theirs-{name}", task_queue="theirs")
    await stack.patiently(lambda: _started(stack, f"backup-{name}", f"alert-{deeds.prefix}-theirs", started))


async def _started(stack: Stack, schedule: str, workflow: str, action: ScheduleActionStartWorkflow) -> None:
    from temporalio.client import ScheduleAlreadyRunningError
    from temporalio.exceptions import WorkflowAlreadyStartedError

    with contextlib.suppress(WorkflowAlreadyStartedError):
        await stack.client.start_workflow("AlertWorkflow", id=workflow, task_queue="theirs")
    try:
        await stack.client.create_schedule(schedule, Schedule(action=action, spec=ScheduleSpec()))
    except ScheduleAlreadyRunningError:
        return


async def act(stack: Stack, rng: random.Random, deeds: Deeds, until: float) -> None:
    """One thing after another, until it is time."""
    while time.monotonic() < until:
        await asyncio.sleep(rng.uniform(0.05, 0.6))
        deed = rng.choices(DEEDS, WEIGHTS)[0]
        await deed(stack, rng, deeds)
        deeds.count += 1


async def edit(stack: Stack, rng: random.Random, deeds: Deeds) -> None:
    """A new name, by one of the roads."""
    deeds.count += 1
    id = rng.choice(deeds.edited)
    road = rng.choices(("sql", "api", "temporal", "cli"), (3, 3, 4, 0.3))[0]
    one = Edit(f"{road}-{len(deeds.edits.get(id, ()))}", road, time.monotonic())
    deeds.edits.setdefault(id, []).append(one)
    try:
        if road == "sql":
            await stack.sql("UPDATE job_schedules SET name = :n WHERE key = :i", n=one.token, i=id)
            one.answer = "yes"
        elif road == "api":
            answer = await stack.http.patch(f"/api/alerts/{id}", json={"name": one.token}, headers={"If-Match": "*"})
            one.answer = "yes" if answer.status_code == 200 else "maybe" if answer.status_code >= 500 else "no"
        elif road == "temporal":
            handle = stack.client.get_workflow_handle(f"alert-{id}")
            update = handle.execute_update("update_definition", {"name": one.token}, result_type=dict)
            one.version = (await asyncio.wait_for(update, 5))["version"]
            one.answer = "yes"
        else:
            done = await asyncio.to_thread(stack.home.run, "update", id, "--name", one.token)
            one.answer = "yes" if done.returncode == 0 else "maybe"
    except WorkflowUpdateFailedError:
        one.answer = "no"
    except Exception:  # the other side was away: it may have heard it or not
        one.answer = "maybe"
    one.ended = time.monotonic()


async def pause(stack: Stack, rng: random.Random, deeds: Deeds) -> None:
    """Paused, resumed or snoozed, by Temporal, SQL or the API."""
    id = rng.choice(deeds.moody)
    handle = stack.client.get_workflow_handle(f"alert-{id}")
    try:
        match rng.randrange(6):
            case 0:
                await handle.signal("pause")
            case 1:
                await handle.signal("resume")
            case 2:
                await handle.signal("snooze", {"seconds": rng.uniform(0.5, 3)})
            case 3:
                await stack.sql("UPDATE job_schedules SET enabled = NOT enabled WHERE key = :i", i=id)
            case 4:
                await stack.http.post(f"/api/alerts/{id}/pause", json={"reason": "faults"})
            case _:
                await stack.http.post(f"/api/alerts/{id}/resume")
    except Exception:
        return


async def terminate(stack: Stack, rng: random.Random, deeds: Deeds) -> None:
    """By hand, in Temporal's own UI: it comes back with its memory."""
    try:
        await stack.client.get_workflow_handle(f"alert-{rng.choice(deeds.steady)}").terminate(reason="by hand")
    except Exception:
        return


async def delete(stack: Stack, rng: random.Random, deeds: Deeds) -> None:
    """The row whose id others' things bear."""
    try:
        await stack.sql("DELETE FROM job_schedules WHERE key = :i", i=deeds.deleted[0])
    except Exception:
        return


async def add_many(stack: Stack, rng: random.Random, deeds: Deeds) -> None:
    """A file of alerts that fire at once and once; at most once an episode, since it takes a while."""
    if deeds.added or rng.random() > 0.3:
        return
    symbol = {"symbol": "C0-USDT", "timeframe": "1s", "cron": SECONDS, "rule": "close > 0", "rearm": "once"}
    path = Path(stack.home.folder / f"{deeds.prefix}.json")
    path.write_text(json.dumps([{**symbol, "name": f"{deeds.prefix}-added", "notification_channels": []}] * 12))
    done = await asyncio.to_thread(stack.home.run, "add", str(path), "--json")
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return
    deeds.added = [one["id"] for one in found]


DEEDS = (edit, pause, terminate, delete, add_many)
WEIGHTS = (8, 4, 0.6, 0.6, 0.5)

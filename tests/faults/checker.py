"""Whether anything was lost, doubled or touched that is not ours: told by SQL, the receiver and Temporal, against a reference.

The reference is ``step`` over the bars that the market truly had. It shares no code with the workflow's loop, the deliveries or the
reconciler.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from domain.alert import Alert, AlertEvent, AlertState, EventKind
from domain.bar import BarSnapshot
from domain.rearm import step
from domain.run import Run
from storage.deliveries import Delivery, DeliveryFilter
from storage.runs import RunFilter
from storage.stored_schedule import StoredSchedule
from tests.faults.actions import Deeds, Edit
from tests.faults.stack import Stack
from tests.stand_ins.market import price

SECOND = timedelta(seconds=1)
JOB_PATIENCE = timedelta(seconds=3)
MACHINE = (EventKind.TRIGGERED, EventKind.REARMED, EventKind.SUPPRESSED)
TOLD = (EventKind.TRIGGERED, EventKind.LATE, EventKind.DATA_STALE, EventKind.EXPIRED, EventKind.ERROR)
SAME = ("id", "kind", "bar_close", "status", "reason", "trigger_count", "values")


async def findings(stack: Stack, deeds: Deeds, until: datetime) -> list[str]:
    """What is wrong; empty when nothing is."""
    found: list[str] = []
    for id in deeds.steady:
        found += await _steady(stack, id, until)
    for id in deeds.watched:
        found += await _watched(stack, id, until)
    for id in (*deeds.steady, *deeds.watched, *deeds.edited, *deeds.moody):
        found += await _agrees(stack, id)
    for id in deeds.edited:
        found += await _edits(stack, id, deeds.edits.get(id, []))
    found += await _added(stack, deeds)
    found += await _job(stack, deeds)
    found += await _foreign(stack, deeds)
    return found


async def runs_of(stack: Stack, id: str) -> list[Run]:
    """All runs of a schedule, oldest slot first."""
    found, before = list[Run](), None
    async with stack.database.transaction() as work:
        while page := await work.runs.page(RunFilter(job_id=id), before, 1000):
            found += page
            before = page[-1].id
    return sorted(found, key=lambda run: run.scheduled_for)


async def _written(stack: Stack, id: str) -> tuple[StoredSchedule | None, list[AlertEvent], Sequence[Delivery]]:
    """An alert's row, its events and its deliveries."""
    async with stack.database.transaction() as work:
        stored = await work.schedules.get(id)
        return (
            stored,
            await work.events.of_alert(id),
            await work.deliveries.page(DeliveryFilter(alert_id=id), None, 10_000),
        )


async def _steady(stack: Stack, id: str, until: datetime) -> list[str]:
    """Every bar once, in order and true; every event that the reference has, and no other; each told."""
    stored, events, deliveries = await _written(stack, id)
    if stored is None:
        return [f"{id}: its row is gone"]
    runs = [run for run in await runs_of(stack, id) if run.error is None and run.scheduled_for <= until]
    if not runs:
        return [f"{id}: no bar was ever evaluated"]
    slots = [run.scheduled_for for run in runs]
    missing = [at for one, next in itertools.pairwise(slots) for at in _between(one, next)]
    found = (
        [f"{id}: no run of the bars {[f'{at:%H:%M:%S}' for at in missing[:5]]} ({len(missing)} in all)"]
        if missing
        else []
    )
    symbol = stored.alert.definition.symbol.replace("-", "")
    state, expected = AlertState(), []
    for run in runs:
        values = (run.result or {})["values"]
        true = price(symbol, run.scheduled_for)
        if values.get("close") not in (None, true):
            found.append(f"{id}: close of {run.scheduled_for:%H:%M:%S} was {values['close']}, truly {true}")
        state, happened = step(stored.alert, state, BarSnapshot(run.scheduled_for - SECOND, run.scheduled_for, values))
        expected += happened
    if stored.version == 1:
        want = [_same(event) for event in expected if event.kind in MACHINE]
        have = [_same(event) for event in events if event.kind in MACHINE and event.at <= until]
        found += _difference(id, sorted(want), sorted(have))
    late = sum(event.count for event in events if event.kind is EventKind.LATE)
    marked = sum(event.late for event in events if event.kind is EventKind.TRIGGERED)
    if late != marked:
        found.append(f"{id}: {marked} fires were late, the notices speak of {late}")
    told = {event.id for event in events if event.kind in TOLD and not event.late and event.at <= until}
    rows = {row.event_id: row for row in deliveries}
    for event_id in told:
        row = rows.get(event_id)
        if row is None or row.status != "SENT":
            found.append(
                f"{id}: event {event_id} was not told: {row.status if row else 'no row'} {row.last_error if row else ''}"
            )
    for row in deliveries:
        heard = stack.receiver.heard[row.event_id]
        if row.status == "SENT" and not 1 <= heard <= row.attempts:
            found.append(f"{id}: {row.event_id} was heard {heard} times in {row.attempts} attempts")
    return found


LONGEST_START = 120  # seconds from the row to the first bar, on a machine that is busy


async def _watched(stack: Stack, id: str, until: datetime) -> list[str]:
    """Its events are those that ``step`` makes of the market's true bars, from whichever bar it began with."""
    stored, events, deliveries = await _written(stack, id)
    if stored is None:
        return [f"{id}: its row is gone"]
    stale = [event for event in events if event.kind is EventKind.DATA_STALE]
    have = [_bare(event) for event in events if event.kind in MACHINE and event.at <= until]
    first = stored.created_at.replace(microsecond=0)
    want: list[str] = []
    for start in range(LONGEST_START):
        want = _reference(stored.alert, first + start * SECOND, until)
        if sorted(want) == sorted(have):
            break
        if want and have and want[0] == have[0]:
            break  # it began here, and what follows differs
    else:
        said = f"{stored.alert.definition.rule}, {stored.alert.definition.rearm}, made {stored.created_at:%H:%M:%S}"
        known = f"{len(have)} in all, {len(stale)} times without data; from the first: {_reference(stored.alert, first, until)[:6]}"
        return [f"{id} ({said}): no start gives its events: {have[:6]} ({known})"]
    found = _difference(id, sorted(want), sorted(have))
    told = {row.event_id for row in deliveries if row.status == "SENT"}
    found += [
        f"{id}: event {event.id} was not told"
        for event in events
        if event.kind in TOLD and not event.late and event.at <= until and event.id not in told
    ]
    return found


def _reference(alert: Alert, first: datetime, until: datetime) -> list[str]:
    symbol, state, found = alert.definition.symbol.replace("-", ""), AlertState(), []
    at = first
    while at <= until:
        values = {key: _true(key, symbol, at) for key in ("close", *alert.definition.operands)}
        state, events = step(alert, state, BarSnapshot(at - SECOND, at, values))
        found += [_bare(event) for event in events if event.kind in MACHINE]
        at += SECOND
    return found


def _true(key: str, symbol: str, at: datetime) -> float:
    """Of the true market: ``close``, ``close[2]``, ``sma(4)``."""
    number = int(re.sub(r"\D", "", key) or 0)
    if key.startswith("sma"):
        return float(f"{sum(price(symbol, at - n * SECOND) for n in range(number)) / number:.12g}")
    return price(symbol, at - number * SECOND)


def _bare(event: AlertEvent) -> str:
    names = ("id", "kind", "bar_close", "status", "reason", "trigger_count")
    return json.dumps([getattr(event, name) for name in names], default=str, sort_keys=True)


def _between(one: datetime, following: datetime) -> list[datetime]:
    return [one + SECOND * number for number in range(1, round((following - one) / SECOND))]


def _same(event: Any) -> str:
    return json.dumps([getattr(event, name) for name in SAME], default=str, sort_keys=True)


def _difference(id: str, want: Sequence[str], have: Sequence[str]) -> list[str]:
    lost, more = Counter(want) - Counter(have), Counter(have) - Counter(want)
    return [
        f"{id}: {what} {next(iter(those))} ({sum(those.values())} in all)"
        for what, those in (("lost", lost), ("not in the reference", more))
        if those
    ]


async def _agrees(stack: Stack, id: str) -> list[str]:
    """Row and workflow have one definition, one version, one state of being enabled."""
    async with stack.database.transaction() as work:
        stored = await work.schedules.get(id)
    if stored is None:
        return [f"{id}: its row is gone"]
    try:
        found = await stack.client.get_workflow_handle(f"alert-{id}").query("state", result_type=dict)
    except RPCError as error:
        return [f"{id}: does not answer ({error.message})"]
    row = (stored.version, stored.alert.definition.as_json(), stored.enabled)
    snoozed = found["state"]["reason"] == "snoozed"
    running = (found["version"], found["definition"], found["state"]["status"] != "INACTIVE" or snoozed)
    return [] if row == running else [f"{id}: the row says {row}, the workflow {running}"]


async def _edits(stack: Stack, id: str, edits: Sequence[Edit]) -> list[str]:
    """The last edit that was acknowledged stands, unless its loss was told."""
    async with stack.database.transaction() as work:
        stored = await work.schedules.get(id)
        events = await work.events.of_alert(id)
    if stored is None:
        return [f"{id}: its row is gone"]
    told = {
        version
        for event in events
        for first, last in re.findall(r"edited through Temporal \(versions? (\d+)(?: to (\d+))?\)", event.detail)
        for version in range(int(first), int(last or first) + 1)
    }
    return lost_edits(id, stored.alert.definition.name, edits, told)


def lost_edits(id: str, name: str, edits: Sequence[Edit], told: set[int]) -> list[str]:
    """What is wrong with a row of that name; ``told`` are the versions that were said to be discarded."""
    final = next((one for one in edits if one.token == name), None)
    later = [
        (one.token, one.version)
        for one in edits
        if one.answer == "yes" and (final is None or one.began > final.ended) and one.version not in told
    ]
    if later:
        return [f"{id}: is called '{name}', though {later} came later and was acknowledged; told {sorted(told)}"]
    if final is not None and final.answer == "no":
        return [f"{id}: is called '{name}', which was refused"]
    return []


async def _added(stack: Stack, deeds: Deeds) -> list[str]:
    """Every alert that ``alerts add`` said was added is there, and fired once."""
    found = []
    async with stack.database.transaction() as work:
        for id in deeds.added:
            fires = [event.kind for event in await work.events.of_alert(id, kinds=["triggered"])]
            if await work.schedules.get(id) is None or len(fires) != 1:
                found.append(f"{id}: added, and fired {len(fires)} times")
    return found


async def _job(stack: Stack, deeds: Deeds) -> list[str]:
    """Each run that had its time is done, and told by its channel."""
    runs = [run for run in await runs_of(stack, deeds.job) if run.scheduled_for <= now() - JOB_PATIENCE]
    if not runs:
        return [f"{deeds.job}: never ran"]
    found = []
    bad = [(run.run_id, run.status.value, run.error) for run in runs if run.status.value not in ("COMPLETED", "MISSED")]
    if bad:
        found.append(f"{deeds.job}: {bad[0]} ({len(bad)} in all)")
    async with stack.database.transaction() as work:
        rows = {
            row.event_id: row for row in await work.deliveries.page(DeliveryFilter(alert_id=deeds.job), None, 10_000)
        }
    for run in runs:
        row = rows.get(run.run_id.replace("-", ""))
        if run.status.value == "COMPLETED" and (
            row is None or not 1 <= stack.receiver.heard[row.event_id] <= row.attempts
        ):
            found.append(
                f"{deeds.job}: run of {run.scheduled_for:%H:%M:%S} heard {stack.receiver.heard[row.event_id] if row else 'no row'}"
            )
    return found


async def _foreign(stack: Stack, deeds: Deeds) -> list[str]:
    """What is not ours is as it was."""
    found = []
    handle = stack.client.get_workflow_handle(f"alert-{deeds.prefix}-theirs")
    if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
        found.append(f"{handle.id}: not ours, and ended")
    kinds = [event.WhichOneof("attributes") async for event in handle.fetch_history_events()]
    if any("signaled" in (kind or "") or "cancel" in (kind or "") for kind in kinds):
        found.append(f"{handle.id}: not ours, and told {kinds}")
    try:
        await stack.client.get_schedule_handle(f"backup-{deeds.prefix}-nightly").describe()
    except RPCError as error:
        found.append(f"backup-{deeds.prefix}-nightly: not ours, and {error.message}")
    return found


def now() -> datetime:
    """Real time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)

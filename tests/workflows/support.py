"""A market, a store and channels whose behaviour tests decide, behind the real activity names."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities import interface
from activities.interface import (
    DeliveryInput,
    DeliveryTask,
    EvaluateInput,
    EvaluateResult,
    FetchInput,
    FetchResult,
    Freshness,
    RecordAnswer,
    RecordInput,
    SaveInput,
    StoredDefinition,
    TaskQueue,
    Watching,
)
from domain.alert import Alert, AlertEvent, AlertState
from domain.bar import BarSnapshot
from domain.observing import observe
from domain.outbox import EvaluationRun
from workflows import search_attributes
from workflows.alert import AlertWorkflow
from workflows.delivery import DeliveryWorkflow
from workflows.messages import AlertInput

Price = Callable[[datetime], float | None]
SERVING_SECONDS = 90.0


@dataclass
class World:
    """What the activities see and remember. ``price`` gives the close of the bar that closes at a time."""

    price: Price = lambda at: 100.0
    freshness: Freshness = Freshness.FRESH
    database_down: bool = False
    refuse: set[str] = field(default_factory=set)
    events: dict[str, AlertEvent] = field(default_factory=dict)
    recorded: list[str] = field(default_factory=list)
    noted: set[str] = field(default_factory=set)
    evaluations: list[EvaluateInput] = field(default_factory=list)
    fetches: int = 0
    fetch_fails: bool = True
    told: list[tuple[str, str]] = field(default_factory=list)
    buried: list[DeliveryTask] = field(default_factory=list)
    rows: dict[str, Alert] = field(default_factory=dict)
    unreadable: bool = False
    disabled: set[str] = field(default_factory=set)
    runs: list[EvaluationRun] = field(default_factory=list)
    projection: AlertState | None = None
    settle: int = 0
    on_record: Callable[[RecordInput], Awaitable[None]] | None = None
    store_down: bool = False
    fetch_gate: asyncio.Event | None = None
    clock_behind: timedelta = timedelta(0)
    record_all: bool = False
    watched_for: timedelta | None = None
    records: list[RecordInput] = field(default_factory=list)

    @activity.defn(name=interface.EVALUATE)
    async def evaluate(self, wanted: EvaluateInput) -> EvaluateResult:
        self.evaluations.append(wanted)
        if self.freshness not in (Freshness.FRESH, Freshness.SETTLING):
            return EvaluateResult(self.freshness, wanted.now, problem="vendor is away")
        if self.settle > 0:
            self.settle -= 1
            return EvaluateResult(Freshness.SETTLING, wanted.now, ready_at=wanted.now + timedelta(seconds=3))
        length = wanted.timeframe.length
        clock = wanted.now - self.clock_behind
        newest = wanted.timeframe.floor(clock)
        close = newest if wanted.after is None or wanted.newest_only else wanted.after + length
        close = wanted.timeframe.floor(close)
        snapshots = []
        while close <= newest and len(snapshots) < interface.MAX_SNAPSHOTS:
            if wanted.after is None or close > wanted.after:
                snapshots.append(BarSnapshot(close - length, close, {"close": self.price(close)}))
            close += length
        forming = None
        if wanted.forming:
            forming = BarSnapshot(newest, newest + length, {"close": self.price(wanted.now)}, final=False)
        more, source = close <= newest, "stand-in"
        result = EvaluateResult(
            Freshness.FRESH, clock, tuple(snapshots), forming, more=more, source=source, clock=clock
        )
        result = replace(result, record_all=self.record_all, watched=self.watched_for is not None)
        if wanted.alert is None or wanted.state is None:
            return result
        every = self.record_all or wanted.alert.definition.options.record == "all"
        found = observe(wanted.alert, wanted.state, snapshots, every=every, is_all=not more)
        carried = replace(result, snapshots=found.snapshots, more=found.more)
        return replace(carried, before=found.before, quiet=found.quiet, sides=found.sides) if found.quiet else carried

    @activity.defn(name=interface.FETCH)
    async def fetch(self, wanted: FetchInput) -> FetchResult:
        self.fetches += 1
        if self.fetch_gate is not None:
            await self.fetch_gate.wait()
        if self.fetch_fails and self.freshness is not Freshness.FRESH:  # a slow machine is no vendor that is away
            raise ApplicationError("vendor is away", type="ProviderUnavailable")
        self.freshness = Freshness.FRESH
        return FetchResult("stand-in", None)

    @activity.defn(name=interface.RECORD)
    async def record(self, given: RecordInput) -> RecordAnswer:
        if self.database_down:
            raise ApplicationError("database is down")
        if self.on_record is not None:
            await self.on_record(given)
        for event in given.events:
            if event.id not in self.noted:  # a delivery may have put the event there first
                self.noted.add(event.id)
                self.recorded.append(event.kind.value)
            self.events.setdefault(event.id, event)
        self.projection = given.state
        self.runs += given.runs
        self.records.append(given)
        if given.watching is Watching.OFFERED and self.watched_for is not None:
            return RecordAnswer(self.evaluations[-1].now + self.watched_for)
        return RecordAnswer(given.watched_until)

    @activity.defn(name=interface.LOAD_ALERT)
    async def load(self, alert_id: str) -> StoredDefinition:
        if self.store_down:
            raise ApplicationError("database is down")
        if self.unreadable:
            return StoredDefinition(None, readable=False)
        return StoredDefinition(self.rows.get(alert_id), alert_id not in self.disabled)

    @activity.defn(name=interface.SAVE_ALERT)
    async def save(self, given: SaveInput) -> StoredDefinition:
        if self.store_down:
            raise ApplicationError("database is down")
        row = self.rows.get(given.alert.id)
        if row is not None and row.version == given.expected_version:
            row = self.rows[given.alert.id] = given.alert
            (self.disabled.discard if given.enabled is not False else self.disabled.add)(row.id)
        return StoredDefinition(row, given.alert.id not in self.disabled)

    @activity.defn(name=interface.OPEN_DELIVERY)
    async def open(self, given: DeliveryInput) -> list[str]:
        self.events.setdefault(given.event.id, given.event)
        return list(given.alert.definition.notification_channels)

    @activity.defn(name=interface.DELIVER)
    async def deliver(self, task: DeliveryTask) -> str:
        if task.channel in self.refuse:
            raise ApplicationError("gone", type="ChannelRefused", non_retryable=True)
        self.told.append((self.events[task.event_id].kind.value, task.channel))
        return "SENT"

    @activity.defn(name=interface.BURY)
    async def bury(self, task: DeliveryTask) -> None:
        self.buried.append(task)


@asynccontextmanager
async def serving(client: Client, world: World, **options: Any) -> AsyncIterator[str]:
    """Sandboxed workers on the product's queues; yields the alerts' queue."""
    async with (
        asyncio.timeout(SERVING_SECONDS),  # pytest's own leaves workers behind, and the next test cannot start its own
        Worker(
            client,
            task_queue=TaskQueue.ALERTS,
            workflows=[AlertWorkflow],
            activities=[world.evaluate, world.record, world.load, world.save],
            **options,
        ),
        Worker(client, task_queue=TaskQueue.MARKET_DATA, activities=[world.fetch]),
        Worker(
            client,
            task_queue=TaskQueue.NOTIFICATIONS,
            workflows=[DeliveryWorkflow],
            activities=[world.open, world.deliver, world.bury],
        ),
    ):
        yield TaskQueue.ALERTS


async def start(client: Client, given: AlertInput | Alert) -> WorkflowHandle[AlertWorkflow, Any]:
    """Starts an alert under an id of its own."""
    given = given if isinstance(given, AlertInput) else AlertInput(alert=given)
    return await client.start_workflow(
        AlertWorkflow.run,
        given,
        id=f"alert-{given.alert.id}-{uuid.uuid4().hex[:8]}",
        task_queue=TaskQueue.ALERTS,
        search_attributes=search_attributes.initial(given.alert, "ARMED"),
    )

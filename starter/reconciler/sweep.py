"""The reconciler: reads what changed (or everything), plans, and does it. One sweep never ends another's work."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from temporalio import activity
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
)
from temporalio.service import RPCError

from activities.heartbeat import heartbeats
from activities.interface import RECONCILE, RECONCILE_HEARTBEAT, ReconcileReport, TaskQueue
from activities.market_data.calendars.calendars import Calendars
from domain.errors import Fault, InvalidInput
from domain.reconcile import Action, plan, summary
from starter.alert_workflows import Ownership, TakenByOthers
from starter.destination_checks import own_names, refuse_unknown
from starter.reconciler import observe
from starter.reconciler.apply import Applier
from starter.reconciler.next_runs import NextRuns
from starter.reconciler.notices import NoticeSupervisor
from starter.reconciler.runs import RunSupervisor
from storage.audit import AuditEntry
from storage.database import Database, UnitOfWork
from storage.stored_schedule import StoredSchedule
from storage.types import OddNumber
from workflows.reconcile import ReconcileWorkflow

EVERY = timedelta(seconds=15)
FULL_EVERY = timedelta(minutes=1)
FULL_FOR_ROW = timedelta(milliseconds=30)  # with very many rows less often: five minutes for 10,000
SCHEDULE = "reconcile"
NOTE, FULL_NOTE, INSTALLATION = "reconciler", "reconciler-full", "installation"
AT_ONCE = 20
READ_AT_ONCE = 100
MOST_TROUBLES = 20
KEEP_SECONDS = 60.0
Check = Callable[[StoredSchedule], None]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Plan:
    """What a sweep would do, and the rows it cannot read. ``changes`` are the notes it deals with."""

    full: bool
    rows: int
    actions: list[Action]
    invalid: list[StoredSchedule]
    changes: dict[int, str]


@dataclass(frozen=True)
class Read:
    """Rows other programs wrote: the hashes of those that can be used, and the others."""

    hashes: dict[str, str]
    invalid: list[StoredSchedule]


async def installation(database: Database, now: datetime) -> str:
    """This database's own mark on what it runs, so that another's work in the same namespace is not taken for an orphan."""
    async with database.transaction() as work:
        return str((await work.reports.first(INSTALLATION, now, {"id": uuid.uuid4().hex[:12]}))["id"])


class Reconciler:
    """Sweeps. ``unmarked``: the server is our own, so that what bears no mark is ours. ``check`` may refuse more rows.

    ``calendars`` say when markets close, for the next runs of quiet alerts.
    """

    def __init__(
        self,
        client: Client,
        database: Database,
        mark: str,
        *,
        unmarked: bool = False,
        check: Check = lambda stored: None,
        calendars: Calendars | None = None,
        full_every: timedelta = FULL_EVERY,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.client, self.database = client, database
        self.ours = Ownership(mark, unmarked)
        self.check, self.clock, self.full_every = check, clock, full_every
        self.applier = Applier(client, database, self.ours, clock)
        self.runs = RunSupervisor(client, database, clock)
        self.notices = NoticeSupervisor(client, database, clock)
        self.next_runs = NextRuns(database, calendars, clock)
        self._one_at_a_time = asyncio.Lock()

    @activity.defn(name=RECONCILE)
    async def reconcile(self, full: bool) -> ReconcileReport:
        """One sweep; a full one when asked for, or when the last is long ago."""
        async with heartbeats(RECONCILE_HEARTBEAT):
            return await self.sweep(full or await self._full_is_due())

    async def sweep(self, full: bool) -> ReconcileReport:
        """Plans and does it, then looks after runs."""
        async with self._one_at_a_time:
            planned = await self.plan(full)
            failed = await self.apply(planned)
            await self.runs.deliver()
            await self.next_runs.move()
            await self.notices.hand_on()
            if full:
                await self.runs.close_stuck()
                await self.runs.write_missed()
                await self.notices.deliver()
            return await self._report(planned, failed)

    async def plan(self, full: bool, *, write: bool = True) -> Plan:
        """What is to be done. With ``write`` rows are marked as read or unusable on the way."""
        async with self.database.transaction() as work:
            changes = await work.schedules.changes()
        ids = list(dict.fromkeys(changes.values()))
        if full:
            running = await observe.everything(self.client, self.ours)
            read = await self._read(None, write)
            async with self.database.transaction() as work:
                rows = await work.schedules.briefs()
        else:
            read = await self._read(ids, write)
            async with self.database.transaction() as work:
                rows = await work.schedules.briefs(ids)
            known = {row.id: row for row in rows}
            wanted = {row_id: known.get(row_id) for row_id in ids}
            running = await observe.these(self.client, wanted, self.ours)
        rows = [replace(row, hash=read.hashes.get(row.id, row.hash)) for row in rows]
        return Plan(full, len(rows), plan(rows, running, self.clock()), read.invalid, changes)

    async def apply(self, planned: Plan) -> dict[str, str]:
        """Does the actions, some at once; why some failed, by id. Changes whose action failed are kept for the next sweep."""
        limit = asyncio.Semaphore(AT_ONCE)
        failed: dict[str, str] = {}

        async def one(action: Action) -> None:
            async with limit:
                try:
                    await self.applier.apply(action)
                except Exception as error:
                    is_known = isinstance(error, TakenByOthers)
                    text = failed[action.id] = (str(error) if is_known else f"{type(error).__name__}: {error}")[:300]
                    log.warning("not reconciled", action="reconcile", kind=action.kind, id=action.id, error=text)

        await asyncio.gather(*(one(action) for action in planned.actions))
        async with self.database.transaction() as work:
            await work.schedules.forget_changes(
                number for number, row_id in planned.changes.items() if row_id not in failed
            )
        return failed

    async def _read(self, ids: Sequence[str] | None, write: bool) -> Read:
        """Reads what other programs wrote: some rows at a time, so that nobody who wants to write waits for long."""
        read = Read({}, [])
        async with self.database.transaction() as work:
            unread = await work.schedules.unread_ids(ids)
        for start in range(0, len(unread), READ_AT_ONCE):
            async with self.database.transaction() as work:
                rows = await work.schedules.unread(unread[start : start + READ_AT_ONCE])
            marks = [await self._judged(stored, read) for stored in rows]
            if write and marks:
                async with self.database.transaction() as work:
                    for stored, faults in marks:
                        digest = read.hashes.get(stored.id)
                        await work.schedules.mark(stored.id, stored.version, digest, faults)
                    await _audit(work, marks, self.clock())
        return read

    async def _judged(self, stored: StoredSchedule, read: Read) -> tuple[StoredSchedule, Sequence[Fault]]:
        """What is wrong with a row, if anything; noted in ``read``."""
        await asyncio.sleep(0)  # alerts of the same process take their turn
        faults: Sequence[Fault] = stored.faults
        if stored.schedule is not None:
            try:
                self.check(stored)
            except InvalidInput as error:
                faults = error.faults
        if not faults and stored.schedule is not None:
            faults = await self._unknown_destinations(stored)
        if not faults and stored.schedule is not None:
            read.hashes[stored.id] = stored.schedule.definition.digest
        if faults:
            read.invalid.append(stored)
            log.warning("row cannot be used", action="reconcile", id=stored.id, faults=[str(one) for one in faults])
        return stored, faults

    async def _unknown_destinations(self, stored: StoredSchedule) -> Sequence[Fault]:
        """A row that names a destination which is not there must not seem well until it fires."""
        assert stored.schedule is not None
        definition = stored.schedule.definition
        if not own_names(definition):
            return ()
        try:
            async with self.database.transaction() as work:
                await refuse_unknown(work, stored.user_id, definition)
        except InvalidInput as error:
            return error.under("$.task_params")
        return ()

    async def _full_is_due(self) -> bool:
        async with self.database.transaction() as work:
            last = await work.reports.get(FULL_NOTE)
        return last is None or self.clock() - last[0] >= max(self.full_every, FULL_FOR_ROW * int(last[1]["rows"]))

    async def _report(self, planned: Plan, failed: dict[str, str]) -> ReconcileReport:
        async with self.database.transaction() as work:
            invalid = await work.schedules.invalid()
            troubles = dict(list(failed.items())[:MOST_TROUBLES])
            actions = dict(summary(planned.actions))
            report = ReconcileReport(planned.full, planned.rows, actions, invalid, len(failed), troubles)
            await work.reports.put(NOTE, self.clock(), vars(report))
            if planned.full:
                await work.reports.put(FULL_NOTE, self.clock(), vars(report))
        if planned.actions or failed:
            log.info("reconciled", action="reconcile", **vars(report))
        return report


async def _audit(work: UnitOfWork, marks: Sequence[tuple[StoredSchedule, Sequence[Fault]]], now: datetime) -> None:
    """Another program wrote these rows, unless whoever did has said so already."""
    told = await work.audit.newest_versions([str(stored.id) for stored, _ in marks])
    entries = []
    for stored, faults in marks:
        version = None if isinstance(stored.version, OddNumber) else stored.version
        if version is not None and told.get(str(stored.id)) == version:
            continue
        detail = {"faults": [str(one) for one in faults]} if faults else {}
        actor, row_id = str(stored.user_id)[:120], str(stored.id)[:64]
        entries.append(AuditEntry(now, actor, "sql", "written", "schedule", row_id, version, detail))
    await work.audit.add_all(entries)


async def ensure_schedule(client: Client, *, mend: bool = True) -> None:
    """The Schedule that sweeps every 15 s; made, or mended where somebody changed or paused it."""
    made = Schedule(
        action=ScheduleActionStartWorkflow(
            ReconcileWorkflow.run,
            False,
            id=SCHEDULE,
            task_queue=TaskQueue.RECONCILE,
            execution_timeout=timedelta(minutes=10),
            static_summary="rows of job_schedules to Temporal",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(seconds=10)),
    )
    try:
        await client.create_schedule(SCHEDULE, made, trigger_immediately=True)
    except ScheduleAlreadyRunningError:
        if mend:
            await client.get_schedule_handle(SCHEDULE).update(lambda _: ScheduleUpdate(made))


async def keep_schedule(client: Client, stop: asyncio.Event, every: float = KEEP_SECONDS) -> None:
    """Makes the Schedule again when somebody deleted it; until ``stop``."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)
        try:
            await ensure_schedule(client, mend=False)
        except RPCError as error:
            log.warning("no sweeps scheduled", action="reconcile", error=error.message[:300])

"""Does what the plan says; every action may be repeated, and finds for itself what has changed since it was planned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from temporalio.client import (
    Client,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from domain import rearm
from domain.alert import AlertState
from domain.cron import next_fire
from domain.job import Job, JobType
from domain.reconcile import Action, ActionKind
from starter import alert_workflows
from starter.alert_workflows import Ownership
from starter.reconciler.endings import may_return
from starter.reconciler.schedules import build, running_described, schedule_id
from storage.audit import AuditEntry
from storage.database import Database
from storage.stored_schedule import DefinitionConflict, StoredSchedule


class Applier:
    """Brings one row at a time to Temporal."""

    def __init__(self, client: Client, database: Database, ours: Ownership, clock: Callable[[], datetime]) -> None:
        self.client = client
        self.database = database
        self.ours = ours
        self.clock = clock

    async def apply(self, action: Action) -> None:
        """Raises what Temporal or the database raises; nothing is left half done that a later sweep would not mend.

        Raises:
            TakenByOthers: what runs under the row's id is not ours, and is left alone.
        """
        if action.kind is ActionKind.DELETE:
            await self._delete(action)
            return
        async with self.database.transaction() as work:
            stored = await work.schedules.get(action.id, action.job_type)
            if stored is not None and (
                stored.schedule is None or stored.schedule.definition.digest != stored.definition_hash
            ):
                digest = stored.schedule.definition.digest if stored.schedule else None  # a hash that was copied along
                await work.schedules.mark(stored.id, stored.version, digest, stored.faults)
        if stored is None or stored.schedule is None:
            return  # gone or spoilt meanwhile: the next sweep sees it
        if action.job_type == JobType.ALERT:
            await self._alert(action, stored)
        elif action.kind is ActionKind.ADOPT:
            await self._adopt(stored)
        else:
            await self._job(stored)

    async def _alert(self, action: Action, stored: StoredSchedule) -> None:
        if action.kind is not ActionKind.CREATE and await alert_workflows.tell(
            self.client, action.id, self.ours, reason=action.note
        ):
            return
        if not stored.enabled:
            await self._remember_pause(stored)
        elif stored.state is None or await self._may_return(stored):
            await alert_workflows.ensure_running(self.client, alert_workflows.restored(stored, self.clock()), self.ours)

    async def _may_return(self, stored: StoredSchedule) -> bool:
        memory = stored.state_under(stored.alert)
        return await may_return(self.client, self.database, stored.alert, memory, self.clock())

    async def _remember_pause(self, stored: StoredSchedule) -> None:
        """An alert that is disabled while nothing runs of it: the bars that close until it is enabled are not its own."""
        alert, now = stored.alert, self.clock()
        state, _ = rearm.pause(alert, stored.state_under(alert) or AlertState(), now)
        async with self.database.transaction() as work:
            await work.schedules.project(alert.id, alert.version, state, None, None, alert.definition.memory_key)

    async def _job(self, stored: StoredSchedule) -> None:
        job, now = stored.job, self.clock()
        made = build(job, stored.enabled, self.ours.installation, now)
        name = schedule_id(stored.job_type, job.id)
        try:
            await self.client.create_schedule(
                name,
                made,
                memo={alert_workflows.INSTALLATION: self.ours.installation} if self.ours.installation else None,
            )
        except ScheduleAlreadyRunningError:
            handle, _ = await self._schedule(stored.job_type, job.id)
            await handle.update(lambda _: ScheduleUpdate(made))
        await self._next(job, stored.enabled, now)

    async def _schedule(self, job_type: str, row_id: str) -> tuple[ScheduleHandle, ScheduleDescription]:
        """A Schedule of ours, as it is now."""
        name = schedule_id(job_type, row_id)
        handle = self.client.get_schedule_handle(name)
        found = await handle.describe()
        made = running_described(job_type, row_id, found)
        if made is None:
            raise alert_workflows.TakenByOthers(name, "")
        self.ours.check(name, made[1])
        return handle, found

    async def _next(self, job: Job, enabled: bool, now: datetime) -> None:
        definition = job.definition
        following = next_fire(definition.parsed_cron, ZoneInfo(definition.timezone), now) if enabled else None
        async with self.database.transaction() as work:
            await work.schedules.schedule_next(job.id, following)

    async def _adopt(self, stored: StoredSchedule) -> None:
        """A pause or resume made in Temporal goes to the row; when the row has moved meanwhile, it wins."""
        job, now = stored.job, self.clock()
        handle, found = await self._schedule(stored.job_type, job.id)
        paused = found.schedule.state.paused
        if paused is not stored.enabled:
            return
        newer = Job(id=job.id, user_id=job.user_id, version=job.version + 1, definition=job.definition)
        try:
            async with self.database.transaction() as work:
                await work.schedules.replace(newer, job.version, now, enabled=not paused)
                detail = {"enabled": not paused}
                await work.audit.add(
                    AuditEntry(now, "temporal", "temporal", "edited", "schedule", job.id, newer.version, detail)
                )
        except DefinitionConflict:
            return
        made = build(newer, not paused, self.ours.installation, now)

        def restamped(given: ScheduleUpdateInput) -> ScheduleUpdate:
            made.state = given.description.schedule.state  # with the note of whoever paused it
            return ScheduleUpdate(made)

        await handle.update(restamped)
        await self._next(newer, not paused, now)

    async def _delete(self, action: Action) -> None:
        async with self.database.transaction() as work:
            if await work.schedules.get(action.id, action.job_type) is not None:
                return  # written anew meanwhile
        if action.job_type == JobType.ALERT:
            await alert_workflows.stop_running(self.client, action.id, self.ours)
            return
        try:
            handle, _ = await self._schedule(action.job_type, action.id)
            await handle.delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

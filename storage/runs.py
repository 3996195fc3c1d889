"""Runs: one row for each (schedule, slot), written by whoever gets there first."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, String, and_, cast, delete, exists, false, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.job import JobType
from domain.own_types import NONE, OwnTypes
from domain.run import OPEN, Run, RunStatus
from storage.tables import RunRow, ScheduleRow
from storage.upsert import insert_new

ERROR_BEGIN = 120  # characters by which errors are told apart
RETRIED_AS = "retried_as"  # in the result of a run that was run again: the other's id


@dataclass(frozen=True)
class RunFilter:
    """Which runs a list wants; None wants all. ``since`` and ``until`` bound the slot.

    ``dead`` wants jobs that failed with all their tries and were not run again since.
    """

    user_id: str | None = None
    job_id: str | None = None
    job_type: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    dead: bool = False


@dataclass(frozen=True)
class RunCount:
    """Statistics of one (job_type, status). ``seconds`` is the mean time from start to finish."""

    job_type: str
    status: str
    count: int
    seconds: float | None


@dataclass(frozen=True)
class WrittenDefinition:
    """What a run says of the alert that it is of. ``definition`` is as the row has it; ``has_failed``: some of the slots."""

    user_id: str
    version: int
    definition: dict[str, Any]
    has_failed: bool = False


class Runs:
    """Repository of runs."""

    def __init__(self, session: AsyncSession, own: OwnTypes = NONE) -> None:
        self.session, self.own = session, own

    async def add(self, runs: Sequence[Run]) -> None:
        """Inserts runs in batches; a slot that has one keeps it."""
        await insert_new(self.session, RunRow, [_values(run) for run in runs])

    async def forget_failed(self, job_ids: Collection[str], slots: Sequence[datetime]) -> None:
        """Removes what says that each of these slots failed for each of these: they have come to something after all."""
        for start in range(0, len(slots), 500):
            await self.session.execute(
                delete(RunRow).where(
                    RunRow.job_id.in_(job_ids),
                    RunRow.scheduled_for.in_(slots[start : start + 500]),
                    RunRow.status == RunStatus.FAILED.value,
                )
            )

    async def written(self, alert_ids: Collection[str], slots: Sequence[datetime] = ()) -> dict[str, WrittenDefinition]:
        """Of those of these alerts that there are, by id; nothing of them is read into a definition."""
        row, some, found = ScheduleRow, sorted(alert_ids), dict[str, WrittenDefinition]()
        failed = (
            exists().where(
                RunRow.job_id == row.id, RunRow.scheduled_for.in_(slots), RunRow.status == RunStatus.FAILED.value
            )
            if slots
            else false()
        )
        wanted = select(row.id, row.user_id, row.version, row.task_params, failed.label("failed"))
        for start in range(0, len(some), 500):
            rows = await self.session.execute(wanted.where(row.id.in_(some[start : start + 500])))
            found |= {one[0]: WrittenDefinition(one[1], one[2], one[3], bool(one[4])) for one in rows}
        return found

    async def of_slot(self, job_id: str, slot: datetime) -> Run | None:
        """The run of a schedule's slot, if any."""
        row = await self.session.scalar(select(RunRow).where(RunRow.job_id == job_id, RunRow.scheduled_for == slot))
        return self._run(row) if row else None

    async def slots(self, job_id: str, slots: Sequence[datetime]) -> set[datetime]:
        """Those of the slots that have a run."""
        found = await self.session.scalars(
            select(RunRow.scheduled_for).where(RunRow.job_id == job_id, RunRow.scheduled_for.in_(slots))
        )
        return set(found)

    async def reopen(self, run_id: str, now: datetime, snapshot: dict[str, Any]) -> bool:
        """A MISSED run whose slot came after all, late; False when it is none."""
        return await self._move(
            run_id,
            (RunStatus.MISSED,),
            status=RunStatus.PENDING.value,
            enqueued_at=now,
            finished_at=None,
            error=None,
            job_snapshot=snapshot,
        )

    async def get(self, run_id: str) -> Run | None:
        """The run, if any; no text that is no UUID has one."""
        try:
            run_id = str(uuid.UUID(run_id))
        except ValueError:
            return None
        row = await self.session.scalar(
            select(RunRow).where(RunRow.run_id == run_id), execution_options={"populate_existing": True}
        )
        return self._run(row) if row else None

    async def describe(self, run_id: str, snapshot: dict[str, Any]) -> None:
        """What is to be run, into a run that another program ordered."""
        await self._move(run_id, OPEN, job_snapshot=snapshot)

    async def begin(self, run_id: str, now: datetime, worker_id: str) -> bool:
        """To RUNNING; False when it was cancelled or has ended meanwhile."""
        return await self._move(run_id, OPEN, status=RunStatus.RUNNING.value, started_at=now, worker_id=worker_id[:200])

    async def progress(self, run_id: str, done: int, total: int, what: str) -> None:
        """How far a run that is under way has come; ``total`` is 0 where nobody knows."""
        await self._move(run_id, OPEN, progress={"done": done, "total": total, "what": what[:200]})

    async def finish(
        self,
        run_id: str,
        status: RunStatus,
        now: datetime,
        result: dict[str, Any] | None = None,
        error: str | None = None,
    ) -> bool:
        """To an end; False when it had one already."""
        return await self._move(run_id, OPEN, status=status.value, finished_at=now, result=result, error=error)

    async def note_deliveries(self, run_id: str, channels: dict[str, str]) -> None:
        """What came of each channel, into the result of a run that has ended; one without a result stays so."""
        row = await self._locked(run_id)
        if row is not None and isinstance(row.result, dict):
            row.result = {**row.result, "deliveries": channels}
            await self.session.flush()

    async def note_retry(self, run_id: str, again: str) -> bool:
        """That it was run again, and as which run; False when it has been already."""
        row = await self._locked(run_id)
        result = row.result if row is not None and isinstance(row.result, dict) else {}
        if row is None or RETRIED_AS in result:
            return False
        row.result = {**result, RETRIED_AS: again}
        await self.session.flush()
        return True

    async def _locked(self, run_id: str) -> RunRow | None:
        row: RunRow | None = await self.session.scalar(select(RunRow).where(RunRow.run_id == run_id).with_for_update())
        return row

    async def _move(self, run_id: str, allowed: Sequence[RunStatus], **values: Any) -> bool:
        result: CursorResult[Any] = await self.session.execute(  # type: ignore[assignment]
            update(RunRow)
            .where(RunRow.run_id == run_id, RunRow.status.in_([one.value for one in allowed]))
            .values(values)
            .execution_options(synchronize_session=False)
        )
        return result.rowcount > 0

    async def page(self, wanted: RunFilter, before: int | None, limit: int) -> list[Run]:
        """At most ``limit`` runs with a row number below ``before``, newest first."""
        statement = select(RunRow).where(*_conditions(wanted)).order_by(RunRow.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(RunRow.id < before)
        return [self._run(row) for row in await self.session.scalars(statement)]

    async def last_result(self, job_id: str) -> dict[str, Any] | None:
        """What the schedule's last completed run came to; None where none has."""
        runs = await self.page(RunFilter(job_id=job_id, status=RunStatus.COMPLETED), None, 1)
        return (runs[0].result or {}) if runs else None

    async def under_way(self, user_id: str) -> int:
        """How many of a user's runs wait or run."""
        statement = select(func.count()).where(RunRow.user_id == user_id, RunRow.status.in_(OPEN))
        return int(await self.session.scalar(statement) or 0)

    async def statistics(self, wanted: RunFilter) -> list[RunCount]:
        """Counts and mean durations by job type and status."""
        if self.session.get_bind().dialect.name == "postgresql":
            seconds: Any = func.extract("epoch", RunRow.finished_at - RunRow.started_at)
        else:
            seconds = (func.julianday(RunRow.finished_at) - func.julianday(RunRow.started_at)) * 86_400.0
        statement = (
            select(RunRow.job_type, RunRow.status, func.count(), func.avg(seconds))
            .where(*_conditions(wanted))
            .group_by(RunRow.job_type, RunRow.status)
            .order_by(RunRow.job_type, RunRow.status)
        )
        rows = await self.session.execute(statement)
        return [
            RunCount(kind, status, count, None if mean is None else float(mean)) for kind, status, count, mean in rows
        ]

    async def common_errors(self, wanted: RunFilter, limit: int) -> list[tuple[str, int]]:
        """The errors that runs ended with most often, as far as their first characters tell them apart."""
        begin = func.substr(RunRow.error, 1, ERROR_BEGIN)
        rows = await self.session.execute(
            select(begin, func.count())
            .where(*_conditions(wanted), RunRow.error.is_not(None), RunRow.status == RunStatus.FAILED.value)
            .group_by(begin)
            .order_by(func.count().desc(), begin)
            .limit(limit)
        )
        return [(str(text), int(count)) for text, count in rows]

    async def clean(self, before: datetime) -> int:
        """Deletes runs that ended and whose slot is older; returns how many."""
        result: CursorResult[Any] = await self.session.execute(  # type: ignore[assignment]
            delete(RunRow).where(RunRow.scheduled_for < before, RunRow.status.not_in([one.value for one in OPEN]))
        )
        return int(result.rowcount)

    async def waiting(self, enqueued_before: datetime, limit: int = 200) -> list[Run]:
        """PENDING runs that were put there before a moment: Temporal may not know of them."""
        rows = await self.session.scalars(
            select(RunRow)
            .where(RunRow.status == RunStatus.PENDING.value, RunRow.enqueued_at < enqueued_before)
            .order_by(RunRow.id)
            .limit(limit)
        )
        return [self._run(row) for row in rows]

    async def running(self, started_before: datetime, limit: int = 200) -> list[Run]:
        """RUNNING runs that began before a moment: candidates for being stuck."""
        rows = await self.session.scalars(
            select(RunRow)
            .where(
                RunRow.status == RunStatus.RUNNING.value,
                or_(
                    RunRow.started_at < started_before,
                    and_(RunRow.started_at.is_(None), RunRow.enqueued_at < started_before),
                ),
            )
            .order_by(RunRow.id)
            .limit(limit)
        )
        return [self._run(row) for row in rows]

    def _run(self, row: RunRow) -> Run:
        known = row.status in list(RunStatus)
        return Run(
            run_id=row.run_id,
            job_type=self.own.runs_as(row.job_type),
            job_id=row.job_id,
            user_id=row.user_id,
            status=RunStatus(row.status) if known else RunStatus.FAILED,
            scheduled_for=row.scheduled_for,
            enqueued_at=row.enqueued_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            job_snapshot=row.job_snapshot if isinstance(row.job_snapshot, dict) else {},
            result=row.result if isinstance(row.result, dict) else None,
            error=row.error if known else f"its status is {row.status!r}, which is none",
            worker_id=row.worker_id,
            progress=row.progress if isinstance(row.progress, dict) else None,
            id=row.id,
        )


def _conditions(wanted: RunFilter) -> list[Any]:
    found: list[Any] = [
        getattr(RunRow, name) == value
        for name in ("user_id", "job_id", "job_type", "status")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.dead:
        again = cast(RunRow.result, String).contains(f'"{RETRIED_AS}"')
        found += [
            RunRow.status == RunStatus.FAILED.value,
            RunRow.job_type != JobType.ALERT.value,
            or_(RunRow.result.is_(None), not_(again)),
        ]
    if wanted.since is not None:
        found.append(RunRow.scheduled_for >= wanted.since)
    if wanted.until is not None:
        found.append(RunRow.scheduled_for < wanted.until)
    return found


def _values(run: Run) -> dict[str, Any]:
    values = asdict(run)
    del values["id"]
    return {**values, "status": run.status.value}

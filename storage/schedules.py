"""The rows of ``job_schedules``: definitions of alerts and jobs, with the projection of the alerts' state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.alert import Alert, AlertState, Reason, Status
from domain.errors import Fault
from domain.job import Job, JobType
from domain.own_types import NONE, OwnTypes
from domain.reconcile import Row
from storage.refusals import refusal_of
from storage.row_mapping import as_stored, columns, written_type
from storage.stored_schedule import INVALID, STATE, DefinitionConflict, DuplicateAlert, Filter, StoredSchedule, Use
from storage.tables import ChangeRow, ScheduleRow
from storage.types import OddNumber

ALERT = JobType.ALERT.value
MOST_CHANGES = 2000
UNREAD = (ScheduleRow.definition_hash.is_(None), ScheduleRow.errors.is_(None))
T = TypeVar("T")


class Overdue(NamedTuple):
    """A row whose ``next_run_at`` has passed."""

    id: str
    hash: str
    next_run_at: datetime | None
    snoozed_until: datetime | None


class Schedules:
    """Repository of definitions; every write checks or bumps the version."""

    def __init__(self, session: AsyncSession, own: OwnTypes = NONE) -> None:
        self.session, self.own = session, own

    async def add(self, one: Alert | Job, now: datetime, *, enabled: bool = True) -> None:
        """Inserts a new definition.

        Raises:
            DuplicateAlert: when the id is taken.
        """
        await self.add_all([one], now, disabled=() if enabled else (one.id,))

    async def refuse_taken(self, ids: Sequence[str]) -> None:
        """Lets ids pass that are free, and each named once.

        Raises:
            DuplicateAlert: naming those that are not.
        """
        taken = [name for name, count in Counter(ids).items() if count > 1]
        for batch in _batches(list(ids)):
            taken += await self.session.scalars(select(ScheduleRow.id).where(ScheduleRow.id.in_(batch)))
        if taken:
            raise DuplicateAlert(", ".join(sorted(set(taken)))[:200])

    async def add_all(self, these: Sequence[Alert | Job], now: datetime, *, disabled: Collection[str] = ()) -> None:
        """Inserts new definitions in batches, all or none.

        Raises:
            DuplicateAlert: when an id is taken.
        """
        for start in range(0, len(these), 500):
            batch = these[start : start + 500]
            ids = [one.id for one in batch]
            await self.refuse_taken(ids)
            rows = [
                {
                    "id": one.id,
                    "user_id": one.user_id,
                    "job_type": written_type(one),
                    "enabled": one.id not in disabled,
                    "created_at": now,
                    "updated_at": now,
                    **columns(one),
                }
                for one in batch
            ]
            try:
                await self.session.execute(insert(ScheduleRow), rows)
            except IntegrityError as error:
                raise refusal_of(error, batch) from None

    async def replace(
        self, one: Alert | Job, expected_version: int, now: datetime, *, enabled: bool | None = None
    ) -> None:
        """Writes a definition over the version it was made from; ``enabled`` too, when given.

        Raises:
            DefinitionConflict: when the row has another version, or none.
        """
        values = {**columns(one), "updated_at": now}
        if enabled is not None:
            values["enabled"] = enabled
        statement = (
            update(ScheduleRow)
            .where(ScheduleRow.id == one.id, ScheduleRow.version == expected_version)
            .values(values)
            .execution_options(synchronize_session=False)
        )
        try:
            result: CursorResult[Any] = await self.session.execute(statement)  # type: ignore[assignment]
        except IntegrityError as error:
            raise refusal_of(error, [one]) from None
        if result.rowcount == 0:
            raise DefinitionConflict(one.id, expected_version, await self.version(one.id))

    async def version(self, schedule_id: str) -> int | None:
        """The version of a row, None when there is none."""
        return await self.session.scalar(select(ScheduleRow.version).where(ScheduleRow.id == schedule_id))

    async def owners(self, *schedule_ids: str) -> dict[str, str]:
        """Whose the rows of these ids are, as of one moment; those that are not there are left out."""
        found = await self.session.execute(
            select(ScheduleRow.id, ScheduleRow.user_id).where(ScheduleRow.id.in_(schedule_ids))
        )
        return {str(id): str(user_id) for id, user_id in found}

    async def get(self, schedule_id: str, job_type: str | None = None) -> StoredSchedule | None:
        """The row with that id (and type), if any."""
        row = await self.session.get(ScheduleRow, schedule_id, populate_existing=True)
        found = as_stored(row, self.own) if row else None
        return found if found and job_type in (None, found.job_type) else None

    async def alerts(self) -> list[StoredSchedule]:
        """All alerts, oldest first, those that cannot be read included."""
        return await self._read(
            await self.session.scalars(_ordered(select(ScheduleRow).where(ScheduleRow.job_type == ALERT)))
        )

    async def page(self, wanted: Filter, after: tuple[datetime, str] | None, limit: int) -> list[StoredSchedule]:
        """At most ``limit`` rows after a (created_at, id), oldest first."""
        statement = _ordered(select(ScheduleRow)).limit(limit)
        if wanted.status is not None:
            statement = statement.where(_shown_status() == wanted.status)
        if wanted.job_type is not None:
            statement = statement.where(ScheduleRow.job_type.in_(self.own.named(wanted.job_type)))
        for name in ("user_id", "enabled", "target"):
            value = getattr(wanted, name)
            if value is not None:
                statement = statement.where(getattr(ScheduleRow, name) == value)
        if wanted.is_job:
            statement = statement.where(ScheduleRow.job_type != ALERT)
        if wanted.invalid is not None:
            statement = statement.where(
                ScheduleRow.errors.is_not(None) if wanted.invalid else ScheduleRow.errors.is_(None)
            )
        if after is not None:
            created, schedule_id = after
            statement = statement.where(
                or_(
                    ScheduleRow.created_at > created,
                    and_(ScheduleRow.created_at == created, ScheduleRow.id > schedule_id),
                )
            )
        return await self._read(await self.session.scalars(statement))

    async def briefs(self, ids: Sequence[str] | None = None) -> list[Row]:
        """What the reconciler compares, of these rows or of all. Rows not read yet, or not to be read, have no hash."""
        wanted = (
            ScheduleRow.id,
            ScheduleRow.job_type,
            ScheduleRow.version,
            ScheduleRow.definition_hash,
            ScheduleRow.enabled,
            ScheduleRow.status,
            ScheduleRow.reason,
            ScheduleRow.state_version,
        )
        found: list[Row] = []
        for batch in [None] if ids is None else _batches(list(ids)):
            statement = select(*wanted) if batch is None else select(*wanted).where(ScheduleRow.id.in_(batch))
            briefs = [_brief(*row) for row in await self.session.execute(statement)]
            found += [replace(one, job_type=self.own.runs_as(one.job_type)) for one in briefs]
        return found

    async def unread_ids(self, ids: Sequence[str] | None = None) -> list[str]:
        """Ids of the rows another program wrote that nobody has read yet."""
        found: list[str] = []
        for batch in [None] if ids is None else _batches(list(ids)):
            statement = select(ScheduleRow.id).where(*UNREAD)
            if batch is not None:
                statement = statement.where(ScheduleRow.id.in_(batch))
            found += await self.session.scalars(statement)
        return found

    async def unread(self, ids: Sequence[str]) -> list[StoredSchedule]:
        """Those of these rows that nobody has read yet."""
        statement = select(ScheduleRow).where(*UNREAD, ScheduleRow.id.in_(ids))
        return await self._read(await self.session.scalars(statement))

    async def delete(self, schedule_id: str, expected_version: int | None = None) -> bool:
        """Removes the row; whether there was one.

        Raises:
            DefinitionConflict: when it has another version than the one given.
        """
        statement = delete(ScheduleRow).where(ScheduleRow.id == schedule_id)
        if expected_version is not None:
            statement = statement.where(ScheduleRow.version == expected_version)
        try:
            result: CursorResult[Any] = await self.session.execute(statement)  # type: ignore[assignment]
        except IntegrityError as error:
            raise refusal_of(error, ()) from None
        if result.rowcount == 0 and expected_version is not None:
            raise DefinitionConflict(schedule_id, expected_version, await self.version(schedule_id))
        return result.rowcount > 0

    async def project(
        self,
        alert_id: str,
        version: int,
        state: AlertState,
        next_run_at: datetime | None,
        snoozed_until: datetime | None = None,
        memory_key: str = "",
    ) -> None:
        """Keeps what lists show of the workflow's state. Not a change of the definition: the version stays."""
        snapshot = state.last_snapshot
        seen = {
            "status": state.status.value,
            "reason": state.reason,
            "state_version": version,
            "state": {"of": memory_key, "memory": STATE.dump_python(state, mode="json")},
            "snoozed_until": snoozed_until,
            "last_bar_close": state.last_bar_close,
            "last_values": snapshot.values if snapshot else None,
            "triggered_at": state.triggered_at,
            "trigger_count": state.trigger_count,
            "next_run_at": next_run_at,
        }
        connection = await self.session.connection()
        await connection.execute(
            _projecting(tuple(seen)), {"of": alert_id, **{f"_{name}": seen[name] for name in seen}}
        )

    async def schedule_next(self, schedule_id: str, next_run_at: datetime | None) -> None:
        """Keeps a job's next slot for lists."""
        await self.session.execute(
            update(ScheduleRow)
            .where(ScheduleRow.id == schedule_id)
            .values(next_run_at=next_run_at)
            .execution_options(synchronize_session=False)
        )

    async def overdue(self, before: datetime, after: str, limit: int) -> list[Overdue]:
        """Rows that run and whose next run lies before a moment, or is not known; by id, those after one."""
        at = ScheduleRow.next_run_at
        statement = (
            select(ScheduleRow.id, ScheduleRow.definition_hash, at, ScheduleRow.snoozed_until)
            .where(
                ScheduleRow.enabled,
                ScheduleRow.definition_hash.is_not(None),
                ScheduleRow.errors.is_(None),
                ScheduleRow.status != Status.INACTIVE.value,
                or_(at.is_(None), at < before),
                ScheduleRow.id > after,
            )
            .order_by(ScheduleRow.id)
            .limit(limit)
        )
        return [Overdue(id, str(hash), at, until) for id, hash, at, until in await self.session.execute(statement)]

    async def these(self, ids: Sequence[str]) -> list[StoredSchedule]:
        """The rows of these ids that are there."""
        return await self._read(await self.session.scalars(select(ScheduleRow).where(ScheduleRow.id.in_(ids))))

    async def move_next_runs(self, moved: Sequence[tuple[Overdue, datetime]]) -> None:
        """Writes next runs, but where somebody has written another meanwhile."""
        if not moved:
            return
        was = ScheduleRow.next_run_at
        statement = (
            update(ScheduleRow)
            .where(ScheduleRow.id == bindparam("of"), or_(was == bindparam("was"), was.is_(None)))
            .values(next_run_at=bindparam("at"))
        )
        connection = await self.session.connection()
        rows = [{"of": one.id, "was": one.next_run_at, "at": at} for one, at in moved]
        await connection.execute(statement, rows)

    async def mark(self, schedule_id: str, version: int, digest: str | None, faults: Sequence[Fault]) -> None:
        """Says of a row another program wrote that it was read: its hash, or why it cannot be used."""
        await self.session.execute(
            update(ScheduleRow)
            .where(ScheduleRow.id == schedule_id, ScheduleRow.version == version)
            .values(definition_hash=digest, errors=[fault.as_json() for fault in faults] or None)
            .execution_options(synchronize_session=False)
        )

    async def counts(self, user_id: str | None = None) -> list[tuple[str, bool, str, int]]:
        """How many rows there are by (job_type, enabled, status); those that cannot be read are INVALID."""
        keys = (ScheduleRow.job_type, ScheduleRow.enabled, _shown_status().label("shown"))
        statement = select(*keys, func.count()).group_by(*keys)
        if user_id is not None:
            statement = statement.where(ScheduleRow.user_id == user_id)
        return [(kind, bool(on), status, count) for kind, on, status, count in await self.session.execute(statement)]

    async def use_of(self, user_id: str, *, but: str = "") -> list[Use]:
        """What a user has, by type, cron and whether it runs; ``but`` names a row that is left out."""
        keys = (ScheduleRow.job_type, ScheduleRow.cron, ScheduleRow.enabled)
        statement = select(*keys, func.count()).where(ScheduleRow.user_id == user_id, ScheduleRow.id != but)
        rows = await self.session.execute(statement.group_by(*keys))
        return [Use(self.own.runs_as(str(kind)), str(cron or ""), bool(on), count) for kind, cron, on, count in rows]

    async def read_again(self, user_id: str) -> None:
        """A user's rows that could not be used are looked at once more: what they lacked may be there now."""
        await self.session.execute(
            update(ScheduleRow)
            .where(ScheduleRow.user_id == user_id, ScheduleRow.errors.is_not(None))
            .values(errors=None)
            .execution_options(synchronize_session=False)
        )

    async def invalid(self) -> int:
        """How many rows are marked as unusable."""
        found = await self.session.scalar(select(func.count()).where(ScheduleRow.errors.is_not(None)))
        return int(found or 0)

    async def _read(self, rows: Iterable[ScheduleRow]) -> list[StoredSchedule]:
        """In a thread: a definition takes a tenth of a millisecond, a large or broken one many."""
        these = list(rows)
        return await asyncio.to_thread(lambda: [as_stored(row, self.own) for row in these])

    async def changes(self, limit: int = MOST_CHANGES) -> dict[int, str]:
        """What triggers saw change: the ids by the numbers of the notes, oldest first."""
        rows = await self.session.execute(
            select(ChangeRow.seq, ChangeRow.schedule_id).order_by(ChangeRow.seq).limit(limit)
        )
        return {row.seq: row.schedule_id for row in rows}

    async def forget_changes(self, numbers: Iterable[int]) -> None:
        """Removes notes that were dealt with; those that came meanwhile stay."""
        for batch in _batches(list(numbers)):
            await self.session.execute(delete(ChangeRow).where(ChangeRow.seq.in_(batch)))


def _brief(
    schedule_id: str,
    kind: str,
    version: Any,
    digest: str | None,
    enabled: Any,
    status: str,
    reason: str,
    state_version: Any,
) -> Row:
    if isinstance(version, OddNumber) or isinstance(state_version, OddNumber):
        digest, version, state_version = None, 0, 0
    inactive = status == Status.INACTIVE
    ended = inactive and reason in (Reason.EXPIRED, Reason.DONE)
    return Row(schedule_id, kind, version, digest, bool(enabled), ended and state_version >= version, inactive)


@cache
def _projecting(names: tuple[str, ...]) -> Any:
    """Built once: it is executed whenever an alert's state has changed."""
    columns = {name: getattr(ScheduleRow, name).property.columns[0] for name in ("id", "job_type", *names)}
    values = {columns[name].name: bindparam(f"_{name}", type_=columns[name].type) for name in names}
    mine = columns["id"] == bindparam("of"), columns["job_type"] == ALERT
    return update(ScheduleRow.__table__).where(*mine).values(values)  # type: ignore[arg-type]


def _batches(items: list[T], size: int = 500) -> Iterable[list[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _ordered(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(ScheduleRow.created_at, ScheduleRow.id)


def _shown_status() -> ColumnElement[str]:
    return case((ScheduleRow.errors.is_not(None), INVALID), else_=ScheduleRow.status)

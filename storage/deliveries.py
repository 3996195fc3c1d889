"""One row an (event, channel): what is to be said, and how the attempts went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CursorResult, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import DeliveryRow
from storage.upsert import insert_new


class DeliveryStatus(StrEnum):
    """PENDING until told, SENT once told, DEAD when it cannot be told, SILENCED where its user wants to hear nothing of it.

    SPARED is a fallback whose notice arrived elsewhere.
    """

    PENDING = "PENDING"
    SENT = "SENT"
    DEAD = "DEAD"
    SILENCED = "SILENCED"
    SPARED = "SPARED"


@dataclass(frozen=True)
class NewDelivery:
    """What one channel is to say of one event, or of one run: ``event_id`` and ``alert_id`` are its and its schedule's then.

    ``kind`` is ``alert``, ``report``, ``screener`` or ``notification``; ``priority`` is ``normal``, ``high`` or ``urgent``.
    ``held_until`` is of a fallback: until then the others may tell it. Until ``group_until`` it waits for others of its group.
    ``about`` is what programs are told of the alert as it was then: its ticker, timeframe, name, rule and tags.
    """

    event_id: str
    alert_id: str
    user_id: str
    channel: str
    subject: str
    body: str
    kind: str = field(default="alert", kw_only=True)
    priority: str = field(default="normal", kw_only=True)
    held_until: datetime | None = field(default=None, kw_only=True)
    group_key: str = field(default="", kw_only=True)
    group_until: datetime | None = field(default=None, kw_only=True)
    about: Mapping[str, Any] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class Delivery(NewDelivery):
    """A delivery with its history."""

    status: DeliveryStatus
    attempts: int
    last_error: str
    created_at: datetime
    attempted_at: datetime | None
    delivered_at: datetime | None
    retried_at: datetime | None = None
    next_try_at: datetime | None = None
    id: int = 0

    @property
    def begun_at(self) -> datetime:
        """Since when it is tried: from its beginning, or since somebody wanted it tried again."""
        return self.retried_at or self.created_at


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries a list wants; None wants all."""

    user_id: str | None = None
    alert_id: str | None = None
    status: str | None = None


class Deliveries:
    """Repository of deliveries."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def open(
        self, deliveries: Sequence[NewDelivery], now: datetime, silenced: str = "", *, handed: bool = True
    ) -> None:
        """Makes the rows; a pair that has one keeps it, with its text. With ``silenced``, why nobody is told.

        Not ``handed`` are those of which Temporal does not know yet.
        """
        rows = [
            {
                **vars(delivery),
                "status": DeliveryStatus.SILENCED.value if silenced else DeliveryStatus.PENDING.value,
                "attempts": 0,
                "last_error": silenced,
                "created_at": now,
                "handed_at": now if handed else None,
            }
            for delivery in deliveries
        ]
        await insert_new(self.session, DeliveryRow, rows)

    async def get(self, event_id: str, channel: str) -> Delivery | None:
        """The delivery of that event by that channel, if any."""
        row = await self.session.scalar(
            select(DeliveryRow).where(DeliveryRow.event_id == event_id, DeliveryRow.channel == channel)
        )
        return _delivery(row) if row else None

    async def of_events(self, event_ids: Sequence[str]) -> dict[str, list[Delivery]]:
        """The deliveries of each of these events that has some."""
        found: dict[str, list[Delivery]] = {}
        for start in range(0, len(event_ids), 500):
            wanted = DeliveryRow.event_id.in_(event_ids[start : start + 500])
            for row in await self.session.scalars(select(DeliveryRow).where(wanted).order_by(DeliveryRow.id)):
                found.setdefault(row.event_id, []).append(_delivery(row))
        return found

    async def waiting(self, event_id: str) -> list[str]:
        """The channels that have not told it yet."""
        rows = await self.session.scalars(
            select(DeliveryRow.channel)
            .where(DeliveryRow.event_id == event_id, DeliveryRow.status == DeliveryStatus.PENDING.value)
            .order_by(DeliveryRow.id)
        )
        return list(rows)

    async def counts(self, user_id: str | None = None) -> dict[str, int]:
        """How many there are by status."""
        statement = select(DeliveryRow.status, func.count()).group_by(DeliveryRow.status)
        if user_id is not None:
            statement = statement.where(DeliveryRow.user_id == user_id)
        return {row[0]: row[1] for row in await self.session.execute(statement)}

    async def outcomes(self, alert_ids: Sequence[str], since: datetime) -> dict[str, dict[str, int]]:
        """Of what these alerts had to tell from a moment on: how many of each status, by channel."""
        found: dict[str, dict[str, int]] = {}
        for start in range(0, len(alert_ids), 500):
            rows = await self.session.execute(
                select(DeliveryRow.channel, DeliveryRow.status, func.count())
                .where(DeliveryRow.alert_id.in_(alert_ids[start : start + 500]), DeliveryRow.created_at >= since)
                .group_by(DeliveryRow.channel, DeliveryRow.status)
            )
            for channel, status, count in rows:
                of_channel = found.setdefault(channel, {})
                of_channel[status] = of_channel.get(status, 0) + int(count)
        return {channel: found[channel] for channel in sorted(found)}

    async def waiting_count(self) -> int:
        """How many wait to be told."""
        waits = DeliveryRow.status == DeliveryStatus.PENDING.value
        return int(await self.session.scalar(select(func.count()).where(waits)) or 0)

    async def dead_since(self, since: datetime) -> int:
        """How many that were opened since a moment could not be made."""
        found = await self.session.scalar(
            select(func.count()).where(DeliveryRow.status == DeliveryStatus.DEAD.value, DeliveryRow.created_at >= since)
        )
        return int(found or 0)

    async def page(self, wanted: DeliveryFilter, before: int | None, limit: int) -> Sequence[Delivery]:
        """At most ``limit`` with a number below ``before``, newest first."""
        statement = select(DeliveryRow).order_by(DeliveryRow.id.desc()).limit(limit)
        for name in ("user_id", "alert_id", "status"):
            if (value := getattr(wanted, name)) is not None:
                statement = statement.where(getattr(DeliveryRow, name) == value)
        if before is not None:
            statement = statement.where(DeliveryRow.id < before)
        return [_delivery(row) for row in await self.session.scalars(statement)]

    async def by_number(self, number: int) -> Delivery | None:
        """The delivery with that number, if any."""
        row = await self.session.get(DeliveryRow, number, populate_existing=True)
        return _delivery(row) if row else None

    async def reopen(self, number: int, now: datetime) -> bool:
        """A dead one is tried again from now; False when it is not dead."""
        result: CursorResult[Any] = await self.session.execute(  # type: ignore[assignment]
            update(DeliveryRow)
            .where(DeliveryRow.id == number, DeliveryRow.status == DeliveryStatus.DEAD.value)
            .values(status=DeliveryStatus.PENDING.value, retried_at=now, attempts=0, next_try_at=None, handed_at=None)
            .execution_options(synchronize_session=False)
        )
        return result.rowcount > 0

    async def forgotten(self, before: datetime, limit: int = 200) -> list[tuple[str, str]]:
        """Sources of deliveries that wait, untouched since a moment, with the alerts or schedules that they are of."""
        touched = func.coalesce(DeliveryRow.attempted_at, DeliveryRow.retried_at, DeliveryRow.created_at)
        rows = await self.session.execute(
            select(DeliveryRow.event_id, DeliveryRow.alert_id)
            .where(DeliveryRow.status == DeliveryStatus.PENDING.value, touched < before)
            .distinct()
            .limit(limit)
        )
        return [(source, alert_id) for source, alert_id in rows]

    async def unhanded(self, before: datetime, limit: int = 200) -> Sequence[Delivery]:
        """Those that wait since before a moment, and of which Temporal was not told; the oldest first."""
        rows = await self.session.scalars(
            select(DeliveryRow)
            .where(
                DeliveryRow.status == DeliveryStatus.PENDING.value,
                DeliveryRow.handed_at.is_(None),
                func.coalesce(DeliveryRow.retried_at, DeliveryRow.created_at) < before,
            )
            .order_by(DeliveryRow.id)
            .limit(limit)
        )
        return [_delivery(row) for row in rows]

    async def hand_all_again(self) -> None:
        """Temporal may know of none that is waiting: each is handed to it by the next sweep, which does no harm if it does."""
        await self.session.execute(
            update(DeliveryRow).where(DeliveryRow.status == DeliveryStatus.PENDING.value).values(handed_at=None)
        )

    async def handed(self, number: int, now: datetime) -> None:
        """Temporal knows of it."""
        await self.session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id == number)
            .values(handed_at=now)
            .execution_options(synchronize_session=False)
        )

    async def queued(self, user_id: str, channel: str, now: datetime, limit: int) -> Sequence[Delivery]:
        """Those that wait for one destination and may be tried now, the oldest first; urgent ones wait for nobody."""
        due = or_(DeliveryRow.next_try_at.is_(None), DeliveryRow.next_try_at <= now)
        rows = await self.session.scalars(
            select(DeliveryRow)
            .where(*_to(user_id, channel), due, DeliveryRow.priority != "urgent")
            .order_by(DeliveryRow.id)
            .limit(limit)
        )
        return [_delivery(row) for row in rows]

    async def queued_before(self, user_id: str, channel: str, number: int) -> int:
        """How many that wait there are older than one."""
        statement = select(func.count()).where(*_to(user_id, channel), DeliveryRow.id < number)
        return int(await self.session.scalar(statement) or 0)

    async def group_begins(self, user_id: str, channel: str, key: str) -> datetime | None:
        """Until when the first of a group that waits there waits for others."""
        begins: datetime | None = await self.session.scalar(
            select(DeliveryRow.group_until)
            .where(*_to(user_id, channel), DeliveryRow.group_key == key)
            .order_by(DeliveryRow.group_until)
            .limit(1)
        )
        return begins

    async def claim(self, these: Sequence[Delivery], now: datetime) -> list[Delivery]:
        """Counts an attempt at each, before it is made; those that somebody else has tried meanwhile are left out."""
        found = []
        for one in these:
            result: CursorResult[Any] = await self.session.execute(  # type: ignore[assignment]
                update(DeliveryRow)
                .where(
                    DeliveryRow.id == one.id,
                    DeliveryRow.attempts == one.attempts,
                    DeliveryRow.status == DeliveryStatus.PENDING.value,
                )
                .values(attempts=one.attempts + 1, attempted_at=now)
                .execution_options(synchronize_session=False)
            )
            if result.rowcount:
                found.append(replace(one, attempts=one.attempts + 1))
        return found

    async def sent(self, these: Sequence[tuple[str, str]], now: datetime) -> None:
        """They were told: pairs of event and channel."""
        for event_id, channel in these:
            await self._set(event_id, channel, status=DeliveryStatus.SENT.value, delivered_at=now, last_error="")

    async def spared(self, event_id: str, channel: str) -> None:
        """It need not be told."""
        await self._set(event_id, channel, status=DeliveryStatus.SPARED.value, last_error="")

    async def failed(
        self, event_id: str, channel: str, error: str, *, dead: bool, next_try_at: datetime | None = None
    ) -> None:
        """It was not; ``dead`` puts it with the dead letters. One that was told meanwhile stays so."""
        changes: dict[str, object] = {"last_error": error[:2000], "next_try_at": next_try_at}
        if dead:
            changes["status"] = DeliveryStatus.DEAD.value
        await self._set(event_id, channel, **changes)

    async def _set(self, event_id: str, channel: str, **changes: object) -> None:
        await self.session.execute(
            update(DeliveryRow)
            .where(
                DeliveryRow.event_id == event_id,
                DeliveryRow.channel == channel,
                DeliveryRow.status == DeliveryStatus.PENDING.value,
            )
            .values(**changes)
            .execution_options(synchronize_session=False)
        )


def _to(user_id: str, channel: str) -> tuple[Any, ...]:
    """Of one destination, not told yet."""
    waits = DeliveryRow.status == DeliveryStatus.PENDING.value
    return (DeliveryRow.user_id == user_id, DeliveryRow.channel == channel, waits)


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        event_id=row.event_id,
        alert_id=row.alert_id,
        user_id=row.user_id,
        channel=row.channel,
        subject=row.subject,
        body=row.body,
        status=DeliveryStatus(row.status),
        attempts=row.attempts,
        last_error=row.last_error,
        created_at=row.created_at,
        attempted_at=row.attempted_at,
        delivered_at=row.delivered_at,
        kind=row.kind,
        priority=row.priority,
        held_until=row.held_until,
        group_key=row.group_key,
        group_until=row.group_until,
        about=row.about if isinstance(row.about, dict) else {},
        retried_at=row.retried_at,
        next_try_at=row.next_try_at,
        id=row.id,
    )

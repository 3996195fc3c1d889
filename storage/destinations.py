"""Where users want to be told, by names of their own; what is behind a name stays sealed until it is used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import DestinationRow
from storage.upsert import upsert


@dataclass(frozen=True)
class Destination:
    """One of a user's. ``kind`` is the channel, ``secret`` the sealed address; ``problem`` says why it is ``disabled_at``.

    After ``fallback_after`` seconds it is told what is urgent and did not arrive elsewhere; None, what names it alone.
    Notices that are the same by ``group_by`` wait ``group_wait`` seconds for each other.
    """

    user_id: str
    name: str
    kind: str
    secret: str
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = None
    problem: str = ""
    fallback_after: int | None = None
    group_by: str = ""
    group_wait: int = 0


class Destinations:
    """Repository of destinations."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def put(self, one: Destination) -> None:
        """A new one, or another address under a name that is there."""
        values = {**vars(one)}
        await upsert(self.session, DestinationRow, [values], ("kind", "secret", "updated_at", "disabled_at", "problem"))

    async def get(self, user_id: str, name: str) -> Destination | None:
        """The destination, if any."""
        row = await self.session.get(DestinationRow, (user_id, name), populate_existing=True)
        return _destination(row) if row else None

    async def list(self, user_id: str | None = None, names: Collection[str] | None = None) -> Sequence[Destination]:
        """By user and name."""
        statement = select(DestinationRow).order_by(DestinationRow.user_id, DestinationRow.name)
        if user_id is not None:
            statement = statement.where(DestinationRow.user_id == user_id)
        if names is not None:
            statement = statement.where(DestinationRow.name.in_(names))
        return [_destination(row) for row in await self.session.scalars(statement)]

    async def fallbacks(self, user_id: str) -> Sequence[Destination]:
        """Those that are told what did not arrive elsewhere, the first of them first."""
        statement = (
            select(DestinationRow)
            .where(
                DestinationRow.user_id == user_id,
                DestinationRow.fallback_after.is_not(None),
                DestinationRow.disabled_at.is_(None),
            )
            .order_by(DestinationRow.fallback_after, DestinationRow.name)
        )
        return [_destination(row) for row in await self.session.scalars(statement)]

    async def fall_back(self, user_id: str, name: str, after: int | None) -> None:
        """Makes it one of them, after so many seconds; None makes it none."""
        await self._set(user_id, name, fallback_after=after)

    async def group(self, user_id: str, name: str, by: str, wait: int) -> None:
        """Tells it what is the same in one letter; an empty ``by``, each on its own."""
        await self._set(user_id, name, group_by=by, group_wait=wait)

    async def remove(self, user_id: str, name: str) -> bool:
        """Whether there was one."""
        row = await self.session.get(DestinationRow, (user_id, name))
        await self.session.execute(
            delete(DestinationRow).where(DestinationRow.user_id == user_id, DestinationRow.name == name)
        )
        return row is not None

    async def disable(self, one: Destination, problem: str, now: datetime) -> None:
        """It cannot be reached any more, until its owner gives another address or tests it well; one that has another stays."""
        await self._set(one.user_id, one.name, one.updated_at, disabled_at=now, problem=problem[:500])

    async def enable(self, user_id: str, name: str) -> None:
        """It can be reached."""
        await self._set(user_id, name, disabled_at=None, problem="")

    async def move(self, one: Destination, secret: str, now: datetime) -> None:
        """Another address, as the other side said; one that its owner has changed meanwhile stays."""
        await self._set(one.user_id, one.name, one.updated_at, secret=secret, updated_at=now)

    async def seal_again(self, seal: Callable[[str], str]) -> int:
        """Every address sealed anew; how many."""
        found = await self.list()
        for one in found:
            await self._set(one.user_id, one.name, secret=seal(one.secret))
        return len(found)

    async def _set(self, user_id: str, name: str, as_of: datetime | None = None, **values: object) -> None:
        statement = update(DestinationRow).where(DestinationRow.user_id == user_id, DestinationRow.name == name)
        if as_of is not None:
            statement = statement.where(DestinationRow.updated_at == as_of)
        await self.session.execute(statement.values(**values).execution_options(synchronize_session=False))


def _destination(row: DestinationRow) -> Destination:
    return Destination(
        row.user_id, row.name, row.kind, row.secret, row.created_at, row.updated_at, row.disabled_at, row.problem,
        row.fallback_after, row.group_by, row.group_wait,
    )  # fmt: skip

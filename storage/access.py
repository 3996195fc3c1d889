"""API keys, of which only the hash is kept, and the answers to repeated requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import AnswerRow, KeyRow


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret."""

    id: str
    user_id: str
    name: str
    secret_hash: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class ApiKeys:
    """Repository of keys."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, key: ApiKey) -> None:
        """Keeps a new key."""
        self.session.add(KeyRow(**{**vars(key), "scopes": " ".join(key.scopes)}))
        await self.session.flush()

    async def get(self, key_id: str) -> ApiKey | None:
        """The key with that id, if any."""
        row = await self.session.get(KeyRow, key_id)
        return _key(row) if row else None

    async def list(self) -> Sequence[ApiKey]:
        """All keys, oldest first."""
        return [_key(row) for row in await self.session.scalars(select(KeyRow).order_by(KeyRow.created_at, KeyRow.id))]

    async def revoke(self, key_id: str, now: datetime) -> bool:
        """Ends a key; False when there is none that is alive."""
        result: CursorResult[Any] = await self.session.execute(  # type: ignore[assignment]
            update(KeyRow).where(KeyRow.id == key_id, KeyRow.revoked_at.is_(None)).values(revoked_at=now)
        )
        return result.rowcount > 0


def _key(row: KeyRow) -> ApiKey:
    return ApiKey(
        row.id,
        row.user_id,
        row.name,
        row.secret_hash,
        tuple(row.scopes.split()),
        row.created_at,
        row.expires_at,
        row.revoked_at,
    )


@dataclass(frozen=True)
class KeptAnswer:
    """What a POST was answered with. ``request_hash`` tells whether a repeat is the same request."""

    user_id: str
    key: str
    request_hash: str
    status: int
    headers: dict[str, Any]
    body: Any
    created_at: datetime


class Answers:
    """Repository of answers, by (user, Idempotency-Key)."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, user_id: str, key: str, since: datetime) -> KeptAnswer | None:
        """The answer given under a key since a moment, if any."""
        row = await self.session.get(AnswerRow, (user_id, key))
        if row is None or row.created_at < since:
            return None
        return KeptAnswer(row.user_id, row.key, row.request_hash, row.status, row.headers, row.body, row.created_at)

    async def keep(self, answer: KeptAnswer) -> bool:
        """Keeps an answer in this transaction; False when somebody else kept one first, and then nothing can be committed."""
        self.session.add(AnswerRow(**vars(answer)))
        try:
            await self.session.flush()
        except IntegrityError:
            return False
        return True

    async def clean(self, before: datetime) -> int:
        """Forgets answers older than a moment; returns how many."""
        result: CursorResult[Any] = await self.session.execute(  # type: ignore[assignment]
            delete(AnswerRow).where(AnswerRow.created_at < before)
        )
        return int(result.rowcount)

"""Chats that may steer a user's alerts, and the codes that make them so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import ChatRow, CodeRow
from storage.upsert import upsert


@dataclass(frozen=True)
class Chat:
    """A chat of a user's. In a group ``sender_id`` alone may steer; ``destination`` is where its notices go."""

    chat_id: int
    sender_id: int
    user_id: str
    title: str
    destination: str
    created_at: datetime


class TelegramChats:
    """Repository of both."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, chat_id: int) -> Chat | None:
        """The chat, if it is anybody's."""
        row = await self.session.get(ChatRow, chat_id, populate_existing=True)
        return _chat(row) if row else None

    async def list(self, user_id: str | None = None) -> Sequence[Chat]:
        """The user's, or all; the oldest first."""
        statement = select(ChatRow).order_by(ChatRow.created_at, ChatRow.chat_id)
        if user_id is not None:
            statement = statement.where(ChatRow.user_id == user_id)
        return [_chat(row) for row in await self.session.scalars(statement)]

    async def put(self, chat: Chat) -> None:
        """Makes it that user's; one that was another's is so no more."""
        await upsert(
            self.session, ChatRow, [vars(chat)], ("sender_id", "user_id", "title", "destination", "created_at")
        )

    async def remove(self, chat_id: int) -> bool:
        """Whether it was anybody's."""
        there = await self.get(chat_id) is not None
        await self.session.execute(delete(ChatRow).where(ChatRow.chat_id == chat_id))
        return there

    async def move(self, chat_id: int, to: int) -> None:
        """A group has another number now."""
        await self.session.execute(delete(ChatRow).where(ChatRow.chat_id == to))
        await self.session.execute(update(ChatRow).where(ChatRow.chat_id == chat_id).values(chat_id=to))

    async def add_code(self, code_hash: str, user_id: str, expires_at: datetime, now: datetime) -> None:
        """Keeps a code's hash; those that have expired go."""
        await self.session.execute(delete(CodeRow).where(CodeRow.expires_at <= now))
        self.session.add(CodeRow(code_hash=code_hash, user_id=user_id, expires_at=expires_at))
        await self.session.flush()

    async def take_code(self, code_hash: str, now: datetime) -> str | None:
        """Whose it is; of two that take it at once, one gets it."""
        taken = await self.session.execute(
            delete(CodeRow)
            .where(CodeRow.code_hash == code_hash, CodeRow.expires_at > now)
            .returning(CodeRow.user_id)
            .execution_options(synchronize_session=False)
        )
        return taken.scalar_one_or_none()


def _chat(row: ChatRow) -> Chat:
    return Chat(row.chat_id, row.sender_id, row.user_id, row.title, row.destination, row.created_at)

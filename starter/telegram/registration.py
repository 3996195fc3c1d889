"""How a chat becomes a user's: a code that is good once, for a short time, and that the operator hands out."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from domain.errors import ErrorKind, ExpectedError, Fault, InvalidInput
from starter import destinations
from starter.clock import now
from starter.context import Context
from storage.database import UnitOfWork
from storage.telegram import Chat

LASTING = timedelta(minutes=15)
WORD = "telegram"  # what a definition says where it means its owner's chat


class BadCode(ExpectedError):
    """The code is none, was used, or has expired."""

    kind = ErrorKind.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("This code is not valid: it may have been used, or be older than a quarter of an hour.")


async def make_code(work: UnitOfWork, context: Context, user_id: str) -> tuple[str, datetime]:
    """A code for ``/start CODE``, and until when it is good. Its hash alone is kept.

    Raises:
        InvalidInput: no user.
    """
    if not 1 <= len(user_id) <= 64:
        raise InvalidInput("code", [Fault("$.user_id", "expected 1 to 64 characters", user_id)])
    code, until = secrets.token_hex(16), now() + LASTING
    await work.chats.add_code(_hash(code), user_id, until, now())
    await context.audit(work, "made a code", "telegram", user_id)
    return code, until


async def register(work: UnitOfWork, context: Context, code: str, chat_id: int, sender_id: int, title: str) -> Chat:
    """The chat is the code's user's from now on, and a destination of theirs.

    Raises:
        BadCode: it is not valid.
        InvalidInput: the bot's own channel is not set up.
    """
    user_id = await work.chats.take_code(_hash(code), now())
    if user_id is None:
        raise BadCode
    earlier = await work.chats.get(chat_id)
    name = earlier.destination if earlier and earlier.user_id == user_id else await _free_name(work, user_id)
    await destinations.add(work, context, user_id, name, f"telegram://{chat_id}")
    chat = Chat(chat_id, sender_id, user_id, title[:255], name, now())
    await work.chats.put(chat)
    await context.audit(work, "registered", "telegram", str(chat_id), {"user": user_id, "destination": name})
    return chat


async def unregister(work: UnitOfWork, context: Context, chat_id: int) -> Chat | None:
    """It steers nothing any more, and hears nothing."""
    chat = await work.chats.get(chat_id)
    if chat is None:
        return None
    await work.chats.remove(chat_id)
    await work.destinations.remove(chat.user_id, chat.destination)
    await context.audit(work, "unregistered", "telegram", str(chat_id), {"user": chat.user_id})
    return chat


async def _free_name(work: UnitOfWork, user_id: str) -> str:
    """``telegram``, which alerts may name already; with a number where that is another chat."""
    taken = {one.name for one in await work.destinations.list(user_id)}
    names = (WORD if number == 1 else f"{WORD}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _hash(code: str) -> str:
    """It has 128 random bits, so that a plain hash is enough."""
    return hashlib.sha256(code.encode(errors="replace")).hexdigest()

"""What comes from Telegram: who may ask, how often, and what is answered. Nothing that comes stops the bot."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from sqlalchemy.exc import SQLAlchemyError
from telegram import CallbackQuery, Message, Update

from activities.notifications.artist import Artist
from domain.errors import ExpectedError, InvalidInput
from starter.context import Context
from starter.gateway import Gateway
from starter.telegram import registration
from starter.telegram.api import Api
from starter.telegram.commands import BY_BUTTON, BY_WORD, HELP, Commands
from starter.telegram.replies import Reply, text
from starter.who import Who
from storage.database import Database
from storage.telegram import Chat
from worker.settings import Settings

WITHIN = timedelta(seconds=40)
A_CHAT: RateLimitItem = parse("30/minute")
TOLD: RateLimitItem = parse("1/minute")  # that this is too fast
CODES: RateLimitItem = parse("5/hour")  # that are not valid
CLIENT = "telegram"
STRANGER = (
    "This chat is not registered. Whoever runs this makes a code with\n<code>alerts telegram code --user YOU</code>\n"
    "Then write <code>/start CODE</code> here, within a quarter of an hour."
)
NOT_ALLOWED = "This bot is private: TELEGRAM_ALLOWED_CHATS does not name this chat."
NOT_YOURS = "Only who registered this group may do that."
TOO_FAST = "Slowly, please: at most 30 messages a minute."
TOO_MANY_CODES = "Too many codes that are not valid. Try again in an hour."
NO_COMMAND = "I know commands and their buttons: /help lists them. A new alert is <code>/alert AAPL &gt; 150</code>"
_COMMAND = re.compile(r"/([A-Za-z_]{1,40})(?:@\w+)?(?:\s+(.*))?", re.DOTALL)
log = structlog.get_logger(__name__)


class Bot:
    """Answers one update at a time of each chat, of several chats at once."""

    def __init__(self, settings: Settings, database: Database, gateway: Gateway, artist: Artist, api: Api) -> None:
        self.settings, self.database, self.gateway, self.artist, self.api = settings, database, gateway, artist, api
        self.limiter = MovingWindowRateLimiter(MemoryStorage())
        self.allowed = settings.allowed_chats

    async def handle_all(self, updates: Sequence[Update]) -> None:
        """Each chat's in their order."""
        by_chat: dict[int, list[Update]] = {}
        for update in updates:
            by_chat.setdefault(update.effective_chat.id if update.effective_chat else 0, []).append(update)
        await asyncio.gather(*(self._in_order(these) for these in by_chat.values()))

    async def _in_order(self, updates: Sequence[Update]) -> None:
        for update in updates:
            await self.handle(update)

    async def handle(self, update: Update) -> None:
        """Answers it; a fault of ours is written down and told without its details."""
        message, query = update.message, update.callback_query
        try:
            async with asyncio.timeout(WITHIN.total_seconds()):
                if query is not None and query.message is not None:
                    await self._pressed(query, query.message.chat.id, query.message.message_id, update.update_id)
                elif message is not None and message.migrate_to_chat_id is not None:
                    await self._moved(message.chat.id, message.migrate_to_chat_id)
                elif message is not None and message.text and message.from_user is not None:
                    await self._written(message, message.text, update.update_id)
        except Exception as error:  # the next update is another matter
            log.exception("update not answered", action="telegram", error=type(error).__name__)

    async def _written(self, message: Message, said: str, update_id: int) -> None:
        word, rest = _command(said)
        if not word and message.chat.type != "private":
            return  # people talk in groups
        if not await self._may_ask(message.chat.id):
            return
        asked: list[Chat] = []
        answer = await self._asked(lambda: self._answer(message, word, rest, update_id, asked))
        await self.api.say(message.chat.id, answer, asked[0].user_id if asked else "")

    async def _may_ask(self, chat_id: int) -> bool:
        """Within its limit; the first above it is told so, and then nothing until there is room."""
        if await self.limiter.hit(A_CHAT, "chat", str(chat_id)):
            return True
        if await self.limiter.hit(TOLD, "told", str(chat_id)):
            await self.api.say(chat_id, Reply(TOO_FAST))
        return False

    async def _answer(self, message: Message, word: str, rest: str, update_id: int, asked: list[Chat]) -> Reply:
        """``asked`` gets the chat, where it is somebody's."""
        assert message.from_user is not None
        if self.allowed and message.chat.id not in self.allowed:
            return Reply(NOT_ALLOWED)
        if word == "start" and rest:
            return await self._register(message, rest)
        chat = await self._chat(message.chat.id)
        if chat is None:
            return Reply(STRANGER)
        asked.append(chat)
        if chat.sender_id != message.from_user.id:
            return Reply(NOT_YOURS)
        if word == "stop":
            return await self._unregister(chat)
        do = BY_WORD.get(word)
        if do is None:
            return Reply(NO_COMMAND if not word else f"There is no /{text(word)}. {NO_COMMAND}")
        return await do(self._commands(chat, update_id), rest)

    async def _pressed(self, query: CallbackQuery, chat_id: int, message_id: int, update_id: int) -> None:
        chat = await self._chat(chat_id)
        if chat is None or (self.allowed and chat_id not in self.allowed) or chat.sender_id != query.from_user.id:
            await self.api.toast(query.id, NOT_YOURS if chat else "This chat is not registered.")
            return
        if not await self._may_ask(chat_id):
            await self.api.toast(query.id)
            return
        action, _, key = (query.data or "").partition(":")
        do = BY_BUTTON.get(action)
        if do is None:
            await self.api.toast(query.id, "This button is of another version; /list has new ones.")
            return
        commands = self._commands(chat, update_id)
        answer = await self._asked(lambda: do(commands, key))
        await self.api.toast(query.id)
        if answer.picture is not None:
            await self.api.say(chat_id, answer, chat.user_id)
        else:
            await self.api.change(chat_id, message_id, answer, chat.user_id)

    async def _asked(self, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """What came of it, or why nothing did."""
        from worker.client import TemporalUnreachable

        try:
            return await work()
        except InvalidInput as error:
            faults = "\n".join(f"• {text(f'{one.path}: {one.message}'.removeprefix('$.'))}" for one in error.faults[:8])
            return Reply(f"That cannot be done:\n{faults}")
        except ExpectedError as error:
            return Reply(text(str(error)))
        except TemporalUnreachable:
            return Reply("Temporal cannot be reached now. Try again in a moment.")
        except (SQLAlchemyError, OSError) as error:
            log.warning("database away", action="telegram", error=type(error).__name__)
            return Reply("The database cannot be used now. Nothing was changed; try again in a moment.")
        except Exception as error:
            log.exception("command failed", action="telegram", error=type(error).__name__)
            return Reply("A fault of ours: it was written down, and nothing may have been changed.")

    async def _register(self, message: Message, code: str) -> Reply:
        assert message.from_user is not None
        chat_id = message.chat.id
        if not await self.limiter.test(CODES, "codes", str(chat_id)):
            return Reply(TOO_MANY_CODES)
        title = message.chat.title or message.chat.username or message.chat.full_name or ""
        context = self._context(f"chat {chat_id}", None)
        try:
            async with self.database.transaction() as work:
                chat = await registration.register(work, context, code.strip(), chat_id, message.from_user.id, title)
        except registration.BadCode:
            await self.limiter.hit(CODES, "codes", str(chat_id))
            raise
        return Reply(
            f"Registered for user <b>{text(chat.user_id)}</b>. What names the channel "
            f"<code>{text(chat.destination)}</code> is told here.\n\n{HELP}"
        )

    async def _unregister(self, chat: Chat) -> Reply:
        async with self.database.transaction() as work:
            await registration.unregister(work, self._context(chat.user_id, chat.user_id), chat.chat_id)
        return Reply("This chat steers and hears nothing any more. Alerts that name it stay, and tell nobody here.")

    async def _moved(self, chat_id: int, to: int) -> None:
        """A group that became a supergroup; its destination follows with the next notice."""
        async with self.database.transaction() as work:
            await work.chats.move(chat_id, to)

    async def _chat(self, chat_id: int) -> Chat | None:
        async with self.database.transaction() as work:
            return await work.chats.get(chat_id)

    def _commands(self, chat: Chat, update_id: int) -> Commands:
        return Commands(self._context(chat.user_id, chat.user_id), chat, self.artist, update_id)

    def _context(self, user_id: str, owner: str | None) -> Context:
        return Context(self.settings, self.database, Who(user_id, CLIENT), gateway=self.gateway, owner=owner)


def _command(said: str) -> tuple[str, str]:
    """``/alert@name_bot AAPL > 150`` as word and rest; no word where it is no command."""
    found = _COMMAND.fullmatch(said.strip())
    return (found[1].lower(), (found[2] or "").strip()) if found else ("", said)

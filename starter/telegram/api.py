"""The bot's way to Telegram: paced for each chat and in all, patient with what passes, silent about its token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog
from aiolimiter import AsyncLimiter
from cachetools import LRUCache
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputFile
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest

from activities.notifications.channels.telegram import MOST_CAPTION, MOST_TEXT, shortened
from starter.names import mark_of
from starter.telegram.replies import Reply

A_CHAT = (3, 3.0)  # messages in seconds: about one a second, a few at once
IN_ALL = (25, 1.0)
A_GROUP = (18, 60.0)
MOST_CHATS = 10_000
TRIES = 4
ANSWER_SECONDS = 10.0
log = structlog.get_logger(__name__)
T = TypeVar("T")
Call = Callable[..., Coroutine[Any, Any, Any]]


class Pacing(AIORateLimiter):
    """The library's limits of all chats and of groups, and one for each chat before them."""

    def __init__(self) -> None:
        super().__init__(*IN_ALL, *A_GROUP, max_retries=TRIES)
        self._chats: LRUCache[int, AsyncLimiter] = LRUCache(MOST_CHATS)

    async def process_request(
        self,
        callback: Call,
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: Any,
    ) -> Any:
        """Waits its turn, and for as long as Telegram asks."""
        chat = data.get("chat_id")
        if isinstance(chat, int):
            if chat not in self._chats:
                self._chats[chat] = AsyncLimiter(*A_CHAT)
            await self._chats[chat].acquire()
        return await super().process_request(callback, args, kwargs, endpoint, data, rate_limit_args)


@asynccontextmanager
async def connected(settings: Any, *, paced: bool = True) -> AsyncIterator[Api]:
    """The bot of TELEGRAM_BOT_TOKEN at TELEGRAM_API_URL.

    Raises:
        telegram.error.TelegramError: it cannot be reached, or the token is not that of a bot.
    """
    base = settings.telegram_api_url.rstrip("/")
    bot: ExtBot[Any] = ExtBot(
        settings.telegram_bot_token.get_secret_value(),
        base_url=f"{base}/bot",
        base_file_url=f"{base}/file/bot",
        request=HTTPXRequest(read_timeout=ANSWER_SECONDS),
        get_updates_request=HTTPXRequest(connection_pool_size=1, read_timeout=ANSWER_SECONDS),
        rate_limiter=Pacing() if paced else None,
    )
    async with bot:
        yield Api(bot)


class Api:
    """What the bot tells and changes."""

    def __init__(self, bot: Bot) -> None:
        self.bot = bot

    async def say(self, chat_id: int, reply: Reply, user_id: str = "") -> None:
        """A new message; markup that is refused goes without."""
        if reply.picture is not None:
            caption, picture = shortened(_plain(reply, user_id), MOST_CAPTION), reply.picture
            await self._told(
                lambda: self.bot.send_photo(
                    chat_id,
                    InputFile(picture, "chart.png"),
                    caption,
                    parse_mode=ParseMode.HTML,
                    reply_markup=_keyboard(reply),
                )
            )
            return
        await self._told(lambda: self._text(chat_id, reply, user_id))

    async def _text(self, chat_id: int, reply: Reply, user_id: str) -> None:
        words = shortened(_plain(reply, user_id), MOST_TEXT)
        try:
            await self.bot.send_message(chat_id, words, parse_mode=ParseMode.HTML, reply_markup=_keyboard(reply))
        except BadRequest as error:
            if "parse entities" not in str(error):
                raise
            await self.bot.send_message(chat_id, words, reply_markup=_keyboard(reply))

    async def change(self, chat_id: int, message_id: int, reply: Reply, user_id: str = "") -> None:
        """The message that a button was pressed below; a picture, or one too old to be changed, gets a new one."""
        words = shortened(_plain(reply, user_id), MOST_TEXT)
        try:
            await self._told(
                lambda: self.bot.edit_message_text(
                    words, chat_id, message_id, parse_mode=ParseMode.HTML, reply_markup=_keyboard(reply)
                ),
                refusals=True,
            )
        except BadRequest as error:
            if "not modified" not in str(error):
                await self.say(chat_id, reply, user_id)

    async def toast(self, query_id: str, said: str = "") -> None:
        """Ends the button's waiting; one that was pressed long ago waits no more."""
        await self._told(lambda: self.bot.answer_callback_query(query_id, said[:200] or None))

    async def _told(self, call: Callable[[], Coroutine[Any, Any, Any]], *, refusals: bool = False) -> None:
        """Tried again while the way is broken. What cannot be told is lost, as what was asked for is done."""
        for attempt in range(TRIES):
            try:
                await call()
            except BadRequest as error:
                if refusals:
                    raise
                log.warning("answer refused", action="telegram", error=str(error)[:200])
            except Forbidden as error:
                log.info("answer not wanted", action="telegram", error=str(error)[:200])
            except (
                TimedOut,
                RetryAfter,
            ) as error:  # it may have been taken; one answer too many is worse than one too few
                log.warning("answer not confirmed", action="telegram", error=type(error).__name__)
            except NetworkError:
                if attempt + 1 < TRIES:
                    await asyncio.sleep(0.5 * 2**attempt)
                    continue
                log.warning("answer not told", action="telegram", tries=TRIES)
            except TelegramError as error:
                log.warning("answer not told", action="telegram", error=type(error).__name__)
            return


def _plain(reply: Reply, user_id: str) -> str:
    """A user hears nothing of the mark that an id of theirs bears where another user had it first."""
    return reply.text.replace(mark_of(user_id), "") if user_id else reply.text


def _keyboard(reply: Reply) -> InlineKeyboardMarkup | None:
    if not reply.buttons:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(one.label, callback_data=one.data) for one in row] for row in reply.buttons]
    )

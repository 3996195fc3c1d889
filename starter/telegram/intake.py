"""How updates come: by asking Telegram again and again, or by its calls to an address of ours. None is lost on the way.

An update that is asked for is confirmed with the next question, after it was answered; one that Telegram brings is answered with
200 then. So a process that dies in between hears of it again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from telegram import BotCommand, Update
from telegram.error import Conflict, InvalidToken, NetworkError, RetryAfter, TelegramError

from activities.notifications.artist import Artist
from starter.gateway import Gateway
from starter.telegram.api import Api, connected
from starter.telegram.bot import Bot
from starter.telegram.commands import MENU
from storage.database import Database
from worker.http_server import bounds_of, serving
from worker.temporal_server import ServerFailed

KINDS = ("message", "callback_query")
LONG = 25  # seconds that Telegram waits for something to tell
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
CONFLICT_PAUSE = 10.0
MOST_BYTES = 1_000_000
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105
PATH = "/telegram"
log = structlog.get_logger(__name__)


@asynccontextmanager
async def telegram_bot(settings: Any, database: Database) -> AsyncIterator[str]:
    """The bot, answering inside the block; yields its name.

    Raises:
        ServerFailed: there is no token, it is not that of a bot, or the port for Telegram's calls is in use.
    """
    if not settings.telegram_bot_token.get_secret_value():
        raise ServerFailed("the bot needs TELEGRAM_BOT_TOKEN")
    artist = Artist(database, "light" if settings.notification_charts == "off" else settings.notification_charts)
    async with AsyncExitStack() as exits:
        exits.callback(artist.close)
        api = await exits.enter_async_context(_reached(settings))
        bot = Bot(settings, database, Gateway(settings, database), artist, api)
        if settings.telegram_webhook_url:
            await exits.enter_async_context(_called(settings, bot, api))
        else:
            asking = asyncio.create_task(Polling(bot, api).run())
            exits.push_async_callback(_ended, asking)
        yield f"@{api.bot.username}"


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _reached(settings: Any) -> AsyncIterator[Api]:
    """Waits for Telegram as long as it is away."""
    pause = FIRST_PAUSE
    while True:
        try:
            async with AsyncExitStack() as exits:
                api = await exits.enter_async_context(connected(settings))
                await api.bot.set_my_commands([BotCommand(word, said) for word, said in MENU])
                kept = exits.pop_all()
            break
        except InvalidToken:
            raise ServerFailed("TELEGRAM_BOT_TOKEN is not that of a bot, says Telegram") from None
        except NetworkError as error:
            log.warning("Telegram away", action="telegram", error=type(error).__name__, pause_s=pause)
        except TelegramError as error:
            raise ServerFailed(f"Telegram refuses the bot: {error}") from None
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    async with kept:
        yield api


class Polling:
    """Asks again and again."""

    def __init__(self, bot: Bot, api: Api) -> None:
        self.bot, self.api, self.offset = bot, api, 0

    async def run(self) -> None:
        """Until it is cancelled. What was answered is confirmed by the next question."""
        pause = 0.0
        while True:
            try:
                pause = await self._ask(pause)
            except Exception as error:  # the bot goes on, whatever came
                log.exception("updates not answered", action="telegram", error=type(error).__name__)
                pause = LONGEST_PAUSE
            if pause:
                await asyncio.sleep(pause)

    async def _ask(self, pause: float) -> float:
        """One question and its answers; how long to wait before the next."""
        try:
            if not self.offset:
                await self.api.bot.delete_webhook()
            updates = await self.api.bot.get_updates(self.offset or None, timeout=LONG, allowed_updates=KINDS)
        except Conflict:
            log.warning("another process asks for this bot's updates", action="telegram", pause_s=CONFLICT_PAUSE)
            return CONFLICT_PAUSE
        except RetryAfter as error:
            asked: Any = error._retry_after  # a timedelta; the public name warns
            return float(asked.total_seconds())
        except TelegramError as error:
            longer = min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
            log.warning("Telegram away", action="telegram", error=type(error).__name__, pause_s=longer)
            return longer
        await self.bot.handle_all(updates)
        if updates:
            self.offset = updates[-1].update_id + 1
        return 0.0


@asynccontextmanager
async def _called(settings: Any, bot: Bot, api: Api) -> AsyncIterator[None]:
    """Telegram calls TELEGRAM_WEBHOOK_URL, behind which somebody passes on to ALERTS_TELEGRAM_PORT."""
    secret = secret_of(settings.telegram_bot_token.get_secret_value())

    async def taken(request: Request) -> Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            return Response(status_code=401)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return Response(status_code=413)
        try:
            update = Update.de_json(json.loads(body), api.bot)
        except (ValueError, KeyError, TypeError, AttributeError):
            return Response(status_code=400)
        await bot.handle(update)
        return Response(status_code=200)

    app = Starlette(routes=[Route(PATH, taken, methods=["POST"])])
    port = settings.alerts_telegram_port
    async with serving(app, settings.api_host, port, bounds_of(settings), "ALERTS_TELEGRAM_PORT"):
        await api.bot.set_webhook(
            settings.telegram_webhook_url, allowed_updates=KINDS, secret_token=secret, max_connections=20
        )
        yield


def secret_of(token: str) -> str:
    """What Telegram names itself by when it calls us: of the token, so that nothing more is to be kept."""
    return hashlib.sha256(f"webhook of {token}".encode()).hexdigest()

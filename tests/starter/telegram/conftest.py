"""A bot on a real database, with a stand-in for Telegram; Temporal is away unless a test brings it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from telegram import Update

from activities.notifications.artist import Artist
from starter.context import Context
from starter.gateway import Gateway
from starter.telegram import registration
from starter.telegram.api import Api, connected
from starter.telegram.bot import Bot
from starter.who import Who
from storage.database import Database
from tests.stand_ins.bot_api import TOKEN, BotApi, bot_api
from worker.settings import Settings

ANN = 42


@dataclass
class Desk:
    """The bot, and Telegram as people see it."""

    bot: Bot
    api: Api
    telegram: BotApi
    database: Database
    settings: Settings

    async def hear(self) -> None:
        """All that people did, answered in the order of each chat."""
        updates = [Update.de_json(one, self.api.bot) for one in self.telegram.updates]
        self.telegram.updates = []
        await self.bot.handle_all([one for one in updates if one is not None])

    async def write(self, text: str, chat: int = ANN, **given: Any) -> str:
        """What the bot answers to a message; empty where it says nothing."""
        before = len(self.telegram.messages)
        self.telegram.write(text, chat, **given)
        await self.hear()
        new = self.telegram.messages[before:]
        return str(new[-1]["shown"]) if new else ""

    async def press(self, label: str, chat: int = ANN, **given: Any) -> str:
        """What the message says after a button was pressed."""
        self.telegram.press(label, chat, **given)
        await self.hear()
        return str(self.telegram.messages[-1]["shown"])

    async def code(self, user_id: str = "ann") -> str:
        context = Context(self.settings, self.database, Who("root", "cli"))
        async with self.database.transaction() as work:
            return (await registration.make_code(work, context, user_id))[0]

    async def register(self, chat: int = ANN, user_id: str = "ann", **given: Any) -> str:
        return await self.write(f"/start {await self.code(user_id)}", chat, **given)

    def again(self, **changes: Any) -> Desk:
        """With other settings."""
        settings = self.settings.model_copy(update=changes)
        bot = Bot(settings, self.database, self.bot.gateway, self.bot.artist, self.api)
        return Desk(bot, self.api, self.telegram, self.database, settings)


@pytest.fixture
async def desk(any_database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with bot_api() as telegram:
        settings = Settings(
            alerts_home=tmp_path,
            temporal_address="127.0.0.1:1",
            telegram_bot_token=TOKEN,
            telegram_api_url=telegram.url,
        )  # type: ignore[call-arg]
        artist = Artist(any_database, "light")
        async with connected(settings, paced=False) as api:
            bot = Bot(settings, any_database, Gateway(settings, any_database), artist, api)
            yield Desk(bot, api, telegram, any_database, settings)
        artist.close()

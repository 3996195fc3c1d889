"""Telegram's Bot API: https://core.telegram.org/bots/api#sendmessage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from html import escape
from typing import Annotated, Any

import httpx
from pydantic import AfterValidator, SecretStr

from activities.notifications.channel import (
    Channel,
    ChannelRefused,
    ChannelUnavailable,
    Declaration,
    Letter,
    Moved,
    Pace,
)
from activities.outgoing import HeaderKey, NotAllowed, Outgoing, an_address
from domain.errors import Fault, InvalidInput

MOST_TEXT = 4096  # of a message, in UTF-16 units, after its markup was read
MOST_CAPTION = 1024  # below a picture, likewise
MOST_ANSWER = 100_000
PUBLIC = "https://api.telegram.org"
BLOCKED = ("bot was blocked", "user is deactivated", "bot was kicked", "chat not found", "not a member")


class Telegram:
    """One chat, by one bot. A time-out may mean that it was told: the API takes no key that would say so."""

    pace = Pace(timedelta(seconds=1.1))  # about one message a second a chat is taken
    takes_pictures = True

    def __init__(self, base_url: str, token: str, chat: str, timeout: float = 10.0) -> None:
        self.url = f"{base_url.rstrip('/')}/bot{token}"
        self.token, self.chat = token, chat
        self.out = Outgoing(timeout=timeout, most_bytes=MOST_ANSWER)

    async def send(self, letter: Letter) -> None:
        """One message: the subject bold, the text below; where the markup is refused, the same without."""
        subject, body = letter.delivery.subject, letter.delivery.body
        plain = shortened(f"{subject}\n{body}".strip(), MOST_TEXT)
        title, _, rest = plain.partition("\n")
        marked = f"<b>{escape(title, quote=False)}</b>\n{escape(rest, quote=False)}".rstrip()
        fields: dict[str, Any] = {"chat_id": self.chat}
        if letter.priority == "normal" and letter.event is None:
            fields["disable_notification"] = True
        picture = letter.picture if shortened(plain, MOST_CAPTION) == plain else None
        try:
            await self._tell(fields, marked, {"parse_mode": "HTML"}, picture)
        except ChannelRefused as error:
            if "parse entities" not in str(error):
                raise
            await self._tell(fields, plain, {}, picture)

    async def _tell(self, fields: dict[str, Any], text: str, how: dict[str, Any], picture: bytes | None) -> None:
        if picture is None:
            whole = {**fields, **how, "text": text, "link_preview_options": {"is_disabled": True}}
            await self._post("sendMessage", json.dumps(whole).encode(), "application/json")
            return
        named = {
            name: str(value).lower() if isinstance(value, bool) else value for name, value in {**fields, **how}.items()
        }
        form = httpx.Request(
            "POST", self.url, data={**named, "caption": text}, files={"photo": ("chart.png", picture, "image/png")}
        )
        await self._post("sendPhoto", form.read(), form.headers["Content-Type"])

    async def _post(self, method: str, body: bytes, kind: str) -> None:
        try:
            answer = await self.out.request(
                "POST", f"{self.url}/{method}", content=body, headers={"Content-Type": kind}
            )
        except TimeoutError:
            raise ChannelUnavailable("no answer in time") from None
        except NotAllowed:
            raise ChannelRefused("TELEGRAM_API_URL is not one that may be connected to") from None
        except httpx.HTTPError as error:
            raise ChannelUnavailable(f"could not be reached ({type(error).__name__})") from None
        self._judge(answer)

    def _judge(self, answer: httpx.Response) -> None:
        """Sorts the answer: told, later, never."""
        try:
            told = answer.json()
        except ValueError:
            told = {}
        told = told if isinstance(told, dict) else {}
        if answer.is_success and told.get("ok") is True:
            return
        given = told.get("parameters")
        parameters: dict[str, Any] = given if isinstance(given, dict) else {}
        why = str(told.get("description") or f"HTTP {answer.status_code}").replace(self.token, "…")[:300]
        if "migrate_to_chat_id" in parameters:
            raise Moved(str(parameters["migrate_to_chat_id"]))
        if answer.status_code == 429:
            wait = parameters.get("retry_after")
            raise ChannelUnavailable(why, timedelta(seconds=wait) if isinstance(wait, int | float) else None)
        if answer.status_code in (401, 404) and told.get("ok") is False:
            raise ChannelRefused(f"{why}: TELEGRAM_BOT_TOKEN is not that of a bot")
        is_telegrams = told.get("ok") is False  # and not a proxy's between us
        if is_telegrams and (answer.status_code == 403 or any(words in why for words in BLOCKED)):
            raise ChannelRefused(why, disable=True)
        if 400 <= answer.status_code < 500:
            raise ChannelRefused(why)
        raise ChannelUnavailable(why)

    async def close(self) -> None:
        """Closes the connections."""
        await self.out.close()


def shortened(text: str, most: int) -> str:
    """At most so many UTF-16 units, cut between characters, with a sign of it."""
    if len(text.encode("utf-16-le")) // 2 <= most:
        return text
    kept, used = [], 1
    for character in text:
        used += 2 if ord(character) > 0xFFFF else 1
        if used > most:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _at(settings: Any, address: str) -> Channel:
    """``telegram://-1001234`` or ``telegram://@name``.

    Raises:
        InvalidInput: it names no chat.
    """
    chat = address.partition("://")[2].rstrip("/")
    if not (chat.lstrip("-").isdigit() or (chat.startswith("@") and chat[1:].replace("_", "").isalnum())):
        raise InvalidInput("address", [Fault("address", "expected telegram://CHAT, a number or @name")])
    token = settings.telegram_bot_token.get_secret_value()
    return Telegram(settings.telegram_api_url, token, chat, settings.send_timeout)


def _channels(settings: Any) -> Mapping[str, Channel]:
    if not (settings.telegram_bot_token.get_secret_value() and settings.telegram_chat_id):
        return {}
    return {"telegram": _at(settings, f"telegram://{settings.telegram_chat_id}")}


DECLARED = Declaration(
    names=("telegram",),
    settings={
        "telegram_bot_token": (HeaderKey, SecretStr("")),
        "telegram_api_url": (Annotated[str, AfterValidator(an_address)], PUBLIC),
        "telegram_chat_id": (str, ""),
    },
    build=_channels,
    advice="set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID",
    schemes=("telegram",),
    at=_at,
    can_be_used=lambda settings: bool(settings.telegram_bot_token.get_secret_value()),
)

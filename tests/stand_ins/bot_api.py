"""Telegram's Bot API as it answers: limits, blocked users, groups that move, markup that cannot be read, time-outs, resets."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

from tests.stand_ins.faulty import Faulty, Told, listening

TOKEN = "123456:planted-token-of-a-bot"
METHODS = (
    "sendMessage", "sendPhoto", "editMessageText", "answerCallbackQuery", "getMe", "getUpdates", "setMyCommands", "setWebhook",
    "deleteWebhook",
)  # fmt: skip
MOST_TEXT, MOST_CAPTION = 4096, 1024
TAGS = re.compile(r"<(/?)(b|i|code|pre|a)(?: [^<>]*)?>")


@dataclass
class BotApi(Faulty):
    """One bot. ``fault`` is how the next calls go: slow, silent, reset, flood, blocked, moved, conflict, server_error, or well."""

    retry_after: int = 35
    messages: list[dict[str, Any]] = field(default_factory=list)
    moved_to: int = -1001999
    toasts: list[str] = field(default_factory=list)
    menu: list[dict[str, Any]] = field(default_factory=list)
    webhook: dict[str, Any] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    confirmed: int = 0
    polls: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(1000))
    _something: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, head: str, body: bytes, fault: str) -> Told:
        path, given = head.split(" ", 2)[1], _read(body, head)
        if path == f"/bot{TOKEN}/getUpdates" and fault not in ("flood", "server_error", "conflict"):
            status, said = 200, await self._polled(given)
        else:
            status, said = self._answer(path, given, fault)
        return Told(status, json.dumps(said).encode(), "Content-Type: application/json\r\n")

    # what people do in the app

    def write(self, text: str, chat: int = 42, sender: int | None = None, **of_chat: Any) -> int:
        """A message from somebody; the update's number."""
        here = {"id": chat, "type": "private" if chat > 0 else "group", "first_name": "Ann", **of_chat}
        number = next(self._numbers)
        message = {
            "message_id": number,
            "date": 1767625200,
            "chat": here,
            "from": _person(sender or abs(chat)),
            "text": text,
        }
        return self._tell({"message": message})

    def press(self, label: str, chat: int = 42, sender: int | None = None) -> int:
        """The button of that label below the newest message that has one."""
        shown = [one for one in self.messages if one.get("reply_markup") and str(one["chat_id"]) == str(chat)]
        for message in reversed(shown):
            for row in json.loads(message["reply_markup"])["inline_keyboard"]:
                for button in row:
                    if label in button["text"]:
                        assert 1 <= len(button["callback_data"].encode()) <= 64
                        below = {
                            "message_id": message["message_id"],
                            "date": 1767625200,
                            "chat": {"id": chat, "type": "private"},
                        }
                        query = {
                            "id": str(next(self._numbers)), "from": _person(sender or abs(chat)), "message": below,
                            "chat_instance": "1", "data": button["callback_data"],
                        }  # fmt: skip
                        return self._tell({"callback_query": query})
        raise AssertionError(f"no button {label!r} in {[one.get('reply_markup') for one in shown][-3:]}")

    def _tell(self, update: dict[str, Any]) -> int:
        number = next(self._numbers)
        self.updates.append({"update_id": number, **update})
        self._something.set()
        return number

    async def _polled(self, body: dict[str, Any]) -> dict[str, Any]:
        """Long polling: what is older than the offset is confirmed, and never told again."""
        self.polls += 1
        if self.webhook.get("url"):
            return _failed(409, "Conflict: can't use getUpdates method while webhook is active")[1]
        offset = int(body.get("offset") or 0)
        self.confirmed = max(self.confirmed, offset)
        self.updates = [one for one in self.updates if one["update_id"] >= offset]
        if not self.updates:
            self._something.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something.wait(), float(body.get("timeout") or 0))
        return {"ok": True, "result": self.updates[: int(body.get("limit") or 100)]}

    def _answer(self, path: str, body: dict[str, Any], fault: str) -> tuple[int, dict[str, Any]]:
        method = path.removeprefix(f"/bot{TOKEN}/")
        if "/" in method or method not in METHODS:
            return _failed(404 if path.startswith("/bot") else 400, "Not Found")
        if fault == "flood":
            return _failed(429, "Too Many Requests: retry after 35", retry_after=self.retry_after)
        if fault == "conflict":
            return _failed(409, "Conflict: terminated by other getUpdates request")
        if fault == "server_error":
            return _failed(502, "Bad Gateway")
        if method == "getMe":
            return _well({"id": 123456, "is_bot": True, "first_name": "Alerts", "username": "alerts_bot"})
        if method == "answerCallbackQuery":
            self.toasts.append(body.get("text", ""))
            return _well(True)
        if method == "setMyCommands":
            self.menu = json.loads(body["commands"])
            return _well(True)
        if method in ("setWebhook", "deleteWebhook"):
            self.webhook = body if method == "setWebhook" else {}
            return _well(True)
        return self._in_a_chat(method, body, fault)

    def _in_a_chat(self, method: str, body: dict[str, Any], fault: str) -> tuple[int, dict[str, Any]]:
        if fault == "blocked":
            return _failed(403, "Forbidden: bot was blocked by the user")
        if fault == "moved" and body["chat_id"] != str(self.moved_to):
            return _failed(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=self.moved_to)
        is_photo = method == "sendPhoto"
        if is_photo and not body.get("photo", b"").startswith(b"\x89PNG"):
            return _failed(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
        text = body.get("caption" if is_photo else "text", "")
        if body.get("parse_mode") == "HTML":
            if fault == "markup" or re.search(r"[<>]", TAGS.sub("", text)):
                return _failed(400, "Bad Request: can't parse entities: unsupported start tag")
            text = html.unescape(TAGS.sub("", text))
        if not 0 < len(text.encode("utf-16-le")) // 2 <= (MOST_CAPTION if is_photo else MOST_TEXT):
            return _failed(400, "Bad Request: message is too long")
        if method == "editMessageText":
            return self._changed(body, text)
        number = next(self._numbers)
        self.messages.append({**body, "shown": text, "message_id": number})
        return _well(_message(number, body["chat_id"], text))

    def _changed(self, body: dict[str, Any], text: str) -> tuple[int, dict[str, Any]]:
        found = [one for one in self.messages if str(one["message_id"]) == str(body["message_id"])]
        if not found or "photo" in found[0]:
            return _failed(400, "Bad Request: there is no text in the message to edit")
        new = {**body, "shown": text, "message_id": found[0]["message_id"]}
        if (found[0]["shown"], found[0].get("reply_markup")) == (text, body.get("reply_markup")):
            return _failed(400, "Bad Request: message is not modified: specified new message content is the same")
        self.messages[self.messages.index(found[0])] = new
        return _well(_message(new["message_id"], body["chat_id"], text))


def _read(body: bytes, head: str) -> dict[str, Any]:
    """JSON, or a form with a file."""
    kind = (re.search(r"content-type: ([^\r]+)", head, re.I) or ["", ""])[1]
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    if not kind.startswith("multipart/"):
        found: dict[str, Any] = json.loads(body or b"{}")
        return found
    whole = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=policy.HTTP)
    form: dict[str, Any] = {}
    for part in whole.iter_parts():  # type: ignore[attr-defined]
        name, data = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        form[name] = data if part.get_filename() else data.decode()
    return form


def _person(number: int) -> dict[str, Any]:
    return {"id": number, "is_bot": False, "first_name": "Ann", "username": "ann"}


def _message(number: int, chat: Any, text: str) -> dict[str, Any]:
    return {"message_id": number, "date": 1767625200, "chat": {"id": int(chat), "type": "private"}, "text": text}


def _well(result: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"ok": True, "result": result}


def _failed(status: int, description: str, **parameters: int) -> tuple[int, dict[str, Any]]:
    answer: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    return status, answer | ({"parameters": parameters} if parameters else {})


def bot_api() -> AbstractAsyncContextManager[BotApi]:
    """On a port of its own."""
    return listening(BotApi())

"""Telegram's Bot API as it answers: limits, blocked users, groups that move, markup that cannot be read, time-outs, resets."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any

TOKEN = "123456:planted-token-of-a-bot"
MOST_TEXT, MOST_CAPTION = 4096, 1024
TAGS = re.compile(r"<(/?)(b|i|code|pre|a)(?: [^<>]*)?>")


@dataclass
class BotApi:
    """One bot. ``fault`` is how the next calls go: slow, silent, reset, flood, blocked, moved, server_error, or well."""

    port: int = 0
    fault: str = ""
    faults_left: int = 10**9
    messages: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    moved_to: int = -1001999

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = int((re.search(r"content-length: (\d+)", head, re.I) or ["", "0"])[1])
                body = _read(await reader.readexactly(size), head)
                path = head.split(" ", 2)[1]
                self.asked += 1
                fault = self.fault if self.faults_left > 0 else ""
                self.faults_left -= 1
                if fault == "reset":
                    writer.transport.abort()
                    return
                if fault == "silent":  # it was not taken, and nobody says so
                    await asyncio.sleep(3600)
                status, answer = self._answer(path, body, fault)
                if fault == "slow":  # it was taken, and nobody hears of it
                    await asyncio.sleep(3600)
                data = json.dumps(answer).encode()
                writer.write(
                    b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                    % (status, len(data))
                )
                writer.write(data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    def _answer(self, path: str, body: dict[str, Any], fault: str) -> tuple[int, dict[str, Any]]:
        if path not in (f"/bot{TOKEN}/sendMessage", f"/bot{TOKEN}/sendPhoto"):
            return _failed(404 if path.startswith("/bot") else 400, "Not Found")
        if fault == "flood":
            return _failed(429, "Too Many Requests: retry after 35", retry_after=35)
        if fault == "blocked":
            return _failed(403, "Forbidden: bot was blocked by the user")
        if fault == "server_error":
            return _failed(502, "Bad Gateway")
        if fault == "moved" and body["chat_id"] != str(self.moved_to):
            return _failed(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=self.moved_to)
        is_photo = path.endswith("sendPhoto")
        if is_photo and not body.get("photo", b"").startswith(b"\x89PNG"):
            return _failed(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
        text = body.get("caption" if is_photo else "text", "")
        if body.get("parse_mode") == "HTML":
            if fault == "markup" or re.search(r"[<>]", TAGS.sub("", text)):
                return _failed(400, "Bad Request: can't parse entities: unsupported start tag")
            text = html.unescape(TAGS.sub("", text))
        if not 0 < len(text.encode("utf-16-le")) // 2 <= (MOST_CAPTION if is_photo else MOST_TEXT):
            return _failed(400, "Bad Request: message is too long")
        self.messages.append({**body, "shown": text})
        return 200, {"ok": True, "result": {"message_id": len(self.messages), "chat": {"id": body["chat_id"]}}}


def _read(body: bytes, head: str) -> dict[str, Any]:
    """JSON, or a form with a file."""
    kind = (re.search(r"content-type: ([^\r]+)", head, re.I) or ["", ""])[1]
    if not kind.startswith("multipart/"):
        found: dict[str, Any] = json.loads(body or b"{}")
        return found
    whole = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=policy.HTTP)
    form: dict[str, Any] = {}
    for part in whole.iter_parts():  # type: ignore[attr-defined]
        name, data = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        form[name] = data if part.get_filename() else data.decode()
    return form


def _failed(status: int, description: str, **parameters: int) -> tuple[int, dict[str, Any]]:
    answer: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    return status, answer | ({"parameters": parameters} if parameters else {})


@asynccontextmanager
async def bot_api() -> AsyncIterator[BotApi]:
    """On a port of its own."""
    api = BotApi()
    server = await asyncio.start_server(api._handle, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()

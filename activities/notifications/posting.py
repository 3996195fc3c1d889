"""One POST of a notice, its answer sorted by what is to be done about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx

from activities.market_data.vendors.http import retry_after
from activities.notifications.channel import ChannelRefused, ChannelUnavailable
from activities.outgoing import NotAllowed, Outgoing
from domain.text import cut, printable

MOST_REASON = 4000  # bytes of an answer
MOST_SAID = 300


def utc_now() -> datetime:
    """Real time."""
    return datetime.now(UTC)


async def post(out: Outgoing, url: str, body: bytes, headers: dict[str, str], *, reason: bool = False) -> None:
    """One POST, its answer sorted: 2xx is told, 429 and 5xx may be later, any other 4xx never.

    With ``reason`` the refusal says what a service of our own side gives as its reason; a stranger's words are not read.
    """
    sent = {"Content-Type": "application/json", **headers}
    try:
        answer = await out.request("POST", url, content=body, headers=sent, begin=MOST_REASON if reason else 0)
    except TimeoutError:
        raise ChannelUnavailable("no answer in time") from None
    except NotAllowed:
        raise ChannelRefused("the configured address is not one that may be connected to") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise ChannelRefused("the configured address is no HTTP URL") from None
    except httpx.HTTPError as error:
        raise ChannelUnavailable(f"could not be reached ({type(error).__name__})") from None
    if answer.is_success:
        return
    status = f"HTTP {answer.status_code}"
    if answer.status_code in (408, 409, 425, 429):
        raise ChannelUnavailable(status, retry_after(answer.headers.get("Retry-After"), utc_now()))
    if answer.status_code == 410:
        raise ChannelRefused(f"{status}: the receiver wants no more", disable=True)
    if 400 <= answer.status_code < 500:
        why = _reason(answer.text) if reason else ""
        raise ChannelRefused(f"{status}: {why}" if why else status)
    raise ChannelUnavailable(status, retry_after(answer.headers.get("Retry-After"), utc_now()))


def _reason(text: str) -> str:
    """``user_id: Input should be a valid integer`` of what FastAPI and its like answer, else how the text begins."""
    try:
        told = json.loads(text)["detail"]
    except (ValueError, TypeError, KeyError):
        told = text
    if isinstance(told, list):
        told = "; ".join(_fault(one) for one in told if isinstance(one, dict))
    return cut(printable(str(told)), MOST_SAID)


def _fault(one: dict[str, Any]) -> str:
    where = one.get("loc")
    name = ".".join(str(part) for part in where if part != "body") if isinstance(where, list) else ""
    return f"{name}: {one.get('msg')}" if name else str(one.get("msg"))

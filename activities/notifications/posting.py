"""One POST of a notice, its answer sorted by what is to be done about it."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx

from activities.market_data.vendors.http import retry_after
from activities.notifications.channel import ChannelRefused, ChannelUnavailable
from activities.outgoing import NotAllowed, Outgoing


def utc_now() -> datetime:
    """Real time."""
    return datetime.now(UTC)


async def post(out: Outgoing, url: str, body: bytes, headers: dict[str, str]) -> None:
    """One POST, its answer sorted: 2xx is told, 429 and 5xx may be later, any other 4xx never."""
    sent = {"Content-Type": "application/json", **headers}
    try:
        answer = await out.request("POST", url, content=body, headers=sent, only_status=True)
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
    if 400 <= answer.status_code < 500:
        raise ChannelRefused(status)
    raise ChannelUnavailable(status)

"""One GET to a vendor, with every way it can go wrong sorted by what is to be done about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from activities.market_data.vendors.errors import (
    ProviderError,
    ProviderMisconfigured,
    ProviderNoPlan,
    ProviderQuota,
    ProviderRefused,
    ProviderUnavailable,
)
from activities.market_data.vendors.rate_limit import PATIENCE, RateLimiter
from activities.outgoing import Outgoing, TooLarge
from domain.bounds import is_too_deep

PARSED = "parsed"
USER_AGENT = "Mozilla/5.0 (compatible; market-alerts)"
LONGEST_WAIT = timedelta(days=3)  # over a weekend; a header that asks for more is wrong
WAITS = {
    418: timedelta(minutes=2),
    429: timedelta(minutes=1),
}  # where the vendor does not say; rates are counted by the minute
MOST_BYTES = 32 * 1024 * 1024  # years of minutes in one answer take a few MB
LARGE = 256 * 1024  # bytes: parsing more would hold up everything else
JSON_TYPES = ("json", "javascript", "text/plain", "")


@dataclass(frozen=True)
class VendorSettings:
    """What an operator may set for one vendor. ``timeout`` is of a whole answer, in seconds; ``rates`` as in ``5/minute``.

    ``labels`` says which end of a bar its time names, ``start`` or ``end``, for the vendor that has had both.
    """

    base_url: str
    key: str = ""
    timeout: float = 10.0
    rates: str = ""
    priority: int = 0
    labels: str = "start"


class VendorClient:
    """A vendor's HTTP side. Messages never hold the URL, which may carry a key."""

    def __init__(
        self, name: str, settings: VendorSettings, limiter: RateLimiter, headers: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.limiter = limiter
        self.out = Outgoing(
            timeout=settings.timeout,
            most_bytes=MOST_BYTES,
            base_url=settings.base_url,
            headers={"User-Agent": USER_AGENT, **(headers or {})},
        )

    async def get(
        self,
        path: str,
        params: Mapping[str, str | int],
        patience: timedelta = PATIENCE,
        cost: float = 1,
        telling: Collection[int] = (),
    ) -> httpx.Response:
        """The whole answer, whatever its status below 500 but for redirects and rate limits.

        ``telling`` are statuses from 500 on whose body says more than the status does.

        Raises:
            ProviderUnavailable: no answer in time, 5xx, a redirect, 408, 429 (with the vendor's ``Retry-After``, else a minute).
            ProviderQuota: 418, or no token for it now.
        """
        await self.limiter.acquire(patience, cost)
        try:
            answer = await self.out.request("GET", path, params=params)
        except TimeoutError:
            raise ProviderUnavailable(self.name, "did not answer in time") from None
        except TooLarge as error:
            raise ProviderUnavailable(self.name, f"sent {error}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # the address may be the vendor's own, of its next page
            raise ProviderUnavailable(self.name, f"could not be reached ({type(error).__name__})") from None
        status = answer.status_code
        if status in (408, 418, 425, 429):
            wait = retry_after(answer.headers.get("Retry-After"), self.limiter.clock())
            kind = ProviderQuota if status == 418 else ProviderUnavailable
            raise kind(self.name, f"asks to wait (HTTP {status})", wait if wait is not None else WAITS.get(status))
        if (status >= 500 and status not in telling) or 300 <= status < 400:
            raise ProviderUnavailable(self.name, f"answered HTTP {status}")
        if len(answer.content) > LARGE:
            with suppress(ValueError, RecursionError):  # told by whoever wants it as JSON
                answer.extensions[PARSED] = await asyncio.to_thread(_parsed, answer.content)
        return answer

    def json(self, answer: httpx.Response) -> Any:
        """The body as JSON.

        Raises:
            ProviderError: HTML, plain text or a cut body where JSON belongs; sorted by its status.
        """
        kind = answer.headers.get("Content-Type", "").partition(";")[0].lower()
        try:
            if not any(part in kind for part in JSON_TYPES[:-1]) and kind:
                raise ValueError
            return answer.extensions[PARSED] if PARSED in answer.extensions else _parsed(answer.content)
        except (ValueError, RecursionError):
            raise self.by_status(answer.status_code, "") or ProviderUnavailable(
                self.name, f"sent no JSON (HTTP {answer.status_code}, {kind or 'unknown content'})"
            ) from None

    def by_status(self, status: int, text: str) -> ProviderError | None:
        """What a 4xx means with most vendors; None for a good answer."""
        said = f"HTTP {status}" + (f": {text[:200]}" if text else "")
        if status == 401:
            return ProviderMisconfigured(self.name, f"refused the key ({said})")
        if status == 403:
            return ProviderNoPlan(self.name, f"does not give this to the key's plan ({said})")
        return ProviderRefused(self.name, f"refused ({said})") if status >= 400 else None

    async def close(self) -> None:
        """Closes the connections."""
        await self.out.close()


def _parsed(content: bytes) -> Any:
    """JSON that no reader can be too deep in.

    Raises:
        ValueError: it is none, or nested too deep.
        RecursionError: so deep that it was not parsed.
    """
    found = json.loads(content)
    if is_too_deep(found):
        raise ValueError("nested too deep")
    return found


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """The header as a wait, from seconds or an HTTP date; None when absent or unreadable."""
    if not header:
        return None
    try:
        wait = timedelta(seconds=float(header))
    except ValueError:
        try:
            wait = parsedate_to_datetime(header) - now
        except (TypeError, ValueError):
            return None
    except OverflowError:
        return LONGEST_WAIT
    return max(timedelta(0), min(wait, LONGEST_WAIT))

"""One GET to a vendor, with every way it can go wrong sorted into unavailable or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from activities.market_data.provider import ProviderRefused, ProviderUnavailable

USER_AGENT = "Mozilla/5.0 (compatible; market-alerts)"
LONGEST_WAIT = timedelta(days=3)


class VendorClient:
    """A vendor's HTTP side. Messages never hold the URL, which may carry a key."""

    def __init__(self, name: str, base_url: str, timeout: float) -> None:
        self.name = name
        self.http = httpx.AsyncClient(
            base_url=base_url, timeout=timeout, headers={"User-Agent": USER_AGENT}, follow_redirects=False
        )

    async def get(self, path: str, params: dict[str, str | int]) -> httpx.Response:
        """The answer, whatever its status below 500 but for rate limits.

        Raises:
            ProviderUnavailable: no answer, 5xx, 408, 429 or 418 (with the vendor's ``Retry-After``).
        """
        try:
            answer = await self.http.get(path, params=params)
        except httpx.TimeoutException:
            raise ProviderUnavailable(self.name, "did not answer in time") from None
        except httpx.HTTPError as error:
            raise ProviderUnavailable(self.name, f"could not be reached ({type(error).__name__})") from None
        if answer.status_code in (408, 418, 425, 429):
            wait = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
            raise ProviderUnavailable(self.name, f"asks to wait (HTTP {answer.status_code})", wait)
        if answer.status_code >= 500 or 300 <= answer.status_code < 400:
            raise ProviderUnavailable(self.name, f"answered HTTP {answer.status_code}")
        return answer

    def json(self, answer: httpx.Response) -> Any:
        """The body as JSON.

        Raises:
            ProviderUnavailable: HTML, plain text or a cut body where JSON belongs.
        """
        try:
            return answer.json()
        except (ValueError, RecursionError):
            kind = answer.headers.get("Content-Type", "unknown content").partition(";")[0]
            if answer.status_code in (401, 403, 404):
                raise ProviderRefused(self.name, f"refused with HTTP {answer.status_code}") from None
            raise ProviderUnavailable(self.name, f"sent no JSON (HTTP {answer.status_code}, {kind})") from None

    async def close(self) -> None:
        """Closes the connections."""
        await self.http.aclose()


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

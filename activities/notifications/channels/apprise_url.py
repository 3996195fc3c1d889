"""Whatever Apprise knows: Slack, Discord, ntfy, Pushover and a hundred others, by its URLs (the extra ``apprise``)."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from activities.notifications.channel import Channel, ChannelRefused, ChannelUnavailable, Declaration, Letter, Pace
from domain.errors import Fault, InvalidInput

KINDS = {"normal": "info", "high": "warning", "urgent": "failure"}
MISSING = "is of Apprise, which is not installed: pip install 'market-alerts[apprise]'"


class AppriseUrl:
    """One service. Apprise says only whether it was told, not why it was not: every failure is tried again."""

    pace = Pace(timedelta(seconds=2), most=1500)

    def __init__(self, url: str, timeout: float) -> None:
        self.service, self.timeout = _service(url), timeout

    async def send(self, letter: Letter) -> None:
        """One notice, in a thread: Apprise waits where it stands."""
        given = {"title": letter.delivery.subject, "body": letter.delivery.body, "notify_type": KINDS[letter.priority]}
        try:
            async with asyncio.timeout(self.timeout):
                told = await asyncio.to_thread(self.service.notify, **given)
        except TimeoutError:
            raise ChannelUnavailable("no answer in time") from None
        except (TypeError, ValueError) as error:
            raise ChannelRefused(f"Apprise refused the notice ({type(error).__name__})") from None
        if not told:
            raise ChannelUnavailable("the service was not told; Apprise gives no reason")

    async def close(self) -> None:
        """Nothing to give back."""


def _service(url: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what it imports, when it first looks for its plugins
        try:
            import apprise
        except ImportError:
            raise InvalidInput("address", [Fault("address", MISSING)]) from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it writes down whole addresses
        made = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if made is None:
        raise InvalidInput("address", [Fault("address", "is no URL that Apprise or this program knows")])
    return made


def _at(settings: Any, address: str) -> Channel:
    """Any URL of Apprise's.

    Raises:
        InvalidInput: it is none, or Apprise is not there.
    """
    return AppriseUrl(address, settings.send_timeout)


def _none(_settings: Any) -> Mapping[str, Channel]:
    return {}


DECLARED = Declaration(names=(), build=_none, kind="apprise", schemes=("*",), at=_at, advice="")

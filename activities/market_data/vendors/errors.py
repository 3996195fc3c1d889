"""How a provider may fail, by what is to be done about it."""

from __future__ import annotations

from datetime import timedelta

from domain.text import MOST_SAID, printable, said


class ProviderError(Exception):
    """A provider did not give what was asked. Its text is safe to show: one short line, no URL, no key."""

    def __init__(self, provider: str, message: str) -> None:
        self.provider = provider
        super().__init__(said(printable(f"{provider}: {message[:MOST_SAID]}")))


class ProviderUnavailable(ProviderError):
    """May go well later; ``retry_after`` is what the vendor asked for, if it did."""

    def __init__(self, provider: str, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(provider, message)


class BeingTried(ProviderUnavailable):
    """It was not asked: another caller is finding out whether it is back."""


class ProviderQuota(ProviderUnavailable):
    """No more calls until a time: the plan's quota is spent, or the vendor has banned us for a while."""


class RateUsedUp(ProviderQuota):
    """Our own rate for the vendor is used up for longer than the caller waits: the vendor has done nothing wrong."""


class ProviderRefused(ProviderError):
    """Will not go well however often it is asked: unknown symbol, interval not offered."""


class ProviderNoPlan(ProviderRefused):
    """The key is good, but its plan does not hold this kind of data or this interval, whatever the ticker."""


class ProviderMisconfigured(ProviderRefused):
    """Nothing goes well with this vendor until the settings change: no key, or a wrong one."""

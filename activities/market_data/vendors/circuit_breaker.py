"""The circuit breaker of a vendor: after failures it is left alone for a while, then tried with one call.

One a vendor and process, whoever asks. It never reads a clock of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from activities.market_data.vendors.errors import (
    BeingTried,
    ProviderError,
    ProviderMisconfigured,
    ProviderQuota,
    ProviderRefused,
    ProviderUnavailable,
    RateUsedUp,
)
from activities.market_data.vendors.rate_limit import RateLimiter

FAILURES_TO_OPEN = 5  # in a row: one or two are the network's
TRIED_AGAIN_IN = timedelta(seconds=2)  # while another caller tries: about as long as a call takes
FIRST_OPEN = timedelta(seconds=15)  # shorter than most bars, so that a hiccup costs none
LONGEST_OPEN = timedelta(minutes=10)  # an outage's end is met soon enough
MOST_DOUBLINGS = 10  # the longest pause is reached long before
MISCONFIGURED_FOR = timedelta(minutes=30)  # somebody has to mend the settings
MOST_WHY = 200  # characters that are told with each refusal
MOST_ERROR = 300  # characters that `alerts providers` shows


class Circuit(StrEnum):
    """Whether a vendor is asked."""

    CLOSED = "closed"  # yes
    OPEN = "open"  # no, until a time
    HALF_OPEN = "half-open"  # one call, to see


@dataclass
class Tally:
    """What is told of a vendor since the process began."""

    failures: int = 0
    last_ok_at: datetime | None = None
    last_error: str = ""
    last_error_at: datetime | None = None


class CircuitBreaker:
    """``limiter`` counts the calls and queues them; several breakers of one vendor may share it, and the tally."""

    def __init__(
        self,
        name: str,
        limiter: RateLimiter | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tally: Tally | None = None,
    ) -> None:
        self.name, self.clock = name, clock
        self.limiter = limiter or RateLimiter(name, (), clock)
        self.tally = tally or Tally()
        self._failed = 0
        self._opened = 0
        self._until: datetime | None = None
        self._why = ""
        self._kind: type[ProviderError] = ProviderUnavailable
        self._trying = False
        self._openings = 0

    @property
    def circuit(self) -> Circuit:
        """As it is now."""
        if self._until is None:
            return Circuit.CLOSED
        return Circuit.OPEN if self.clock() < self._until else Circuit.HALF_OPEN

    @property
    def open_until(self) -> datetime | None:
        """When the vendor will be tried again; None while the circuit is closed."""
        return self._until

    @property
    def quota_until(self) -> datetime | None:
        """When the spent quota is new again."""
        return self._until if self._kind is ProviderQuota and self.circuit is Circuit.OPEN else None

    def check(self) -> None:
        """Whether it may be asked at all, without asking.

        Raises:
            ProviderUnavailable: not before a time.
            ProviderMisconfigured: nor then, unless somebody mends the settings.
        """
        if self.circuit is Circuit.OPEN and self._until is not None:
            if self._kind is ProviderMisconfigured:
                raise ProviderMisconfigured(self.name, self._why)
            kind = ProviderQuota if self._kind is ProviderQuota else ProviderUnavailable
            said = f"not asked before {self._until:%H:%M:%S} UTC: {self._why}"
            raise kind(self.name, said, self._until - self.clock())
        if self.circuit is Circuit.HALF_OPEN and self._trying:
            raise BeingTried(self.name, f"is being tried again: {self._why}", TRIED_AGAIN_IN)

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """A call, or several that belong together: how it ends is what the circuit goes by.

        Raises:
            ProviderUnavailable: the circuit is open.
        """
        self.check()
        trial, openings = self.circuit is Circuit.HALF_OPEN, self._openings
        self._trying = self._trying or trial
        try:
            yield
        except RateUsedUp:
            raise
        except ProviderError as error:
            self.failed(error)
            raise
        except (asyncio.CancelledError, TimeoutError):
            if not self.limiter.was_queued(asyncio.current_task()):
                self.failed(ProviderUnavailable(self.name, "did not answer in time"))
            raise
        except Exception as error:
            self.failed(ProviderUnavailable(self.name, f"sent something unreadable ({type(error).__name__})"))
            raise
        else:
            self.tally.last_ok_at = self.clock()
            if openings == self._openings:  # a ban that came while this call was under way stands
                self.succeeded()
        finally:
            if trial:
                self._trying = False

    def succeeded(self) -> None:
        """Closes the circuit."""
        self._failed = self._opened = 0
        self._until, self._why, self._kind = None, "", ProviderUnavailable
        self.tally.last_ok_at = self.clock()

    def failed(self, error: ProviderError) -> None:
        """Opens it when the vendor says so, when nothing can go well, or after some failures in a row."""
        self.tally.failures += 1
        self.tally.last_error, self.tally.last_error_at = str(error)[:MOST_ERROR], self.clock()
        if isinstance(error, ProviderMisconfigured):
            return self._open(MISCONFIGURED_FOR, error)
        if isinstance(error, ProviderRefused):
            self._failed = 0  # it answers: this ticker or interval is what it does not have
            self.tally.last_ok_at = self.clock()
            if self.circuit is Circuit.HALF_OPEN:
                self.succeeded()
            return None
        if isinstance(error, ProviderUnavailable) and error.retry_after is not None and error.retry_after > timedelta():
            return self._open(error.retry_after, error)
        if self.circuit is Circuit.OPEN:  # one of several calls that were under way when it opened
            return None
        self._failed += 1
        if self._failed >= FAILURES_TO_OPEN or self._until is not None:
            self._opened = min(self._opened + 1, MOST_DOUBLINGS)
            self._open(min(FIRST_OPEN * 2 ** (self._opened - 1), LONGEST_OPEN), error)
        return None

    def _open(self, wait: timedelta, error: ProviderError) -> None:
        text = str(error).removeprefix(f"{self.name}: ")
        until = self.clock() + wait
        self._openings += 1
        if self._until is None or until > self._until:
            kinds = (ProviderMisconfigured, ProviderQuota)
            kind = next((one for one in kinds if isinstance(error, one)), ProviderUnavailable)
            self._until, self._why, self._kind = until, text[:MOST_WHY], kind

"""The gate before a vendor: a token bucket for its rate, a circuit breaker for its troubles, and a count of both (R-302).

One gate a vendor and process, whoever asks. It never reads a clock of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from activities.market_data.provider import (
    ProviderError,
    ProviderMisconfigured,
    ProviderQuota,
    ProviderRefused,
    ProviderUnavailable,
    RateUsedUp,
)

FAILURES_TO_OPEN = 5
PATIENCE = timedelta(seconds=20)
TRIED_AGAIN_IN = timedelta(seconds=2)
_waiting: ContextVar[bool] = ContextVar("waiting", default=False)
_patience: ContextVar[timedelta | None] = ContextVar("patience", default=None)
FIRST_OPEN = timedelta(seconds=15)
LONGEST_OPEN = timedelta(minutes=10)
MOST_DOUBLINGS = 10
MISCONFIGURED_FOR = timedelta(minutes=30)
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
RATE = r"[1-9]\d{0,6}/(?:second|minute|hour|day)"
RATES = re.compile(rf"{RATE}(?:\s*[,;]\s*{RATE})*")


@contextmanager
def patiently(patience: timedelta) -> Iterator[None]:
    """Calls made inside wait so long for a token: jobs and backfills have time, alerts have not."""
    before = _patience.set(patience)
    try:
        yield
    finally:
        _patience.reset(before)


class TokenBucket:
    """So many calls in a period: full at first, refilled evenly.

    Half the calls may come at once and the other half is spread, so that no window of the period, wherever it begins,
    sees more than the vendor's limit.
    """

    def __init__(self, calls: int, period: timedelta) -> None:
        self.calls, self.period = calls, period
        self.size = max(1.0, calls / 2)
        self.each = period / max(calls - self.size, 0.5)  # time in which one token comes back
        self._tokens = self.size
        self._at: datetime | None = None

    def wait(self, now: datetime, cost: float = 1) -> timedelta:
        """How long until ``cost`` tokens are there."""
        lacking = min(cost, self.size) - self.level(now)
        return self.each * lacking if lacking > 1e-9 else timedelta()

    def take(self, now: datetime, cost: float = 1) -> None:
        """Takes them; the level may go below zero, and those who come after wait for that too."""
        self._tokens, self._at = self.level(now) - cost, now

    def give_back(self, cost: float) -> None:
        """Tokens that were taken for a call that was not made."""
        self._tokens = min(self.size, self._tokens + cost)

    def level(self, now: datetime) -> float:
        """Tokens there are."""
        if self._at is None:
            return self._tokens
        return min(self.size, self._tokens + max(now - self._at, timedelta()) / self.each)


def buckets(rates: str) -> list[TokenBucket]:
    """From a text such as ``5/minute, 25/day``; empty for no limit.

    Raises:
        ValueError: when it is none.
    """
    if not rates.strip():
        return []
    if not RATES.fullmatch(rates.strip()):
        raise ValueError("expected rates such as 60/minute or 5/minute, 25/day")
    found = []
    for part in re.split(r"\s*[,;]\s*", rates.strip()):
        calls, _, unit = part.partition("/")
        found.append(TokenBucket(int(calls), timedelta(seconds=PERIODS[unit])))
    return found


class Circuit(StrEnum):
    """Whether a vendor is asked."""

    CLOSED = "closed"  # yes
    OPEN = "open"  # no, until a time
    HALF_OPEN = "half-open"  # one call, to see


@dataclass
class Tally:
    """What is told of a vendor since the process began."""

    calls: int = 0
    failures: int = 0
    last_ok_at: datetime | None = None
    last_error: str = ""
    last_error_at: datetime | None = None


@dataclass
class Gate:
    """``patience`` is the longest a call waits for a token; beyond that the next vendor is asked."""

    name: str
    rates: Sequence[TokenBucket] = ()
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    patience: timedelta = PATIENCE
    tally: Tally = field(default_factory=Tally)
    _failed: int = 0
    _opened: int = 0
    _until: datetime | None = None
    _why: str = ""
    _kind: type[ProviderError] = ProviderUnavailable
    _trying: bool = False
    _openings: int = 0

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
            raise kind(
                self.name, f"not asked before {self._until:%H:%M:%S} UTC: {self._why}", self._until - self.clock()
            )
        if self.circuit is Circuit.HALF_OPEN and self._trying:
            raise ProviderUnavailable(self.name, f"is being tried again: {self._why}", TRIED_AGAIN_IN)

    async def enter(self, cost: float = 1) -> None:
        """Waits for a token for each rate. Who is patient leaves the last token to those who are not.

        Raises:
            RateUsedUp: the tokens are further away than the caller's patience.
        """
        patience = _patience.get() or self.patience
        spare = 1.0 if patience > PATIENCE else 0.0
        waited = timedelta()
        while True:
            now = self.clock()
            wait = max((self._wait(bucket, now, cost, spare) for bucket in self.rates), default=timedelta())
            if waited + wait > patience:
                raise RateUsedUp(self.name, f"its rate is used up for {wait.total_seconds():.0f} s", wait)
            if not wait:
                break
            if not spare:  # taken before it is there, so that those who come later wait for their own
                break
            waited += wait
            await self._sleep(wait)
        for bucket in self.rates:
            bucket.take(now, cost)
        if wait:
            try:
                await self._sleep(wait)
            except asyncio.CancelledError:
                for bucket in self.rates:
                    bucket.give_back(cost)
                raise
        self.tally.calls += 1

    def _wait(self, bucket: TokenBucket, now: datetime, cost: float, spare: float) -> timedelta:
        return bucket.wait(now, cost + min(spare, max(bucket.size - cost, 0.0)))

    async def _sleep(self, wait: timedelta) -> None:
        """A wait of our own: who is cancelled in it has not been failed by the vendor."""
        _waiting.set(True)
        await asyncio.sleep(wait.total_seconds())
        _waiting.set(False)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """A call, or several that belong together: how it ends is what the circuit goes by.

        Raises:
            ProviderUnavailable: the circuit is open.
        """
        self.check()
        _waiting.set(False)
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
            if _waiting.get():
                raise
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
        now = self.clock()
        self.tally.failures += 1
        self.tally.last_error, self.tally.last_error_at = str(error)[:300], now
        if isinstance(error, ProviderMisconfigured):
            return self._open(MISCONFIGURED_FOR, error)
        if isinstance(error, ProviderRefused):
            self._failed = 0  # it answers: this ticker or interval is what it does not have
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
            self._until, self._why, self._kind = until, text[:200], kind

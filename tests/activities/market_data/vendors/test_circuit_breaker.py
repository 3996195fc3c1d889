"""Token bucket, circuit breaker and failover, on a clock of their own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.evaluation import Evaluation
from activities.interface import Freshness
from activities.market_data.failover import MarketData
from activities.market_data.vendors.circuit_breaker import FAILURES_TO_OPEN, FIRST_OPEN, Circuit, CircuitBreaker
from activities.market_data.vendors.errors import (
    ProviderError,
    ProviderMisconfigured,
    ProviderNoPlan,
    ProviderQuota,
    ProviderRefused,
    ProviderUnavailable,
    RateUsedUp,
)
from activities.market_data.vendors.provider import BarRequest, FetchedBars
from activities.market_data.vendors.rate_limit import RateLimiter, TokenBucket, parse_rates
from tests.activities.test_evaluation import NOON, Clock, Vendor, wanted


@given(st.integers(1, 200), st.lists(st.floats(0, 20), min_size=1, max_size=300))
def test_no_window_ever_sees_more_than_the_limit(calls: int, pauses: list[float]) -> None:
    bucket, now, taken = TokenBucket(calls, timedelta(minutes=1)), NOON, []
    for pause in pauses:
        now += timedelta(seconds=pause)
        now += bucket.wait(now)
        bucket.take(now)
        taken.append(now)
    for first in taken:
        assert sum(first <= at < first + timedelta(seconds=59.999) for at in taken) <= calls


def test_rates_are_read_or_refused() -> None:
    assert [(b.calls, b.period) for b in parse_rates("5/minute, 25/day")] == [
        (5, timedelta(minutes=1)),
        (25, timedelta(days=1)),
    ]
    assert parse_rates("") == []
    for bad in ("5", "0/minute", "5/fortnight", "5/minute 25/day"):
        with pytest.raises(ValueError, match="60/minute"):
            parse_rates(bad)


async def test_a_call_whose_token_is_far_away_is_not_made() -> None:
    clock = Clock()
    limiter = RateLimiter("v", parse_rates("2/day"), clock)
    await limiter.acquire()
    with pytest.raises(ProviderQuota, match="rate is used up") as caught:
        await limiter.acquire()
    assert (limiter.calls, caught.value.retry_after) == (1, timedelta(days=1))
    clock.now += timedelta(days=1)
    await limiter.acquire()


async def fail(breaker: CircuitBreaker, error: ProviderError) -> None:
    with pytest.raises(type(error)):
        async with breaker.call():
            raise error


async def test_the_circuit_opens_after_failures_in_a_row_and_closes_when_one_call_goes_well() -> None:
    clock = Clock()
    breaker = CircuitBreaker("v", clock=clock)
    for count in range(FAILURES_TO_OPEN):
        assert breaker.circuit is Circuit.CLOSED, count
        await fail(breaker, ProviderUnavailable("v", "down"))
    assert (breaker.circuit, breaker.open_until) == (Circuit.OPEN, clock.now + FIRST_OPEN)
    with pytest.raises(ProviderUnavailable, match="not asked before"):
        breaker.check()
    clock.now += FIRST_OPEN
    await fail(breaker, ProviderUnavailable("v", "down"))
    assert breaker.open_until == clock.now + 2 * FIRST_OPEN, "each time twice as long"
    clock.now += 2 * FIRST_OPEN
    async with breaker.call():
        assert breaker.circuit is Circuit.HALF_OPEN
        with pytest.raises(ProviderUnavailable, match="being tried again"):
            breaker.check()
    assert (breaker.circuit, breaker.open_until) == (Circuit.CLOSED, None)


async def test_calls_that_fail_together_open_it_once_and_it_never_stays_open_for_ever() -> None:
    clock = Clock()
    breaker = CircuitBreaker("v", clock=clock)
    for _ in range(500):
        breaker.failed(ProviderUnavailable("v", "down"))
    assert breaker.open_until == clock.now + FIRST_OPEN
    for _ in range(50):
        assert breaker.open_until is not None
        clock.now = breaker.open_until
        breaker.failed(ProviderUnavailable("v", "down"))
    assert breaker.open_until == clock.now + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("error", "minutes"),
    [
        (ProviderUnavailable("v", "wait", timedelta(minutes=3)), 3),
        (ProviderQuota("v", "spent", timedelta(hours=5)), 300),
        (ProviderMisconfigured("v", "no key"), 30),
        (ProviderRefused("v", "no such ticker"), 0),
        (ProviderNoPlan("v", "not for you"), 0),
    ],
)
async def test_how_long_a_vendor_is_left_alone(error: ProviderError, minutes: int) -> None:
    clock = Clock()
    breaker = CircuitBreaker("v", clock=clock)
    for _ in range(9 if minutes == 0 else 1):
        await fail(breaker, error)
    assert breaker.open_until == (clock.now + timedelta(minutes=minutes) if minutes else None)
    assert breaker.quota_until == (breaker.open_until if isinstance(error, ProviderQuota) else None)
    assert breaker.tally.last_error == str(error)


class Gated(Vendor):
    """A vendor with a circuit breaker, counted by what reaches it."""

    def __init__(self, name: str, clock: Clock) -> None:
        super().__init__(name)
        self.breaker = CircuitBreaker(name, clock=clock)  # type: ignore[assignment]

    async def fetch(self, request: BarRequest) -> FetchedBars:
        async with self.breaker.call():  # type: ignore[attr-defined]
            return await super().fetch(request)


async def test_two_retries_then_the_next_vendor_then_the_first_again_when_it_is_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    first, second = Gated("first", clock), Gated("second", clock)
    market = MarketData([first, second], clock=clock, retries=2)
    monkeypatch.setattr("activities.market_data.failover.RETRY_SECONDS", 0)
    evaluation = Evaluation(market)
    first.error = ProviderUnavailable("first", "down")
    assert (await evaluation.values(wanted(clock))).source == "second"
    assert (len(first.requests), len(second.requests)) == (3, 1)
    clock.now += timedelta(minutes=1)
    assert (await evaluation.values(wanted(clock))).source == "second"
    assert (len(first.requests), first.breaker.circuit) == (FAILURES_TO_OPEN, Circuit.OPEN), "five in a row"  # type: ignore[attr-defined]
    clock.now += timedelta(seconds=10)
    assert (await evaluation.values(wanted(clock))).source == "second"
    assert len(first.requests) == FAILURES_TO_OPEN, "an open circuit is not asked"
    first.error = None
    clock.now += timedelta(minutes=1)
    assert (await evaluation.values(wanted(clock))).source == "first", "the preferred one serves again when it is well"


async def test_our_own_rate_is_no_fault_of_the_vendor_and_jobs_wait_for_it() -> None:
    clock, slept = Clock(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += timedelta(seconds=seconds)

    breaker = CircuitBreaker("v", RateLimiter("v", parse_rates("2/minute"), clock, sleep), clock)
    for _ in range(20):
        with suppress(RateUsedUp):
            async with breaker.call():
                await breaker.limiter.acquire()
    assert (breaker.circuit, breaker.limiter.calls, breaker.tally.failures) == (Circuit.CLOSED, 1, 0)
    await breaker.limiter.acquire(timedelta(minutes=5))
    assert slept == [60.0]


async def test_jobs_leave_tokens_to_alerts() -> None:
    """One patient caller after the other, and an alert now and then: the alert is served each time."""
    clock, waited = Clock(), list[float]()

    async def sleep(seconds: float) -> None:
        clock.now += timedelta(seconds=seconds)
        waited.append(seconds)

    limiter = RateLimiter("v", parse_rates("5/minute"), clock, sleep)
    for _ in range(40):
        await limiter.acquire(timedelta(minutes=5))
        waited.clear()
        await limiter.acquire()
        assert sum(waited) <= 20


async def test_who_is_cancelled_while_waiting_for_our_rate_blames_nobody() -> None:
    clock = Clock()
    breaker = CircuitBreaker("v", RateLimiter("v", parse_rates("2/minute"), clock), clock)
    await breaker.limiter.acquire()
    for _ in range(FAILURES_TO_OPEN + 1):
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01), breaker.call():
                await breaker.limiter.acquire(timedelta(minutes=5))
    assert (breaker.circuit, breaker.tally.failures) == (Circuit.CLOSED, 0)


async def test_a_ban_stands_whatever_was_under_way_and_an_answer_ends_a_trial() -> None:
    clock = Clock()
    breaker = CircuitBreaker("v", clock=clock)
    async with breaker.call():
        breaker.failed(ProviderQuota("v", "banned", timedelta(hours=2)))
    assert breaker.open_until == clock.now + timedelta(hours=2)
    breaker.failed(ProviderUnavailable("v", "slow down", timedelta(minutes=1)))
    assert breaker.open_until == clock.now + timedelta(hours=2)
    clock.now += timedelta(hours=2)
    await fail(breaker, ProviderRefused("v", "no such ticker"))
    assert breaker.circuit is Circuit.CLOSED, "it answers"
    for _ in range(FAILURES_TO_OPEN):
        await fail(breaker, ProviderUnavailable("v", "now", timedelta(0)))
    assert breaker.circuit is Circuit.OPEN, "a wait of nothing is none"


async def test_alerts_join_the_call_that_tries_a_vendor_again() -> None:
    clock = Clock()
    only = Gated("only", clock)
    evaluation = Evaluation(MarketData([only], clock=clock))
    only.error = ProviderUnavailable("only", "wait", timedelta(seconds=30))
    await evaluation.evaluate(wanted(clock))
    only.error, only.delay = None, 0.05
    clock.now += timedelta(seconds=30)
    found = await asyncio.gather(*(evaluation.evaluate(wanted(clock)) for _ in range(100)))
    assert ({one.freshness for one in found}, len(only.requests)) == ({Freshness.FRESH}, 2)


async def test_what_a_vendor_does_not_have_is_not_asked_for_each_tick() -> None:
    clock = Clock()
    first, second = Gated("first", clock), Gated("second", clock)
    evaluation = Evaluation(MarketData([first, second], clock=clock))
    first.error = ProviderRefused("first", "no such ticker")
    for _ in range(20):
        assert (await evaluation.evaluate(wanted(clock))).source == "second"
        clock.now += timedelta(minutes=1)
    assert len(first.requests) == 1
    clock.now += timedelta(minutes=30)
    await evaluation.evaluate(wanted(clock))
    assert len(first.requests) == 2


async def test_an_open_circuit_costs_no_call_and_says_when() -> None:
    clock = Clock()
    only = Gated("only", clock)
    evaluation = Evaluation(MarketData([only], clock=clock))
    only.error = ProviderQuota("only", "the day's calls are spent", timedelta(hours=2))
    first = await evaluation.evaluate(wanted(clock))
    assert (first.freshness, first.ready_at) == (Freshness.UNAVAILABLE, clock.now + timedelta(hours=2))
    await asyncio.gather(*(evaluation.evaluate(wanted(clock)) for _ in range(50)))
    assert len(only.requests) == 1


async def test_a_configuration_fault_is_one_for_every_ticker_and_hides_no_refusal() -> None:
    """Once the key was refused, all tickers are refused by this vendor, and another vendor's no is heard."""
    clock = Clock()
    breaker = CircuitBreaker("v", clock=clock)
    await fail(breaker, ProviderMisconfigured("v", "refused the key"))
    for _ in range(2):
        with pytest.raises(ProviderMisconfigured, match="v: refused the key"):
            breaker.check()

    class Gated(Vendor):
        def __init__(self) -> None:
            super().__init__("v")
            self.breaker = breaker  # type: ignore[assignment]

    other = Vendor("other")
    other.error = ProviderRefused("other", "no data found")
    evaluation = Evaluation(MarketData([Gated(), other], clock=clock))
    for _ in range(2):
        result = await evaluation.evaluate(wanted(clock))
        assert (result.freshness, result.problem) == (Freshness.REFUSED, "v: refused the key; other: no data found")


async def test_tokens_that_are_given_back_are_not_counted_twice() -> None:
    bucket = TokenBucket(120, timedelta(minutes=1))
    now, granted = NOON, 0
    while now < NOON + timedelta(seconds=15):
        now += timedelta(milliseconds=100)
        bucket.take(now)
        bucket.give_back(1)
        while not bucket.wait(now):
            bucket.take(now)
            granted += 1
    assert granted <= 60 + 15


async def test_a_vendor_that_refuses_a_ticker_can_be_reached() -> None:
    now = datetime(2026, 1, 5, 15, tzinfo=UTC)
    breaker = CircuitBreaker("v", clock=lambda: now)
    breaker.failed(ProviderRefused("v", "no such ticker"))
    assert breaker.tally.last_ok_at == breaker.tally.last_error_at == now
    breaker.failed(ProviderUnavailable("v", "timed out"))
    assert breaker.tally.last_ok_at == now

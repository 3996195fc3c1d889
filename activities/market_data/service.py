"""Bars for alerts: one vendor request per (symbol, timeframe, bar) in the process, whoever asks (R-302, R-304)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from activities.interface import Freshness
from activities.market_data.calendars import Calendars
from activities.market_data.doubt import SECOND_LOOK, Doubt, blank_doubt, doubt
from activities.market_data.gate import PATIENCE, patiently
from activities.market_data.keeper import BEGINNING, Keeper, Key, Need
from activities.market_data.provider import (
    BarProvider,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    delay_of,
    grace_of,
)
from activities.market_data.series import Series
from domain.timeframe import Timeframe
from storage.database import Database

SETTLE_FOR = timedelta(minutes=10)
SETTLE_STEP = timedelta(seconds=2)
SETTLE_GROWTH = 1.15  # eight looks, as many as an alert takes, span the ten minutes
LATE_AFTER = timedelta(seconds=15)
FORMING_TTL = timedelta(seconds=1)
CACHE_TTL = timedelta(minutes=1)
REFUSED_FOR = timedelta(minutes=30)
RETRY_SECONDS = 0.5
BEHIND = timedelta(minutes=2)
THINLY_TRADED = timedelta(minutes=15)
LONGEST_QUIET = timedelta(hours=4)
DEAD = timedelta(days=3)  # of trading: an old series is no news while the market is shut either
ASKED_AGAIN, MOST_ASKED = timedelta(minutes=15), 3
MOMENT = timedelta(seconds=1)
LATE_FILE = 3
MOST_DOUBTED = 1000
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Answer:
    """A series with how much it can be relied on. ``as_of`` is the market's time, ``expected`` the close that should be there.

    ``next_close`` is when the market's next bar closes. ``doubt`` is a bar that nobody has confirmed.
    """

    freshness: Freshness
    as_of: datetime
    series: Series | None = None
    ready_at: datetime | None = None
    problem: str = ""
    expected: datetime | None = None
    next_close: datetime | None = None
    doubt: Doubt | None = None


class MarketData:
    """The cache over all providers, in order of priority. ``ttl`` bounds how long a late bar goes without being asked for."""

    def __init__(
        self,
        providers: Sequence[BarProvider],
        database: Database | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        retries: int = 0,
        calendars: Calendars | None = None,
        ttl: timedelta = CACHE_TTL,
    ) -> None:
        if not providers:
            raise ValueError("at least one market data provider is needed")
        self.retries = retries
        self.providers = list(providers)
        self.clock = clock
        self.ttl = ttl
        self.keeper = Keeper(calendars or Calendars(clock), database, clock)
        self._flights: dict[Key, asyncio.Task[Series]] = {}
        self._refused: dict[Key, tuple[datetime, str]] = {}
        self._nobody: dict[tuple[str, str], tuple[datetime, int, datetime]] = {}
        self._doubted: dict[tuple[str, str, datetime], datetime] = {}

    async def bars(self, need: Need, *, limit: float | None) -> Answer:
        """The bars needed, where there are so many; a vendor gets at most ``limit`` seconds.

        Providers are asked in order of priority; one whose circuit is open costs nothing. Never raises a provider's error.
        """
        refusals, problem, ready = [], "", None
        as_of = self.clock()
        doubtful: list[tuple[BarProvider, Answer]] = []
        late: Answer | None = None
        broken: Answer | None = None
        for provider in self.providers:
            as_of = provider.market_time(self.clock())
            try:
                answer = await self._patiently(provider, need, limit)
            except ProviderRefused as error:
                refusals.append(str(error))
                continue
            except ProviderUnavailable as error:
                problem = str(error)
                ready = _earlier(ready, self.clock() + error.retry_after if error.retry_after else None)
                continue
            except Exception as error:  # a vendor's answer we did not foresee must not stop the others
                log.error("provider failed", action="fetch_bars", provider=provider.name, error=repr(error)[:300])
                problem = f"{provider.name}: sent something unreadable ({type(error).__name__})"
                continue
            if answer.doubt is not None and not self._believed(provider, need, answer.doubt):
                if not any(_agree(answer, other) for _, other in doubtful):
                    doubtful.append((provider, answer))
                    continue
                log.warning("jump confirmed", action="doubt_bar", symbol=need.symbol, why=answer.doubt.why)
                self.keeper.believed.add((need.symbol, need.frame, answer.doubt.bar.close_time))
            if self._lags(provider, need, answer):  # another vendor may have the bar already
                late = answer if late is None or _newest(answer) > _newest(late) else late
                continue
            if _is_broken(need, answer):  # another vendor may have worked the split in
                broken = broken or answer
                continue
            return answer
        if late is not None:
            everyone_answered = not problem and not doubtful
            if late.freshness is not Freshness.SETTLING and late.expected is not None and everyone_answered:
                self._nobody_has(need, late.expected)
            return late
        if doubtful:
            return self._held_back(need, *doubtful[0])
        if broken is not None:
            return broken
        if not problem:
            return Answer(Freshness.REFUSED, as_of, problem="; ".join(refusals))
        return Answer(Freshness.UNAVAILABLE, as_of, ready_at=ready, problem="; ".join([problem, *refusals]))

    def _lags(self, provider: BarProvider, need: Need, answer: Answer) -> bool:
        """Whether the newest bar has been expected of a vendor for longer than it usually takes.

        Of what trades now and then, a minute without a bar is none that another vendor would have.
        """
        series = answer.series
        if series is None or answer.expected is None or (series.newest_close or answer.expected) >= answer.expected:
            return False
        if answer.freshness is not Freshness.SETTLING:
            expected, times, until = self._nobody.get((need.symbol, need.frame), (None, 0, self.clock()))
            is_known = expected == answer.expected and (times >= MOST_ASKED or self.clock() < until)
            if need.forming or is_known or not (series.misses_none(need.frame) or _is_old(need.frame, answer)):
                return False
        return answer.as_of - answer.expected > grace_of(provider, need.frame, series.market) + LATE_AFTER

    def _nobody_has(self, need: Need, expected: datetime) -> None:
        """Every vendor lacks a bar: the others are asked again in a quarter of an hour, then ever later, then no more."""
        before, times, _ = self._nobody.get((need.symbol, need.frame), (None, 0, None))
        times = times if before == expected else 0
        self._nobody[need.symbol, need.frame] = expected, times + 1, self.clock() + ASKED_AGAIN * 2**times

    def _is_coming(
        self, provider: BarProvider, need: Need, held: Series, expected: datetime | None, as_of: datetime
    ) -> bool:
        """Whether a bar that has closed is on its way, so that the forming one would stand beside the bar before it."""
        if held.market is None or expected is None or (held.newest_close or expected) >= expected:
            return False
        if held.forming is None or held.forming.close_time <= expected:  # it is that bar, within its grace
            return False
        return as_of - expected <= SETTLE_FOR + provider.grace and held.misses_none(need.frame)

    def _believed(self, provider: BarProvider, need: Need, found: Doubt) -> bool:
        """Whether a jump has stood for long enough to be true, and was still there when the vendor was asked once more."""
        now, name = self.clock(), (need.symbol, need.frame, found.bar.close_time)
        if name in self.keeper.believed:
            return True
        if len(self._doubted) > MOST_DOUBTED:
            self._doubted = {key: at for key, at in self._doubted.items() if now - at < timedelta(hours=1)}
        if len(self.keeper.believed) > MOST_DOUBTED:
            self.keeper.believed.clear()
        first = self._doubted.setdefault(name, now)
        asked_again = self.keeper.fetched_at[provider.name, need.symbol, need.frame] > first
        if asked_again and now - first >= found.wait:
            self.keeper.believed.add(name)
            return True
        return False

    def _held_back(self, need: Need, provider: BarProvider, answer: Answer) -> Answer:
        """The bars before a jump that no other vendor could confirm or deny."""
        assert answer.doubt is not None
        assert answer.series is not None
        log.warning(
            "bar held back", action="doubt_bar", provider=provider.name, symbol=need.symbol, why=answer.doubt.why
        )
        first = self._doubted[need.symbol, need.frame, answer.doubt.bar.close_time]
        ready = max(first + answer.doubt.wait, self.clock() + SETTLE_STEP)
        series = answer.series.before(answer.doubt.bar)
        return replace(answer, freshness=Freshness.SETTLING, series=series, ready_at=ready, problem=answer.doubt.why)

    async def _patiently(self, provider: BarProvider, need: Need, limit: float | None) -> Answer:
        """Some tries at once where there is time for them; a vendor that says when to come back is left alone until then."""
        self._still_refused(provider, need)
        try:
            for attempt in range(self.retries if limit is None else 0):
                try:
                    return await self._from(provider, need, limit)
                except ProviderUnavailable as error:
                    if error.retry_after is not None:
                        raise
                    await asyncio.sleep(RETRY_SECONDS * 2**attempt)
            return await self._from(provider, need, limit)
        except ProviderMisconfigured:
            raise  # the gate remembers it, for every ticker
        except ProviderRefused as error:
            until = self.clock() + REFUSED_FOR
            self._refused[provider.name, need.symbol, need.frame] = (
                until,
                str(error).removeprefix(f"{provider.name}: "),
            )
            raise

    def _still_refused(self, provider: BarProvider, need: Need) -> None:
        """A vendor is not asked again at once for what it said it does not have."""
        until, why = self._refused.get((provider.name, need.symbol, need.frame), (None, ""))
        if until is not None and self.clock() < until and provider.gate is not None:
            raise ProviderRefused(provider.name, why)

    async def _from(self, provider: BarProvider, need: Need, limit: float | None) -> Answer:
        keeper, key = self.keeper, (provider.name, need.symbol, need.frame)
        keeper.widen(key, need.window)
        held = keeper.series.get(key)
        for _ in range(3):  # a flight that others began may fall short, and a readjusted series is begun anew
            if held is not None and keeper.reaches(provider, held, need) and not self._is_due(provider, need, held):
                break
            if provider.gate is not None and key not in self._flights:  # a flight under way is joined
                provider.gate.check()
            held = await self._flight(provider, need, limit)
            if need.forming and keeper.reaches(provider, held, need):
                break
        assert held is not None
        return self._judged(provider, need, held)

    def _judged(self, provider: BarProvider, need: Need, held: Series) -> Answer:
        """Whether the newest bar is there, is about to come, or is overdue while the market is open."""
        real = self.clock()
        delay = delay_of(provider, held.market)
        now, as_of, newest = real - delay, provider.market_time(real) - delay, held.newest_close
        expected, following = held.last_close(need.frame, as_of), held.next_close(need.frame, as_of)
        following = following and following + delay
        grace = grace_of(provider, need.frame, held.market)
        found = doubt(held.bars, held.market) or blank_doubt(held.bars, held.blank)
        if held.forming is not None and (
            self._is_coming(provider, need, held, expected, as_of)
            or doubt((*held.bars[-1:], held.forming), held.market) is not None
        ):
            held = replace(held, forming=None)  # not on the bar before the last; nor has it time to be looked at twice
        if held.market is None or as_of != now:
            if as_of == now and newest is not None:
                self._of_a_file(provider, need, newest, now)
            return Answer(Freshness.FRESH, as_of, held, next_close=following)
        fresh = Answer(Freshness.FRESH, as_of, held, expected=expected, next_close=following, doubt=found)
        if expected is None or (newest is not None and newest >= expected):
            return fresh
        length = need.frame.length
        if newest is None:
            raise ProviderUnavailable(provider.name, f"has no recent {need.frame} bars of {need.symbol}")
        missed = held.market.trading(newest, now)
        least = 3 * length + BEHIND if held.market.continuous else max(3 * length + BEHIND, THINLY_TRADED)
        is_stale = missed > least and (held.market.is_open(now - MOMENT, now) or missed > DEAD)
        if need.frame.is_intraday and is_stale:
            raise ProviderUnavailable(provider.name, f"its newest bar is {missed.total_seconds():.0f} s old")
        if not need.frame.is_intraday and (held.next_close(need.frame, newest) or expected) < expected:
            raise ProviderUnavailable(provider.name, f"its newest bar is of {newest:%Y-%m-%d}")
        if now - expected < SETTLE_FOR + grace:
            ready = max(expected + grace, now + max(SETTLE_STEP, (now - expected - grace) * SETTLE_GROWTH)) + delay
            return replace(fresh, freshness=Freshness.SETTLING, ready_at=ready, next_close=None)
        return replace(fresh, next_close=None)  # late, or without a trade: asked for at every tick

    def _of_a_file(self, provider: BarProvider, need: Need, newest: datetime, now: datetime) -> None:
        """A file may lack the newest bar, or some hours of short ones, by the ticker's own market; an old one is no news.

        Raises:
            ProviderUnavailable: it has not been brought up to date.
        """
        market, length = self.keeper.calendars.of(need.symbol), need.frame.length
        if need.frame.is_intraday:
            is_stale = market.trading(newest, now) > max(LATE_FILE * length, LONGEST_QUIET)
        else:
            following = market.next_close(need.frame, newest)
            second = following and market.next_close(need.frame, following)
            is_stale = second is not None and now >= second
        if is_stale:
            raise ProviderUnavailable(provider.name, f"its newest bar is of {newest:%Y-%m-%d %H:%M} UTC")

    def _is_due(self, provider: BarProvider, need: Need, held: Series) -> bool:
        """Whether the vendor may have something newer than what is held."""
        now, fetched_at = self.clock(), self.keeper.fetched_at[provider.name, need.symbol, need.frame]
        age, as_of = now - fetched_at, provider.market_time(now)
        if need.forming:
            return age >= FORMING_TTL
        if as_of != now or held.market is None:  # a replay has a pace of its own, a file changes when it does
            return age >= FORMING_TTL / 2
        doubted = self.keeper.doubt((provider.name, need.symbol, need.frame), held)
        if age >= SECOND_LOOK and (held.blank or doubted is not None):
            return True
        newest = held.newest_close
        if newest is None:
            return age >= self.ttl
        following = held.next_close(need.frame, newest)
        seen = as_of - delay_of(provider, held.market)
        if following is not None and seen < following + grace_of(provider, need.frame, held.market):
            return False
        # the longer a bar is overdue, the less often it is asked for
        overdue = seen - following if following is not None else timedelta(0)
        return age >= max(SETTLE_STEP / 2, min(overdue / 8, self.ttl))

    async def _flight(self, provider: BarProvider, need: Need, limit: float | None) -> Series:
        """One request for all who wait; one that gives up leaves it running for the others."""
        key = (provider.name, need.symbol, need.frame)
        task = self._flights.get(key)
        if task is None:
            with patiently(PATIENCE):  # who else waits for it is not as patient as a job may be
                task = asyncio.create_task(self.keeper.fetch(provider, need))
            self._flights[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        try:
            return await asyncio.wait_for(asyncio.shield(task), limit)
        except TimeoutError:
            raise ProviderUnavailable(provider.name, "did not answer in time") from None

    def _landed(self, key: Key, task: asyncio.Task[Series]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, ProviderError | TimeoutError):
            log.error("fetch failed", action="fetch_bars", provider=key[0], symbol=key[1], error=repr(error)[:300])

    async def close(self) -> None:
        """Ends what is under way and closes every provider."""
        flights = list(self._flights.values())
        for task in flights:
            task.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        for provider in self.providers:
            await provider.close()


def _agree(one: Answer, other: Answer) -> bool:
    """Two vendors saw the same jump on the same bar. That raw prices jump at a split says nothing of adjusted ones."""
    if one.doubt is None or other.doubt is None or one.doubt.bar.close_time != other.doubt.bar.close_time:
        return False
    if not 0.8 < one.doubt.bar.close / other.doubt.bar.close < 1.25:  # each has a fault of its own
        return False
    is_raw = any(answer.series is not None and answer.series.is_raw for answer in (one, other))
    return not (is_raw and one.doubt.is_split_like)


def _newest(answer: Answer) -> datetime:
    return (answer.series and answer.series.newest_close) or BEGINNING


def _is_old(frame: Timeframe, answer: Answer) -> bool:
    """Whether a market that is shut now has traded for hours without a bar: even a thin ticker's vendor may be dead."""
    series = answer.series
    if series is None or series.market is None or series.newest_close is None or not frame.is_intraday:
        return False
    return series.market.trading(series.newest_close, answer.as_of) > 3 * frame.length + LONGEST_QUIET


def _is_broken(need: Need, answer: Answer) -> bool:
    """A split lies in the window, and the vendor does not work splits in."""
    series = answer.series
    if series is None or not series.splits:
        return False
    until = series.count_until(need.since)
    return series.is_broken(until - need.window, len(series.bars) - 1)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)


__all__ = ["Answer", "MarketData", "Need"]

"""Alerts that hear the same bars at the same ticks: one question to the market for all of them, one judgement each."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import perf_counter
from typing import NamedTuple

from activities.evaluation import Bars, Evaluation, windows_of
from activities.interface import EvaluateInput, EvaluateResult, Freshness
from activities.watch.replica import Replica
from domain.alert import AlertState
from domain.bar import BarSnapshot
from domain.definition import AlertDefinition
from domain.ticks import next_tick
from domain.timeframe import Timeframe

VENDOR_SECONDS = 10.0
ASK_AGAIN = timedelta(seconds=5)  # of a vendor that did not answer
LEAST_PATIENCE, MOST_PATIENCE = timedelta(seconds=30), timedelta(minutes=10)
MOST_LOOKS = 8  # in a row, for a bar that has closed but is not there; then the next tick is soon enough
MOST_HELD_FOR = timedelta(minutes=5)  # what nobody need hear of at once
REPLAY_LAG = timedelta(minutes=1)
AN_HOUR = timedelta(hours=1)
MOST_AT_A_TIME = 0.008  # seconds of judging, between which other work of the process takes its turn
WITH_BARS = (Freshness.FRESH, Freshness.SETTLING)


class Hearing(NamedTuple):
    """What alerts must have in common to hear the same bars."""

    symbol: str
    timeframe: Timeframe
    cron: str
    timezone: str
    lookback: int | None
    market_hours_only: bool
    evaluate_on: str
    catchup: str
    others: frozenset[Bars]


def hearing_of(definition: AlertDefinition) -> Hearing:
    """Of one alert."""
    options, own = definition.options, (definition.symbol, definition.timeframe)
    return Hearing(
        definition.symbol,
        definition.timeframe,
        definition.cron,
        definition.timezone,
        options.lookback,
        options.market_hours_only,
        options.evaluate_on,
        options.catchup,
        frozenset(windows_of(definition)) - {own},
    )


class Listeners:
    """``due`` is when they look next, ``judged`` counts judgements, ``lag`` is from a bar's close until all had judged it."""

    def __init__(
        self, hearing: Hearing, evaluation: Evaluation, clock: Callable[[], datetime], turn: asyncio.Lock | None = None
    ) -> None:
        self.hearing, self.evaluation, self.clock = hearing, evaluation, clock
        self.turn = turn or asyncio.Lock()
        self.replicas: dict[str, Replica] = {}
        self.due = clock()
        self.judged = 0
        self.lag: timedelta | None = None
        self.newest: BarSnapshot | None = None
        self._keys: tuple[str, ...] = ()
        self._next_close: datetime | None = None
        self._behind = timedelta(0)
        self._looks = 0
        self._failing_since: datetime | None = None
        self._tick = self.due  # that got no data

    def add(self, replica: Replica) -> None:
        """One more, which looks at once."""
        self.replicas[replica.alert.id] = replica
        missing = [key for key in replica.alert.definition.operands if key not in self._keys]
        self._keys = (*self._keys, *missing)
        self.due = min(self.due, self.clock())

    def remove(self, alert_id: str) -> None:
        """It hears nothing any more."""
        self.replicas.pop(alert_id, None)

    async def look(self) -> list[tuple[Replica, EvaluateResult | None]]:
        """Judges what is new; those that are to be told, with what the market said (None: they are to look for themselves)."""
        now = self.clock()
        active = [one for one in self.replicas.values() if not one.is_waiting]
        after = min((one.last_close for one in active if one.last_close is not None), default=None)
        if after is None:
            self.due = self._next_due(now)
            return []
        asked = self._asked(now - self._behind, after)
        await self.evaluation.prepare(asked, VENDOR_SECONDS)
        async with self.turn:  # one after the other, so that no two slices of judging follow each other at once
            return await self._look(active, await self.evaluation.values(asked, VENDOR_SECONDS))

    async def _look(
        self, active: Sequence[Replica], result: EvaluateResult
    ) -> list[tuple[Replica, EvaluateResult | None]]:
        if result.freshness is Freshness.REFUSED:
            self.due = self._next_due(self.clock())
            return [(one, None) for one in active]
        if result.freshness not in WITH_BARS:
            return self._lack(active, result)
        behind = self.clock() - result.as_of
        self._behind = behind if abs(behind) > REPLAY_LAG else timedelta(0)
        self._failing_since, self._next_close = None, result.next_close
        told = await self._judge(active, result)
        self._settle(result)
        return told

    def _asked(self, now: datetime, after: datetime) -> EvaluateInput:
        hearing = self.hearing
        return EvaluateInput(
            hearing.symbol,
            hearing.timeframe,
            self._keys,
            now,
            after=after,
            lookback=hearing.lookback,
            newest_only=hearing.catchup == "latest",
            forming=hearing.evaluate_on == "tick",
            market_hours_only=hearing.market_hours_only,
        )

    async def _judge(
        self, active: Sequence[Replica], result: EvaluateResult
    ) -> list[tuple[Replica, EvaluateResult | None]]:
        bars, told = result.snapshots, list[tuple[Replica, EvaluateResult | None]]()
        closes = [bar.bar_close for bar in bars]
        began = perf_counter()
        for count, replica in enumerate(active):
            if count % 64 == 0 and perf_counter() - began > MOST_AT_A_TIME:
                await asyncio.sleep(0)
                began = perf_counter()
            last = replica.last_close
            if replica.is_waiting or last is None:
                continue
            if result.skipped_until is not None and last < result.skipped_until:
                told.append((replica, None))
                continue
            new = bars if not closes or last < closes[0] else bars[bisect_right(closes, last) :]
            self.judged += len(new)
            forming = result.forming
            if replica.see(new) or _has_waited(replica, bars) or (forming is not None and replica.see_forming(forming)):
                told.append((replica, result))
        if bars:
            self.newest = bars[-1]
            self.lag = self.clock() - self._behind - bars[-1].bar_close
        return told

    def _lack(self, active: Sequence[Replica], result: EvaluateResult) -> list[tuple[Replica, EvaluateResult | None]]:
        """A vendor that does not answer is asked again; when it has not for long, the tick counts as one without data."""
        now = self.clock()
        if self._failing_since is None:
            self._failing_since, self._tick = now, self.due
        since = self._failing_since
        patience = min(max(self._next_due(since) - since, LEAST_PATIENCE), MOST_PATIENCE)
        if now - since < patience:
            self.due = max(now + ASK_AGAIN, result.ready_at or now)
            return []
        self._failing_since, self.due = None, self._next_due(now)
        return [(one, result) for one in active if one.lack(self._tick, result.problem)]

    def _settle(self, result: EvaluateResult) -> None:
        """A bar that has closed but is not there yet is asked for again soon, not at the next tick."""
        now = self.clock()
        if result.more:
            self.due = now
        elif result.freshness is Freshness.SETTLING and result.ready_at is not None and self._looks < MOST_LOOKS:
            self._looks += 1
            self.due = max(result.ready_at, now)
        else:
            self._looks, self.due = 0, self._next_due(now)

    def _next_due(self, now: datetime) -> datetime:
        definition = next(iter(self.replicas.values())).alert.definition if self.replicas else None
        if definition is None:
            return now + AN_HOUR
        newest = self.newest
        state = AlertState(last_bar_close=newest.bar_close if newest else None, last_snapshot=newest)
        try:
            return next_tick(definition, state, now, self._next_close)
        except LookupError:
            return now + AN_HOUR


def _has_waited(replica: Replica, bars: Sequence[BarSnapshot]) -> bool:
    """Whether something that nobody need hear at once has waited for long enough."""
    return bool(replica.held and bars) and bars[-1].bar_close - replica.held[0].bar_close >= MOST_HELD_FOR

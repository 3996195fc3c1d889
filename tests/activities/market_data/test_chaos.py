"""Hours of a market whose vendors fail at random, in many ways at once, with restarts and two processes on one database.

Whatever happens, every bar is judged once and in order, and what a rule sees is true or missing. ``MARKET_SEEDS`` is how many
such days are played.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import nan

import pytest

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, EvaluateResult
from activities.market_data.failover import MarketData
from activities.market_data.vendors.errors import ProviderUnavailable
from activities.market_data.vendors.provider import BarRequest, FetchedBars
from domain.bar import Bar
from domain.timeframe import Timeframe
from storage.database import Database
from tests.activities.market_data.feeds.test_honest_bars import OnExchange
from tests.activities.test_evaluation import Clock

pytestmark = pytest.mark.timeout(600)
SEEDS = int(os.environ.get("MARKET_SEEDS", "8"))
KEYS = ("close", "close[1]", "sma(5)", "sma(40)")
LENGTH = {"1m": timedelta(minutes=1), "5m": timedelta(minutes=5), "1h": timedelta(hours=1)}
OPENED = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


def true_price(at: datetime) -> float:
    return round(100 + 3 * ((at.timestamp() / 60) % 17) / 17 + ((at.timestamp() / 60) % 5) / 5, 4)


@dataclass
class Fault:
    """What one bar suffers, until a time."""

    kind: str
    until: datetime


@dataclass
class Trouble:
    """What a vendor does wrong today."""

    rng: random.Random
    bars: dict[datetime, Fault] = field(default_factory=dict)
    down: tuple[datetime, datetime] | None = None
    late: timedelta = timedelta()


class Shaky(OnExchange):
    """True bars of sessions, but for today's troubles."""

    durable = True

    def __init__(self, name: str, clock: Clock, trouble: Trouble) -> None:
        super().__init__(name)
        self.clock, self.trouble, self.adjusted = clock, trouble, "split"

    async def fetch(self, request: BarRequest) -> FetchedBars:
        now, trouble = self.clock.now, self.trouble
        if trouble.down is not None and trouble.down[0] <= now < trouble.down[1]:
            raise ProviderUnavailable(self.name, "down")
        found, close = [], request.market.next_close(request.timeframe, request.start - timedelta(hours=2))
        while close is not None and close <= now - trouble.late:
            span = request.market.bar(request.timeframe, close - timedelta(seconds=1))
            assert span is not None
            if request.start <= span[0] < request.end:
                found += self._row(span, now)
            close = request.market.next_close(request.timeframe, close)
        return FetchedBars(tuple(found))

    def _row(self, span: tuple[datetime, datetime], now: datetime) -> list[Bar]:
        price = true_price(span[1])
        bar = Bar(*span, price, price + 1, price - 1, price, 10)
        fault = self.trouble.bars.get(span[1])
        if fault is None or now >= fault.until:
            return [bar]
        if fault.kind == "lost":
            return []
        if fault.kind == "broken":
            return [replace(bar, open=nan, high=nan, low=nan, close=nan)]
        factor = {"spike": 100, "slip": 0.01}[fault.kind]
        return [
            replace(bar, open=price * factor, high=price * factor + 1, low=price * factor - 1, close=price * factor)
        ]


LASTS = {"lost": (1, 13), "broken": (1, 200), "spike": (1, 110), "slip": (1, 110)}


def troubles(rng: random.Random, frame: str, count: int) -> Trouble:
    made, length = Trouble(rng, late=timedelta(seconds=rng.choice([0, 0, 0, 3, 40]))), LENGTH[frame]
    for _ in range(rng.randrange(count // 3)):
        kind, close = rng.choice(list(LASTS)), OPENED + rng.randrange(1, count) * length
        begins = close + rng.random() * timedelta(seconds=5)
        made.bars[close] = Fault(kind, begins + timedelta(seconds=rng.uniform(*LASTS[kind])))
    if rng.random() < 0.5:
        begins = OPENED + rng.random() * count * length
        made.down = begins, begins + timedelta(seconds=rng.choice([5, 90, 700]))
    return made


def one_of(rng: random.Random, processes: list[Evaluation], process: Callable[[], Evaluation]) -> Evaluation:
    """Either process, which now and then is a new one."""
    at = rng.randrange(len(processes))
    if rng.random() < 0.04:
        processes[at] = process()
    return processes[at]


def pass_time(clock: Clock, result: EvaluateResult, step: timedelta) -> None:
    """To the next tick, or sooner where the answer says when to look again."""
    tick = clock.now + step
    clock.now = min(tick, result.ready_at) if result.ready_at and result.ready_at > clock.now else tick


def expected(frame: str, close: datetime, market: object) -> dict[str, float]:
    """From the market as it truly was."""
    closes, at = [], close
    while len(closes) < 41:
        closes.append(at)
        at = market.last_close(Timeframe(frame), at - timedelta(seconds=1))  # type: ignore[attr-defined]
    prices = [true_price(one) for one in closes]
    return {"close": prices[0], "close[1]": prices[1], "sma(5)": sum(prices[:5]) / 5, "sma(40)": sum(prices[:40]) / 40}


@pytest.mark.parametrize("frame", ["1m", "5m", "1h"])
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_what_a_rule_sees_is_true_or_missing(database: Database, seed: int, frame: str) -> None:
    rng, count = random.Random(f"{seed} {frame}"), {"1m": 40, "5m": 20, "1h": 14}[frame]
    clock, length = Clock(OPENED - timedelta(minutes=1)), LENGTH[frame]
    sick = [troubles(rng, frame, count) for _ in range(2)]
    for close, fault in sick[0].bars.items():
        other = sick[1].bars.get(close)
        if other is not None and other.kind == fault.kind and fault.kind in ("spike", "slip"):
            del sick[1].bars[close]  # two vendors that say the same are believed

    def process() -> Evaluation:
        vendors = [Shaky(f"v{n}", clock, trouble) for n, trouble in enumerate(sick)]
        return Evaluation(MarketData(vendors, database, clock))

    processes = [process(), process()]
    market = processes[0].market.calendars.of("X")
    first = market.last_close(Timeframe(frame), clock.now)
    judged: list[datetime] = []
    known = 0
    after, steps = first, 0
    ends = market.last_close(Timeframe(frame), OPENED + count * length) or OPENED
    while (judged[-1] if judged else first) != ends and steps < 4000:  # type: ignore[comparison-overlap]
        steps += 1
        result = await one_of(rng, processes, process).evaluate(
            EvaluateInput("X", Timeframe(frame), KEYS, clock.now, after=after)
        )
        for snapshot in result.snapshots:
            judged.append(snapshot.bar_close)
            known += snapshot.values["close"] is not None
            after, true = snapshot.bar_close, expected(frame, snapshot.bar_close, market)
            for key in KEYS:
                seen = snapshot.values[key]
                assert seen is None or seen == pytest.approx(true[key]), (
                    key,
                    snapshot.bar_close,
                    clock.now,
                    result.source,
                )
        pass_time(clock, result, max(length / 6, timedelta(seconds=rng.choice([1, 5, 10, 20]))))
    closes, at = [], market.next_close(Timeframe(frame), first) if first else None
    while at is not None and at <= ends:
        closes.append(at)
        at = market.next_close(Timeframe(frame), at)
    assert judged == closes, (steps, clock.now)
    assert known >= 0.7 * len(judged), "two vendors seldom lack the same"


class Splitting(Shaky):
    """Works a split into its whole history at a time of its own, before the first bar of that day closes."""

    def __init__(
        self, name: str, clock: Clock, trouble: Trouble, split: tuple[datetime, float], adjusts: datetime
    ) -> None:
        super().__init__(name, clock, trouble)
        self.split, self.adjusts = split, adjusts

    def _row(self, span: tuple[datetime, datetime], now: datetime) -> list[Bar]:
        day, factor = self.split
        worked_in = now >= self.adjusts or span[0] >= day
        return [
            replace(bar, open=bar.open / factor, high=bar.high / factor, low=bar.low / factor, close=bar.close / factor)
            if worked_in
            else bar
            for bar in super()._row(span, now)
        ]


@pytest.mark.parametrize("frame", ["1h", "1d"])
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_prices_of_two_levels_never_meet(database: Database, seed: int, frame: str) -> None:
    """A split of any ratio, any day of the week, seen by two processes that restart and vendors that fail in between."""
    rng = random.Random(f"split {seed} {frame}")
    sessions = Evaluation(MarketData([Shaky("x", Clock(OPENED), Trouble(rng))], clock=Clock(OPENED))).market.calendars
    market = sessions.market("XNYS")
    day, _ = market.bar(Timeframe("1d"), OPENED + timedelta(days=rng.randrange(0, 6))) or (OPENED, None)
    factor = rng.choice([1.05, 1.1, 1.5, 2, 3, 4, 10, 0.5, 0.1])
    clock = Clock(day - timedelta(days=4, hours=3))
    length = timedelta(hours=1) if frame == "1h" else timedelta(days=1)
    made = []
    for n in range(2):
        trouble = Trouble(rng)
        if rng.random() < 0.6:
            begins = day + rng.uniform(-2, 1) * timedelta(days=1)
            trouble.down = begins, begins + rng.choice([1, 8, 30]) * timedelta(hours=1)
        adjusts = day - rng.random() * timedelta(hours=12)
        made.append((f"v{n}", trouble, (day, factor), adjusts))

    def process() -> Evaluation:
        return Evaluation(MarketData([Splitting(name, clock, *rest) for name, *rest in made], database, clock))

    processes, after, last = [process(), process()], market.last_close(Timeframe(frame), clock.now), None
    keys = ("close", "close[1]", "sma(5)", "sma(20)")
    seen_all = known = 0
    while clock.now < day + timedelta(days=4):
        result = await one_of(rng, processes, process).evaluate(
            EvaluateInput("X", Timeframe(frame), keys, clock.now, after=after)
        )
        for snapshot in result.snapshots:
            assert last is None or snapshot.bar_close > last
            last = after = snapshot.bar_close
            closes = [snapshot.bar_close]
            while len(closes) < 20:
                closes.append(market.last_close(Timeframe(frame), closes[-1] - timedelta(seconds=1)))  # type: ignore[arg-type]
            level = factor if snapshot.bar_close > day else 1
            true = [true_price(one) / level for one in closes]
            values = {"close": true[0], "close[1]": true[1], "sma(5)": sum(true[:5]) / 5, "sma(20)": sum(true) / 20}
            for key in keys:
                seen = snapshot.values[key]
                assert seen is None or seen == pytest.approx(values[key]), (
                    key,
                    snapshot.bar_close,
                    clock.now,
                    factor,
                    day,
                )
                seen_all, known = seen_all + 1, known + (seen is not None)
        step = rng.choice([timedelta(minutes=1), timedelta(minutes=7), length / 3, length])
        pass_time(clock, result, min(step, timedelta(hours=5)))
    assert known >= 0.7 * seen_all > 0

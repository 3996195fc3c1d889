"""1,000 alerts on 50 tickers while the first vendor fails in every way there is, one after the other.

Real HTTP on loopback, the product's cache, indicators and rearm machine; the clock is the test's.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, EvaluateResult, Freshness
from activities.market_data.failover import MarketData
from domain.alert import Alert, AlertState, EventKind
from domain.rearm import step
from domain.timeframe import Timeframe
from storage.database import Database
from tests.conftest import make_alert
from tests.stand_ins.finnhub import FinnhubStandIn
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.server import PATIENT, Asked, StandIn
from tests.stand_ins.vendor import KEY
from tests.stand_ins.vendors import EVERY_FAULT
from worker.provider_settings import VENDORS

ALERTS, SYMBOLS = 1000, 50
OPENED = datetime(2026, 11, 19, 14, 30, tzinfo=UTC)
BEGIN = OPENED + timedelta(minutes=60)
MINUTE = timedelta(minutes=1)
# fires only on data that was never traded: a null taken for 0, an RSI of 0.0, a price of another size
ON_BAD_DATA = "close < 50 or close > 500 or rsi(14) < 0.5 or rsi(14) > 99.5 or sma(20) < 50"
ON_GOOD_DATA = "close > sma(20)"


class Storm:
    """The fleet, stepped as workflows step it."""

    def __init__(self, evaluation: Evaluation, now: list[datetime]) -> None:
        self.evaluation, self.now = evaluation, now
        rules = (ON_BAD_DATA, ON_GOOD_DATA)
        self.alerts = [
            make_alert({"symbol": f"S{n % SYMBOLS}", "timeframe": "1m", "rule": rules[n % 2]}, id=f"a{n}")
            for n in range(ALERTS)
        ]
        self.kind = {alert.id: ("bad", "good")[n % 2] for n, alert in enumerate(self.alerts)}
        self.states = {alert.id: AlertState() for alert in self.alerts}
        self.bars: dict[str, list[datetime]] = defaultdict(list)
        self.fired: Counter[str] = Counter()
        self.unknown = 0

    async def tick(self) -> None:
        """Every alert takes its tick at once; those without an answer are told so."""
        await asyncio.gather(*(self._one(alert) for alert in self.alerts))

    async def _one(self, alert: Alert) -> None:
        state = self.states[alert.id]
        wanted = EvaluateInput(
            alert.definition.symbol,
            Timeframe("1m"),
            tuple(alert.definition.operands),
            self.now[0],
            after=state.last_bar_close,
        )
        result: EvaluateResult = await self.evaluation.evaluate(wanted)
        if result.freshness is Freshness.UNAVAILABLE:  # the regular activity, with the vendor's own time
            result = await self.evaluation.values(wanted)
            self.unknown += result.freshness is Freshness.UNAVAILABLE
        for snapshot in result.snapshots:
            self.bars[alert.id].append(snapshot.bar_close)
            state, events = step(alert, state, snapshot)
            self.fired[self.kind[alert.id]] += sum(event.kind is EventKind.TRIGGERED for event in events)
        self.states[alert.id] = state


@pytest.mark.timeout(300)
async def test_a_storm_of_every_fault(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    now = [BEGIN + timedelta(seconds=12)]
    clock = lambda: now[0]  # noqa: E731
    first, second = PolygonStandIn(clock), FinnhubStandIn(clock)
    lateness: list[float] = []
    async with StandIn(first) as one, StandIn(second) as two:
        providers = [
            VENDORS[vendor.name](server.settings(KEY), clock) for vendor, server in ((first, one), (second, two))
        ]
        storm = Storm(Evaluation(MarketData(providers, database, clock)), now)
        await storm.tick()
        assert (len(one.asked), len(two.asked)) == (SYMBOLS, 0), "one request a ticker, whoever asks"
        expected = [BEGIN]
        for fault in EVERY_FAULT:
            first.fault = fault
            providers[0].client.out.timeout = 0.05 if fault == "slow_drip" else PATIENT  # then all of its answers hang
            for gate in (provider.breaker for provider in providers):
                gate.succeeded()  # each way is met by a vendor that was well before
            before = len(one.asked), len(two.asked)
            now[0] += MINUTE
            expected.append(expected[-1] + MINUTE)
            began = time.perf_counter()
            await storm.tick()
            if fault in ("empty", "nulls"):  # nothing there yet, says the vendor: asked again while it settles
                now[0] += timedelta(seconds=20)
                first.fault = None
                await storm.tick()
                now[0] -= timedelta(seconds=20)
            lateness.append(time.perf_counter() - began)
            asked = len(one.asked) - before[0], len(two.asked) - before[1]
            assert asked[0] <= 2 * SYMBOLS, (fault, asked)
            assert asked[1] <= SYMBOLS, (fault, asked)
            assert SYMBOLS <= sum(asked) <= (3 if fault in ("empty", "nulls") else 2) * SYMBOLS, (fault, asked)
            behind = [alert.id for alert in storm.alerts if storm.bars[alert.id] != expected]
            assert not behind, (fault, len(behind), storm.bars[behind[0]][-2:], expected[-2:])
        for provider in providers:
            await provider.close()
    assert all(bars == expected for bars in storm.bars.values()), "every bar once, in order"
    assert len(storm.bars) == ALERTS
    assert storm.fired["bad"] == 0, "nothing fired on bad data"
    assert storm.fired["good"] == _true_fires(storm.alerts[1::2], expected)
    with capsys.disabled():
        worst, mean = max(lateness), sum(lateness) / len(lateness)
        print(f"\nstorm: {ALERTS} alerts, {len(EVERY_FAULT)} faults; a bar took {mean:.2f} s, at worst {worst:.2f} s")  # noqa: T201


def _true_fires(alerts: list[Alert], closes: list[datetime]) -> int:
    """What the same machine says of the market as it truly was."""
    from domain.bar import BarSnapshot

    market, count = PolygonStandIn(lambda: closes[-1]).market, 0
    for alert in alerts:
        rows = market.rows(alert.definition.symbol, "1m", OPENED - timedelta(days=3), closes[-1], closes[-1])
        prices = {row.closed: row.prices[3] for row in rows}
        order, state = sorted(prices), AlertState()
        for close in closes:
            window = [prices[at] for at in order[order.index(close) - 19 : order.index(close) + 1]]
            values: dict[str, float | None] = {"close": prices[close], "sma(20)": sum(window) / 20}
            state, events = step(alert, state, BarSnapshot(close - MINUTE, close, values))
            count += sum(event.kind is EventKind.TRIGGERED for event in events)
    assert count > 0
    return count


async def test_a_late_symbol_holds_up_no_other(database: Database) -> None:
    """One ticker's answers drip; the other 49 are evaluated as if nothing were."""
    now = [BEGIN + timedelta(seconds=12)]
    vendor = PolygonStandIn(lambda: now[0])
    async with StandIn(vendor) as server:
        provider = VENDORS["polygon"](server.settings(KEY), lambda: now[0])
        storm = Storm(Evaluation(MarketData([provider], database, lambda: now[0])), now)
        await storm.tick()
        now[0] += MINUTE

        def drips(asked: Asked) -> str | None:
            return "slow_drip" if "/S7/" in asked.path else None

        vendor.fault = drips
        waiting = asyncio.gather(*(storm._one(alert) for alert in storm.alerts if alert.definition.symbol == "S7"))
        await asyncio.gather(*(storm._one(alert) for alert in storm.alerts if alert.definition.symbol != "S7"))
        held = {alert.definition.symbol for alert in storm.alerts if len(storm.bars[alert.id]) < 2}
        assert (held, waiting.done()) == ({"S7"}, False)
        vendor.fault = lambda asked: "reset" if "/S7/" in asked.path else None
        server.hang_up()
        await waiting
        vendor.fault = None
        now[0] += MINUTE
        await storm.tick()
        assert all(len(bars) == 3 for bars in storm.bars.values()), "and it catches up with the next tick"
        await provider.close()

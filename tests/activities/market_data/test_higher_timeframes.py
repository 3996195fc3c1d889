"""Rules over several timeframes on an exchange: the last higher bar that had closed, early closes included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput, Freshness
from activities.market_data.failover import MarketData
from domain.timeframe import Timeframe
from tests.stand_ins.finnhub import FinnhubStandIn
from tests.stand_ins.server import StandIn
from tests.stand_ins.vendor import KEY
from worker.provider_settings import VENDORS

EARLY = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)  # the session after Thanksgiving ends at 13:00 in New York
BEFORE = datetime(2026, 11, 25, 21, 0, tzinfo=UTC)


async def test_the_daily_value_of_an_hourly_bar_is_of_the_last_session_that_had_closed() -> None:
    now = [EARLY + timedelta(minutes=10, seconds=12)]
    vendor = FinnhubStandIn(lambda: now[0])
    async with StandIn(vendor) as server:
        provider = VENDORS["finnhub"](server.settings(KEY), lambda: now[0])
        evaluation = Evaluation(MarketData([provider], clock=lambda: now[0]))
        keys = ("close", "close@1d", "sma(5)@1d", "rsi(14)")
        result = await evaluation.evaluate(EvaluateInput("AAPL", Timeframe("1h"), keys, now[0], after=BEFORE))
        days = {
            row.closed: row.prices[3]
            for row in vendor.market.rows("AAPL", "1d", BEFORE - timedelta(days=30), now[0], now[0])
        }
        closes = [snapshot.bar_close for snapshot in result.snapshots]
        assert closes == [EARLY - timedelta(minutes=m) for m in (150, 90, 30, 0)], "the last hour is half an hour long"
        for snapshot in result.snapshots:
            last = max(close for close in days if close <= snapshot.bar_close)
            assert snapshot.values["close@1d"] == days[last]
            five = [price for close, price in sorted(days.items()) if close <= snapshot.bar_close][-5:]
            assert snapshot.values["sma(5)@1d"] == pytest.approx(sum(five) / 5)
            assert snapshot.values["rsi(14)"] is not None
        assert [snapshot.values["close@1d"] == days[BEFORE] for snapshot in result.snapshots] == [
            True,
            True,
            True,
            False,
        ]
        assert result.next_close == datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
        await provider.close()


async def test_the_last_hour_waits_for_the_day_that_ends_with_it() -> None:
    now = [EARLY - timedelta(minutes=29)]
    vendor = FinnhubStandIn(lambda: now[0])
    async with StandIn(vendor) as server:
        provider = VENDORS["finnhub"](server.settings(KEY), lambda: now[0])
        evaluation = Evaluation(MarketData([provider], clock=lambda: now[0]))
        ask = EvaluateInput("AAPL", Timeframe("1h"), ("close@1d",), now[0])
        assert (await evaluation.evaluate(ask)).freshness is Freshness.FRESH
        now[0] = EARLY + timedelta(seconds=12)
        ask = EvaluateInput("AAPL", Timeframe("1h"), ("close@1d",), now[0], after=EARLY - timedelta(minutes=30))
        held = await evaluation.evaluate(ask)
        assert (held.freshness, held.snapshots) == (Freshness.SETTLING, ())
        assert held.ready_at == EARLY + timedelta(minutes=10), "the closing auction"
        now[0] = held.ready_at
        (snapshot,) = (await evaluation.evaluate(ask)).snapshots
        day = vendor.market.rows("AAPL", "1d", EARLY - timedelta(days=1), now[0], now[0])[-1]
        assert (snapshot.bar_close, snapshot.values["close@1d"]) == (EARLY, day.prices[3])
        await provider.close()

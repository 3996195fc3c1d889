"""A feed is one object: it tells its listeners, and to forget it is to drop it."""

from __future__ import annotations

from datetime import timedelta

from activities.market_data.failover import MarketData
from activities.market_data.feeds.query import BarsQuery
from activities.market_data.feeds.series import BarSeries
from domain.timeframe import Timeframe
from tests.activities.test_evaluation import Clock, Vendor

A_MINUTE = Timeframe("1m")


async def test_listeners_are_handed_each_new_series() -> None:
    clock, vendor = Clock(), Vendor()
    market = MarketData([vendor], clock=clock)
    heard: list[BarSeries] = []
    market.group("X", A_MINUTE).feed(vendor).listeners.append(heard.append)
    query = BarsQuery("X", A_MINUTE, 10)
    for _ in range(3):
        answer = await market.bars(query, limit=None)
        assert answer.series is not None
        again = await market.bars(query, limit=None)
        assert again.series == answer.series
        clock.now += timedelta(minutes=1)
    assert len(heard) == 3, "a question that is answered from what is held brings nothing new"
    closes = [series.newest_close for series in heard]
    assert closes == sorted(set(closes))


async def test_a_feed_that_somebody_listens_to_is_kept() -> None:
    clock, vendor = Clock(), Vendor()
    market = MarketData([vendor], clock=clock)
    for symbol in ("X", "Y"):
        await market.bars(BarsQuery(symbol, A_MINUTE, 10), limit=None)
    market.group("X", A_MINUTE).feed(vendor).listeners.append(lambda _: None)
    clock.now += timedelta(hours=3)
    await market.bars(BarsQuery("Z", A_MINUTE, 10), limit=None)
    assert {symbol for symbol, _ in market.groups} == {"X", "Z"}


async def test_a_failure_is_that_of_all_who_wait_and_the_next_question_asks_again() -> None:
    clock, vendor = Clock(), Vendor()
    market = MarketData([vendor], clock=clock)
    vendor.error = ValueError("an answer nobody foresaw")
    assert (await market.bars(BarsQuery("X", A_MINUTE, 10), limit=None)).series is None
    vendor.error = None
    assert (await market.bars(BarsQuery("X", A_MINUTE, 10), limit=None)).series is not None
    assert len(vendor.requests) == 2

"""Years of days and of minutes through each vendor's paging, cut off in the middle and gone on with.

``BACKFILL_DAYS`` is how many days of minutes are brought; a year takes some minutes.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from activities.market_data.calendars.calendars import Calendars
from activities.market_data.feeds.backfill import Backfill, Progress
from activities.market_data.feeds.store import stored_key
from activities.market_data.vendors.errors import ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.http_provider import HttpProvider
from domain.timeframe import Timeframe
from storage.database import Database
from tests.stand_ins.market import Market, Row
from tests.stand_ins.server import Asked, StandIn
from tests.stand_ins.vendor import KEY, Vendor
from tests.stand_ins.vendors import ALL
from tests.stand_ins.yahoo import YahooStandIn
from worker.provider_settings import VENDORS

pytestmark = pytest.mark.timeout(900)
NOW = datetime(2026, 11, 19, 22, 30, tzinfo=UTC)
MINUTES_FOR = timedelta(days=int(os.environ.get("BACKFILL_DAYS", "20")))
FRAMES = {"1d": timedelta(days=3653), "1m": MINUTES_FOR}


class Site:
    """A vendor, its provider and a database."""

    def __init__(self, vendor: Vendor, server: StandIn, provider: HttpProvider, database: Database) -> None:
        self.vendor, self.server, self.provider, self.database = vendor, server, provider, database
        self.slept: list[float] = []
        self.now = NOW

    def work(self, frame: str) -> Backfill:
        """As a new process would begin it."""

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.now += timedelta(seconds=seconds)

        market = self.vendor.market.market
        return Backfill(
            self.provider, market, self.database, self.vendor.symbol, Timeframe(frame), lambda: self.now, sleep
        )

    async def stored(self, frame: str) -> list[tuple[datetime, float]]:
        async with self.database.transaction() as work:
            key = stored_key(self.provider, Timeframe(frame))
            bars = await work.bars.newest(self.vendor.symbol, frame, key, 10**7, NOW)
        return [(bar.open_time, bar.close) for bar in bars]


@pytest.fixture(params=ALL, ids=lambda one: one.name)
async def site(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Site]:
    vendor: Vendor = request.param(lambda: NOW)
    async with StandIn(vendor) as server:
        made: list[Site] = []
        clock = lambda: made[0].now if made else NOW  # noqa: E731
        provider = VENDORS[vendor.name](server.settings(KEY), clock)
        made.append(Site(vendor, server, provider, database))
        yield made[0]
        await provider.close()


@pytest.mark.parametrize("frame", FRAMES)
async def test_history_comes_whole_and_a_restart_goes_on(site: Site, frame: str) -> None:
    start = NOW - FRAMES[frame]
    seen: list[Progress] = []
    first = site.work(frame)
    begins, ends = first.bounded(start, NOW)
    async for progress in first.run(start, NOW):
        seen.append(progress)
        if progress.done > progress.whole / 2:
            break  # killed in the middle
    asked = len(site.server.asked)
    async for progress in site.work(frame).run(start, NOW):
        seen.append(progress)
    true = [
        row
        for row in site.vendor.market.rows(site.vendor.symbol, frame, begins, ends, NOW)
        if row.closed + site.provider.grace <= NOW
    ]
    assert await site.stored(frame) == [(row.opened, row.prices[3]) for row in true]
    assert seen[-1].done == seen[-1].whole == ends - begins
    again = len(site.server.asked) - asked
    assert again <= asked + 4, "what was done before the cut is not asked for again"
    async for _ in site.work(frame).run(start, NOW):
        pass
    assert len(site.server.asked) - asked - again <= 4, "only what may still change"
    print(f"{site.vendor.name} {frame}: {len(true)} bars, {asked + again} requests")  # noqa: T201


async def test_hours_come_whole_over_the_edges_of_windows(site: Site) -> None:
    """Windows end on the clock's hours, the session's hours do not: each has all its halves, whatever the vendor counts by."""
    async for _ in site.work("1h").run(NOW - timedelta(days=200), NOW):
        pass
    stored = await site.stored("1h")
    rows = Market(site.vendor.always).rows(site.vendor.symbol, "1h", stored[0][0], NOW, NOW)
    assert stored == [(row.opened, row.prices[3]) for row in rows if row.closed + site.provider.grace <= NOW]
    assert len(stored) > 900


async def test_a_vendor_that_asks_to_wait_is_waited_for(site: Site) -> None:
    failures = iter(["wait_429", "error_500", "reset"])
    site.vendor.fault = lambda asked: next(failures, None)
    waits = [one.waits_until async for one in site.work("1d").run(NOW - timedelta(days=400), NOW) if one.waits_until]
    assert len(waits) >= 2
    assert site.slept[0] == pytest.approx(7)
    assert len(await site.stored("1d")) > 250


async def test_a_vendor_that_stays_away_ends_it_with_what_was_brought(site: Site) -> None:
    count = 0

    def dies(asked: Asked) -> str | None:
        nonlocal count
        count += 1
        return "reset" if count > (2 if site.vendor.name == "interactive_brokers" else 1) else None

    if site.provider.window_end(Timeframe("1m"), NOW - MINUTES_FOR, NOW) == NOW:
        pytest.skip("one request is the whole of it")
    site.vendor.fault = dies
    with pytest.raises(ProviderUnavailable):
        async for _ in site.work("1m").run(NOW - MINUTES_FOR, NOW):
            pass
    async with site.database.transaction() as work:
        assert await work.bars.covered(site.vendor.symbol, "1m", stored_key(site.provider, "1m"))


async def test_what_came_empty_or_with_holes_is_asked_for_again(site: Site) -> None:
    site.vendor.fault = "empty"
    start = NOW - timedelta(days=30)
    with pytest.raises(ProviderRefused, match="has no 1d bars"):
        async for _ in site.work("1d").run(start, NOW):
            pass
    site.vendor.fault = None
    async for _ in site.work("1d").run(start, NOW):
        pass
    assert len(await site.stored("1d")) >= 20


async def test_a_split_since_the_last_time_is_brought_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    start = NOW - timedelta(days=200)
    async for _ in site.work("1d").run(start, NOW):
        pass
    before = dict(await site.stored("1d"))
    whole = site.vendor.market.row

    def divided(*given: object) -> Row:
        row = whole(*given)  # type: ignore[arg-type]
        return replace(row, prices=tuple(price / 4 for price in row.prices))  # type: ignore[arg-type]

    monkeypatch.setattr(site.vendor.market, "row", divided)
    async for _ in site.work("1d").run(start - timedelta(days=30), NOW):
        pass
    after = dict(await site.stored("1d"))
    assert all(after[opened] == pytest.approx(price / 4, rel=1e-3) for opened, price in before.items())
    assert len(after) > len(before)


async def test_a_history_older_than_the_calendar_is_known_too() -> None:
    calendars = Calendars(lambda: NOW)
    assert calendars.of("AAPL").bar(Timeframe("1d"), datetime(2001, 3, 5, 5, tzinfo=UTC)) is None
    market = calendars.of("AAPL", date(2000, 1, 3))
    assert market.bar(Timeframe("1d"), datetime(2001, 3, 5, 5, tzinfo=UTC)) is not None
    assert calendars.of("AAPL") is market


@pytest.mark.parametrize("frame", ["1d", "1h", "1w"])
async def test_a_backfill_from_before_the_first_trade_brings_all_there_is(database: Database, frame: str) -> None:
    """Yahoo answers 400 to a window that ends before it: that is no refusal of the ticker."""
    vendor = YahooStandIn(lambda: NOW)
    vendor.listed = NOW + timedelta(days=1)
    async with StandIn(vendor) as server:
        site = Site(vendor, server, VENDORS["yahoo"](server.settings(), lambda: NOW), database)
        with pytest.raises(ProviderRefused, match="has no"):
            async for _ in site.work(frame).run(NOW - timedelta(days=90), NOW - timedelta(days=60)):
                pass
        vendor.listed = datetime(2025, 6, 2, 13, 30, tzinfo=UTC)
        async for _ in site.work(frame).run(NOW - timedelta(days=9000), NOW):
            pass
        rows = Market().rows(vendor.symbol, frame, vendor.listed, NOW, NOW)
        true = [(row.opened, row.prices[3]) for row in rows if row.closed + timedelta(minutes=10) <= NOW]
        assert await site.stored(frame) == true
        await site.provider.close()

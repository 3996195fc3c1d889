"""One contract for every vendor, against servers that speak its format: bars, faults, pages."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.bar_files.reading import read_bars_csv
from activities.market_data.vendors.circuit_breaker import Circuit
from activities.market_data.vendors.errors import (
    ProviderMisconfigured,
    ProviderNoPlan,
    ProviderQuota,
    ProviderRefused,
    ProviderUnavailable,
)
from activities.market_data.vendors.http import VendorSettings
from activities.market_data.vendors.http_provider import HttpProvider
from activities.market_data.vendors.local.csv_file import CsvFolder, Replay
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import BarRequest, Provider
from domain.timeframe import Timeframe
from tests.stand_ins.alpha_vantage import AlphaVantageStandIn
from tests.stand_ins.interactive_brokers import InteractiveBrokersStandIn
from tests.stand_ins.market import Market
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.server import Asked, Reply, StandIn
from tests.stand_ins.vendor import KEY, UNKNOWN, Vendor
from tests.stand_ins.vendors import ALL, EVERY_FAULT
from worker.provider_settings import VENDORS

NOW = datetime(2026, 11, 19, 15, 47, 20, tzinfo=UTC)  # a Thursday, the market is open
WAYS = {
    "wait_429": ProviderUnavailable, "plain_429": ProviderUnavailable, "banned_418": ProviderQuota, "error_500": ProviderUnavailable,
    "html_200": ProviderUnavailable, "text_200": ProviderUnavailable, "moved_302": ProviderUnavailable,
    "half_json": ProviderUnavailable, "cut_off": ProviderUnavailable, "slow_drip": ProviderUnavailable,
    "reset": ProviderUnavailable, "error_200": ProviderUnavailable, "no_plan": ProviderNoPlan, "bad_key": ProviderMisconfigured,
}  # fmt: skip
DIFFERENT = {
    ("yahoo", "no_plan"): ProviderRefused, ("yahoo", "bad_key"): ProviderUnavailable,
    ("binance", "no_plan"): ProviderUnavailable, ("binance", "bad_key"): ProviderUnavailable,
    ("alpha_vantage", "error_200"): ProviderQuota,
}  # fmt: skip


class Pair:
    """A vendor's stand-in and the provider that asks it."""

    def __init__(self, vendor: Vendor, server: StandIn, provider: HttpProvider) -> None:
        self.vendor, self.server, self.provider = vendor, server, provider

    def request(self, frame: str, start: datetime, end: datetime | None = None, symbol: str = "") -> BarRequest:
        """Bars up to now."""
        until = end or NOW + Timeframe(frame).length
        return BarRequest(symbol or self.vendor.symbol, Timeframe(frame), start, until, NOW, self.vendor.market.market)


@pytest.fixture(params=ALL, ids=lambda one: one.name)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    vendor: Vendor = request.param(lambda: NOW)
    async with StandIn(vendor) as server:
        provider = VENDORS[vendor.name](server.settings(KEY), lambda: NOW)
        yield Pair(vendor, server, provider)
        await provider.close()


BACK = {
    "1s": timedelta(seconds=90),
    "1m": timedelta(days=2),
    "1h": timedelta(days=40),
    "1d": timedelta(days=400),
    "1w": timedelta(days=900),
}


async def test_bars_are_those_of_the_market_whatever_the_format(pair: Pair) -> None:
    """Open and close times from the calendar, prices as they were, at most the last one not final."""
    for frame in pair.vendor.frames:
        start = NOW - BACK[frame]
        true = Market(pair.vendor.always).rows(pair.vendor.symbol, frame, start, NOW, NOW)
        closed = [row.closed + pair.provider.grace <= NOW for row in true]
        true = true[: closed.index(False) + 1]
        bars = (await pair.provider.fetch(pair.request(frame, start))).bars
        assert [(bar.open_time, bar.close_time) for bar in bars] == [(row.opened, row.closed) for row in true], frame
        assert [(bar.open, bar.high, bar.low, bar.close) for bar in bars] == [row.prices for row in true]
        assert [bar.final for bar in bars] == [row.closed + pair.provider.grace <= NOW for row in true]
        assert len(bars) > 50


async def test_an_hour_whose_second_half_is_not_there_yet_is_not_closed() -> None:
    """A vendor that counts hours by the clock: ours begin with the session, of two halves; a tail may come two minutes late."""
    at = [datetime(2026, 11, 19, 15, 30, 20, tzinfo=UTC)]
    vendor = PolygonStandIn(lambda: at[0])
    lacking = True

    def without_tail(asked: Asked) -> Reply:
        found = PolygonStandIn.well(vendor, asked)
        found.body["results"] = found.body["results"][:-2] if lacking else found.body["results"]
        return found

    vendor.well = without_tail  # type: ignore[method-assign]
    async with StandIn(vendor) as server:
        provider = VENDORS["polygon"](server.settings(KEY), lambda: at[0])

        async def newest() -> tuple[str, bool]:
            start, market = at[0] - timedelta(days=2), vendor.market.market
            bars = (await provider.fetch(BarRequest("AAPL", Timeframe("1h"), start, at[0], at[0], market))).bars
            return f"{bars[-1].open_time:%H:%M}", bars[-1].final

        assert await newest() == ("14:30", False)
        lacking = False
        assert await newest() == ("15:30", False)
        at[0] = datetime(2026, 11, 19, 15, 30, 2, tzinfo=UTC)
        assert await newest() == ("14:30", False), "before its grace has passed, though the next has begun"
        lacking = True
        at[0] = datetime(2026, 11, 19, 15, 32, 20, tzinfo=UTC)
        assert await newest() == ("14:30", True), "nothing traded in it"
        assert "/range/30/minute/" in server.asked[0].path
        await provider.close()


async def test_interactive_brokers_says_that_its_feed_is_late() -> None:
    vendor = InteractiveBrokersStandIn(lambda: NOW - timedelta(minutes=15))
    vendor.availability = "D"
    async with StandIn(vendor) as server:
        provider = VENDORS[vendor.name](server.settings(), lambda: NOW)
        start = NOW - timedelta(hours=1)
        bars = (await provider.fetch(BarRequest("AAPL", Timeframe("5m"), start, NOW, NOW, vendor.market.market))).bars
        assert [bar.final for bar in bars] == [
            bar.close_time + provider.grace <= NOW - timedelta(minutes=15) for bar in bars
        ]
        assert provider.feed_delay(vendor.market.market) == timedelta(minutes=15)
        await provider.close()


@pytest.mark.parametrize(("sent", "is_set"), [("start", "start"), ("end", "end"), ("start", "end"), ("end", "start")])
async def test_alpha_vantages_labels_are_checked_at_the_sessions_edge(sent: str, is_set: str) -> None:
    vendor = AlphaVantageStandIn(lambda: NOW)
    vendor.labels = sent
    async with StandIn(vendor) as server:
        provider = VENDORS[vendor.name](server.settings(KEY, labels=is_set), lambda: NOW)
        start = NOW - timedelta(days=9)
        request = BarRequest("AAPL", Timeframe("5m"), start, NOW, NOW, vendor.market.market)
        if sent == is_set:
            bars = (await provider.fetch(request)).bars
            true = Market().rows("AAPL", "5m", start, NOW, NOW)
            assert [(bar.open_time, bar.close) for bar in bars] == [(row.opened, row.prices[3]) for row in true]
        else:
            with pytest.raises(ProviderMisconfigured, match=f"set ALPHA_VANTAGE_LABELS={sent}"):
                await provider.fetch(request)
        await provider.close()


async def test_alpha_vantage_does_not_take_the_windows_edge_for_historys_beginning() -> None:
    vendor = AlphaVantageStandIn(lambda: NOW)
    async with StandIn(vendor) as server:
        provider = VENDORS[vendor.name](server.settings(KEY), lambda: NOW)
        for frame, days in (("1w", 90), ("1d", 200)):
            request = BarRequest("AAPL", Timeframe(frame), NOW - timedelta(days=days), NOW, NOW, vendor.market.market)
            assert not (await provider.fetch(request)).begins_history
            whole = await provider.fetch(replace(request, start=datetime(2000, 1, 1, tzinfo=UTC)))
            assert whole.begins_history
        await provider.close()


@pytest.mark.parametrize("fault", EVERY_FAULT)
async def test_every_fault_is_sorted_and_tells_no_secret(pair: Pair, fault: str) -> None:
    pair.vendor.fault = fault
    if fault == "slow_drip":  # never answers: with the shortest limit, no machine is too slow
        pair.provider.client.out.timeout = 0.05
    request = pair.request("1m", NOW - timedelta(hours=2))
    if fault == "empty":
        assert (await pair.provider.fetch(request)).bars == ()
        return
    if fault == "nulls":
        bars = (await pair.provider.fetch(request)).bars
        true = {
            row.opened: row
            for row in pair.vendor.market.rows(pair.vendor.symbol, "1m", NOW - timedelta(hours=2), NOW, NOW)
        }
        assert 0 < len(bars) < len(true)
        assert all(math.isnan(bar.close) or bar.close == true[bar.open_time].prices[3] for bar in bars)
        return
    with pytest.raises(DIFFERENT.get((pair.vendor.name, fault), WAYS[fault])) as caught:
        await pair.provider.fetch(request)
    said = str(caught.value) + pair.provider.breaker.tally.last_error
    assert ("did not answer in time" in said) is (fault == "slow_drip")
    assert KEY not in said
    assert "http://" not in said
    assert "127.0.0.1" not in said
    waits = {"wait_429": 7, "banned_418": 130, "plain_429": 60}
    if fault in waits:
        assert caught.value.retry_after == timedelta(seconds=waits[fault])  # type: ignore[attr-defined]
        assert pair.provider.breaker.circuit is Circuit.OPEN


async def test_an_unknown_ticker_is_refused_or_empty_and_stops_nothing_else(pair: Pair) -> None:
    request = pair.request("1d", NOW - timedelta(days=30), symbol=UNKNOWN)
    with suppress(ProviderRefused):
        assert (await pair.provider.fetch(request)).bars == ()
    assert pair.provider.breaker.circuit is Circuit.CLOSED
    assert (await pair.provider.fetch(pair.request("1d", NOW - timedelta(days=30)))).bars


async def test_a_frame_that_is_not_offered_costs_no_request(pair: Pair) -> None:
    with pytest.raises(ProviderRefused, match=r"has no (8h|10s) bars"):
        await pair.provider.fetch(
            pair.request("10s" if "8h" in pair.provider.intervals else "8h", NOW - timedelta(days=1))
        )
    if pair.vendor.name != "polygon":
        assert pair.server.asked == []


@pytest.mark.parametrize("name", ["alpha_vantage", "finnhub", "polygon"])
async def test_without_a_key_nothing_is_asked(name: str) -> None:
    provider = VENDORS[name](VendorSettings("http://127.0.0.1:9"), lambda: NOW)
    with pytest.raises(ProviderMisconfigured, match=f"set {name.upper()}_API_KEY"):
        await provider.fetch(BarRequest("AAPL", Timeframe("1d"), NOW - timedelta(days=9), NOW, NOW))
    assert provider.breaker.limiter.calls == 0
    await provider.close()


@pytest.mark.parametrize(
    ("vendor", "fault", "kind", "wait"),
    [
        ("alpha_vantage", "premium", ProviderNoPlan, None),
        ("alpha_vantage", "a_minute", ProviderUnavailable, timedelta(minutes=1)),
        (
            "alpha_vantage",
            "error_200",
            ProviderQuota,
            timedelta(hours=13, minutes=12, seconds=40),
        ),  # New York's midnight
    ],
)
async def test_alpha_vantages_words_are_told_apart(
    vendor: str, fault: str, kind: type[Exception], wait: timedelta | None
) -> None:
    stand_in = next(one for one in ALL if one.name == vendor)(lambda: NOW)
    stand_in.fault = fault
    async with StandIn(stand_in) as server:
        provider = VENDORS[vendor](server.settings(KEY), lambda: NOW)
        with pytest.raises(kind) as caught:
            await provider.fetch(BarRequest("AAPL", Timeframe("1d"), NOW - timedelta(days=9), NOW, NOW))
        assert getattr(caught.value, "retry_after", None) == wait
        await provider.close()


async def test_yahoos_crumb_is_fetched_anew_once() -> None:
    stand_in = next(one for one in ALL if one.name == "yahoo")(lambda: NOW)
    stand_in.fault = "stale_crumb"
    async with StandIn(stand_in) as server:
        provider = VENDORS["yahoo"](server.settings(), lambda: NOW)
        request = BarRequest("AAPL", Timeframe("1d"), NOW - timedelta(days=30), NOW, NOW, stand_in.market.market)
        assert (await provider.fetch(request)).bars
        assert (await provider.fetch(request)).bars
        assert [asked.path.rsplit("/", 1)[1] for asked in server.asked] == ["AAPL", "getcrumb", "AAPL", "AAPL"]
        await provider.close()


@pytest.mark.parametrize("name", ["csv", "simulated", "replay"])
async def test_files_and_the_simulated_market_keep_the_same_contract(name: str, tmp_path: Path) -> None:
    """Ascending bars of the window, each as long as its frame, at most the last not final, none of the future."""
    opened = NOW.replace(second=0) - timedelta(minutes=300)
    lines = [f"{opened + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ},10,11,9,10.5,{n + 1}" for n in range(320)]
    file = tmp_path / "X_1m.csv"
    file.write_text("time,open,high,low,close,volume\n" + "\n".join(lines) + "\n")
    provider: Provider
    if name == "replay":
        provider = Replay(read_bars_csv(file, "UTC"), "X", 60)
        provider.begin(NOW - timedelta(seconds=299))
    else:
        provider = CsvFolder(tmp_path) if name == "csv" else SimulatedMarket(7)
    start = NOW - timedelta(minutes=60)
    fetched = await provider.fetch(BarRequest("X", Timeframe("1m"), start, NOW + timedelta(minutes=1), NOW))
    bars = fetched.bars
    assert 50 <= len(bars) <= 61
    assert [bar.open_time for bar in bars] == sorted({bar.open_time for bar in bars})
    assert all(start <= bar.open_time < NOW and bar.close_time - bar.open_time == timedelta(minutes=1) for bar in bars)
    assert all(bar.final and bar.is_sound for bar in bars[:-1])
    assert provider.breaker is None
    with pytest.raises(ProviderRefused):
        await provider.fetch(BarRequest("Y", Timeframe("1h"), datetime(2019, 1, 1, tzinfo=UTC), NOW, NOW))
    await provider.close()

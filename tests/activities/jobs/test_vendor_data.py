"""What vendors have beside bars, read from their true formats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.market_data.vendors.circuit_breaker import Circuit
from activities.market_data.vendors.errors import ProviderError, ProviderRefused
from activities.market_data.vendors.http import VendorSettings
from activities.market_data.vendors.http_provider import HttpProvider
from activities.market_data.vendors.provider import BarRequest, DataRequest
from domain.timeframe import Timeframe
from domain.vendor_data import Kind
from tests.activities.jobs.test_data_steps import NOW
from tests.stand_ins.server import Asked, Reply, StandIn
from tests.stand_ins.vendor import KEY, Vendor
from tests.stand_ins.vendors import ALL
from tests.stand_ins.yahoo import YahooStandIn
from worker.provider_settings import VENDORS

RECORDED = Path(__file__).parents[3].parent / "shared" / "provider_responses"


@pytest.mark.parametrize("kind", ALL, ids=lambda one: one.name)
async def test_every_vendor_reads_every_kind_it_offers(kind: type[Vendor]) -> None:
    """A record for each; an answer of another shape gives none, and breaks nothing."""
    vendor = kind(lambda: NOW)
    async with StandIn(vendor) as server:
        provider: HttpProvider = VENDORS[kind.name](server.settings(KEY), lambda: NOW)
        for one in provider.sources:
            request = DataRequest(one, vendor.symbol, NOW.date() - timedelta(days=3), NOW.date(), NOW)
            found = provider.read(await provider.data(request), request)
            assert found, one
            assert all(record.KEY for record in found)
            for odd in ({}, [], None, 7, "x", [[]], {"results": [{}], "feed": [7], "Global Quote": []}, [{"id": None}]):
                assert provider.read(odd, request) == []
        await provider.close()


@pytest.mark.parametrize("trouble", ["no_crumb", "crumb_refused", "not_even_json", "no_options"])
async def test_what_yahoo_asks_a_session_for_closes_nothing_for_bars(trouble: str) -> None:
    class Odd(YahooStandIn):
        def well(self, asked: Asked) -> Reply:
            if asked.path == "/v1/test/getcrumb" and trouble == "no_crumb":
                return Reply(429, "Edge: Too Many Requests", "text/plain")
            if asked.path.startswith("/v7/") and trouble == "no_options" and asked.query.get("crumb"):
                return Reply(body={"optionChain": {"result": [], "error": None}})
            if asked.path.startswith("/v7/") and trouble in ("crumb_refused", "not_even_json"):
                return self.bad_key(asked) if trouble == "crumb_refused" else Reply(401, "<html>no", "text/html")
            return super().well(asked)

    vendor = Odd(lambda: NOW)
    async with StandIn(vendor) as server:
        provider = VENDORS["yahoo"](server.settings(), lambda: NOW)
        for n in range(6):
            with pytest.raises(ProviderError):
                await provider.data(DataRequest(Kind.OPTIONS_CHAIN, f"S{n}", NOW.date(), NOW.date(), NOW))
        assert provider.breaker.circuit is Circuit.CLOSED
        assert provider.breaker.limiter.calls == len(server.asked), "the rate is one for both"
        start = NOW - timedelta(days=9)
        assert (await provider.fetch(BarRequest("AAPL", Timeframe("1d"), start, NOW, NOW, vendor.market.market))).bars
        await provider.close()


async def test_yahoos_data_beside_bars() -> None:
    """Behind a crumb that is fetched once; numbers bare or wrapped; the nearest expirations, both sides."""
    vendor = YahooStandIn(lambda: NOW)
    async with StandIn(vendor) as server:
        provider: HttpProvider = VENDORS["yahoo"](server.settings(), lambda: NOW)

        async def of(kind: Kind) -> Sequence[Any]:
            request = DataRequest(kind, "AAPL", NOW.date(), NOW.date(), NOW)
            return provider.read(await provider.data(request), request)

        (profile,) = await of(Kind.COMPANY_INFO)
        assert (profile.name, profile.sector, profile.market_cap, profile.shares_outstanding) == (
            "X Corp", "Technology", 2.5e6, 1.5e6,
        )  # fmt: skip
        (report,) = await of(Kind.EARNINGS)
        assert (report.period, report.actual, report.estimate, report.surprise_percent) == (
            date(2026, 9, 29),
            2.1,
            2.0,
            5.0,
        )
        (coming,) = await of(Kind.EARNINGS_CALENDAR)
        assert (coming.day, coming.hour, coming.estimate) == (date(2027, 1, 28), "after_close", 2.3)
        (article,) = await of(Kind.NEWS)
        assert (article.headline, article.published_at) == ("X rises", NOW - timedelta(hours=1))
        chain = await of(Kind.OPTIONS_CHAIN)
        assert sorted((one.expiration, one.side) for one in chain) == [
            (day, side) for day in (date(2026, 12, 4), date(2026, 12, 11)) for side in ("call", "put")
        ]
        assert (chain[0].implied_volatility, chain[0].bid) == (0.35, 5.0)
        assert [asked.path for asked in server.asked].count("/v1/test/getcrumb") == 1
        with pytest.raises(ProviderRefused, match="No fundamentals data"):
            await provider.data(DataRequest(Kind.EARNINGS, "NOSUCH", NOW.date(), NOW.date(), NOW))
        await provider.close()


@pytest.mark.skipif(not RECORDED.is_dir(), reason="recorded answers are not part of the project")
@pytest.mark.parametrize(
    ("file", "vendor", "kind", "count", "field", "value"),
    [
        ("alphavantage_global_quote_MSFT.json", "alpha_vantage", Kind.STOCK_QUOTES, 1, "price", None),
        ("alphavantage_overview_IBM.json", "alpha_vantage", Kind.COMPANY_INFO, 1, "exchange", "NYSE"),
        ("alphavantage_earnings_IBM.json", "alpha_vantage", Kind.EARNINGS, 100, "frequency", None),
        ("polygon_prev_AAPL.json", "polygon", Kind.STOCK_QUOTES, 1, "price", 156.8),
    ],
)  # fmt: skip
async def test_recorded_answers_read(file: str, vendor: str, kind: Kind, count: int, field: str, value: object) -> None:
    provider = VENDORS[vendor](VendorSettings("http://127.0.0.1:9", KEY), lambda: NOW)
    body = json.loads((RECORDED / file).read_text())
    found = provider.read(body, DataRequest(kind, "IBM", NOW.date(), NOW.date(), NOW))
    assert len(found) >= count
    assert getattr(found[0], field) is not None
    assert value is None or getattr(found[0], field) == value
    await provider.close()

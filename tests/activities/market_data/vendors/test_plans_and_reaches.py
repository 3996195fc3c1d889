"""What a plan, a young listing or a country lacks is no outage, no bad key and no refusal of all there is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.market_data.vendors.adapters.alpha_vantage import SHORT
from activities.market_data.vendors.adapters.interactive_brokers import InteractiveBrokers, _period
from activities.market_data.vendors.adapters.polygon import _ticker
from activities.market_data.vendors.adapters.yahoo_data import read_news, read_quote
from activities.market_data.vendors.circuit_breaker import Circuit
from activities.market_data.vendors.errors import ProviderMisconfigured, ProviderNoPlan, ProviderUnavailable
from activities.market_data.vendors.http_provider import HttpProvider
from activities.market_data.vendors.provider import BarRequest, DataRequest
from activities.market_data.vendors.status import state
from domain.timeframe import Timeframe
from domain.vendor_data import Kind
from tests.stand_ins.alpha_vantage import AlphaVantageStandIn
from tests.stand_ins.binance import BinanceStandIn
from tests.stand_ins.finnhub import FinnhubStandIn
from tests.stand_ins.interactive_brokers import InteractiveBrokersStandIn
from tests.stand_ins.market import Market
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.server import Asked, Reply, StandIn
from tests.stand_ins.vendor import KEY, Vendor
from tests.stand_ins.yahoo import YahooStandIn
from worker.provider_settings import VENDORS

NOW = datetime(2026, 11, 19, 15, 47, 20, tzinfo=UTC)  # a Thursday, the market is open
LISTED = datetime(2025, 3, 12, 13, 30, tzinfo=UTC)


@asynccontextmanager
async def asking(
    vendor: Vendor, answer: Callable[[Asked], Reply] | None = None
) -> AsyncIterator[tuple[HttpProvider, StandIn]]:
    async with StandIn(answer or vendor) as server:
        provider = VENDORS[vendor.name](server.settings(KEY), lambda: NOW)
        yield provider, server
        await provider.close()


def request(frame: str, start: datetime, end: datetime = NOW, symbol: str = "AAPL") -> BarRequest:
    return BarRequest(symbol, Timeframe(frame), start, end, NOW, Market().market)


# Yahoo


async def test_yahoo_has_no_bars_of_a_window_before_the_first_trade() -> None:
    vendor = YahooStandIn(lambda: NOW)
    vendor.listed = LISTED
    async with asking(vendor) as (yahoo, _):
        before = await yahoo.fetch(request("1d", LISTED - timedelta(days=400), LISTED - timedelta(days=30)))
        assert before.bars == ()
        hours = await yahoo.fetch(request("1h", NOW - timedelta(days=700), LISTED - timedelta(days=5)))
        assert hours.bars == ()
        whole = await yahoo.fetch(request("1d", LISTED - timedelta(days=400)))
        assert whole.begins_history
        assert whole.bars[0].open_time == LISTED
        assert yahoo.breaker.circuit is Circuit.CLOSED


def test_yahoos_previous_close_is_of_the_day_before_even_when_the_day_is_there_twice() -> None:
    """AMZN on 2019-01-25, as recorded: 1654.93 the day before, 1670.57 on the day, told twice."""
    days = [datetime(2019, 1, day, 14, 30, tzinfo=UTC) for day in (22, 23, 24, 25)]
    stamps = [*(int(day.timestamp()) for day in days), int(datetime(2019, 1, 25, 21, 0, tzinfo=UTC).timestamp())]
    closes = [1632.17, 1640.02, 1654.93, 1670.5699, 1670.57]
    asked = DataRequest(Kind.STOCK_QUOTES, "AMZN", days[0].date(), days[-1].date(), days[-1])

    def quoted(at: datetime, stamps: list[int], closes: list[Any]) -> Any:
        meta = {
            "regularMarketTime": int(at.timestamp()),
            "regularMarketPrice": 1670.57,
            "exchangeTimezoneName": "America/New_York",
        }
        (quote,) = read_quote({"meta": meta, "times": stamps, "closes": closes}, asked)
        return quote

    evening = datetime(2019, 1, 25, 21, 0, 1, tzinfo=UTC)
    assert quoted(evening, stamps, closes).previous_close == 1654.93
    assert quoted(evening, stamps[:-1], closes[:-1]).previous_close == 1654.93
    assert quoted(evening, stamps[:-2], closes[:-2]).previous_close == 1654.93, "today's row is not there yet"
    assert quoted(evening, stamps, [*closes[:2], None, *closes[3:]]).previous_close == 1640.02
    assert quoted(evening, stamps, closes).change_percent == pytest.approx(0.945, abs=1e-3)


def test_news_that_names_no_ticker_belongs_to_none() -> None:
    def item(uuid: str, **more: Any) -> dict[str, Any]:
        return {
            "uuid": uuid,
            "title": uuid,
            "providerPublishTime": 1763553600,
            "link": f"https://n.example/{uuid}",
            **more,
        }

    found = [
        item("own", relatedTickers=["SPOT", "AAPL"]),
        item("Spot Pet Insurance"),
        item("other", relatedTickers=["ZZZ"]),
    ]
    asked = DataRequest(Kind.NEWS, "SPOT", NOW.date(), NOW.date(), NOW)
    assert [one.headline for one in read_news({"news": found}, asked)] == ["own"]  # type: ignore[attr-defined]


# Interactive Brokers


@pytest.mark.parametrize(
    ("span", "period"),
    [
        (timedelta(minutes=1), "1min"), (timedelta(minutes=30), "30min"), (timedelta(minutes=31), "1h"),
        (timedelta(minutes=180), "3h"), (timedelta(hours=8), "8h"), (timedelta(hours=9), "1d"), (timedelta(days=3, hours=1), "4d"),
        (timedelta(days=1000), "1000d"),
    ],
)  # fmt: skip
def test_periods_are_those_the_gateway_documents(span: timedelta, period: str) -> None:
    assert _period(span) == period


async def test_volume_is_in_shares_though_the_gateway_counts_hundreds() -> None:
    async with asking(InteractiveBrokersStandIn(lambda: NOW)) as (brokers, _):
        start = NOW - timedelta(hours=3)
        bars = (await brokers.fetch(request("5m", start))).bars
    assert [bar.volume for bar in bars] == [row.volume for row in Market().rows("AAPL", "5m", start, NOW, NOW)]


@pytest.mark.parametrize(("frame", "days"), [("1m", 30), ("5m", 60), ("1h", 400), ("1d", 3500)])
async def test_pages_hold_what_one_answer_holds(frame: str, days: int) -> None:
    """The stand-in keeps the newest thousand points of an answer and refuses periods that are not documented."""
    async with asking(InteractiveBrokersStandIn(lambda: NOW)) as (brokers, _):
        start = NOW - timedelta(days=days)
        bars = (await brokers.fetch(request(frame, start))).bars
        assert [bar.open_time for bar in bars] == [row.opened for row in Market().rows("AAPL", frame, start, NOW, NOW)]


async def test_a_full_page_is_asked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InteractiveBrokers, "page", lambda self, frame: timedelta(days=900))
    async with asking(InteractiveBrokersStandIn(lambda: NOW)) as (brokers, server):
        start = NOW - timedelta(days=50)
        bars = (await brokers.fetch(request("5m", start))).bars
        assert [bar.open_time for bar in bars] == [row.opened for row in Market().rows("AAPL", "5m", start, NOW, NOW)]
        assert len([asked for asked in server.asked if "history" in asked.path]) == 3


async def test_a_contract_younger_than_the_window_gives_what_there_is() -> None:
    vendor = InteractiveBrokersStandIn(lambda: NOW)
    vendor.listed = LISTED
    async with asking(vendor) as (brokers, server):
        bars = (await brokers.fetch(request("1d", NOW - timedelta(days=3000)))).bars
        before = len(server.asked)
        again = await brokers.fetch(request("1d", NOW - timedelta(days=3000)))
        assert (again.begins_history, len(again.bars), len(server.asked) - before) == (True, len(bars), 1)
        listed = Market().rows("AAPL", "1d", LISTED, NOW, NOW)
        assert bars[-1].open_time == listed[-1].opened
        assert bars[0].open_time - LISTED <= timedelta(days=7)
        assert brokers.breaker.circuit is Circuit.CLOSED
    vendor.listed = NOW
    async with asking(vendor) as (brokers, _):
        with pytest.raises(ProviderUnavailable, match="no chart"):
            await brokers.fetch(request("1d", NOW - timedelta(days=100)))


async def test_where_a_chart_begins_is_asked_again_after_an_hour_and_for_each_timeframe() -> None:
    vendor = InteractiveBrokersStandIn(lambda: NOW)
    vendor.listed, since = LISTED, NOW - timedelta(days=900)
    async with asking(vendor) as (brokers, _):
        short = (await brokers.fetch(request("1d", since))).bars
        vendor.listed = None
        later = replace(request("1d", since), now=NOW + timedelta(minutes=59))
        assert len((await brokers.fetch(later)).bars) == len(short)
        later = replace(later, now=NOW + timedelta(minutes=61))
        assert len((await brokers.fetch(later)).bars) > len(short) + 190
        assert len((await brokers.fetch(request("1h", since))).bars) > 2000


async def test_no_chart_by_turns_is_a_bad_day_and_no_beginning() -> None:
    vendor, told = InteractiveBrokersStandIn(lambda: NOW), []

    def answer(asked: Asked) -> Reply:
        told.append(asked.path)
        bad = len(told) > 3  # the contract, the whole window's, then the newer half
        return Reply(500, {"error": "Chart data unavailable"}) if len(told) == 2 or bad else vendor(asked)

    async with asking(vendor, answer) as (brokers, _):
        with pytest.raises(ProviderUnavailable, match="now and then"):
            await brokers.fetch(request("1d", NOW - timedelta(days=900)))


# Polygon


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("EUR/USD", "C:EURUSD"), ("EURUSD=X", "C:EURUSD"), ("EURUSD", "C:EURUSD"), ("JPY=X", "C:USDJPY"), ("EUR-USD", "C:EURUSD"),
        ("BTC-USD", "X:BTCUSD"), ("BTC/USDT", "X:BTCUSDT"), ("BTCUSDT", "X:BTCUSDT"), ("eth-eur", "X:ETHEUR"),
        ("BRK-B", "BRK.B"), ("BRK.B", "BRK.B"), ("aapl", "AAPL"), ("BF-B", "BF.B"), ("BAC-PL", "BACpL"),
    ],
)  # fmt: skip
def test_tickers_as_polygon_writes_them(written: str, asked: str) -> None:
    assert _ticker(written) == asked


class OnAPlan(PolygonStandIn):
    """A key whose plan begins so many years ago; the free one ends with yesterday."""

    years = 2.0
    until_yesterday = False

    def well(self, asked: Asked) -> Reply:
        found = re.search(r"/range/.*/(\d+)/(\d+)$", asked.path)
        if found:
            start, end = (datetime.fromtimestamp(int(text) / 1000, UTC) for text in found.groups())
            refused = {"status": "NOT_AUTHORIZED", "request_id": "r"}
            if start < NOW - timedelta(days=365 * self.years, hours=1):
                said = "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing"
                return Reply(403, refused | {"message": said})
            if self.until_yesterday and end > NOW.replace(hour=5, minute=0, second=0):
                said = "Attempted to request today's data before end of day. Please upgrade your plan at https://polygon.io/pricing"
                return Reply(403, refused | {"message": said})
        return super().well(asked)


@pytest.mark.parametrize("years", [2, 5, 10])
async def test_polygons_plan_is_a_reach(years: float) -> None:
    vendor = OnAPlan(lambda: NOW)
    vendor.years = years
    async with asking(vendor) as (polygon, server):
        bars = (await polygon.fetch(request("1d", datetime(2010, 1, 4, tzinfo=UTC)))).bars
        assert abs(bars[0].open_time - (NOW - timedelta(days=365 * years))) < timedelta(days=5)
        assert bars[-1].close_time > NOW
        assert polygon.shortfall == f"the key's plan: stocks reach back {years} years"
        before = len(server.asked)
        await polygon.fetch(request("1d", datetime(2010, 1, 4, tzinfo=UTC)))
        assert len(server.asked) == before + 1, "it is known now"
        assert polygon.breaker.circuit is Circuit.CLOSED


async def test_polygons_free_plan_has_days_that_are_over() -> None:
    vendor = OnAPlan(lambda: NOW)
    vendor.until_yesterday = True
    async with asking(vendor) as (polygon, _):
        bars = (await polygon.fetch(request("1d", NOW - timedelta(days=9)))).bars
        assert bars[-1].open_time.date().isoformat() == "2026-11-18"
        assert polygon.shortfall == "the key's plan: stocks end with yesterday"
        vendor.years, vendor.until_yesterday = 0.001, False
        with pytest.raises(ProviderNoPlan):
            await polygon.fetch(request("1d", NOW - timedelta(days=9), NOW - timedelta(days=5)))


async def test_what_one_class_lacks_another_may_have() -> None:
    """Stocks, currencies and crypto are plans of their own."""
    vendor = OnAPlan(lambda: NOW)
    vendor.until_yesterday, since = True, datetime(2010, 1, 4, tzinfo=UTC)
    async with asking(vendor) as (polygon, _):
        await polygon.fetch(request("1d", since))
        vendor.years, vendor.until_yesterday = 99, False
        bars = (await polygon.fetch(request("1d", since, symbol="BTC-USD"))).bars
        assert bars[0].open_time - since < timedelta(days=7)
        assert not bars[-1].final


async def test_a_refusal_of_everything_teaches_nothing() -> None:
    vendor = OnAPlan(lambda: NOW)
    vendor.years = 0.0001
    async with asking(vendor) as (polygon, _):
        with pytest.raises(ProviderNoPlan):
            await polygon.fetch(request("1d", NOW - timedelta(days=9)))
        assert polygon.shortfall == ""
        vendor.years = 99
        assert not (await polygon.fetch(request("1d", NOW - timedelta(days=9)))).bars[-1].final


# Finnhub, Binance, Alpha Vantage


@pytest.mark.parametrize("status", [401, 403])
async def test_finnhubs_plan_lacks_a_ticker_which_shuts_nothing(status: int) -> None:
    vendor = FinnhubStandIn(lambda: NOW)

    def answer(asked: Asked) -> Reply:
        if asked.query.get("symbol") == "EQNR.OL":
            return Reply(status, {"error": "You don't have access to this resource."})
        return vendor(asked)

    async with asking(vendor, answer) as (finnhub, _):
        with pytest.raises(ProviderNoPlan):
            await finnhub.fetch(request("1d", NOW - timedelta(days=30), symbol="EQNR.OL"))
        assert finnhub.breaker.circuit is Circuit.CLOSED
        assert (await finnhub.fetch(request("1d", NOW - timedelta(days=30)))).bars


async def test_binance_of_another_country_is_a_setting_to_change() -> None:
    said = "Service unavailable from a restricted location according to 'b. Eligibility' in https://www.binance.com/en/terms."
    async with asking(BinanceStandIn(lambda: NOW), lambda asked: Reply(451, {"code": 0, "msg": said})) as (
        binance,
        server,
    ):
        for _ in range(2):
            with pytest.raises(ProviderMisconfigured, match="BINANCE_BASE_URL"):
                await binance.fetch(request("1h", NOW - timedelta(days=1), symbol="BTCUSDT"))
        assert len(server.asked) == 1, "it is not asked again"


class FreeKey(AlphaVantageStandIn):
    """All days are a paid feature."""

    def well(self, asked: Asked) -> Reply:
        if asked.query["function"] == "TIME_SERIES_DAILY" and asked.query.get("outputsize") == "full":
            said = (
                "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature for the "
                "TIME_SERIES_DAILY endpoint. You may subscribe to any of the premium plans at "
                "https://www.alphavantage.co/premium/ to instantly unlock all premium features"
            )
            return Reply(body={"Information": said})
        return super().well(asked)


async def test_alpha_vantage_gives_a_hundred_days_and_says_so() -> None:
    async with asking(FreeKey(lambda: NOW)) as (vendor, server):
        fetched = await vendor.fetch(request("1d", datetime(2015, 1, 1, tzinfo=UTC)))
        assert len(fetched.bars) == 100
        assert not fetched.begins_history
        assert (vendor.shortfall, state(vendor)["shortfall"]) == (SHORT, SHORT)
        assert vendor.reach(Timeframe("1d")) == timedelta(days=120)
        weeks = await vendor.fetch(request("1w", datetime(2015, 1, 1, tzinfo=UTC)))
        assert len(weeks.bars) > 500, "weeks are free"
        assert [one.query["outputsize"] for one in server.asked if "DAILY" in one.query["function"]] == [
            "full",
            "compact",
        ]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Please consider spreading out your free API requests more sparingly (1 request per second). You may subscribe to any of the "
         "premium plans to lift the free key rate limit (25 requests per day), raise the per-second burst limit, and instantly unlock "
         "all premium endpoints", ProviderUnavailable),
        ("Thank you for using Alpha Vantage! Please contact premium@alphavantage.co if you are targeting a higher API call volume.",
         ProviderUnavailable),
        ("Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to any of the premium plans to instantly "
         "unlock all premium endpoints", ProviderNoPlan),
        ("This is a premium endpoint. To access the actual data, please subscribe to the 600 requests per minute premium plan",
         ProviderNoPlan),
    ],
)  # fmt: skip
async def test_alpha_vantages_newer_words(said: str, kind: type[Exception]) -> None:
    async with asking(AlphaVantageStandIn(lambda: NOW), lambda asked: Reply(body={"Information": said})) as (vendor, _):
        with pytest.raises(kind) as caught:
            await vendor.fetch(request("1m", NOW - timedelta(hours=1)))
        assert type(caught.value) is kind


async def test_alpha_vantage_keeps_a_second_between_calls() -> None:
    buckets = VENDORS["alpha_vantage"].rates
    assert buckets == "1/second, 25/day"


async def test_a_refusal_hidden_in_a_calendars_cells_is_no_empty_calendar() -> None:
    head = "symbol,name,reportDate,fiscalDateEnding,estimate,currency,timeOfTheDay\r\nI,n,f,o,r,m,a\r\n"
    async with asking(AlphaVantageStandIn(lambda: NOW), lambda asked: Reply(200, head, "application/x-download")) as (
        vendor,
        _,
    ):
        with pytest.raises(ProviderUnavailable, match="asks to wait"):
            await vendor.data(DataRequest(Kind.EARNINGS_CALENDAR, "AAPL", NOW.date(), NOW.date(), NOW))

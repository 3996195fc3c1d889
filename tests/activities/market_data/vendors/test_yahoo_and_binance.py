"""Yahoo and Binance against local servers that speak their wire format, faults included."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from activities.market_data.calendars.calendars import Calendars
from activities.market_data.vendors.adapters.binance import Binance
from activities.market_data.vendors.adapters.yahoo import Yahoo
from activities.market_data.vendors.errors import ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.http import VendorSettings, retry_after
from activities.market_data.vendors.provider import BarRequest
from domain.timeframe import Timeframe
from tests.stand_ins.server import PATIENT

NOW = datetime(2026, 1, 5, 15, 0, 30, tzinfo=UTC)
RECORDED = Path(__file__).parents[4].parent / "shared" / "provider_responses"


def request(frame: str = "1m", minutes: int = 10, symbol: str = "AAPL") -> BarRequest:
    return BarRequest(symbol, Timeframe(frame), NOW - timedelta(minutes=minutes), NOW + timedelta(minutes=1), NOW)


@pytest.fixture
async def yahoo(httpserver: HTTPServer) -> AsyncIterator[Yahoo]:
    provider = Yahoo(VendorSettings(httpserver.url_for(""), timeout=PATIENT))
    yield provider
    await provider.close()


@pytest.fixture
async def binance(httpserver: HTTPServer) -> AsyncIterator[Binance]:
    provider = Binance(VendorSettings(httpserver.url_for(""), timeout=PATIENT))
    yield provider
    await provider.close()


def chart(stamps: list[Any], **columns: list[Any]) -> dict[str, Any]:
    size = len(stamps)
    quote = {
        "open": [10.0] * size,
        "high": [11.0] * size,
        "low": [9.0] * size,
        "close": [10.5] * size,
        "volume": [100] * size,
    }
    quote.update(columns)
    return {"chart": {"result": [{"meta": {}, "timestamp": stamps, "indicators": {"quote": [quote]}}], "error": None}}


def stamp(minutes_ago: int) -> int:
    return int(NOW.replace(second=0).timestamp()) - 60 * minutes_ago


async def test_yahoo_marks_the_last_bar_open_and_labels_by_open(httpserver: HTTPServer, yahoo: Yahoo) -> None:
    httpserver.expect_request("/v8/finance/chart/AAPL").respond_with_json(chart([stamp(2), stamp(1), stamp(0)]))
    bars = (await yahoo.fetch(request())).bars
    assert [bar.final for bar in bars] == [True, True, False]
    assert bars[0].open_time == datetime.fromtimestamp(stamp(2), UTC)
    assert bars[0].close_time - bars[0].open_time == timedelta(minutes=1)


async def test_yahoo_hourly_bars_keep_the_exchanges_half_hours(httpserver: HTTPServer, yahoo: Yahoo) -> None:
    opened = int(datetime(2026, 1, 5, 14, 30, tzinfo=UTC).timestamp())
    live = int(NOW.timestamp()) - 5
    httpserver.expect_request("/v8/finance/chart/AAPL").respond_with_json(chart([opened, live], volume=[5, 9]))
    exchange = replace(request("1h", 300), market=Calendars(lambda: NOW).of("AAPL"))
    bars = (await yahoo.fetch(exchange)).bars
    assert [(bar.open_time.minute, bar.close_time.minute, bar.volume, bar.final) for bar in bars] == [
        (30, 30, 9, False)
    ]


async def test_yahoo_lies_become_missing_values(httpserver: HTTPServer, yahoo: Yahoo) -> None:
    stamps = [stamp(5), stamp(4), stamp(3), stamp(2), stamp(2), "soon"]
    body = chart(
        stamps,
        open=[None, 10.0, 10.0, 10.0, 10.0, 1], high=[None, 8.0, 1e400, 11.0, 11.0, 1], low=[None, 9.0, 9.0, 9.0, 9.0, 1],
        close=[None, 10.5, 10.5, None, 10.4, 1], volume=[None, 1, 1, 1, 1, 1],
    )  # fmt: skip
    text = json.dumps(body)
    httpserver.expect_request("/v8/finance/chart/AAPL").respond_with_data(text, content_type="application/json")
    bars = (await yahoo.fetch(request())).bars
    assert [bar.open_time.minute for bar in bars] == [56, 57, 58], "no trade at all: left out; of duplicates the last"
    assert [math.isnan(bar.close) for bar in bars] == [True, True, False]
    assert bars[2].close == 10.4


@pytest.mark.parametrize(
    ("status", "body", "content", "error"),
    [
        (429, "Edge: Too Many Requests", "text/plain", ProviderUnavailable),
        (200, "<html>Will be right back</html>", "text/html", ProviderUnavailable),
        (500, "", "text/plain", ProviderUnavailable),
        (401, '{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}', "application/json", ProviderUnavailable),
        (404, '{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found"}}}', "application/json", ProviderRefused),
        (422, '{"chart":{"result":null,"error":{"code":"Unprocessable Entity","description":"1m data not available"}}}', "application/json", ProviderRefused),
        (200, '{"chart":', "application/json", ProviderUnavailable),
        (200, "[]", "application/json", ProviderUnavailable),
        (200, '{"chart":{"result":[],"error":null}}', "application/json", ProviderUnavailable),
        (200, "[" * 100_000, "application/json", ProviderUnavailable),
        (302, "", "text/html", ProviderUnavailable),
    ],
)  # fmt: skip
async def test_yahoo_failures_are_sorted(
    httpserver: HTTPServer, yahoo: Yahoo, status: int, body: str, content: str, error: type[Exception]
) -> None:
    httpserver.expect_request("/v8/finance/chart/AAPL").respond_with_data(body, status, content_type=content)
    with pytest.raises(error) as caught:
        await yahoo.fetch(request())
    assert "http" not in str(caught.value).replace("HTTP", "")


async def test_yahoo_window_without_trades_is_empty(httpserver: HTTPServer, yahoo: Yahoo) -> None:
    body = {"chart": {"result": [{"meta": {}, "indicators": {"quote": [{}]}}], "error": None}}
    httpserver.expect_request("/v8/finance/chart/AAPL").respond_with_json(body)
    assert (await yahoo.fetch(request())).bars == ()


def kline(minutes_ago: int, close: str = "10.5") -> list[Any]:
    opened = stamp(minutes_ago) * 1000
    return [opened, "10", "11", "9", close, "5", opened + 59_999, "52", 7, "1", "2", "0"]


async def test_binance_reads_decimals_and_leaves_the_open_bar_open(httpserver: HTTPServer, binance: Binance) -> None:
    httpserver.expect_request("/api/v3/klines").respond_with_json([kline(2), kline(1), kline(0)])
    bars = (await binance.fetch(request(symbol="BTC-USDT"))).bars
    assert [(bar.close, bar.final) for bar in bars] == [(10.5, True), (10.5, True), (10.5, False)]
    sent = httpserver.log[0][0]
    assert (sent.args["symbol"], sent.args["interval"], sent.args["limit"]) == ("BTCUSDT", "1m", "1000")


async def test_binance_pages_until_a_page_is_short_and_never_for_ever(httpserver: HTTPServer, binance: Binance) -> None:
    end = int((NOW + timedelta(minutes=1)).timestamp() * 1000)

    def answer(sent: Any) -> Any:
        from werkzeug import Response

        first = -(-int(sent.args["startTime"]) // 60_000) * 60_000
        rows = [
            [at, "10", "11", "9", "10.5", "5", at + 59_999] for at in range(first, min(first + 60_000_000, end), 60_000)
        ]
        return Response(json.dumps(rows), content_type="application/json")

    httpserver.expect_request("/api/v3/klines").respond_with_handler(answer)
    bars = (await binance.fetch(request(minutes=2500))).bars
    assert len(bars) == 2500, "not the one that has not begun yet"
    assert len(httpserver.log) == 3
    httpserver.clear()
    httpserver.expect_request("/api/v3/klines").respond_with_json([kline(5)] * 1000)
    assert len((await binance.fetch(request())).bars) == 1
    assert len(httpserver.log) <= 3


@pytest.mark.parametrize(
    ("status", "body", "headers", "error", "wait"),
    [
        (429, {"code": -1003, "msg": "Too much request weight"}, {"Retry-After": "7"}, ProviderUnavailable, 7),
        (418, {"code": -1003, "msg": "IP banned"}, {"Retry-After": "120"}, ProviderUnavailable, 120),
        (429, {"code": -1003, "msg": "x"}, {}, ProviderUnavailable, None),
        (400, {"code": -1121, "msg": "Invalid symbol."}, {}, ProviderRefused, None),
        (403, {"msg": "WAF"}, {}, ProviderUnavailable, None),
        (503, {}, {}, ProviderUnavailable, None),
        (200, {"code": -1000}, {}, ProviderUnavailable, None),
        (200, "hello", {}, ProviderUnavailable, None),
    ],
)
async def test_binance_failures_are_sorted(
    httpserver: HTTPServer,
    binance: Binance,
    status: int,
    body: Any,
    headers: dict[str, str],
    error: type[Exception],
    wait: int | None,
) -> None:
    httpserver.expect_request("/api/v3/klines").respond_with_json(body, status, headers=headers)
    with pytest.raises(error) as caught:
        await binance.fetch(request())
    if wait is not None:
        assert caught.value.retry_after == timedelta(seconds=wait)  # type: ignore[attr-defined]


async def test_binance_rows_of_the_wrong_shape_are_left_out(httpserver: HTTPServer, binance: Binance) -> None:
    rows = [kline(3), [1], None, ["x"] * 12, [10**400, 1, 1, 1, 1, 1], [*kline(2)[:4], "NaN", "5"]]
    httpserver.expect_request("/api/v3/klines").respond_with_data(json.dumps(rows), content_type="application/json")
    bars = (await binance.fetch(request())).bars
    assert [math.isnan(bar.close) for bar in bars] == [False, True]


def test_retry_after_forms() -> None:
    assert retry_after("30", NOW) == timedelta(seconds=30)
    assert retry_after("Mon, 05 Jan 2026 15:01:00 GMT", NOW) == timedelta(seconds=30)
    assert retry_after("soon", NOW) is None
    assert retry_after("-5", NOW) == timedelta(0)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="recorded answers are not part of the project")
async def test_recorded_answers_read(httpserver: HTTPServer, yahoo: Yahoo, binance: Binance) -> None:
    body = json.loads((RECORDED / "yahoo_chart-AAPL-2020-08-31-to-2020-11-07.json").read_text())
    httpserver.expect_request("/v8/finance/chart/AAPL").respond_with_json(body["response"]["bodyJson"])
    window = BarRequest(
        "AAPL", Timeframe("1d"), datetime(2020, 8, 1, tzinfo=UTC), datetime(2020, 12, 1, tzinfo=UTC), NOW
    )
    assert len((await yahoo.fetch(window)).bars) == 49
    rows = json.loads((RECORDED / "binance_klines_BTCUSDT_1m_open_last_bar.json").read_text())
    httpserver.expect_request("/api/v3/klines").respond_with_json(rows)
    first, last = (datetime.fromtimestamp(row[0] / 1000, UTC) for row in (rows[0], rows[-1]))
    seen = last + timedelta(seconds=20)
    bars = (await binance.fetch(BarRequest("BTCUSDT", Timeframe("1m"), first, seen, seen))).bars
    assert [bar.final for bar in bars] == [True] * 9 + [False]

"""Tickers are in capitals wherever they are written; an empty one is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from activities.market_data.vendors.errors import ProviderRefused
from activities.market_data.vendors.http import VendorSettings
from activities.market_data.vendors.provider import BarRequest, DataRequest
from domain.definition import read_definition
from domain.errors import InvalidInput
from domain.job import read_job
from domain.schedule_draft import ScheduleDraft
from domain.ticker import ticker
from domain.timeframe import DAILY
from domain.vendor_data import Kind
from worker.provider_settings import VENDORS

NOW = datetime(2026, 11, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "name"),
    [("aapl", "AAPL"), (" brk-b ", "BRK-B"), ("btc-usd", "BTC-USD"), ("eurusd=x", "EURUSD=X"), ("^gspc", "^GSPC")],
)
def test_a_ticker_is_in_capitals(written: str, name: str) -> None:
    assert ticker(written) == name
    assert read_definition({"symbol": written, "rule": "close > 1"}).symbol == name
    if name.isalpha():
        assert read_definition({"symbol": written, "rule": f"{name} > 1"}).symbol == name
    job = read_job("report", {"symbols": [written, name.lower()]}, cron="@daily")
    assert job.params.symbols == (name, name)
    draft = ScheduleDraft("alert", {"rule": "close > 1", "symbol": name}, target=written)
    assert draft.definition().symbol == name  # type: ignore[union-attr]


@pytest.mark.parametrize("written", ["", " ", "A B", "-X", "A" * 33])
def test_what_is_no_ticker_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected a ticker"):
        ticker(written)
    with pytest.raises(InvalidInput, match="symbol"):
        read_definition({"symbol": written, "rule": "close > 1"})
    with pytest.raises(InvalidInput, match="symbols"):
        read_job("report", {"symbols": [written]}, cron="@daily")


@pytest.mark.parametrize("name", VENDORS)
async def test_no_vendor_is_asked_for_no_ticker(name: str) -> None:
    provider = VENDORS[name](VendorSettings("http://127.0.0.1:9", "k"), lambda: NOW)
    with pytest.raises(ProviderRefused, match="no ticker"):
        await provider.fetch(BarRequest(" ", DAILY, NOW - timedelta(days=9), NOW, NOW))
    if Kind.STOCK_QUOTES in provider.kinds:
        with pytest.raises(ProviderRefused, match="no ticker"):
            await provider.data(DataRequest(Kind.STOCK_QUOTES, "", NOW.date(), NOW.date(), NOW))
    assert provider.breaker.limiter.calls == 0
    await provider.close()

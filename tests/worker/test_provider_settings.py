"""Vendors' settings from the environment: all of it, in order, every fault at once, no key in sight."""

from __future__ import annotations

import pytest

from activities.market_data.vendors.http import VendorSettings
from domain.errors import InvalidInput
from worker.settings import effective, load_settings
from worker.wiring import build_providers


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(
            ("ALERTS_", "POLYGON_", "FINNHUB_", "YAHOO_", "BINANCE_", "ALPHA_", "DATA_", "INTERACTIVE_")
        ):
            monkeypatch.delenv(name)


async def test_everything_of_a_vendor_is_set_by_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ALERTS_PROVIDERS": "yahoo, polygon, interactive_brokers, csv, simulated, finnhub", "POLYGON_BASE_URL": "http://polygon.example",
        "POLYGON_API_KEY": "hush", "POLYGON_RATE": "100/minute, 9/second", "POLYGON_TIMEOUT": "3.5", "POLYGON_PRIORITY": "5",
        "DATA_TIMEOUT": "7", "FINNHUB_PRIORITY": "15", "ALERTS_MARKETS": "SAP.F=XFRA, GOLD=CMES",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.vendor("polygon") == VendorSettings(
        "http://polygon.example", "hush", 3.5, "100/minute, 9/second", 5
    )
    assert settings.vendor("yahoo").timeout == 7
    assert settings.in_order == ["polygon", "yahoo", "finnhub", "interactive_brokers", "csv", "simulated"]
    made = build_providers(settings)
    assert [one.name for one in made] == settings.in_order
    assert [bucket.calls for bucket in made[0].breaker.limiter.rates] == [100, 9]  # type: ignore[union-attr]
    assert settings.alerts_markets == {"SAP.F": "XFRA", "GOLD": "CMES"}
    assert "hush" not in str(effective(settings)) + repr(settings)
    for one in made:
        await one.close()


def test_every_fault_is_told_at_once_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ALERTS_PROVIDERS": "yahoo,bloomberg", "POLYGON_RATE": "many", "FINNHUB_BASE_URL": "finnhub", "YAHOO_TIMEOUT": "0",
        "BINANCE_PRIORITY": "first", "ALERTS_MARKETS": "SAP", "ALERTS_DEFAULT_MARKET": "XXXX", "FINNHUB_API_KEY": "hush",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    named = {fault.path for fault in caught.value.faults}
    assert named == {
        "ALERTS_PROVIDERS", "POLYGON_RATE", "FINNHUB_BASE_URL", "YAHOO_TIMEOUT", "BINANCE_PRIORITY", "ALERTS_MARKETS", "ALERTS_DEFAULT_MARKET",
    }  # fmt: skip
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["POLYGON_API_KEY", "NOTIFICATION_SERVICE_KEY", "TELEGRAM_BOT_TOKEN"])
def test_a_key_that_no_header_can_hold_is_told_when_it_is_read_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An ellipsis, pasted from a manual, would fail in the middle of every request."""
    monkeypatch.setenv(name, "my key…")
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    (fault,) = caught.value.faults
    assert "expected letters, digits and signs" in str(fault)
    assert "my key" not in str(caught.value)
    assert name in fault.path.upper()

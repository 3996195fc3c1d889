"""The simulated market: the same bars wherever and however they are asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from activities.market_data.vendors.errors import ProviderRefused
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import BarRequest
from domain.timeframe import Timeframe

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
PINNED = (342.7724, 342.827, 342.7614, 342.7997, 1606.0)


def bars(frame: str, count: int, *, now: datetime = NOON, symbol: str = "AAPL", seed: int = 7) -> list[object]:
    length = Timeframe(frame).length
    return list(SimulatedMarket(seed).bars(BarRequest(symbol, Timeframe(frame), now - length * count, now, now)))


def test_figures_are_pinned() -> None:
    """These were printed once; another machine, another NumPy must print the same."""
    (bar,) = SimulatedMarket().bars(BarRequest("AAPL", Timeframe("1m"), NOON - timedelta(minutes=1), NOON, NOON))
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == PINNED


def test_windows_and_instances_agree() -> None:
    assert bars("1m", 500)[-100:] == bars("1m", 100)
    assert bars("1m", 5) != bars("1m", 5, seed=8)
    assert bars("1m", 5) != bars("1m", 5, symbol="MSFT")


@pytest.mark.parametrize("midnight", [NOON, datetime(2026, 1, 6, 0, 2, tzinfo=UTC)])
def test_timeframes_are_cut_from_one_path(midnight: datetime) -> None:
    whole = SimulatedMarket().bars(BarRequest("X", Timeframe("5m"), midnight - timedelta(hours=1), midnight, midnight))
    parts = SimulatedMarket().bars(
        BarRequest("X", Timeframe("1s"), whole[0].open_time, whole[-1].close_time, midnight + timedelta(hours=1))
    )
    for index, bar in enumerate(whole):
        inside = parts[index * 300 : (index + 1) * 300]
        if bar.final:
            assert (bar.open, bar.close) == (inside[0].open, inside[-1].close)
            assert (bar.high, bar.low) == (max(b.high for b in inside), min(b.low for b in inside))
            assert bar.volume == sum(b.volume for b in inside)


def test_every_bar_is_sound_and_the_last_one_forms() -> None:
    found = SimulatedMarket().bars(
        BarRequest("X", Timeframe("1m"), NOON - timedelta(hours=5), NOON, NOON - timedelta(seconds=20))
    )
    assert all(bar.is_sound for bar in found)
    assert [bar.final for bar in found[-2:]] == [True, False]


def test_there_is_nothing_before_its_beginning() -> None:
    with pytest.raises(ProviderRefused):
        SimulatedMarket().bars(BarRequest("X", Timeframe("1d"), datetime(2019, 1, 1, tzinfo=UTC), NOON, NOON))

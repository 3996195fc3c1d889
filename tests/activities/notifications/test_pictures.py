"""Pictures of fires: drawn elsewhere, of the bars that were judged; a notice never waits for one that cannot be."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import psutil
import pytest

from activities.charting.theme import THEMES
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import BarRequest
from activities.notifications.artist import Artist
from activities.notifications.picture import draw, table_of
from domain.alert import Alert, AlertEvent, EventKind, Status
from domain.bar import Bar
from domain.definition import read_definition
from domain.timeframe import Timeframe
from storage.database import Database
from tests.conftest import START

FRAME = Timeframe("15m")
RULES = {
    "an oscillator": "rsi(14) > 70 and close > sma(50)",
    "a cross of outputs": "macd().macd crosses_above macd().macdsignal",
    "a band": "close > bbands(20).upperband",
    "a far threshold": "close > 1",
    "a volume": "volume > 1000",
    "a longer frame": "rsi(14)@1h > 60",
}


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


@pytest.fixture(scope="module")
def bars() -> list[Bar]:
    end = FRAME.floor(START)
    request = BarRequest("SIM", FRAME, end - 400 * FRAME.length, end, end)
    return [bar for bar in SimulatedMarket(7).bars(request) if bar.close_time <= end]


def fire(at: datetime, **fields: object) -> AlertEvent:
    given = {"bar_close": at, "values": {}, **fields}
    return AlertEvent("e" * 32, "a1", 1, EventKind.TRIGGERED, at, Status.TRIGGERED, "fired", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_sort_of_rule_has_its_picture(bars: list[Bar], rule: str, theme: str) -> None:
    definition = read_definition({"symbol": "SIM", "timeframe": "15m", "rule": rule, "timezone": "Asia/Kolkata"})
    width, height = size_of(draw(definition.as_json(), bars, bars[-1].close_time, theme))
    assert width == 800
    assert 500 <= height <= 1000


def test_outputs_of_one_indicator_share_a_panel(bars: list[Bar]) -> None:
    def height(rule: str) -> int:
        definition = read_definition({"symbol": "SIM", "timeframe": "15m", "rule": rule})
        return size_of(draw(definition.as_json(), bars, bars[-1].close_time))[1]

    one, two = height("macd().macd crosses_above macd().macdsignal"), height("rsi(14) > 70 and cci(20) > 100")
    assert two - one == 160
    assert len(table_of(bars, FRAME.length)) == 400


def test_holes_do_no_harm(bars: list[Bar]) -> None:
    nan = float("nan")
    holed = [replace(bar, close=nan, open=nan) if place % 7 == 0 else bar for place, bar in enumerate(bars)]
    definition = read_definition({"symbol": "SIM", "timeframe": "15m", "rule": "rsi(14) > 70"})
    assert size_of(draw(definition.as_json(), holed, bars[-1].close_time))


@pytest.fixture
async def artist(any_database: Database, bars: list[Bar]) -> AsyncIterator[Artist]:
    definition = read_definition({"symbol": "SIM", "timeframe": "15m", "rule": "rsi(14) > 70"})
    async with any_database.transaction() as work:
        await work.schedules.add(Alert(id="a1", definition=definition), START)
        await work.bars.save("SIM", "15m", "simulated/raw", bars, "simulated")
    made = Artist(any_database, "light")
    yield made
    made.close()


async def test_it_is_drawn_in_another_process_that_does_not_outlive_this_one(artist: Artist, bars: list[Bar]) -> None:
    found = await artist.picture(fire(bars[-1].close_time), "a1")
    assert found is not None
    assert size_of(found)[0] == 800
    (process,) = artist.side.processes
    assert process.pid != os.getpid()
    artist.close()
    async with asyncio.timeout(60):
        while _lives(process.pid):  # its pool may be the one that hears of its end
            await asyncio.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_of_what_is_no_fire_or_has_no_bars_there_is_none(artist: Artist, bars: list[Bar]) -> None:
    last = bars[-1].close_time
    for event, alert in (
        (None, "a1"), (fire(last), "other"), (fire(last + timedelta(hours=1)), "a1"), (fire(bars[5].close_time), "a1"),
        (replace(fire(last), kind=EventKind.ERROR), "a1"), (fire(last, bar_close=None), "a1"),
    ):  # fmt: skip
        assert await artist.picture(event, alert) is None
    artist.theme = "off"
    assert await artist.picture(fire(last), "a1") is None
    assert not artist.side.processes, "nothing was started for nothing"


async def test_what_goes_wrong_keeps_no_notice(
    artist: Artist, bars: list[Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def broken(*_given: object) -> bytes:
        nonlocal asked
        asked += 1
        raise MemoryError

    monkeypatch.setattr(artist, "_drawn", broken)
    for _ in range(3):
        assert await artist.picture(fire(bars[-1].close_time), "a1") is None
    assert asked == 1, "it rests for a while"

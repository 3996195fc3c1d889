"""Trades where the calendar knows no session are told; ghosts, auctions and extended hours are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from activities.market_data.calendars.calendars import Calendars
from activities.market_data.vendors.provider import BarRequest
from activities.market_data.vendors.status import NOTE, state, states
from domain.timeframe import DAILY, Timeframe
from starter.doctor import Doctor, Verdict
from starter.statistics import statistics
from storage.database import Database
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.server import Asked, Reply, StandIn
from tests.stand_ins.vendor import KEY
from tests.stand_ins.yahoo import YahooStandIn
from worker.provider_settings import VENDORS
from worker.settings import load_settings

NOW = datetime(2026, 11, 19, 15, 47, 20, tzinfo=UTC)
SATURDAY = datetime(2026, 11, 14, 14, 30, tzinfo=UTC)


class WithExtra(YahooStandIn):
    """One more row than our calendar knows of: (label, volume)."""

    extra: tuple[datetime, int]

    def well(self, asked: Asked) -> Reply:
        found = super().well(asked)
        result = found.body["chart"]["result"][0]
        quote = result["indicators"]["quote"][0]
        label, volume = self.extra
        result["timestamp"].append(int(label.timestamp()))
        for name, cell in (("open", 100.0), ("high", 101.0), ("low", 99.0), ("close", 100.5), ("volume", volume)):
            quote[name].append(cell)
        return found


async def found_with(label: datetime, volume: int, frame: str) -> Any:
    vendor = WithExtra(lambda: NOW)
    vendor.extra = (label, volume)
    async with StandIn(vendor) as server:
        provider = VENDORS["yahoo"](server.settings(), lambda: NOW)
        market = Calendars(lambda: NOW).of("AAPL")
        fetched = await provider.fetch(BarRequest("AAPL", Timeframe(frame), NOW - timedelta(days=8), NOW, NOW, market))
        assert all(bar.open_time != label for bar in fetched.bars), "it is left out"
        await provider.close()
        return provider.unknown_sessions


async def test_a_day_and_an_hour_that_we_know_no_session_of_are_told() -> None:
    told = {"market": "XNYS", "times": 1, "newest": "2026-11-14T14:30:00+00:00", "symbol": "AAPL"}
    assert await found_with(SATURDAY, 1000, "1d") == [told]
    late = datetime(2026, 11, 18, 22, 0, tzinfo=UTC)
    assert (await found_with(late, 1000, "1h"))[0]["newest"] == late.isoformat()


async def test_ghosts_and_auctions_are_not() -> None:
    assert await found_with(SATURDAY, 0, "1d") == [], "a row without a trade, as on holidays"
    closing = datetime(2026, 11, 18, 21, 0, tzinfo=UTC)
    assert await found_with(closing, 1000, "1m") == [], "the closing auction's"


async def test_a_vendor_with_extended_hours_tells_of_whole_days_alone() -> None:
    vendor, extra = PolygonStandIn(lambda: NOW), [datetime(2026, 11, 18, 23, 0, tzinfo=UTC)]

    def answer(asked: Asked) -> Reply:
        found = vendor(asked)
        row = {"v": 9, "o": 1.0, "h": 1.0, "l": 1.0, "c": 1.0}
        found.body["results"] += [{**row, "t": int(at.timestamp() * 1000)} for at in extra]
        return found

    async with StandIn(answer) as server:
        polygon = VENDORS["polygon"](server.settings(KEY), lambda: NOW)
        request = BarRequest("AAPL", Timeframe("5m"), NOW - timedelta(days=7), NOW, NOW, vendor.market.market)
        await polygon.fetch(request)
        assert polygon.unknown_sessions == []
        extra[:] = [SATURDAY]
        await polygon.fetch(request)
        assert [one["newest"] for one in polygon.unknown_sessions] == [SATURDAY.isoformat()]
        await polygon.close()


async def test_the_doctor_says_so(database: Database) -> None:
    polygon = VENDORS["polygon"]()
    doctor = Doctor(load_settings(), database)
    assert [one.verdict for one in await doctor._sessions()] == [Verdict.OK]
    polygon.outside.note(Calendars(lambda: NOW).of("AAPL"), "AAPL", [SATURDAY], extended_hours=True)
    async with database.transaction() as work:
        await work.reports.put(f"{NOTE}worker-1", datetime.now(UTC), {"providers": states([polygon])})
    (finding,) = await doctor._sessions()
    assert finding.verdict is Verdict.FAIL
    assert (
        "polygon has trades of AAPL at 2026-11-14T14:30 UTC (1 times) where the calendar of XNYS has no session"
        in finding.found
    )
    assert "ALERTS_MARKETS" in finding.mend
    assert (await statistics(database, load_settings(), datetime.now(UTC)))["market_data"] == {
        "times_outside_sessions": 1
    }
    assert state(polygon)["unknown_sessions"]
    assert DAILY in polygon.intervals
    await polygon.close()

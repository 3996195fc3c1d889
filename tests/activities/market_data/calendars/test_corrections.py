"""Sessions that the library lacks or has wrong, and its calendars under today's pandas."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from activities.market_data.calendars.calendars import Calendars
from activities.market_data.calendars.construction import EARLIEST, build
from activities.market_data.calendars.exchange import Exchange
from activities.market_data.calendars.tickers import SUFFIXES
from domain.timeframe import DAILY, Timeframe

TODAY = date(2026, 11, 20)
WEEK = Timeframe("1w")


@pytest.fixture(scope="module")
def calendars() -> Calendars:
    return Calendars(lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))


def hours(market: Exchange, day: str) -> str:
    """Its local spans; empty for a day without a session."""
    found = next((one for one in market.sessions if one.day == date.fromisoformat(day)), None)
    spans = (
        [(first.astimezone(market.zone), last.astimezone(market.zone)) for first, last in found.spans] if found else []
    )
    return " ".join(f"{first:%H:%M}-{last:%H:%M}" for first, last in spans)


@pytest.mark.parametrize(
    ("code", "day", "expected"),
    [
        ("XKRX", "2026-11-19", "10:00-16:30"),  # the university entrance exam
        ("XKRX", "2024-11-14", "10:00-16:30"),
        ("XKRX", "2020-12-03", "10:00-16:30"),  # the library's own
        ("XKRX", "2026-11-18", "09:00-15:30"),
        ("XKRX", "2026-01-02", "10:00-15:30"),  # the year's first
        ("XKRX", "2026-06-03", ""),
        ("XBOM", "2024-01-20", "09:15-15:30"),  # a Saturday
        ("XBOM", "2024-03-02", "09:15-10:00 11:30-12:30"),  # a Saturday in two parts
        ("XBOM", "2025-02-01", "09:15-15:30"),  # budget
        ("XBOM", "2026-02-01", "09:15-15:30"),  # budget, a Sunday
        ("XBOM", "2023-11-12", "18:15-19:15"),  # Muhurat, a Sunday
        ("XBOM", "2025-10-21", "13:45-14:45"),  # Muhurat, in the afternoon
        ("XBOM", "2024-01-22", ""),
        ("XBOM", "2024-01-27", ""),  # an ordinary Saturday
        ("XSAU", "2026-11-15", "10:00-15:00"),  # a Sunday
        ("XSAU", "2026-11-20", ""),  # a Friday
        ("XSAU", "2019-11-15", ""),  # a Friday from before what the library knows
        ("XSAU", "2019-11-17", "10:00-15:00"),
        ("XSAU", "2027-10-31", "10:00-15:00"),
        ("XTAE", "2025-11-16", "09:59-15:50"),  # a Sunday, with the closing auction
        ("XTAE", "2025-11-14", ""),  # a Friday
        ("XTAE", "2026-11-15", ""),  # a Sunday since weeks are as elsewhere
        ("XTAE", "2026-11-13", "09:59-13:50"),  # a Friday since
        ("XTAE", "2026-11-16", "09:59-17:25"),
        ("XTAE", "2026-01-04", ""),
        ("XTAE", "2026-04-02", ""),  # Passover, not Easter
        ("XTAE", "2019-04-09", ""),
        ("XIDX", "2026-03-20", ""),
        ("XHKG", "2021-06-28", "13:30-16:00"),
        ("ASEX", "2026-04-10", ""),  # the Orthodox Good Friday
        ("XBSE", "2024-05-03", ""),
        ("XNYS", "2026-11-27", "09:30-13:00"),
    ],
)  # fmt: skip
def test_sessions(calendars: Calendars, code: str, day: str, expected: str) -> None:
    market = calendars.market(code)
    assert isinstance(market, Exchange)
    assert hours(market, day) == expected


def test_weeks_are_the_exchanges_own(calendars: Calendars) -> None:
    """A Saudi week closes on Thursday, not with the Sunday after; special Sundays end an Indian week."""

    def close_of(code: str, within: str) -> str:
        market = calendars.market(code)
        at = datetime.fromisoformat(within).replace(tzinfo=UTC)
        start, end = market.slot(WEEK, at)  # type: ignore[misc]
        return f"{start.astimezone(market.zone):%a %m-%d} {end.astimezone(market.zone):%a %m-%d}"  # type: ignore[attr-defined]

    assert close_of("XSAU", "2026-11-17 08:00") == "Sun 11-15 Thu 11-19"
    assert close_of("XTAE", "2025-11-18 10:00") == "Sun 11-16 Thu 11-20"
    assert close_of("XTAE", "2026-11-17 10:00") == "Mon 11-16 Fri 11-20"
    assert close_of("XBOM", "2023-11-08 08:00") == "Mon 11-06 Sun 11-12"
    assert close_of("XNYS", "2026-11-25 15:00") == "Mon 11-23 Fri 11-27"
    label = datetime(2026, 11, 15, tzinfo=UTC)
    for code, first in (("XSAU", "2026-11-15"), ("XNYS", "2026-11-16")):
        span = calendars.market(code).bar(WEEK, label, date(2026, 11, 15))
        assert span is not None
        assert span[0].date().isoformat() == first, "a week that a vendor names by its Sunday is the one that follows"


@pytest.mark.parametrize("code", sorted({*SUFFIXES.values(), "XNYS", "CMES", "24/5"}))
def test_every_market_can_be_built_and_looks_like_one(code: str) -> None:
    market = build(code, date(2014, 11, 20), date(2027, 11, 20))
    assert isinstance(market, Exchange)
    days = [one.day for one in market.sessions]
    assert days == sorted(set(days))
    assert days[0] <= date(2014, 12, 1)
    assert days[-1] >= date(2027, 11, 12)
    for year in range(2015, 2027):
        assert 220 <= sum(day.year == year for day in days) <= 262, year
    assert all(first < last for one in market.sessions for first, last in one.spans)


async def test_a_market_is_known_as_far_back_as_a_window_needs_and_is_built_in_a_thread() -> None:
    calendars = Calendars(lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
    beats = 0

    async def beating() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    heart = asyncio.create_task(beating())
    await calendars.prepare("XKRX")
    heart.cancel()
    assert beats > 10, "the event loop went on"
    recent = calendars.market("XKRX")
    assert recent.bar(DAILY, datetime(2009, 6, 1, 12, tzinfo=UTC), date(2009, 6, 1)) is None
    await calendars.prepare("XKRX", date(2005, 1, 3))
    older = calendars.market("XKRX")
    assert older is not recent
    assert older.bar(DAILY, datetime(2005, 6, 1, 12, tzinfo=UTC), date(2005, 6, 1)) is not None
    assert calendars.market("XKRX") is older
    await calendars.prepare("XNYS", date(1900, 1, 1))
    oldest = calendars.market("XNYS")
    assert isinstance(oldest, Exchange)
    assert oldest.sessions[0].day <= EARLIEST + timedelta(days=3)
    assert oldest.bar(DAILY, datetime(1962, 1, 2, 15, tzinfo=UTC)) is not None, "IBM's first at Yahoo"

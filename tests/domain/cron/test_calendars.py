"""The calendars handed to Temporal fire exactly as our cron does, but for what clock changes do to both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cron import calendars, next_fire, next_fires, parse, slot_of
from domain.cron.clock import day_matches, wall_time

NEW_YORK, BERLIN, HOWE = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = ["*", "*/2", "1", "31", "L", "LW", "15W", "1W", "31W", "30W", "1-7", "10,20,L"]
WEEKDAYS = ["*", "*/2", "1-5", "SUN", "7", "5L", "5#3", "1#1,5L", "0#5", "2,4"]


@given(
    st.sampled_from(DAYS),
    st.sampled_from(["*", "2", "1-6", "*/3", "2,12"]),
    st.sampled_from(WEEKDAYS),
    st.dates(datetime(2024, 1, 1).date(), datetime(2099, 12, 31).date()),
)
def test_the_same_days(day: str, month: str, weekday: str, date: object) -> None:
    try:
        expression = parse(f"0 12 {day} {month} {weekday}")
    except ValueError:
        return  # never fires, which is said when it is written
    noon = datetime(date.year, date.month, date.day, 12)  # type: ignore[attr-defined]
    expected = noon.month in expression.months and day_matches(expression, noon.date())
    assert any(one.matches(noon) for one in calendars(expression, ZoneInfo("UTC"), NOW)) == expected


@pytest.mark.parametrize(
    "text", ["30 2 * * *", "15 30 2 * * *", "0 30 9 * * 1-5", "*/15 * * * *", "0 0 1 * *", "30 1 * * SUN"]
)
@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN, HOWE], ids=str)
def test_every_fire_of_two_years_is_in_the_calendars(text: str, zone: ZoneInfo) -> None:
    expression = parse(text)
    made = calendars(expression, zone, NOW)
    for fire in next_fires(expression, zone, NOW, 800):
        if fire < NOW + timedelta(days=700):
            assert any(one.matches(wall_time(fire, zone)) for one in made), fire


def test_a_gap_is_made_up_for_by_date() -> None:
    made = calendars(parse("30 2 * * *"), NEW_YORK, NOW)
    dated = [one for one in made if one.dates.years]
    assert [
        (sorted(one.dates.years or ()), sorted(one.dates.days), sorted(one.hours), sorted(one.minutes)) for one in dated
    ] == [
        ([2026], [8], [3], [0]),
        ([2027], [14], [3], [0]),
    ]
    assert calendars(parse("*/5 * * * *"), NEW_YORK, NOW)[1:] == []


def test_a_repeated_hour_is_one_slot_of_a_fixed_job() -> None:
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # 01:30 in New York, first pass
    fixed, interval = parse("30 1 * * *"), parse("*/30 * * * *")
    assert slot_of(fixed, NEW_YORK, first) == first
    assert slot_of(fixed, NEW_YORK, first + timedelta(hours=1)) == first
    assert slot_of(interval, NEW_YORK, first + timedelta(hours=1)) == first + timedelta(hours=1)
    assert slot_of(fixed, NEW_YORK, first + timedelta(minutes=7)) is None


def test_jitter_does_not_hide_the_slot() -> None:
    slot = next_fire(parse("0 9 * * *"), BERLIN, NOW)
    late = timedelta(seconds=90)
    assert slot_of(parse("0 9 * * *"), BERLIN, slot + timedelta(seconds=80), late) == slot
    assert slot_of(parse("0 9 * * *"), BERLIN, slot + timedelta(seconds=100), late) is None

"""Quiet hours over midnight and clock changes, and what a silence is for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.definition import read_definition
from domain.quiet import Silence, Silenced, read_hours, silence_of
from domain.zones import in_zone

NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "zone", "now", "until"),
    [
        ("22:00-07:00", "UTC", "2026-01-05T23:00", "2026-01-06T07:00"),
        ("22:00-07:00", "UTC", "2026-01-06T06:59", "2026-01-06T07:00"),
        ("22:00-07:00", "UTC", "2026-01-06T07:00", None),
        ("22:00-07:00", "UTC", "2026-01-06T21:59", None),
        ("12:00-13:00", "Asia/Kolkata", "2026-01-05T06:45", "2026-01-05T07:30"),
        ("22:00-07:00", "Europe/Berlin", "2026-03-28T22:00", "2026-03-29T05:00"),  # the clock goes forward at night
        ("22:00-07:00", "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T06:00"),
        ("01:30-02:30", "Europe/Berlin", "2026-03-29T00:45", "2026-03-29T01:30"),  # 02:30 is not there that night
    ],
)  # fmt: skip
def test_when_it_ends(hours: str, zone: str, now: str, until: str | None) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    expected = None if until is None else datetime.fromisoformat(until).replace(tzinfo=UTC)
    assert read_hours(hours, zone).until(at) == expected


@pytest.mark.parametrize("text", ["", "22-7", "24:00-07:00", "22:00-22:00", "22:00", "22:60-07:00", "soon"])
def test_hours_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="22:00-07:00"):
        read_hours(text, "UTC")
    with pytest.raises(ValueError, match="IANA"):
        read_hours("22:00-07:00", "Mars/Base")


def test_what_a_silence_is_for() -> None:
    alert = read_definition({"symbol": "AAPL", "rule": "close > 1", "tags": ["tech"]})
    hour = NOW + timedelta(hours=1)
    for kind, value, is_covered in (
        (Silenced.TICKER, "aapl", True), (Silenced.TICKER, "MSFT", False), (Silenced.TAG, "tech", True),
        (Silenced.TAG, "tec", False), (Silenced.ALERT, "a1", True), (Silenced.ALERT, "a2", False),
    ):  # fmt: skip
        one = Silence(kind, value, hour)
        assert one.covers("a1", alert, NOW) is is_covered
        assert not one.covers("a1", alert, hour), "it has ended"
    both = [Silence(Silenced.TAG, "tech", hour), Silence(Silenced.TICKER, "AAPL", hour + timedelta(hours=1))]
    assert silence_of(both, "a1", alert, NOW) == both[1]
    assert silence_of([], "a1", alert, NOW) is None


def test_a_time_is_told_in_its_writers_zone_and_in_utc() -> None:
    at = datetime(2026, 11, 28, 14, 30, tzinfo=UTC)
    assert in_zone(at, "America/New_York") == "2026-11-28 09:30:00 America/New_York (2026-11-28 14:30:00 UTC)"
    assert in_zone(at, "UTC") == in_zone(at, "") == "2026-11-28 14:30:00 UTC"
    with pytest.raises(ValueError, match="IANA"):
        in_zone(at, "Mars")

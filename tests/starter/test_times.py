"""Times as people write them, in their zone, on days when clocks change, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.errors import InvalidInput
from starter.times import moment_of, span_of, told

NOW = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)  # a Friday; 11:00 in New York
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2h", "2026-11-27T18:00"), ("in 1h30m", "2026-11-27T17:30"), ("2 days", "2026-11-29T16:00"), ("1w", "2026-12-04T16:00"),
        ("tomorrow 9:30", "2026-11-28T14:30"), ("tomorrow at 9:30am", "2026-11-28T14:30"), ("today 16:00", "2026-11-27T21:00"),
        ("friday 16:00", "2026-11-27T21:00"), ("fri 9:30", "2026-12-04T14:30"), ("Monday", "2026-11-30T05:00"),
        ("9:30", "2026-11-28T14:30"), ("4pm", "2026-11-27T21:00"), ("12am", "2026-11-28T05:00"), ("2026-12-31", "2026-12-31T05:00"),
        ("2026-12-31 21:00", "2027-01-01T02:00"), ("2026-12-31T21:00:00Z", "2026-12-31T21:00"), ("tomorrow 9:30 UTC", "2026-11-28T09:30"),
        ("tomorrow 9:30 Europe/Berlin", "2026-11-28T08:30"), ("2026-07-01 9:30", "2026-07-01T13:30"),
    ],
)  # fmt: skip
def test_a_time_to_come(text: str, at: str) -> None:
    assert moment_of(text, NEW_YORK, NOW, "--expires") == datetime.fromisoformat(at).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "tomorrow noon", "25:00", "13pm", "32nd", "2026-13-01", "in", "friday 9:99", "1y"]
)
def test_no_time_at_all(text: str) -> None:
    with pytest.raises(InvalidInput, match="'tomorrow 9:30'"):
        moment_of(text, NEW_YORK, NOW, "--expires")


def test_spans_with_several_parts() -> None:
    assert span_of("1h30m") == timedelta(minutes=90)
    assert span_of("2 hours") == timedelta(hours=2)
    assert span_of("1 day 2h") == timedelta(hours=26)


def test_it_is_said_in_its_own_zone_and_in_utc() -> None:
    at = datetime(2026, 11, 28, 14, 30, tzinfo=UTC)
    assert told(at, NEW_YORK) == "Sat 2026-11-28 09:30:00 America/New_York (2026-11-28 14:30:00 UTC)"
    assert told(at, ZoneInfo("UTC")) == "Sat 2026-11-28 14:30:00 UTC"

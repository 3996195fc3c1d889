"""The tick an alert waits for: the first of its cron that can see a new closed bar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.alert import AlertState
from domain.definition import AlertDefinition
from domain.ticks import next_tick
from tests.conftest import closes, make_alert

FRIDAY = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)  # New York closes early after Thanksgiving
MONDAY = datetime(2026, 11, 30, 14, 31, tzinfo=UTC)


def definition(**more: object) -> AlertDefinition:
    return make_alert({"symbol": "AAPL", "timeframe": "1m", "rule": "close > 1", **more}).definition


def test_a_shut_market_takes_no_ticks() -> None:
    seen = AlertState(last_bar_close=FRIDAY)
    assert next_tick(definition(), seen, FRIDAY, MONDAY) == MONDAY
    assert next_tick(definition(), seen, FRIDAY) == FRIDAY + timedelta(minutes=1)


def test_the_forming_bar_is_looked_at_from_its_open_on() -> None:
    seen = AlertState(last_bar_close=FRIDAY)
    forming = definition(options={"evaluate_on": "tick"})
    assert next_tick(forming, seen, FRIDAY, MONDAY) == MONDAY - timedelta(minutes=1)


def test_a_bar_that_ends_with_its_session_is_not_waited_for_by_its_whole_length() -> None:
    four_hours = definition(timeframe="4h", cron="0 * * * *")
    seen = AlertState(last_bar_close=datetime(2026, 11, 25, 18, 30, tzinfo=UTC))
    closes = datetime(2026, 11, 25, 21, 0, tzinfo=UTC)
    assert next_tick(four_hours, seen, closes - timedelta(hours=2), closes) == closes


def test_a_hint_of_a_bar_that_was_seen_is_no_hint() -> None:
    seen = AlertState(last_bar_close=MONDAY)
    assert next_tick(definition(), seen, MONDAY, MONDAY) == MONDAY + timedelta(minutes=1)


def test_after_a_pause_the_next_close_is_looked_for_not_one_a_whole_bar_later() -> None:
    """Bars of four hours, resumed at 01:05: the bar of 04:00 is due at 04:00."""
    four_hours = definition(symbol="BTC-USD", timeframe="4h", cron="0 */4 * * *")
    resumed = datetime(2026, 11, 25, 1, 5, tzinfo=UTC)
    seen = AlertState(last_bar_close=resumed)
    assert next_tick(four_hours, seen, resumed) == datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def test_hours_of_a_session_are_looked_for_on_their_own_grid_after_a_pause() -> None:
    hourly = definition(timeframe="1h", cron="*/30 * * * *")
    resumed = datetime(2026, 11, 25, 15, 5, tzinfo=UTC)
    bar = closes(1.0, start=datetime(2026, 11, 25, 13, 30, tzinfo=UTC), minutes=60)[0]
    assert next_tick(hourly, AlertState(last_bar_close=resumed, last_snapshot=bar), resumed) == resumed.replace(
        minute=30
    )
    seen = AlertState(last_bar_close=bar.bar_close, last_snapshot=bar)
    assert next_tick(hourly, seen, bar.bar_close) == datetime(2026, 11, 25, 15, 30, tzinfo=UTC)

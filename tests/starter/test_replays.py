"""A replay is as fast as shows something, begins warm, and says what is to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from activities.bar_table import BarTable
from activities.market_data.vendors.local.csv_file import Replay
from starter.demo import replayed_alerts
from starter.replays import plan


def table(interval: timedelta, size: int = 500) -> BarTable:
    close = 100 + 10 * np.sin(np.arange(size) / 7) + np.random.default_rng(3).normal(0, 0.5, size)
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    columns = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": np.ones(size)}
    return BarTable(start + int(interval.total_seconds()) * np.arange(size), columns, interval)


def test_days_go_by_in_a_minute_and_minutes_at_the_usual_speed() -> None:
    alerts = replayed_alerts("AAPL", "1d")
    days = plan(table(timedelta(days=1)), alerts, None)
    assert days.warm == 29, "thirty bars warm the slowest average up"
    assert 7 < days.speed / 86_400 < 8, "471 bars in a minute"
    assert plan(table(timedelta(days=1), 40), alerts, None).speed == 86_400, "a bar a second at least"
    assert plan(table(timedelta(minutes=1)), replayed_alerts("AAPL", "1m"), None).speed == 60
    assert plan(table(timedelta(days=1)), alerts, 3.0).speed == 3


def test_it_says_which_alerts_run_and_what_is_to_come() -> None:
    bars, alerts = table(timedelta(days=1)), replayed_alerts("AAPL", "1d")
    words = "\n".join(plan(bars, alerts, None).words(bars, alerts))
    assert "500 bars of AAPL, 2024-01-01 to 2025-05-14" in words
    assert "about 60 s" in words
    assert "replay-cross: moving averages cross, sma(10) crosses_above sma(30); " in words
    assert " 0 fires" not in words


def test_the_warm_up_is_out_from_the_beginning_and_judged_by_nobody() -> None:
    bars = table(timedelta(days=1))
    replay = Replay(bars, "AAPL", speed=86_400, out=29)
    began = datetime(2026, 1, 5, tzinfo=UTC)
    assert replay.published(began) == 29
    assert replay.seen_until == bars.bar(28).close_time == replay.market_time(began)
    replay.begin(began)
    assert replay.published(began + timedelta(seconds=10)) == 39
    assert not replay.is_over(began + timedelta(seconds=470))
    assert replay.is_over(began + timedelta(seconds=471))

"""Previews jump from one bar that matters to the next; stepping every bar must give the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.bar_table import BarTable
from activities.evaluation import Evaluation
from activities.interface import EvaluateInput
from activities.market_data.calendars.calendars import Calendars
from activities.market_data.failover import MarketData
from activities.market_data.vendors.provider import BarRequest, FetchedBars, Hours, Provider
from activities.preview import UNKNOWN, _Run, operand_columns, preview
from domain.alert import Alert, AlertState, Status
from domain.bar import Bar, BarSnapshot
from domain.definition import read_definition
from domain.errors import InvalidInput
from domain.rearm import step
from domain.timeframe import Timeframe

RULES = [
    "close > 100", "not close > 100", "close < 99 or close > 101", "close between 99 and 101", "close outside 99 and 101",
    "close crosses_above 100", "close crosses 100 and not close > 102", "close > 100 and close[1] > 100", "close == 100",
    "close != 100", "change_pct(close, 2) > 1", "change_pct(close, 1) <= -1", "close > sma(3)", "rsi(3) > 60",
    "close > high@5m", "not (close > 100 and close < 102)", "0.5 * close >= 50",
    "close / close[1] > 1.005", "(high + low) / 2 - close[1] > 0.5", "abs(close - close[2]) >= 1", "max(open, 100) crosses_above 100",
    "change_pct(close, 1) between -1% and 0.5%", "close / (close - 100) > 50", "close + open[1] + low > 300", "close * open > 1e4",
]  # fmt: skip
REARMS: list[dict[str, Any]] = [
    {"type": "edge"}, {"type": "simple"}, {"type": "once"}, {"type": "cooldown", "cooldown": 180},
    {"type": "edge", "cooldown": 240}, {"type": "persistence", "persistence": 3}, {"type": "crossing", "direction": "both"},
    {"type": "crossing", "cooldown": 120}, {"type": "hysteresis", "threshold": 0.01}, {"type": "hysteresis", "level": 100},
    {"type": "hysteresis", "threshold": 0.005, "persistence": 2, "cooldown": 120}, {"type": "simple", "persistence": 2},
]  # fmt: skip
OPTIONS: list[dict[str, Any]] = [
    {},
    {"skip_if_already_true": True},
    {"max_triggers": 2},
    {"expires_at": "2026-01-05T15:00:00Z"},
]


def table(prices: list[float | None]) -> BarTable:
    start = int(datetime(2026, 1, 5, 14, 30, tzinfo=UTC).timestamp())
    closes = np.array([np.nan if price is None else price for price in prices])
    columns = {
        "open": closes,
        "high": closes + 0.5,
        "low": closes - 0.5,
        "close": closes,
        "volume": np.ones(len(closes)),
    }
    return BarTable(start + 60 * np.arange(len(closes)), columns, timedelta(minutes=1))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(RULES),
    st.sampled_from(REARMS),
    st.sampled_from(OPTIONS),
    st.lists(
        st.one_of(st.sampled_from([98.0, 99.0, 99.5, 100.0, 100.5, 101.0, 102.5]), st.none()),
        min_size=1,
        max_size=60,
    ),
)
def test_jumping_equals_stepping(
    rule: str, rearm: dict[str, Any], options: dict[str, Any], prices: list[float | None]
) -> None:
    try:
        definition = read_definition({"symbol": "X", "rule": rule, "rearm": rearm, "options": options})
    except InvalidInput:
        return
    alert, bars = Alert(id="p", definition=definition), table(prices)
    run = _Run(alert, bars, operand_columns(alert, bars), lambda done, total: None)
    state, expected = AlertState(), []
    for row in range(len(prices)):
        snapshot = run.snapshot(row)
        if row < run.warm and run.truth[row] == UNKNOWN and not _ends(state, snapshot, options):
            seen = None if state.last_snapshot is None else snapshot
            state = replace(state, last_bar_close=snapshot.bar_close, last_snapshot=seen)
            continue
        state, events = step(alert, state, snapshot)
        expected += [(row, event) for event in events]
    found = preview(alert, bars)
    assert found.events == expected
    assert found.final == state


def _ends(state: AlertState, snapshot: BarSnapshot, options: dict[str, Any]) -> bool:
    """Whether it is over by then, or is at this bar."""
    expires = options.get("expires_at")
    over = expires is not None and snapshot.bar_close >= datetime.fromisoformat(expires)
    return over or state.status is Status.INACTIVE


def test_what_an_alert_saw_last_before_it_expired() -> None:
    """Nothing happened in the minutes before, over which a preview jumps."""
    options = {"expires_at": "2026-01-05T14:40:00Z"}
    alert = Alert(id="p", definition=read_definition({"symbol": "X", "rule": "close > 100", "options": options}))
    prices: list[float | None] = [98.0, None, *(98.0 + at / 10 for at in range(12))]
    bars, state = table(prices), AlertState()
    run = _Run(alert, bars, operand_columns(alert, bars), lambda done, total: None)
    for row in range(len(prices)):
        state, _ = step(alert, state, run.snapshot(row))
    found = preview(alert, bars).final
    assert found == state
    assert found.last_snapshot is not None
    assert found.last_snapshot.bar_close == datetime(2026, 1, 5, 14, 39, tzinfo=UTC)


def minutes_of(days: list[int], hours: tuple[float, float]) -> BarTable:
    """A bar each minute of some days of January 2026, between two hours UTC."""
    begins = [datetime(2026, 1, day, tzinfo=UTC) + timedelta(hours=hours[0]) for day in days]
    count = int((hours[1] - hours[0]) * 60)
    opened = np.array([int((at + timedelta(minutes=n)).timestamp()) for at in begins for n in range(count)])
    closes = 100 + np.arange(len(opened)) % 37 + np.arange(len(opened)) / 1000
    names = ("open", "high", "low", "close", "volume")
    return BarTable(opened, dict.fromkeys(names, closes), timedelta(minutes=1))


@pytest.mark.parametrize("operand", ["close@1h", "high@1h", "sma(3)@1h", "close@1d"])
async def test_higher_timeframes_of_a_stock_lie_on_its_sessions_as_live(operand: str) -> None:
    """Minutes of five sessions, previewed; and the same minutes live, from a vendor whose hours are the session's own."""
    table = minutes_of([5, 6, 7, 8, 9], (14.5, 21))
    alert = Alert(id="p", definition=read_definition({"symbol": "AAPL", "rule": f"{operand} > 0"}))
    calendars = Calendars(lambda: datetime(2026, 1, 10, tzinfo=UTC))
    column = operand_columns(alert, table, calendars=calendars)[operand]
    market, bars = calendars.of("AAPL"), list(table.bars())

    class Minutes(Provider):
        name, hours = "minutes", Hours.EXCHANGE

        async def fetch(self, request: BarRequest) -> FetchedBars:
            slots = ((market.slot(request.timeframe, bar.open_time), bar) for bar in bars)
            if not request.timeframe.is_intraday:
                slots = ((market.bar(request.timeframe, bar.open_time), bar) for bar in bars)
            made = []
            for slot, group in groupby(slots, key=lambda one: one[0]):
                of = [bar for _, bar in group]
                if slot is not None and slot[1] <= request.now and request.start <= slot[0] < request.end:
                    high = max(bar.high for bar in of)
                    made.append(Bar(*slot, of[0].open, high, min(bar.low for bar in of), of[-1].close, 1.0))
            return FetchedBars(tuple(made), begins_history=True)

    for row in (45, 89, 90, 389, 390, 700, len(bars) - 1):
        now = bars[row].close_time
        live = Evaluation(MarketData([Minutes()], clock=lambda now=now: now, calendars=calendars))  # type: ignore[misc]
        found = await live.values(EvaluateInput("AAPL", Timeframe("1m"), (operand,), now))
        if np.isnan(column[row]):
            assert [one.values[operand] for one in found.snapshots] in ([], [None]), (row, "nothing is known yet")
            continue
        (snapshot,) = found.snapshots
        assert snapshot.bar_close == now
        assert snapshot.values[operand] == pytest.approx(float(column[row])), (row, now)


def test_bars_of_all_hours_lie_on_the_clocks_grid() -> None:
    """Of a ticker that is traded, or simulated, day and night, whatever it is called."""
    table = minutes_of([5, 6], (0, 24))
    alert = Alert(id="p", definition=read_definition({"symbol": "AAPL", "rule": "close@1h > 0"}))
    with_sessions = operand_columns(alert, table, calendars=Calendars(lambda: datetime(2026, 1, 10, tzinfo=UTC)))
    np.testing.assert_array_equal(with_sessions["close@1h"], operand_columns(alert, table)["close@1h"])


def other(closes: list[float | None], first: int = 0) -> BarTable:
    """Bars of another ticker, the first so many minutes later."""
    made = table(closes)
    return BarTable(made.open_time + 60 * first, made.columns, made.interval)


def test_another_tickers_bars_are_joined_by_their_close() -> None:
    alert = Alert(id="p", definition=read_definition({"symbol": "X", "rule": "close / QQQ:close > 1"}))
    own = table([10.0, 10.0, 10.0, 10.0])
    partner = other([1.0, 2.0, 3.0])
    lacking = BarTable(partner.open_time[[0, 2]], {k: v[[0, 2]] for k, v in partner.columns.items()}, partner.interval)
    found = operand_columns(alert, own, others={"QQQ": lacking})["QQQ:close"]
    np.testing.assert_array_equal(found, [1.0, np.nan, 3.0, np.nan])
    with pytest.raises(InvalidInput, match="reads QQQ, whose bars are not given"):
        operand_columns(alert, own)


def test_a_closed_market_is_no_hole_in_another_tickers_bars() -> None:
    """Bitcoin trades while New York does not: then the stock's last close counts."""
    calendars = Calendars()
    alert = Alert(
        id="p", definition=read_definition({"symbol": "BTC-USD", "rule": "close / AAPL:close > 1", "timeframe": "1h"})
    )
    hours = [
        int(datetime(2026, 1, 5, hour, tzinfo=UTC).timestamp()) for hour in range(19, 24)
    ]  # New York closes at 21:00
    ones = {name: np.ones(5) for name in ("open", "high", "low", "close", "volume")}
    own = BarTable(np.array(hours), ones, timedelta(hours=1))
    opens = np.array([hours[0] + 1800, hours[1] + 1800])  # 19:30 to 20:30, and to the session's end at 21:00
    stock = BarTable(
        opens,
        {name: column[:2] for name, column in ones.items()},
        timedelta(hours=1),
        closes=opens + np.array([3600, 1800]),
    )
    whole = operand_columns(alert, own, calendars=calendars, others={"AAPL": stock})["AAPL:close"]
    np.testing.assert_array_equal(whole, [np.nan, 1, 1, 1, 1])
    first = BarTable(
        opens[:1], {name: column[:1] for name, column in ones.items()}, timedelta(hours=1), closes=opens[:1] + 3600
    )
    cut = operand_columns(alert, own, calendars=calendars, others={"AAPL": first})["AAPL:close"]
    assert np.isnan(cut).all(), "the session's last bar is not there"


def test_bars_of_a_longer_timeframe_that_are_given_are_not_made_anew() -> None:
    alert = Alert(id="p", definition=read_definition({"symbol": "X", "rule": "close > sma(3)@5m"}))
    own = table([100.0] * 10)
    start = own.open_time[0] - 15 * 60
    prices = {name: np.array([1.0, 2.0, 3.0, 4.0, 5.0]) for name in own.columns}
    higher = BarTable(start + 300 * np.arange(5), prices, timedelta(minutes=5))
    found = operand_columns(alert, own, higher={(None, Timeframe("5m")): higher})["sma(3)@5m"]
    assert found[0] == 2.0, "three bars had closed before"
    assert found[4] == 3.0
    assert np.isnan(operand_columns(alert, own)["sma(3)@5m"][0]), "of the table's own bars there are none yet"

"""Windows of decades are warm where a ticker is old enough; where they cannot be, that is said before and after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib

from activities.evaluation import Evaluation, windows_of
from activities.interface import EvaluateInput, EvaluateResult, Freshness
from activities.market_data.calendars.calendars import Calendars
from activities.market_data.failover import MarketData
from activities.market_data.feeds.query import BarsQuery
from activities.market_data.reach import shortfalls
from activities.market_data.vendors.local.csv_file import CsvFolder
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import Provider
from domain.alert import EventKind, Status
from domain.alert_memory import AlertMemory
from domain.definition import read_definition
from domain.explain import explain
from domain.live_alert import LiveAlert
from domain.operand import IndicatorOperand
from domain.timeframe import Timeframe
from tests.conftest import make_alert
from tests.stand_ins.market import Market
from tests.stand_ins.server import StandIn
from tests.stand_ins.yahoo import YahooStandIn
from worker.provider_settings import VENDORS

NOW = datetime(2026, 11, 19, 22, 30, tzinfo=UTC)
OLD = datetime(1986, 11, 19, 14, 30, tzinfo=UTC)  # forty years of days


@asynccontextmanager
async def evaluation(listed: datetime) -> AsyncIterator[tuple[Evaluation, StandIn]]:
    vendor = YahooStandIn(lambda: NOW)
    vendor.listed = listed
    async with StandIn(vendor) as server:
        provider = VENDORS["yahoo"](server.settings(), lambda: NOW)
        market = MarketData([provider], clock=lambda: NOW, calendars=Calendars(lambda: NOW))
        yield Evaluation(market), server
        await market.close()


async def look(work: Evaluation, frame: str, *keys: str) -> EvaluateResult:
    result = await work.values(EvaluateInput("AAPL", Timeframe(frame), keys, now=NOW))
    assert result.freshness is Freshness.FRESH
    return result


@pytest.mark.parametrize(
    ("frame", "key", "count"),
    [("1d", "sma(1000)", 1000), ("1d", "ema(205)", 3075), ("1d", "ema(500)", 7500), ("1d", "rsi(200)", 3000),
     ("1w", "ema(42)", 630), ("1w", "rsi(50)", 750), ("1w", "sma(1000)", 1000)],
)  # fmt: skip
async def test_a_wide_window_of_an_old_ticker_is_warm(frame: str, key: str, count: int) -> None:
    async with evaluation(OLD) as (work, server):
        result = await look(work, frame, key)
        assert result.problem == ""
        rows = Market().rows("AAPL", frame, OLD, NOW, NOW)
        closes = np.array([row.prices[3] for row in rows if row.closed + timedelta(minutes=10) <= NOW][-count:])
        name, period = key.rstrip(")").split("(")
        true = getattr(talib, name.upper())(closes, timeperiod=int(period))[-1]
        assert result.snapshots[-1].values[key] == pytest.approx(true, rel=1e-9)
        assert len(server.asked) == 1, "however far back"


async def test_an_alert_on_a_thousand_days_fires() -> None:
    alert = make_alert({"symbol": "AAPL", "timeframe": "1d", "rule": "close > 0.5 * sma(1000)"})
    live = LiveAlert(alert, AlertMemory())
    async with evaluation(OLD) as (work, _):
        result = await look(work, "1d", *alert.definition.operands)
    for snapshot in result.snapshots:
        live.step(snapshot, result.as_of, result.source)
    assert live.state.status is Status.TRIGGERED


async def test_what_a_young_ticker_lacks_is_told_in_the_alert_itself() -> None:
    alert = make_alert({"symbol": "AAPL", "timeframe": "1d", "rule": "close > sma(1000)"})
    live = LiveAlert(alert, AlertMemory())
    async with evaluation(datetime(2025, 11, 19, 14, 30, tzinfo=UTC)) as (work, _):
        result = await look(work, "1d", *alert.definition.operands)
    said = "sma(1000) needs 1,000 bars of 1d; yahoo has 252 since 2025-11-19, all there are"
    assert result.problem == said
    assert result.snapshots[-1].values["sma(1000)"] is None
    live.memory.tell_problem(result.problem)
    for days in range(3):
        later = replace(result.snapshots[-1], bar_close=result.snapshots[-1].bar_close + timedelta(days=days))
        live.step(later, result.as_of, result.source)
    (event,) = [one for one in live.memory.recent if one.kind is EventKind.DATA_STALE]
    assert event.detail == said
    assert said in explain(alert, live.state.sides, live.state, live.memory.problem)["why"]


async def test_all_there_is_of_a_young_ticker_is_enough_where_it_is() -> None:
    """A recursive value needs no more than its lookback of a whole history."""
    async with evaluation(datetime(2026, 6, 1, 13, 30, tzinfo=UTC)) as (work, _):
        result = await look(work, "1d", "rsi(14)", "sma(50)")
    assert result.problem == ""
    assert None not in result.snapshots[-1].values.values()


# before anything is asked


def said(rule: str, frame: str, *providers: Provider, symbol: str = "AAPL") -> list[str]:
    definition = read_definition({"symbol": symbol, "timeframe": frame, "rule": rule})
    calendars = Calendars(lambda: NOW)
    return shortfalls(windows_of(definition), providers, calendars, NOW)


def test_what_no_provider_can_fill_is_said_when_it_is_written() -> None:
    yahoo, polygon, binance = VENDORS["yahoo"](), VENDORS["polygon"](), VENDORS["binance"]()
    assert said("sma(1000) > 1", "1d", yahoo) == []
    assert said("rsi(14) > 70", "1m", yahoo) == []
    (one,) = said("rsi(1000) > 50", "1m", yahoo)
    assert one.startswith("rsi(1000) needs 15,000 bars of 1m, back to 2026-")
    assert one.endswith("would be missing for ever: yahoo has 29 days")
    assert said("rsi(1000) > 50", "1m", yahoo, polygon) == [], "another has it"
    assert said("sma(500)@1h > 1 and close > 2", "1m", yahoo) == []
    (one,) = said("close > 1", "3m", yahoo, binance)
    assert one == "no provider that may have this ticker has 3m bars: yahoo has 1m, 2m, 5m, 15m, 1h, 1d, 1w"
    assert said("close > 1", "3m", yahoo, binance, symbol="BTC-USDT") == []
    assert said("rsi(1000) > 50", "1m", CsvFolder(Path())) == [], "whatever a file holds"
    assert said("close > 1", "3m", yahoo, SimulatedMarket()) == [], "the simulated market has any ticker"


async def test_a_calendar_that_cannot_be_built_so_far_back_stops_no_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Calendars, code: str, since: date | None = None) -> None:
        raise ValueError("1960 is unknown")

    monkeypatch.setattr(Calendars, "prepare", broken)
    market = MarketData([SimulatedMarket()], None, lambda: NOW)
    asked = await market.bars(BarsQuery("AAPL", Timeframe("1h"), 10), limit=None)
    assert asked.series is not None


@pytest.mark.parametrize(
    ("rule", "bars"), [("ema(1300)", 19_500), ("ema(1400)", 20_000), ("rsi(2000)", 20_000), ("sma(2000)", 2000)]
)
def test_no_window_is_beyond_all_bounds(rule: str, bars: int) -> None:
    """Bounded, not refused: definitions with such periods were stored before there was a bound."""
    (operand,) = read_definition({"symbol": "AAPL", "rule": f"{rule} > 1"}).operands.values()
    assert isinstance(operand, IndicatorOperand)
    assert operand.window == bars


def test_the_commands_say_it(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "ALERTS_HOME": str(tmp_path / "home"),
        "ALERTS_PROVIDERS": "yahoo",
        "ALERTS_TEMPORAL_PORT": "1",
    }

    def run(*words: str) -> tuple[Any, str]:
        done = subprocess.run(
            [sys.executable, "-m", "starter.cli.main", *words, "--json"],
            env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    file = tmp_path / "long.json"
    file.write_text(json.dumps({"symbol": "AAPL", "timeframe": "1m", "name": "long", "rule": "rsi(1000) > 50"}))
    checked, told = run("validate", str(file))
    assert (checked["valid"], checked["errors"]) == (True, [])
    (warning,) = checked["warnings"]
    assert f"note: long: {warning}" in told
    assert "would be missing for ever: yahoo has 29 days" in warning
    added, told = run("add", str(file), "--id", "long")
    assert added["warnings"] == [warning]
    assert f"note: long: {warning}" in told
    edited, told = run("update", "long", "--timeframe", "1d")
    assert "warnings" not in edited

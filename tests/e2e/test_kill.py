"""Kill -9 the worker, then the server, then both, in the middle of ticks: nothing evaluated twice, lost or doubled.

The checker replays the bars of the simulated market through ``step`` and compares the event table row by row.
"""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.evaluation import Evaluation
from activities.interface import EvaluateInput
from activities.market_data.failover import MarketData
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import BarRequest
from domain.alert import Alert, AlertEvent, AlertState, EventKind
from domain.rearm import step
from domain.timeframe import Timeframe
from storage.database import Database
from storage.stored_schedule import StoredSchedule
from tests.e2e.processes import Home, eventually

RULES = [
    {"symbol": "AAA", "timeframe": "1s", "rule": "close crosses sma(5)", "rearm": {"type": "crossing"}},
    {"symbol": "BBB", "timeframe": "1s", "rule": "close > sma(10)"},
    {"symbol": "CCC", "timeframe": "1s", "rule": "rsi(5) > 60", "rearm": {"type": "edge", "cooldown": 4}},
]
CHECKED = ("id", "alert_id", "version", "kind", "at", "bar_close", "status", "reason", "values", "trigger_count")


class Frozen(SimulatedMarket):
    """The market at one moment."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now = now

    def market_time(self, now: datetime) -> datetime:
        return self.now


async def expected_events(alert: Alert, first: datetime, last: datetime) -> list[AlertEvent]:
    """What ``step`` alone makes of the bars that closed in [first, last]."""
    events: list[AlertEvent] = []
    state = AlertState()
    evaluation = Evaluation(MarketData([Frozen(last)], clock=lambda: last))
    after = first - timedelta(seconds=1)
    while after < last:
        wanted = EvaluateInput(
            alert.definition.symbol,
            Timeframe("1s"),
            tuple(alert.definition.operands),
            now=last,
            after=after,
            lookback=2500,
        )
        result = await evaluation.evaluate(wanted)
        for snapshot in result.snapshots:
            state, happened = step(alert, state, snapshot)
            events += happened
            after = snapshot.bar_close
        assert result.snapshots or after >= last
    return events


@pytest.mark.e2e
@pytest.mark.timeout(240)
async def test_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    database = Database(f"sqlite:///{home.folder / 'alerts.db'}")
    address = {"TEMPORAL_ADDRESS": f"127.0.0.1:{home.temporal_port}"}

    async def newest() -> datetime:
        """Bar close of the newest event of all; a time long ago when there is none."""
        async with database.transaction() as work:
            rows = await work.events.since(datetime(2000, 1, 1, tzinfo=UTC), limit=100_000)
        return max((event.at for _, event in rows), default=datetime(2000, 1, 1, tzinfo=UTC))

    async def ticking_again(since: datetime) -> None:
        async def seen() -> bool:
            return await newest() > since + timedelta(seconds=6)

        await eventually(seen, 60, "events after the restart")

    try:
        server, worker = home.server(), None
        definitions = home.folder / "definitions.json"
        home.folder.mkdir(parents=True, exist_ok=True)
        import json

        definitions.write_text(json.dumps(RULES))
        worker = home.spawn("worker", **address)
        await database.upgrade()
        placed = home.data("add", str(definitions))
        await ticking_again(datetime.now(UTC))
        for victims in (("worker",), ("server",), ("worker", "server")):
            for victim in victims:
                (worker if victim == "worker" else server).send_signal(signal.SIGKILL)
            killed = datetime.now(UTC)
            for victim in victims:
                (worker if victim == "worker" else server).wait()
            if "server" in victims:
                server = home.server()
            if "worker" in victims:
                worker = home.spawn("worker", **address)
            await ticking_again(killed)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0
    finally:
        home.end()

    total = 0
    for one in placed:
        async with database.transaction() as work:
            stored = await work.schedules.get(one["id"])
            assert stored is not None
            recorded = await work.events.of_alert(one["id"])
        rows = [event for event in recorded if event.kind is not EventKind.LATE]
        if not rows:  # the market may give one of them nothing to tell for so short a time
            assert await nothing_to_tell(stored), one["id"]
            continue
        last = rows[-1].at
        first = await first_bar(stored.alert, rows[0])
        expected = [e for e in await expected_events(stored.alert, first, last) if e.at <= last]
        assert [tuple(getattr(e, name) for name in CHECKED) for e in sorted(rows, key=order)] == [
            tuple(getattr(e, name) for name in CHECKED) for e in sorted(expected, key=order)
        ]
        total += len(rows)
    await database.close()
    assert total > 10


async def nothing_to_tell(stored: StoredSchedule) -> bool:
    """Whether stepping from one of the bars it may have begun with, up to the last one it has judged, makes no event."""
    seconds = [stored.created_at.replace(microsecond=0) + timedelta(seconds=later) for later in range(15)]
    return any([not await expected_events(stored.alert, first, stored.last_bar_close) for first in seconds])


def order(event: AlertEvent) -> tuple[datetime, str]:
    return event.at, event.kind.value


async def first_bar(alert: Alert, first_event: AlertEvent) -> datetime:
    """Close of a bar from which stepping leads to the first recorded event: the one the alert began with.

    Found by stepping from each of the bars before the first event; the alert's own beginning is among them.
    """
    for back in range(60):
        start = first_event.at - timedelta(seconds=back)
        events = await expected_events(alert, start, first_event.at)
        if [e.id for e in events] == [first_event.id] and await same_state_before(alert, start, first_event):
            return start
    raise AssertionError("no beginning explains the first event")


async def same_state_before(alert: Alert, start: datetime, event: AlertEvent) -> bool:
    """Whether the first event is the same when begun from that bar, values included."""
    events = await expected_events(alert, start, event.at)
    return bool(events) and events[0].values == event.values


def test_the_checker_would_notice(tmp_path: Path) -> None:
    """Two different bars have different events, so that a lost or doubled row cannot pass."""
    market, now = SimulatedMarket(), datetime(2026, 1, 5, tzinfo=UTC)
    bars = market.bars(BarRequest("AAA", Timeframe("1s"), now - timedelta(seconds=60), now, now))
    assert len({bar.close for bar in bars}) > 30

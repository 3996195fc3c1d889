"""The watch beside workflows that are hindered in every way: nothing that mattered is lost, doubled or made up."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from activities.evaluation import Evaluation
from activities.events import EventStore
from activities.interface import BarsObserved, EvaluateInput, RecordInput, Watching
from activities.market_data.failover import MarketData
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.watch.fleet import Fleet
from activities.watch.nudging import Nudger
from activities.watch.run_log import RunLog
from activities.watch.shards import Shards, note_of
from domain import rearm
from domain.alert import Alert, AlertEvent, AlertState
from domain.alert_memory import AlertMemory
from domain.live_alert import LiveAlert
from storage.database import Database
from storage.runs import RunFilter
from tests.conftest import START, make_alert
from workflows.alert_nudges import take_nudges
from workflows.alert_tick import judge
from workflows.inbox import Inbox

MINUTE = timedelta(minutes=1)
BARS = 90
RULES: tuple[dict[str, Any], ...] = (
    {"rule": "close > sma(4)"},
    {"rule": "close crosses sma(5)", "rearm": {"type": "crossing", "direction": "both"}},
    {"rule": "close > sma(3)", "rearm": {"type": "edge", "cooldown": 240}},
    {"rule": "close > close[1]", "rearm": {"type": "persistence", "persistence": 2}},
    {"rule": "close > sma(6)", "rearm": {"type": "hysteresis", "threshold": 0.0001}},
    {"rule": "close > close[2]", "rearm": {"type": "cooldown", "cooldown": 300}},
)


@dataclass
class Sleeper:
    """An alert's workflow, as far as the watch sees it: it takes nudges, looks for itself when it must, and records its state."""

    live: LiveAlert
    inbox: Inbox = field(default_factory=Inbox)
    recorded: int = -1
    expected: AlertState = AlertState()
    wanted: list[AlertEvent] = field(default_factory=list)
    bars: dict[datetime, str] = field(default_factory=dict)  # status after each
    wakes: int = 0

    @property
    def id(self) -> str:
        return self.live.alert.id


class Town:
    """A fleet of sleepers on a real database, under a clock that is driven."""

    def __init__(self, database: Database, seed: int) -> None:
        self.rng, self.database = random.Random(seed), database
        self.now = [START]
        clock = lambda: self.now[0]  # noqa: E731
        self.market = SimulatedMarket(seed)
        self.evaluation = Evaluation(MarketData([self.market], clock=clock), 60)
        self.shards = Shards(database, 1, clock)
        self.store = EventStore(database, clock=clock, shards=self.shards)
        self.runs = RunLog(database, "chaos", clock)
        self.fleet = Fleet(database, self.evaluation, 0, 1, clock, self.runs)
        self.nudger = Nudger(self._send, self.fleet.drop, clock)
        self.sleepers: dict[str, Sleeper] = {}
        self.late: list[tuple[datetime, str, BarsObserved]] = []
        self.old: list[tuple[str, BarsObserved]] = []
        self.kinds: set[str] = set()
        self.database_away = False

    async def settle(self, count: int) -> None:
        """Alerts that have seen their first bar."""
        for number in range(count):
            body = {"symbol": f"SYM{number % 3}", "timeframe": "1m", **self.rng.choice(RULES)}
            if number % 3 == 0:
                body["options"] = {"record": "all"}
            alert = make_alert(body, id=f"a{number}")
            async with self.database.transaction() as work:
                await work.schedules.add(alert, self.now[0])
            state = AlertState(last_bar_close=self.now[0])
            self.sleepers[alert.id] = Sleeper(LiveAlert(alert, AlertMemory(state=state)), expected=state)
            await self.beat()
            await self.look(self.sleepers[alert.id])

    async def beat(self) -> None:
        async with self.database.transaction() as work:
            await work.reports.put(note_of(0), self.now[0], {"shards": 1, "alerts": len(self.sleepers)})

    async def look(self, one: Sleeper) -> None:
        """An own tick, and what is recorded after it."""
        live, one.wakes = one.live, one.wakes + 1
        live.memory.schedule(look_again=None)
        definition = live.definition
        more = True
        while more and not live.is_idle:
            asked = EvaluateInput(
                definition.symbol, definition.timeframe, tuple(definition.operands), self.now[0],
                after=live.state.last_bar_close, alert=live.alert, state=live.state,
            )  # fmt: skip
            result = await self.evaluation.values(asked)
            judge(live, result)
            more = result.more
        live.offered = not live.is_idle
        await self.record(one)

    async def record(self, one: Sleeper) -> None:
        live = one.live
        if self.database_away:
            live.be_watched(None)
            return
        watching = Watching.OFFERED if live.offered else Watching.WATCHED if live.is_watched else Watching.ENDED
        live.offered = False
        given = RecordInput(
            live.alert.id, live.alert.version, live.memory.outbox.events, live.state, None, live.memory.outbox.runs, None,
            live.definition.memory_key, live.definition.symbol, watching, live.memory.due.watched_until,
        )  # fmt: skip
        answer = await self.store.record(given)
        live.be_watched(answer.watched_until)
        live.memory.outbox = replace(live.memory.outbox, events=(), runs=())

    async def _send(self, alert_id: str, nudge: BarsObserved) -> None:
        fate = self.rng.choice(["", "", "", "dropped", "doubled", "a minute late", "stale"])
        self.kinds.add(fate)
        self.old.append((alert_id, nudge))
        if fate == "a minute late":
            self.late.append((self.now[0] + MINUTE, alert_id, nudge))
        elif fate != "dropped":
            await self.arrive(alert_id, nudge)
            if fate == "doubled":
                await self.arrive(alert_id, nudge)
            if fate == "stale":
                await self.arrive(*self.rng.choice(self.old))

    async def arrive(self, alert_id: str, nudge: BarsObserved) -> None:
        """As in the workflow's main loop."""
        one = self.sleepers[alert_id]
        one.inbox.nudges.append(nudge)
        one.wakes += 1
        take_nudges(one.live, one.inbox, self.now[0])
        if one.live.memory.due.look_again is not None:
            await self.look(one)
        else:
            await self.record(one)

    async def pass_minute(self) -> None:
        """The bar closes; the watch looks, and what was on its way arrives."""
        self.now[0] += MINUTE
        await self.beat()
        await self.reference()
        due, self.late = (
            [one for one in self.late if one[0] <= self.now[0]],
            [one for one in self.late if one[0] > self.now[0]],
        )
        for _, alert_id, nudge in due:
            await self.arrive(alert_id, nudge)
        if not self.database_away:
            await self.fleet.follow()
        for group in list(self.fleet.listeners.values()):
            for replica, result in await group.look():
                assert result is not None
                if not self.database_away:
                    await self.runs.write([replica.alert.id])
                await self.nudger.tell(replica, replica.told(result, 0, is_written=not self.database_away))
        await self.nudger.tell_again()
        if not self.database_away and self.rng.random() < 0.3:
            await self.runs.write()
        for one in self.sleepers.values():
            if not one.live.is_watched and not one.live.is_idle:
                await self.look(one)

    async def reference(self) -> None:
        """What ``step`` alone makes of the bar."""
        for one in self.sleepers.values():
            definition = one.live.definition
            asked = EvaluateInput(
                definition.symbol, definition.timeframe, tuple(definition.operands), self.now[0],
                after=self.now[0] - MINUTE,
            )  # fmt: skip
            for bar in (await self.evaluation.values(asked)).snapshots:
                one.expected, events = rearm.step(one.live.alert, one.expected, bar)
                one.wanted += events
                one.bars[bar.bar_close] = one.expected.status.value

    async def disturb(self) -> None:
        """What people do, and what befalls the watch."""
        one = self.rng.choice(list(self.sleepers.values()))
        deed = self.rng.choice(["", "", "pause", "edit", "watch killed", "database", "self-check"])
        self.kinds.add(deed)
        if deed == "pause" and not self.database_away:
            await self.catch_up(one)
            for alert, state, note in ((one.live.alert, one.expected, True), (one.live.alert, one.live.state, False)):
                paused, first = rearm.pause(alert, state, self.now[0])
                after, second = rearm.resume(alert, paused, self.now[0], self.now[0])
                if note:
                    one.expected, one.wanted = after, [*one.wanted, *first, *second]
                else:
                    one.live.take((after, [*first, *second]))
            one.live.be_watched(None)
            await self.record(one)
        elif deed == "edit" and not self.database_away:
            await self.catch_up(one)
            await self.edit(one)
        elif deed == "watch killed":
            self.runs = RunLog(self.database, "chaos", lambda: self.now[0])
            self.fleet = Fleet(self.database, self.evaluation, 0, 1, lambda: self.now[0], self.runs)
            self.nudger = Nudger(self._send, self.fleet.drop, lambda: self.now[0])
            if not self.database_away:
                await self.fleet.load()
        elif deed == "database":
            self.database_away = not self.database_away
        elif deed == "self-check":
            await self.look(one)

    async def catch_up(self, one: Sleeper) -> None:
        """A message comes between two bars, when all that closed has been judged: else its place among them is chance."""
        await self.look(one)

    async def edit(self, one: Sleeper) -> None:
        alert = one.live.alert
        body = {"symbol": alert.definition.symbol, "timeframe": "1m", **self.rng.choice(RULES)}
        if alert.definition.options.record == "all":
            body["options"] = {"record": "all"}
        edited = Alert(id=alert.id, version=alert.version + 1, definition=make_alert(body).definition)
        async with self.database.transaction() as work:
            await work.schedules.replace(edited, alert.version, self.now[0])
        one.expected, events = rearm.updated(alert, edited, one.expected, self.now[0], self.now[0])
        one.wanted += events
        one.live.adopt(edited, self.now[0])
        one.live.be_watched(None)
        await self.record(one)


def same(event: AlertEvent) -> tuple[Any, ...]:
    values = {key: value and round(value, 9) for key, value in event.values.items()}
    return (
        event.id,
        event.kind,
        event.bar_close,
        event.status,
        event.reason,
        event.trigger_count,
        tuple(sorted(values.items())),
    )


@pytest.mark.parametrize("seed", range(4))
async def test_events_equal_the_reference(database: Database, seed: int) -> None:
    town = Town(database, seed)
    await town.settle(9)
    await town.fleet.load()
    for _ in range(BARS):
        await town.pass_minute()
        await town.disturb()
    town.database_away = False
    await town.runs.write()
    for one in town.sleepers.values():  # the end: whoever still waits for a nudge looks for itself
        await town.look(one)
    watched_wakes = 0
    async with database.transaction() as work:
        for one in town.sleepers.values():
            have = await work.events.of_alert(one.id)
            lost = {*map(same, one.wanted)} - {*map(same, have)}
            more = {*map(same, have)} - {*map(same, one.wanted)}
            assert (lost, more) == (set(), set()), one.live.alert.definition
            assert len(have) == len(one.wanted)
            assert replace(one.live.state, revision=0) == replace(one.expected, revision=0)
            watched_wakes += one.wakes
            if one.live.definition.options.record == "all":
                runs = await work.runs.page(RunFilter(job_id=one.id), None, 1000)
                found = {run.scheduled_for: (run.result or {})["status"] for run in runs}
                assert len(found) == len(runs)
                assert found == one.bars, "each bar has its run, and is as judged then"
    assert {"dropped", "doubled", "a minute late", "stale", "pause", "edit", "watch killed", "database"} <= town.kinds
    assert watched_wakes < 9 * BARS, "quiet bars woke nobody"

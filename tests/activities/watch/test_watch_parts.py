"""What the watch does when a vendor is away, when nobody need hear at once, when nobody answers, and when it is wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from activities.evaluation import Evaluation
from activities.interface import BarsObserved, EvaluateInput, EvaluateResult, Freshness
from activities.market_data.failover import MarketData
from activities.market_data.vendors.errors import ProviderRefused, ProviderUnavailable
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.watch import listeners as hearing
from activities.watch.fleet import Fleet
from activities.watch.nudging import MOST_OPEN, Nudger
from activities.watch.replica import MOST_HELD, Replica
from activities.watch.shards import Shards, note_of
from domain.alert import Alert, AlertState, EventKind
from domain.alert_memory import AlertMemory
from domain.bar import BarSnapshot
from domain.live_alert import LiveAlert
from domain.rearm import step
from domain.watching import is_watchable, next_self_check, shard_of
from starter.watching import watch_state, watcher_of
from storage.database import Database
from storage.watched import WatchedAlert, WatchedAlerts
from tests.activities.watch.support import LATER, MINUTE, Corner, alert
from tests.conftest import START, closes, make_alert
from worker.settings import Settings
from workflows.alert_tick import judge


async def test_quiet_bars_are_judged_and_nobody_is_told() -> None:
    corner = Corner(alert("close > 1000000"), alert("rsi(14) > 99.99", id="a2"))
    for _ in range(5):
        assert await corner.look() == []
    assert corner.group.judged == 10
    assert {one.last_close for one in corner.replicas} == {START + 5 * MINUTE}
    assert corner.group.due == START + 6 * MINUTE, "the next tick of their cron"
    assert corner.group.lag is not None
    assert corner.group.lag < timedelta(seconds=2)


async def test_a_vendor_that_is_away_is_asked_again_and_the_third_tick_without_data_told() -> None:
    corner = Corner(alert("close > 1000000"))
    corner.vendor.trouble = ProviderUnavailable("simulated", "HTTP 503")
    told, looks, ticks = [], 0, 0
    while not told and looks < 200:
        told, looks = await corner.look(max((corner.group.due - corner.now[0]).total_seconds(), 0.1)), looks + 1
        ticks = corner.replicas[0].observer.state.unknown_count
    assert ticks == 2, "the two before were counted, and told nobody"
    assert looks > 10, "it asked again within each tick"
    ((replica, result),) = told
    assert result is not None
    nudge = replica.observed(result, 0)
    assert nudge.result is not None
    assert (nudge.result.freshness, nudge.result.snapshots) == (Freshness.UNAVAILABLE, ())
    assert "HTTP 503" in nudge.result.problem
    assert nudge.result.before is not None
    assert nudge.result.before.unknown_count == 2
    corner.vendor.trouble = None
    replica.begin(replace(nudge.result.before, unknown_count=3, revision=1))
    assert await corner.look(600) == []
    assert replica.observer.state.unknown_count == 0, "and all bars since were judged"


async def test_a_refusal_has_each_look_for_itself() -> None:
    corner = Corner(alert(), alert(id="a2"))
    corner.vendor.trouble = ProviderRefused("simulated", "no such ticker")
    told = await corner.look()
    assert [(one.alert.id, result) for one, result in told] == [("a1", None), ("a2", None)]


def test_what_was_suppressed_is_told_in_batches() -> None:
    one = alert(rearm={"type": "cooldown", "cooldown": 86_400})
    fired, _ = step(one, AlertState(last_bar_close=START), closes(101)[0])
    replica = Replica(one, fired, LATER)
    bars = closes(*[101.0] * MOST_HELD, start=START + MINUTE)
    assert [replica.see([bar]) for bar in bars] == [*[False] * (MOST_HELD - 1), True]
    nudge = replica.observed(EvaluateResult(Freshness.FRESH, START), 0)
    assert nudge.result is not None
    assert nudge.result.snapshots == tuple(bars)
    assert replica.is_waiting


async def test_what_waits_for_others_is_told_after_some_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    corner = Corner(alert("close > 1", rearm={"type": "cooldown", "cooldown": 86_400}))
    fired, _ = step(corner.replicas[0].alert, AlertState(), BarSnapshot(START - MINUTE, START, {"close": 200.0}))
    corner.replicas[0].begin(fired)
    monkeypatch.setattr(hearing, "MOST_HELD_FOR", 3 * MINUTE)
    told = [len(await corner.look()) for _ in range(4)]
    assert told == [0, 0, 0, 1]


def test_a_fire_brings_along_what_was_suppressed_before_it() -> None:
    one = alert(rearm={"type": "cooldown", "cooldown": 180})
    fired, _ = step(one, AlertState(last_bar_close=START), closes(101)[0])
    replica = Replica(one, fired, LATER)
    bars = closes(102, 103, 104, start=START + MINUTE)
    assert [replica.see([bar]) for bar in bars] == [False, False, True]
    nudge = replica.observed(EvaluateResult(Freshness.FRESH, START), 0)
    assert nudge.result is not None
    state, kinds = nudge.result.before, []
    assert state is not None
    for bar in nudge.result.snapshots:
        state, events = step(one, state, bar)
        kinds += [event.kind for event in events]
    assert kinds == [EventKind.SUPPRESSED, EventKind.SUPPRESSED, EventKind.TRIGGERED]


def test_values_of_others_are_not_told() -> None:
    replica = Replica(alert("sma(3) > 100"), AlertState(last_bar_close=START), LATER)
    bar = BarSnapshot(START, START + MINUTE, {"close": 1.0, "sma(3)": 101.0, "rsi(14)": 5.0, "volume": 9.0})
    assert replica.see([bar])
    nudge = replica.observed(EvaluateResult(Freshness.FRESH, START), 0)
    assert nudge.result is not None
    assert nudge.result.snapshots[0].values == {"close": 1.0, "sma(3)": 101.0}


def test_the_forming_bar_is_told_when_it_fires() -> None:
    replica = Replica(alert(options={"evaluate_on": "tick"}), AlertState(last_bar_close=START), LATER)
    forming = BarSnapshot(START, START + MINUTE, {"close": 99.0}, final=False)
    assert not replica.see_forming(forming)
    assert replica.see_forming(replace(forming, values={"close": 101.0}))
    nudge = replica.observed(EvaluateResult(Freshness.FRESH, START), 0)
    assert nudge.result is not None
    assert nudge.result.forming is not None
    live = LiveAlert(replica.alert, AlertMemory(state=AlertState(last_bar_close=START)))
    judge(live, nudge.result)
    assert live.state.trigger_count == 1


async def test_who_does_not_answer_is_told_again_ever_more_rarely() -> None:
    now, sent = [START], list[datetime]()

    async def send(alert_id: str, nudge: BarsObserved) -> None:
        sent.append(now[0])

    replica = Replica(alert(), AlertState(last_bar_close=START), LATER)
    nudger = Nudger(send, lambda alert_id: None, lambda: now[0])
    await nudger.tell(replica, replica.observed(EvaluateResult(Freshness.FRESH, START), 0))
    assert nudger.unanswered == 0, "it was told just now"
    for _ in range(200):
        now[0] += timedelta(seconds=1)
        await nudger.tell_again()
    assert [(at - START).seconds for at in sent] == [0, 10, 30, 70, 150]
    assert nudger.unanswered == 1
    replica.begin(AlertState(revision=1))
    now[0] += timedelta(hours=1)
    await nudger.tell_again()
    assert (len(sent), nudger.unanswered) == (5, 0), "it has answered"


async def test_a_market_that_fires_as_a_whole_is_told_piece_by_piece() -> None:
    """SQL and Temporal would not keep up: what is written takes longer than anybody waits for it."""
    now, sent = [START], list[str]()

    async def send(alert_id: str, nudge: BarsObserved) -> None:
        sent.append(alert_id)

    nudger = Nudger(send, lambda alert_id: None, lambda: now[0])
    replicas = [Replica(alert(id=f"a{n}"), AlertState(last_bar_close=START), LATER) for n in range(MOST_OPEN + 150)]
    for one in replicas:
        await nudger.tell(one, one.observed(EvaluateResult(Freshness.FRESH, START), 0))
    assert sent == [one.alert.id for one in replicas[:MOST_OPEN]]
    await nudger.tell_again()
    assert len(sent) == MOST_OPEN, "nobody has answered"
    for one in replicas[:50]:
        one.begin(AlertState(revision=1))
    replicas[MOST_OPEN].begin(AlertState(revision=1))  # it was edited meanwhile
    assert nudger.is_waiting
    await nudger.tell_again()
    assert sent[MOST_OPEN:] == [one.alert.id for one in replicas[MOST_OPEN + 1 : MOST_OPEN + 50]]
    now[0] += timedelta(seconds=11)
    await nudger.tell_again()  # those who do not answer are told again, and keep nobody from being told
    assert set(sent) == {one.alert.id for one in replicas} - {f"a{MOST_OPEN}"}


async def test_a_workflow_that_is_gone_is_forgotten_and_a_server_that_is_away_tried_again() -> None:
    now, lost, error = [START], list[str](), [RPCStatusCode.UNAVAILABLE]

    async def send(alert_id: str, nudge: BarsObserved) -> None:
        raise RPCError("no", error[0], b"")

    replica = Replica(alert(), AlertState(last_bar_close=START), LATER)
    nudger = Nudger(send, lost.append, lambda: now[0])
    await nudger.tell(replica, replica.observed(EvaluateResult(Freshness.FRESH, START), 0))
    assert lost == []
    now[0] += timedelta(seconds=11)
    error[0] = RPCStatusCode.NOT_FOUND
    await nudger.tell_again()
    assert lost == ["a1"]


@pytest.mark.parametrize(
    ("more", "watched"),
    [
        ({}, True),
        ({"cron": "*/15 * * * *"}, True),
        ({"cron": "*/16 * * * *"}, True),
        ({"cron": "0 * * * *"}, False),
        ({"timeframe": "1h"}, False),
        ({"timeframe": "1h", "cron": "* * * * *"}, False),
        ({"timeframe": "1h", "cron": "* * * * *", "options": {"evaluate_on": "tick"}}, True),
        ({"options": {"record": "all"}}, True),
    ],
)
def test_those_whose_ticks_are_close_together_are_watched(more: dict[str, Any], watched: bool) -> None:
    one = make_alert({"symbol": "X", "timeframe": "1m", "rule": "close > 1", **more})
    assert is_watchable(one.definition, START) is watched


def test_shards_and_self_checks_are_spread() -> None:
    found = [shard_of(f"T{number}", 4) for number in range(400)]
    assert all(70 < found.count(shard) < 130 for shard in range(4))
    for fleet, least, most in ((10, 0.75, 1.25), (10_000_000, 4.5, 7.5)):
        hours = [(next_self_check(f"a{n}", START, fleet) - START) / timedelta(hours=1) for n in range(200)]
        assert least <= min(hours) < max(hours) <= most
        assert len(set(hours)) == 200


async def test_a_fleet_follows_what_workflows_record(any_database: Database) -> None:
    now = [START]
    market = MarketData([SimulatedMarket()], clock=lambda: now[0])
    fleet = Fleet(any_database, Evaluation(market, 60), 0, 1, lambda: now[0])
    state = AlertState(last_bar_close=START, revision=3)
    ones = [alert(id=f"f{number}") for number in range(3)]

    async def note(one: Alert, of: AlertState, until: datetime | None = LATER) -> None:
        async with any_database.transaction() as work:
            await work.schedules.project(one.id, one.version, of, None, None, one.definition.memory_key)
            if until is None:
                await work.watched.end(one.id, now[0])
            else:
                await work.watched.put(WatchedAlert(one.id, "X", one.version, of.revision, until), now[0])

    async with any_database.transaction() as work:
        await work.schedules.add_all(ones, START)
    for one in ones[:2]:
        await note(one, state)
    await fleet.load()
    assert {id: replica.revision for id, replica in fleet.replicas.items()} == {"f0": 3, "f1": 3}
    assert len(fleet.listeners) == 1, "they hear the same bars"
    now[0] += MINUTE
    await note(ones[2], state)
    await note(ones[0], replace(state, revision=4))
    await note(ones[1], state, None)
    await fleet.follow()
    assert {id: replica.revision for id, replica in fleet.replicas.items()} == {"f0": 4, "f2": 3}
    async with any_database.transaction() as work:
        await work.schedules.delete("f2")
    await fleet.load()
    assert list(fleet.replicas) == ["f0"], "of one that was deleted nobody says anything"
    edited = Alert(id="f0", version=2, definition=alert("close > 5").definition)
    async with any_database.transaction() as work:
        await work.schedules.replace(edited, 1, now[0])
    await note(ones[0], replace(state, revision=5))
    await fleet.follow()
    assert fleet.replicas == {}, "its workflow has not heard of the edit: what it recorded is of the old rule"


async def test_what_is_handed_over_while_all_is_read_again_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [START]
    fleet = Fleet(database, Evaluation(MarketData([SimulatedMarket()], clock=lambda: now[0]), 60), 0, 1, lambda: now[0])
    ones, state = [alert(id=f"f{number}") for number in range(2)], AlertState(last_bar_close=START)
    async with database.transaction() as work:
        await work.schedules.add_all(ones, START)
        for one in ones:
            await work.schedules.project(one.id, 1, state, None, None, one.definition.memory_key)
        await work.watched.put(WatchedAlert("f0", "X", 1, 0, LATER), START)
        await work.watched.put(WatchedAlert("f1", "X", 1, 0, START + MINUTE), START)
    await fleet.load()
    now[0] += 2 * MINUTE  # one looks for itself now, and is not in the pages
    page = WatchedAlerts.page

    async def meanwhile(self: WatchedAlerts, after: str, limit: int, at: datetime) -> list[WatchedAlert]:
        found = await page(self, after, limit, at)
        if not found:
            await self.put(WatchedAlert("f1", "X", 1, 0, LATER), at)
        return found

    monkeypatch.setattr(WatchedAlerts, "page", meanwhile)
    await fleet.load()
    assert set(fleet.replicas) == {"f0", "f1"}


async def test_lists_show_each_alert_once_a_minute(database: Database) -> None:
    now = [START]
    fleet = Fleet(database, Evaluation(MarketData([SimulatedMarket()], clock=lambda: now[0]), 60), 0, 1, lambda: now[0])
    for number in range(10):
        one = alert(id=f"f{number}", timeframe="10s" if number == 3 else "5m")
        fleet.replicas[one.id] = Replica(one, AlertState(last_bar_close=START), LATER)
    shown = []
    for _ in range(9):  # every ten seconds from the first on
        shown.append([one.alert.id for one in fleet.to_be_shown(4)])
        now[0] += timedelta(seconds=10)
    assert shown[:3] == [["f0", "f1", "f2", "f3"], ["f4", "f5", "f6", "f7"], ["f8", "f9"]]
    assert shown[3:6] == [["f3"], ["f3"], ["f3"]], "of short bars each one"
    assert shown[6] == ["f0", "f1", "f2", "f3"]


async def test_a_watch_that_is_silently_wrong_is_found_and_told(database: Database) -> None:
    """It dropped an alert: the self-check finds the fires it should have told, as late ones, and health says so."""
    now = [START]
    shards = Shards(database, 1, lambda: now[0])
    market = MarketData([SimulatedMarket()], clock=lambda: now[0])
    evaluation = Evaluation(market, 60, shards=shards)
    async with database.transaction() as work:
        await work.reports.put(note_of(0), START, {"shards": 1, "alerts": 1, "owner": "w1"})
        await work.watched.put(WatchedAlert("a1", "X", 1, 0, LATER), START)
    live = LiveAlert(alert("close > close[1]", rearm="simple"), AlertMemory(state=AlertState(last_bar_close=START)))
    now[0] += timedelta(minutes=90)
    asked = EvaluateInput(
        "X", live.definition.timeframe, tuple(live.definition.operands), now[0], after=START, alert=live.alert,
        state=live.state, checks=True,
    )  # fmt: skip
    judge(live, await evaluation.evaluate(asked))
    live.tell_late()
    kinds = [event.kind for event in live.memory.outbox.events]
    assert kinds.count(EventKind.LATE) == 1
    assert kinds.count(EventKind.TRIGGERED) > 20
    await shards.tell("w2")
    state = await watch_state(database, Settings(), now[0])
    assert state.found_late == 1
    assert ["found by themselves" in said for said, _ in state.troubles()] == [False, True]
    quick = replace(asked, state=live.state, after=live.state.last_bar_close)
    now[0] += MINUTE
    await evaluation.evaluate(replace(quick, now=now[0]))
    assert shards.found_late[0] == 1, "a bar that has just closed was not missed"


async def test_a_silent_shard_is_an_issue_and_shown(database: Database) -> None:
    one = WatchedAlert("a1", "X", 1, 0, LATER)
    async with database.transaction() as work:
        await work.schedules.add(alert(), START)
        await work.watched.put(one, START)
        await work.reports.put(note_of(0), START, {"shards": 1, "alerts": 1, "owner": "w1", "lag_ms": 12})
    well = await watch_state(database, Settings(), START + timedelta(seconds=29))
    assert (well.troubles(), well.lag_ms, well.as_json()["silent"]) == ([], 12, [])
    assert watcher_of(one, well).startswith("by shard 0 (w1); it looks for itself at 2026-01-06")
    gone = await watch_state(database, Settings(), START + timedelta(seconds=31))
    assert gone.silent == [0]
    assert "shard 0 was not heard of since 2026-01-05 14:30:00 UTC: 1 watched alerts" in gone.troubles()[0][0]
    assert "by nobody" in watcher_of(one, gone)
    off = await watch_state(database, Settings(alerts_watch="off"), START)
    assert (off.troubles(), watcher_of(one, off)) == ([], "")


async def test_an_alert_is_offered_to_a_shard_that_lives(database: Database) -> None:
    now = [START]
    shards = Shards(database, 2, lambda: now[0])
    shard = shard_of("X", 2)
    assert not await shards.lives("X")
    async with database.transaction() as work:
        await work.reports.put(note_of(shard), START, {"shards": 2, "alerts": 5})
    now[0] += timedelta(seconds=5)
    assert await shards.lives("X")
    until = await shards.until("a1", "X", now[0])
    assert until is not None
    assert until > now[0] + timedelta(minutes=30)
    now[0] += timedelta(seconds=30)
    assert not await shards.lives("X"), "it was not heard of for long"
    assert await shards.until("a1", "X", now[0]) is None


async def test_judging_gives_way_to_other_work() -> None:
    """Thousands of alerts on one ticker do not hold up the process."""
    corner = Corner(*(alert("close > 1000000", id=f"a{number}") for number in range(20_000)))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    corner.now[0] += MINUTE
    await corner.group.look()
    before = turns
    corner.now[0] += MINUTE
    await corner.group.look()
    task.cancel()
    assert turns - before > 3

"""One tick of an alert: every new closed bar is judged, then the forming one if it is wanted; a long catch-up in slices."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import EvaluateInput, EvaluateResult, FetchInput, FetchResult, Freshness, TaskQueue
    from domain.live_alert import LiveAlert
    from domain.watching import is_watchable
    from workflows.details import show_details
    from workflows.failures import ACTIVITY_FAILED, let_cancellation_pass, reason_of
    from workflows.inbox import Inbox

MOST_LOOKS = 8  # in a row, for a bar that has closed but is not there; then the next tick is soon enough
REPLAY_LAG = timedelta(minutes=1)  # of the market's time behind ours: more is no clock that goes wrong but a replay
A_SECOND = timedelta(seconds=1)
WITH_BARS = (Freshness.FRESH, Freshness.SETTLING)


async def tick(live: LiveAlert, inbox: Inbox, slot: datetime | None) -> None:
    """``slot`` is the last tick's time: what fails is a run of that one, however often it is asked for. None before the first."""
    asked = inbox.requested
    live.memory.schedule(look_again=None, catching_up=False)
    last = await _evaluate_all(live, inbox, slot)
    due, now = live.memory.due, workflow.now()
    waits = due.catching_up or (due.look_again is not None and due.looks < MOST_LOOKS)
    if not live.is_idle and live.is_expired(now) and not waits:
        live.expire()
    live.offered = last is not None and last.watched and due.look_again is None and _may_be_watched(live)
    if not live.offered:
        live.be_watched(None)
    inbox.evaluated = asked


def _may_be_watched(live: LiveAlert) -> bool:
    return not live.is_idle and live.state.last_bar_close is not None and is_watchable(live.definition, workflow.now())


async def _evaluate_all(live: LiveAlert, inbox: Inbox, slot: datetime | None) -> EvaluateResult | None:
    """What was answered last; None where it was no more than a part, or no data."""
    snapshots = size = 0
    while not live.is_idle:
        alert, revision = live.alert, live.state.revision
        result = await _evaluate(live, inbox)
        if live.alert is not alert or live.state.revision != revision:
            continue  # edited, paused, acknowledged meanwhile: this result is of the alert as it was
        if result.freshness not in WITH_BARS:
            _lack(live, inbox, result, slot)
            return None
        judge(live, result)
        live.memory.schedule(next_close=result.next_close)
        snapshots += len(result.snapshots)
        size += sum(snapshot.size for snapshot in result.snapshots)
        if not result.more:
            _settle(live, result)
            return result
        if snapshots >= interface.TASK_SNAPSHOTS or size >= interface.TASK_BYTES:
            live.memory.schedule(look_again=workflow.now(), catching_up=True)  # the rest in a task of its own
            return None
    return None


def judge(live: LiveAlert, result: EvaluateResult) -> None:
    """What was answered, or observed, in the order of the bars."""
    if result.skipped_until is not None and (result.snapshots or result.quiet):
        live.skipped(result.skipped_until)
    if result.before is not None:
        live.carry(result.before, result.quiet, result.sides)
    for snapshot in result.snapshots:
        live.step(snapshot, result.as_of, result.source, record=result.record_all)
    if result.forming is not None:
        live.step_forming(result.forming, result.source)


async def _evaluate(live: LiveAlert, inbox: Inbox) -> EvaluateResult:
    """By the cache or a quick fetch; else by the market-data queue, where trouble is seen."""
    result = await _evaluate_locally(live)
    if result.freshness is Freshness.UNAVAILABLE and await _fetch(live, inbox, result):
        result = await _evaluate_locally(live)
    if result.freshness in WITH_BARS:
        live.memory.tell_problem(result.problem)  # of good bars that are too few
        lag = workflow.now() - result.as_of
        live.memory.schedule(market_lag=lag if abs(lag) > REPLAY_LAG else timedelta(0))
    return result


def _lack(live: LiveAlert, inbox: Inbox, result: EvaluateResult, slot: datetime | None) -> None:
    if not inbox.woken:
        now, refused = workflow.now(), result.freshness is Freshness.REFUSED
        live.lack(result.problem or live.memory.problem, slot or now, now, refused=refused)


async def _evaluate_locally(live: LiveAlert) -> EvaluateResult:
    definition, options = live.definition, live.definition.options
    wanted = EvaluateInput(
        symbol=definition.symbol,
        timeframe=definition.timeframe,
        keys=tuple(definition.operands),
        now=workflow.now() - live.memory.due.market_lag,
        after=live.state.last_bar_close,
        lookback=options.lookback,
        newest_only=options.catchup == "latest",
        forming=options.evaluate_on == "tick",
        market_hours_only=options.market_hours_only,
        alert=live.alert,
        state=live.state,
        checks=live.is_watched,
    )
    try:
        result: EvaluateResult = await workflow.execute_local_activity(
            interface.EVALUATE,
            wanted,
            result_type=EvaluateResult,
            schedule_to_close_timeout=interface.LOCAL_TIMEOUT,
            retry_policy=interface.LOCAL_RETRY,
        )
        return result
    except ACTIVITY_FAILED as error:
        let_cancellation_pass(error)
        return EvaluateResult(Freshness.UNAVAILABLE, workflow.now(), problem=str(error.cause or error))


async def _fetch(live: LiveAlert, inbox: Inbox, seen: EvaluateResult) -> bool:
    """The long way: failover, retries and back-off as a regular activity. A message interrupts it."""
    live.memory.tell_problem(seen.problem)
    show_details(live)
    definition = live.definition
    until_next = live.due_after(workflow.now()) - workflow.now()
    patience = min(max(until_next, interface.SHORTEST_FETCH), interface.LONGEST_FETCH)
    handle = workflow.start_activity(
        interface.FETCH,
        FetchInput(
            definition.symbol,
            definition.timeframe,
            tuple(definition.operands),
            workflow.now() - live.memory.due.market_lag,
            live.state.last_bar_close,
            definition.options.lookback,
        ),
        result_type=FetchResult,
        task_queue=TaskQueue.MARKET_DATA,
        start_to_close_timeout=interface.FETCH_ATTEMPT_TIMEOUT,
        schedule_to_close_timeout=patience,
        retry_policy=interface.FETCH_RETRY,
        summary=f"bars of {definition.symbol} {definition.timeframe}",
    )
    await workflow.wait_condition(lambda: handle.done() or inbox.woken)  # who asks for an evaluation waits for it
    if not handle.done():
        handle.cancel()
        live.memory.schedule(look_again=workflow.now())
        with contextlib.suppress(ActivityError):  # what it would have said no longer matters
            await handle
        return False
    try:
        await handle
    except ActivityError as error:
        let_cancellation_pass(error)
        live.memory.tell_problem(reason_of(error))
        return False
    return True


def _settle(live: LiveAlert, result: EvaluateResult) -> None:
    """A bar that has closed but is not there yet is asked for again soon, not at the next tick."""
    again = result.ready_at if result.freshness is Freshness.SETTLING else _seen_by_a_slow_clock(live, result)
    looks = live.memory.due.looks
    if again is not None and looks < MOST_LOOKS:
        live.memory.schedule(look_again=again, looks=looks + 1)
    else:
        live.memory.schedule(looks=0)


def _seen_by_a_slow_clock(live: LiveAlert, result: EvaluateResult) -> datetime | None:
    """When to look again, where a bar closes between the worker's time and ours: it could not see that bar."""
    now = workflow.now()
    if result.clock is None or result.clock >= now:
        return None
    frame = live.definition.timeframe
    coming = result.next_close or frame.close_after(frame.floor(result.clock))
    return now + (now - result.clock) + A_SECOND if coming <= now else None

"""AlertWorkflow: one alert from its definition to its end, over years and crashes (DESIGN 5).

The main loop alone runs activities and continues as new; the handlers, in ``alert_messages``, only change state, and what SQL
must know of is written by ``alert_store``.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    FailureError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import (
        EvaluateInput,
        EvaluateResult,
        FetchInput,
        FetchResult,
        Freshness,
        TaskQueue,
    )
    from domain import rearm, ticks
    from domain.alert import AlertState, EventKind, new_event
    from domain.outbox import EvaluationRun, LateFires
    from workflows import search_attributes
    from workflows.alert_store import AlertStore
    from workflows.failures import ACTIVITY_FAILED, let_cancellation_pass, reason_of
    from workflows.messages import SUMMARY, AlertInput, StatusReport, memo_of

MOST_SETTLING = 8
SOON = timedelta(milliseconds=1)
A_SECOND = timedelta(seconds=1)
WRITTEN_AGAIN = interface.SHORTEST_FETCH  # what SQL lacks is tried again so soon, if no tick comes first
REPLAY_LAG = timedelta(minutes=1)
MOST_UNPROJECTED = 100


def _sourced(step: rearm.Step, result: EvaluateResult) -> rearm.Step:
    """Each event says which provider's bars it was judged on (R-302)."""
    state, events = step
    return state, [replace(event, source=result.source) for event in events]


@workflow.defn(name="AlertWorkflow")
class AlertWorkflow(AlertStore):
    """Steered by signals and updates, looked at by queries; see ``workflows.messages`` for their JSON."""

    @workflow.init
    def __init__(self, given: AlertInput) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: AlertInput) -> StatusReport:
        """Runs until the alert is deleted, expired or done."""
        try:
            return await self._live()
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            # an alert must not end by a fault of ours: the task fails, is seen, and is tried again until mended
            raise RuntimeError(f"unexpected failure: {error}") from error

    async def _live(self) -> StatusReport:
        while True:
            self.woken = False
            await self._settle_definition()
            await self._publish()
            if await self._has_ended():
                return self._status()
            self._continue_when_long()
            if await self._wait():
                if self.reload:  # an edit that came with the tick is judged by it
                    await self._settle_definition()
                if not self.deleted:
                    await self._tick()

    async def _has_ended(self) -> bool:
        """Whether nothing is left to do, whoever asked for something in the last moment included."""
        if self.deleted:
            self.evaluated = self.requested
            await workflow.wait_condition(workflow.all_handlers_finished)
            return True
        if not self._is_finished:
            return False
        self.evaluated = self.requested
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._is_finished

    @property
    def _is_finished(self) -> bool:
        return self.state.is_over and not self._is_unwritten and not self.reload

    async def _wait(self) -> bool:
        """Until a tick is due (True), a message came, or what SQL lacks is to be tried again."""
        if self._is_asked:
            return True
        if self.woken:
            return False
        tick, other = self._next_tick(), self._next_errand()
        until = min((at for at in (tick, other) if at is not None), default=None)
        if until is None:
            await workflow.wait_condition(lambda: self.woken or self._is_asked)
            return self._is_asked
        delay = max(until - workflow.now(), SOON)
        summary = f"{'snoozed' if self.state.is_paused else 'next tick'} {until:%H:%M:%S}"
        try:
            await workflow.wait_condition(lambda: self.woken or self._is_asked, timeout=delay, timeout_summary=summary)
        except TimeoutError:
            if until == tick:
                self.due, self.ticked_at = None, self.due
                return True
            if until == self.snoozed_until:
                self._resume()
            return False
        return self._is_asked

    @property
    def _is_asked(self) -> bool:
        """Whether somebody waits for an evaluation."""
        return self.requested > self.evaluated

    def _next_errand(self) -> datetime | None:
        """The next moment something but a tick is to be done."""
        again = workflow.now() + WRITTEN_AGAIN if self._is_unwritten else None
        snoozed = self.snoozed_until if self.state.is_paused else None
        return min((at for at in (again, snoozed) if at is not None), default=None)

    def _next_tick(self) -> datetime | None:
        """The next tick: kept until it has come, so that a message cannot skip it. None while there is none."""
        if self.state.is_paused or self.state.is_over:
            self.due = None
            return None
        if self.due is None:
            self.due = self._next_due()
        if self.settle_at is not None:
            expires_at = self.alert.definition.options.expires_at
            expired = expires_at is not None and workflow.now() >= expires_at
            return self.settle_at if expired else min(self.settle_at, self.due)
        return self.due

    def _next_due(self) -> datetime:
        now, definition = workflow.now(), self.alert.definition
        if self.jitter is None:
            self.jitter = ticks.jitter(definition, self.alert.id, now)
        due = ticks.next_tick(definition, self.state, now, self.next_close) + self.jitter
        expires_at = definition.options.expires_at
        return due if expires_at is None else min(due, max(expires_at, now))

    async def _tick(self) -> None:
        """Every new closed bar through ``step``, then the forming one if it is wanted; a long catch-up in slices."""
        asked, self.settle_at, self.catching_up = self.requested, None, False
        snapshots = size = 0
        while not (self.state.is_over or self.state.is_paused):
            alert, before = self.alert, self.state.last_bar_close
            result = await self._evaluate()
            if self.alert is not alert or self.state.is_paused or self.state.last_bar_close != before:
                continue  # edited, paused or resumed meanwhile: this result is of the alert as it was
            if result is None:
                break
            self._step_all(result)
            self.next_close = result.next_close
            snapshots += len(result.snapshots)
            size += sum(snapshot.size for snapshot in result.snapshots)
            if not result.more:
                self._settle(result)
                break
            if snapshots >= interface.TASK_SNAPSHOTS or size >= interface.TASK_BYTES:
                self.settle_at, self.catching_up = workflow.now(), True  # the rest in a task of its own
                break
        expires_at = self.alert.definition.options.expires_at
        active = not (self.state.is_over or self.state.is_paused)
        waiting = self.catching_up or (self.settle_at is not None and self.settled < MOST_SETTLING)
        if active and expires_at is not None and workflow.now() >= expires_at and not waiting:
            self._take(rearm.expire(self.alert, self.state))
        self.evaluated = asked

    async def _evaluate(self) -> EvaluateResult | None:
        """By the cache or a quick fetch; else by the market-data queue, where trouble is seen. None: no data."""
        result = await self._evaluate_locally()
        if result.freshness is Freshness.UNAVAILABLE and await self._fetch(result):
            result = await self._evaluate_locally()
        if result.freshness in (Freshness.FRESH, Freshness.SETTLING):
            self.problem = ""
            lag = workflow.now() - result.as_of
            self.market_lag = lag if abs(lag) > REPLAY_LAG else timedelta(0)
            return result
        if not self.woken:
            self._lack(result)
        return None

    async def _evaluate_locally(self) -> EvaluateResult:
        definition = self.alert.definition
        wanted = EvaluateInput(
            symbol=definition.symbol,
            timeframe=definition.timeframe,
            keys=tuple(definition.operands),
            now=workflow.now() - self.market_lag,
            after=self.state.last_bar_close,
            lookback=definition.options.lookback,
            newest_only=definition.options.catchup == "latest",
            forming=definition.options.evaluate_on == "tick",
            market_hours_only=definition.options.market_hours_only,
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
            text = str(error.cause or error)
            return EvaluateResult(Freshness.UNAVAILABLE, workflow.now(), problem=text)

    async def _fetch(self, seen: EvaluateResult) -> bool:
        """The long way: failover, retries and back-off as a regular activity. A message interrupts it."""
        self.problem = seen.problem
        self._describe()
        definition = self.alert.definition
        until_next = self._next_due() - workflow.now()
        patience = min(max(until_next, interface.SHORTEST_FETCH), interface.LONGEST_FETCH)
        handle = workflow.start_activity(
            interface.FETCH,
            FetchInput(
                definition.symbol,
                definition.timeframe,
                tuple(definition.operands),
                workflow.now() - self.market_lag,
                self.state.last_bar_close,
                definition.options.lookback,
            ),
            result_type=FetchResult,
            task_queue=TaskQueue.MARKET_DATA,
            start_to_close_timeout=interface.FETCH_ATTEMPT_TIMEOUT,
            schedule_to_close_timeout=patience,
            retry_policy=interface.FETCH_RETRY,
            summary=f"bars of {definition.symbol} {definition.timeframe}",
        )
        await workflow.wait_condition(lambda: handle.done() or self.woken)  # who asks for an evaluation waits for it
        if not handle.done():
            handle.cancel()
            self.settle_at = workflow.now()
            with contextlib.suppress(ActivityError):  # what it would have said no longer matters
                await handle
            return False
        try:
            await handle
        except ActivityError as error:
            let_cancellation_pass(error)
            self.problem = reason_of(error)
            return False
        return True

    def _lack(self, result: EvaluateResult) -> None:
        """A tick without data: counted like an UNKNOWN bar; a refusal is told once."""
        problem = result.problem or self.problem
        refused = result.freshness is Freshness.REFUSED
        if refused and problem != self.problem:
            event = new_event(self.alert, self.state, EventKind.ERROR, workflow.now(), detail=problem)
            self._note([event])
        self.problem = problem
        slot = self.ticked_at or workflow.now()
        status, reason = self.state.status.value, self.state.reason
        self.runs.append(EvaluationRun(slot, status, reason, error=problem or "no data"))
        state, events = rearm.unknown(self.alert, self.state, workflow.now())
        self._take((state, [replace(event, detail=problem) for event in events]))

    def _step_all(self, result: EvaluateResult) -> None:
        limit = ticks.lateness_limit(self.alert.definition)
        if result.skipped_until is not None and result.snapshots:
            until = result.skipped_until
            said = f"bars that closed before {until:%Y-%m-%d %H:%M:%S} UTC were not evaluated: the outage was too long"
            self._note([new_event(self.alert, self.state, EventKind.ERROR, until, detail=said)])
        for snapshot in result.snapshots:
            before = self.state
            self.state, events = _sourced(rearm.step(self.alert, self.state, snapshot), result)
            if self.state is not before:
                self.previous = before
            every = self.alert.definition.options.record == "all"
            if every or events or self.state.status is not before.status:
                kinds = tuple(event.kind.value for event in events)
                status, reason = self.state.status.value, self.state.reason
                self.runs.append(EvaluationRun(snapshot.bar_close, status, reason, kinds, snapshot.values))
            self._remember(before)
            if events and result.as_of - snapshot.bar_close > limit:
                events = [replace(e, late=e.kind is EventKind.TRIGGERED) for e in events]
                for event in events:
                    if event.late:
                        count, first = (self.late.count, self.late.first) if self.late else (0, event.at)
                        self.late = LateFires(count + 1, first, event)
            self._note(events)
        if result.forming is not None:
            self._take(_sourced(rearm.step_forming(self.alert, self.state, result.forming), result))

    def _remember(self, before: AlertState) -> None:
        """SQL is told of the memory when it moves, and now and then when it does not: a lost workflow comes back with it."""
        state, self.unprojected = self.state, self.unprojected + 1
        moved = state.sides != before.sides or before.last_bar_close is None
        counting = self.alert.definition.rearm.persistence > 1 and state.persistence_count != before.persistence_count
        if moved or counting or self.unprojected >= MOST_UNPROJECTED:
            self.projection_due, self.unprojected = True, 0

    def _settle(self, result: EvaluateResult) -> None:
        """A bar that has closed but is not there yet is asked for again soon, not at the next tick."""
        again = result.ready_at if result.freshness is Freshness.SETTLING else self._seen_by_a_slow_clock(result)
        if again is not None and self.settled < MOST_SETTLING:
            self.settled += 1
            self.settle_at = again
        else:
            self.settled = 0

    def _seen_by_a_slow_clock(self, result: EvaluateResult) -> datetime | None:
        """When to look again, where a bar closes between the worker's time and ours: it could not see that bar."""
        now = workflow.now()
        if result.clock is None or result.clock >= now:
            return None
        frame = self.alert.definition.timeframe
        coming = result.next_close or frame.close_after(frame.floor(result.clock))
        return now + (now - result.clock) + A_SECOND if coming <= now else None

    async def _publish(self) -> None:
        """Deliveries for what must be told, SQL for all of it, search attributes and details for onlookers."""
        self._tell_late()
        told, self.to_tell = self.to_tell, []
        if self.alert.definition.notification_channels:
            for event in told:
                await self._deliver(event)
        elif told:
            # what SQL is told must be in the history: a worker that dies in between would forget it, and fire anew
            await workflow.sleep(SOON)
        if not self.state.is_over and not self.state.is_paused and self.due is None:
            self.due = self._next_due()
        moved = (self.state.status.value, self.alert.version) != self.shown[:2]  # some moves are silent
        if self.pending or self.runs or self.projection_due or moved:
            await self._record()
        updates = search_attributes.changed(self.alert, self.state, self.shown)
        if updates:
            workflow.upsert_search_attributes(updates)
            self.shown = (self.state.status.value, self.alert.version, self.state.triggered_at)
        stamp = (self.alert.version, self.alert.definition.digest, self.enabled)
        if stamp != self.remembered:
            workflow.upsert_memo({**memo_of(*stamp), SUMMARY: self.alert.definition.name})
            self.remembered = stamp
        self._describe()

    def _continue_when_long(self) -> None:
        info = workflow.info()
        if not info.is_continue_as_new_suggested() and info.get_current_history_length() < self.history_limit:
            return
        if self.woken or not workflow.all_handlers_finished():
            return
        workflow.continue_as_new(
            AlertInput(
                alert=self.alert,
                state=self.state,
                previous=self.previous,
                pending=tuple(self.pending),
                recent=self.recent,
                unsaved_from=self.unsaved_from,
                snoozed_until=self.snoozed_until,
                shown=self.shown,
                problem=self.problem,
                due=self.due,
                settle_at=self.settle_at,
                settled=self.settled,
                market_lag=self.market_lag,
                next_close=self.next_close,
                reload=self.reload,
                history_limit=self.history_limit,
                enabled=self.enabled,
                remembered=self.remembered,
                runs=tuple(self.runs),
                late=self.late,
                catching_up=self.catching_up,
                lost=self.lost,
                unsaved_why=self.unsaved_why,
                pause_reason=self.pause_reason,
            ),
            memo=dict(workflow.memo()),  # what was upserted would be lost otherwise
        )

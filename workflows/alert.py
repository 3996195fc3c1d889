"""AlertWorkflow: one alert from its definition to its end, over years and crashes (DESIGN 5).

The main loop alone runs activities and continues as new; the handlers, in ``alert_messages``, only change state.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.exceptions import TimeoutError as TemporalTimeout

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import (
        DeliveryInput,
        EvaluateInput,
        EvaluateResult,
        EvaluationRun,
        FetchInput,
        FetchResult,
        Freshness,
        RecordInput,
        SaveInput,
        StoredDefinition,
        TaskQueue,
    )
    from domain import rearm, ticks
    from domain.alert import AlertEvent, AlertState, EventKind, new_event
    from workflows import search_attributes
    from workflows.alert_messages import AlertMessages
    from workflows.delivery import DeliveryWorkflow
    from workflows.messages import AlertInput, StatusReport, memo_of

MOST_PENDING = 200
MOST_SETTLING = 8
SOON = timedelta(milliseconds=1)
# behaviours that came after the first recorded histories
FAILED_RUNS, OLDER_ROW, SETTLED_FIRST = "failed-runs", "older-row", "settled-first"
STAMPED, WRITTEN_WHILE_PAUSED, MEMORY_KEPT = "stamped", "written-while-paused", "memory-kept"
KEPT_FIRST = "kept-first"
MOST_UNPROJECTED = 100
ACTIVITY_FAILED = (ActivityError, ApplicationError, TemporalTimeout)  # a local activity's failure comes bare


def _sourced(step: rearm.Step, result: EvaluateResult) -> rearm.Step:
    """Each event says which provider's bars it was judged on (R-302)."""
    state, events = step
    return state, [replace(event, source=result.source) for event in events]


def _let_cancellation_pass(error: BaseException) -> None:
    """An alert that is being cancelled must not take the cancelled activity for a failed one and go on."""
    if is_cancelled_exception(error):
        raise error


@workflow.defn(name="AlertWorkflow")
class AlertWorkflow(AlertMessages):
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
            if self.deleted or (self.state.is_over and not self.pending):
                break
            self._continue_when_long()
            if await self._wait():
                if self.reload and workflow.patched(SETTLED_FIRST):  # an edit that came with the tick is judged by it
                    await self._settle_definition()
                if not self.deleted:
                    await self._tick()
        self.evaluated = self.requested
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._status()

    async def _wait(self) -> bool:
        """Until a tick is due (True) or a message came. Paused alerts have no timer, but for a snooze's end."""
        until = self._until()
        if self.requested > self.evaluated:
            return True
        if self.woken:
            return False
        if until is None:
            await workflow.wait_condition(lambda: self.woken)
            return self.requested > self.evaluated
        delay = max(until - workflow.now(), SOON)
        summary = f"{'snoozed' if self.state.is_paused else 'next tick'} {until:%H:%M:%S}"
        try:
            await workflow.wait_condition(lambda: self.woken, timeout=delay, timeout_summary=summary)
        except TimeoutError:
            if self.state.is_paused:
                if until == self.snoozed_until:
                    self._resume()
                return False
            self.due, self.ticked_at = None, self.due
            return True
        return self.requested > self.evaluated

    def _until(self) -> datetime | None:
        """The next moment something is to be done: kept until it has come, so that a message cannot skip it."""
        if self.state.is_paused:
            self.due = None
            unwritten = bool(self.pending) or self.unsaved_from is not None
            if unwritten and workflow.patched(WRITTEN_WHILE_PAUSED):
                soon = workflow.now() + interface.SHORTEST_FETCH
                return min(soon, self.snoozed_until or soon)
            return self.snoozed_until
        if self.state.is_over:
            return workflow.now() + interface.SHORTEST_FETCH  # only to try the unrecorded events again
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
        """Every new closed bar through ``step``, then the forming one if it is wanted."""
        asked, self.settle_at = self.requested, None
        while not (self.state.is_over or self.state.is_paused):
            alert, before = self.alert, self.state.last_bar_close
            result = await self._evaluate()
            if self.alert is not alert or self.state.is_paused or self.state.last_bar_close != before:
                continue  # edited, paused or resumed meanwhile: this result is of the alert as it was
            if result is None:
                break
            self._step_all(result)
            self.next_close = result.next_close
            if not result.more:
                self._settle(result)
                break
        self._tell_late()
        expires_at = self.alert.definition.options.expires_at
        active = not (self.state.is_over or self.state.is_paused)
        waiting = self.settle_at is not None and self.settled < MOST_SETTLING
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
            self.market_lag = lag if abs(lag) > timedelta(minutes=1) else timedelta(0)
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
            _let_cancellation_pass(error)
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
        await workflow.wait_condition(lambda: handle.done() or self.woken)
        if not handle.done():
            handle.cancel()
            self.settle_at = workflow.now()
            with contextlib.suppress(ActivityError):  # what it would have said no longer matters
                await handle
            return False
        try:
            await handle
        except ActivityError as error:
            _let_cancellation_pass(error)
            cause = error.cause
            self.problem = cause.message if isinstance(cause, ApplicationError) else str(cause or error)
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
        if workflow.patched(FAILED_RUNS):
            slot = self.ticked_at or workflow.now()
            status, reason = self.state.status.value, self.state.reason
            self._ran(EvaluationRun(slot, status, reason, error=problem or "no data"), due=True)
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
                self._ran(EvaluationRun(snapshot.bar_close, status, reason, kinds, snapshot.values), due=every)
            self._remember(before)
            if events and result.as_of - snapshot.bar_close > limit:
                events = [replace(e, late=e.kind is EventKind.TRIGGERED) for e in events]
                self.late += [event for event in events if event.late]
            self._note(events)
        if result.forming is not None:
            self._take(_sourced(rearm.step_forming(self.alert, self.state, result.forming), result))

    def _remember(self, before: AlertState) -> None:
        """SQL is told of the memory when it moves, and now and then when it does not: a lost workflow comes back with it."""
        state, self.unprojected = self.state, self.unprojected + 1
        moved = state.sides != before.sides or before.last_bar_close is None
        counting = self.alert.definition.rearm.persistence > 1 and state.persistence_count != before.persistence_count
        if (moved or counting or self.unprojected >= MOST_UNPROJECTED) and workflow.patched(MEMORY_KEPT):
            self.projection_due, self.unprojected = True, 0

    def _ran(self, run: EvaluationRun, *, due: bool) -> None:
        """Notes an evaluation for ``job_schedule_runs``; what cannot be written for long is dropped, oldest first."""
        self.runs = [*self.runs, run][-MOST_PENDING:]
        self.runs_due = self.runs_due or due

    def _tell_late(self) -> None:
        """One notice for all fires that came too late to be told on their own (R-108)."""
        if not self.late:
            return
        first, last = self.late[0], self.late[-1]
        span = f"{first.at:%Y-%m-%d %H:%M:%S}" + (f" to {last.at:%Y-%m-%d %H:%M:%S}" if last is not first else "")
        notice = new_event(self.alert, self.state, EventKind.LATE, last.at, count=len(self.late), detail=f"{span} UTC")
        self._note([replace(notice, values=last.values, bar_close=last.bar_close, source=last.source)])
        self.late = []

    def _settle(self, result: EvaluateResult) -> None:
        """A bar that has closed but is not final yet is asked for again soon, not at the next tick."""
        if result.freshness is Freshness.SETTLING and result.ready_at and self.settled < MOST_SETTLING:
            self.settled += 1
            self.settle_at = result.ready_at
        else:
            self.settled = 0

    async def _publish(self) -> None:
        """Deliveries for what must be told, SQL for all of it, search attributes and details for onlookers."""
        told, self.to_tell = self.to_tell, []
        if self.alert.definition.notification_channels:
            for event in told:
                await self._deliver(event)
        elif told and workflow.patched(KEPT_FIRST):
            # what SQL is told must be in the history: a worker that dies in between would forget it, and fire anew
            await workflow.sleep(SOON)
        if not self.state.is_over and not self.state.is_paused and self.due is None:
            self.due = self._next_due()
        moved = (self.state.status.value, self.alert.version) != self.shown[:2]  # some moves are silent
        if self.pending or self.projection_due or moved or self.runs_due:
            await self._record()
        updates = search_attributes.changed(self.alert, self.state, self.shown)
        if updates:
            workflow.upsert_search_attributes(updates)
            self.shown = (self.state.status.value, self.alert.version, self.state.triggered_at)
        stamp = (self.alert.version, self.alert.definition.digest, self.enabled)
        if stamp != self.remembered and workflow.patched(STAMPED):
            workflow.upsert_memo(memo_of(*stamp))
            self.remembered = stamp
        self._describe()

    async def _deliver(self, event: AlertEvent) -> None:
        try:
            await workflow.start_child_workflow(
                DeliveryWorkflow.run,
                DeliveryInput(self.alert, event),
                id=f"delivery-{event.id}",
                task_queue=TaskQueue.NOTIFICATIONS,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"{self.alert.definition.symbol} {event.kind.value}",
            )
        except WorkflowAlreadyStartedError:
            return

    async def _record(self) -> None:
        """What cannot be written now stays pending, bounded, and is tried again at the next tick."""
        batch, runs = tuple(self.pending), tuple(self.runs)
        given = RecordInput(
            self.alert.id,
            self.alert.version,
            batch,
            self.state,
            self.due,
            runs,
            self.snoozed_until,
            self.alert.definition.memory_key,
        )
        try:
            await workflow.execute_local_activity(
                interface.RECORD,
                given,
                schedule_to_close_timeout=interface.LOCAL_TIMEOUT,
                retry_policy=interface.LOCAL_RETRY,
                summary="record",
            )
        except ACTIVITY_FAILED as error:
            _let_cancellation_pass(error)
            workflow.logger.warning("events not recorded", extra={"action": "record", "count": len(batch)})
            if len(self.pending) > MOST_PENDING:
                kept = [event for event in self.pending if event.kind is not EventKind.SUPPRESSED]
                self.pending = kept[-MOST_PENDING:]
            return
        self.pending = self.pending[len(batch) :]
        self.runs = self.runs[len(runs) :]
        self.projection_due = self.runs_due = False

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
            ),
            memo=dict(workflow.memo()),  # what was upserted would be lost otherwise
        )

    async def _settle_definition(self) -> None:
        """Writes an edit through, then adopts the row's when that is newer (DESIGN 3)."""
        sent, reload = self.alert, self.reload
        if self.unsaved_from is None and not reload:
            return
        try:
            if self.unsaved_from is not None:
                found = await self._store(interface.SAVE_ALERT, SaveInput(sent, self.unsaved_from, self.enabled))
            else:
                self.reload = False
                found = await self._store(interface.LOAD_ALERT, sent.id)
        except ACTIVITY_FAILED as error:
            _let_cancellation_pass(error)
            self.reload = reload
            workflow.logger.warning("definition not settled", extra={"action": "settle_definition"})
            return
        edited_meanwhile = self.alert is not sent
        if not found.readable:
            return  # the last definition that could be read goes on; the row says what is wrong with it
        row = found.alert
        if row is None:
            self.deleted = True
        elif row.version < sent.version:
            self.unsaved_from = row.version if workflow.patched(OLDER_ROW) else None  # a restored backup: ours is newer
            self.woken = True
        elif row.version > sent.version or row.definition != sent.definition:
            self.unsaved_from = None
            self._adopt(
                row, silently=found.enabled is not self.enabled
            )  # newer, or edited to the same version: it wins
            self._follow(found.enabled)
        elif edited_meanwhile:
            self.unsaved_from = row.version
        else:
            self.unsaved_from = None
            self._follow(found.enabled)

    async def _store(self, name: str, argument: Any) -> StoredDefinition:
        found: StoredDefinition = await workflow.execute_local_activity(
            name,
            argument,
            result_type=StoredDefinition,
            schedule_to_close_timeout=interface.LOCAL_TIMEOUT,
            retry_policy=interface.LOCAL_RETRY,
            summary=name.replace("_", " "),
        )
        return found

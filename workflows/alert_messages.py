"""The memory of an alert workflow and the messages that may change or show it (R-110).

Handlers only change state and wake the main loop of ``workflows.alert``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain import rearm
    from domain.alert import Alert, AlertEvent, AlertState, EventKind, Reason
    from domain.definition import AlertDefinition, edited
    from domain.errors import InvalidInput
    from domain.explain import details, explain
    from domain.text import said
    from workflows.messages import (
        AlertInput,
        DefinitionChanged,
        EvaluationReport,
        PauseRequest,
        SnoozeRequest,
        StateReport,
        StatusReport,
    )

TOLD = (EventKind.TRIGGERED, EventKind.LATE, EventKind.DATA_STALE, EventKind.EXPIRED, EventKind.ERROR)
RECENT = 5
LONGEST_SNOOZE = timedelta(days=3660)


class AlertMessages:
    """State of one alert workflow, its signals, updates and queries."""

    def __init__(self, given: AlertInput) -> None:
        self.alert = given.alert
        self.state = given.state
        self.previous = given.previous or given.state
        self.pending = list(given.pending)
        self.recent = given.recent
        self.unsaved_from = given.unsaved_from
        self.snoozed_until = given.snoozed_until
        self.shown = given.shown or (given.state.status.value, given.alert.version, None)
        self.problem = given.problem
        self.history_limit = given.history_limit
        self.due = given.due
        self.settle_at = given.settle_at
        self.settled = given.settled
        self.market_lag = given.market_lag
        self.next_close = given.next_close
        self.reload = given.reload
        self.enabled = given.enabled
        self.remembered = given.remembered
        self.runs = list(given.runs)
        self.pause_reason = given.pause_reason
        self.unsaved_why = given.unsaved_why
        self.late = given.late
        self.catching_up = given.catching_up
        self.lost = given.lost
        self.unprojected = 0
        self.ticked_at: datetime | None = None
        self.jitter: timedelta | None = None
        self.to_tell: list[AlertEvent] = []
        self.woken = False
        self.deleted = False
        self.projection_due = given.shown is None
        self.requested = 0
        self.evaluated = 0

    @property
    def problem(self) -> str:
        """What keeps the alert from being judged; short, whoever said it."""
        return self._problem

    @problem.setter
    def problem(self, text: str) -> None:
        self._problem = said(text)

    def _take(self, step: tuple[AlertState, list[AlertEvent]]) -> None:
        self.state, events = step
        self._note(events)

    def _note(self, events: list[AlertEvent]) -> None:
        if events:
            self.pending += events
            self.to_tell += [event for event in events if event.kind in TOLD and not event.late]
            self.recent = (*self.recent, *events)[-RECENT:]

    def _describe(self) -> None:
        workflow.set_current_details(details(self.alert, self.state, self.due, self.recent, self.problem))

    def _adopt(self, alert: Alert, *, silently: bool = False, detail: str = "") -> None:
        earlier, self.alert = self.alert, alert
        if silently and alert.definition == earlier.definition:
            return  # paused or resumed, which says so itself
        state, events = rearm.updated(earlier, alert, self.state, workflow.now())
        self._take((state, [replace(event, detail=detail) for event in events]))
        old, new = earlier.definition, alert.definition
        if (old.cron, old.timezone, old.options) != (new.cron, new.timezone, new.options):
            self.due = self.jitter = None
        if not new.keeps_state_of(old):
            self.previous, self.next_close = self.state, None
            self.settle_at = workflow.now()  # the new rule is judged at once, not at the next tick

    def _edited_to(self, definition: AlertDefinition) -> Alert:
        """The alert with its next version, to be written through to its row."""
        if self.unsaved_from is None:
            self.unsaved_from = self.alert.version
        self.unsaved_why = ""
        version = self.alert.version + 1
        return Alert(id=self.alert.id, user_id=self.alert.user_id, version=version, definition=definition)

    def _enable(self, enabled: bool) -> None:
        """A pause or resume through Temporal is an edit of the row, written through like any other."""
        if enabled is self.enabled or self.state.is_over:
            return
        self.alert = self._edited_to(self.alert.definition)
        self.enabled = enabled

    def _follow(self, enabled: bool) -> None:
        """The row says whether the alert is enabled; what it said before is no longer of interest."""
        if enabled is self.enabled:
            return
        self.enabled = enabled
        if not enabled:
            self.snoozed_until = None
            self._pause(Reason.PAUSED, self.pause_reason or "disabled")
        elif self.state.is_paused:
            self._resume()

    def _wake(self) -> None:
        self.woken = True

    def _status(self) -> StatusReport:
        return StatusReport(self.alert.id, self.alert.version, self.state.status.value, self.state.reason)

    def _pause(self, reason: str, detail: str) -> None:
        self._take(rearm.pause(self.alert, self.state, workflow.now(), reason, detail))
        self._wake()

    def _resume(self) -> None:
        now = workflow.now()
        self.snoozed_until = self.settle_at = None
        self._take(rearm.resume(self.alert, self.state, now, now - self.market_lag))
        self._wake()

    def _refuse_when_over(self) -> None:
        if self.state.is_over:
            raise ApplicationError(f"alert {self.alert.id} is over ({self.state.reason}); update it to arm it again")

    @workflow.signal(name="pause", description='Stop evaluating. Input: {"reason": "…"}, may be left out.')
    def pause_signal(self, request: PauseRequest = PauseRequest()) -> None:
        """INACTIVE until resumed."""
        self.snoozed_until = None
        self._enable(False)
        self._pause(Reason.PAUSED, request.reason)

    @workflow.signal(name="resume", description="Go on evaluating, in the status before the pause. No input.")
    def resume_signal(self) -> None:
        """Bars that closed meanwhile are not evaluated."""
        self._enable(True)
        self._resume()

    @workflow.signal(description='Pause until a time. Input: {"until": "2026-01-05T15:00:00Z"} or {"seconds": 3600}.')
    def snooze(self, request: SnoozeRequest) -> None:
        """A pause that ends by itself; a time that cannot be read is noted as the alert's problem."""
        try:
            until = (
                datetime.fromisoformat(request.until)
                if request.until
                else workflow.now() + timedelta(seconds=request.seconds)
            )
            if until.tzinfo is None or not workflow.now() < until <= workflow.now() + LONGEST_SNOOZE:
                raise ValueError("expected a time with an offset, within the next ten years")
            until = until.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            self.problem = f"snooze ignored: {error}"
            self._describe()
            return
        self.snoozed_until = until
        self._enable(True)
        self._pause(Reason.SNOOZED, f"until {until:%Y-%m-%d %H:%M:%S%z}")

    @workflow.signal(description='The definition\'s row was edited. Input: {"version": 3}, may be left out.')
    def definition_changed(self, request: DefinitionChanged = DefinitionChanged()) -> None:
        """The row is read and adopted when it is newer."""
        if request.version == 0 or request.version > self.alert.version:
            self.reload, self.pause_reason = True, request.reason
            self._wake()

    @workflow.signal(description="Stop repeating this fire's reminders. No input.")
    def acknowledge(self) -> None:
        """Holds until the next fire."""
        self.state = replace(self.state, acknowledged=True)
        self._describe()

    @workflow.update(name="pause", description='Stop evaluating. Input: {"reason": "…"}, may be left out.')
    def pause_update(self, request: PauseRequest = PauseRequest()) -> StatusReport:
        """As the signal, with an answer."""
        self.pause_signal(request)
        return self._status()

    @pause_update.validator
    def _may_pause(self, request: PauseRequest = PauseRequest()) -> None:
        self._refuse_when_over()

    @workflow.update(name="resume", description="Go on evaluating. No input.")
    def resume_update(self) -> StatusReport:
        """As the signal, with an answer."""
        self._enable(True)
        self._resume()
        return self._status()

    @resume_update.validator
    def _may_resume(self) -> None:
        self._refuse_when_over()

    @workflow.update(description='Change the definition. Input: the fields to change, e.g. {"rule": "AAPL > 160"}.')
    def update_definition(self, changes: dict[str, Any]) -> StatusReport:
        """Applies the edit, then writes it through to its row; a newer row wins."""
        definition = self._edited(changes)
        if definition != self.alert.definition:
            self._adopt(self._edited_to(definition))
            self._wake()
        return self._status()

    @update_definition.validator
    def _may_update(self, changes: dict[str, Any]) -> None:
        self._edited(changes)

    def _edited(self, changes: dict[str, Any]) -> AlertDefinition:
        try:
            return edited(self.alert.definition, changes)
        except InvalidInput as error:
            faults = "; ".join(str(fault) for fault in error.faults)
            raise ApplicationError(f"definition refused: {faults}", type="InvalidDefinition") from None

    @workflow.update(description="Evaluate now and answer with the result. No input.")
    async def evaluate_now(self) -> EvaluationReport:
        """Steps any new closed bar, then says how the newest was judged. The schedule stays as it is."""
        seen = {event.id for event in self.recent}
        self.requested += 1
        ticket = self.requested
        await workflow.wait_condition(lambda: self.evaluated >= ticket)
        said = explain(self.alert, self.previous, self.state)
        return EvaluationReport(
            alert=self.alert.id,
            status=self.state.status.value,
            reason=self.state.reason,
            truth=said["truth"],
            why=said["why"],
            bar_close=said.get("bar_close"),
            values=said.get("values", {}),
            conditions=said["conditions"],
            events=[event.kind.value for event in self.recent if event.id not in seen],
            problem=self.problem,
        )

    @evaluate_now.validator
    def _may_evaluate(self) -> None:
        self._refuse_when_over()
        if self.state.is_paused:
            raise ApplicationError(f"alert {self.alert.id} is paused ({self.state.reason}); resume it first")

    @workflow.query(name="state", description="The whole state, the definition and the next tick.")
    def state_query(self) -> StateReport:
        """What the alert remembers."""
        return StateReport(
            alert=self.alert.id,
            version=self.alert.version,
            definition=self.alert.definition.as_json(),
            state=self.state,
            next_tick=self.due,
            snoozed_until=self.snoozed_until,
            problem=self.problem,
            pending_events=len(self.pending),
            recent=self.recent,
        )

    @workflow.query(
        name="explain", description="Each condition's values on the last bar, and why it did or did not fire."
    )
    def explain_query(self) -> dict[str, Any]:
        """The last judgement, taken apart."""
        return explain(self.alert, self.previous, self.state) | {"problem": self.problem}

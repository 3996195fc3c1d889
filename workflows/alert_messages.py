"""The messages that may change or show an alert workflow.

Handlers only change the alert's memory and wake the main loop of ``workflows.alert``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.interface import BARS_OBSERVED, BarsObserved
    from domain.alert import Reason
    from domain.definition import AlertDefinition, edited
    from domain.errors import InvalidInput
    from domain.explain import explain
    from domain.live_alert import LiveAlert
    from domain.zones import in_zone
    from workflows.details import show_details
    from workflows.inbox import Inbox
    from workflows.messages import (
        DefinitionChanged,
        EvaluationReport,
        PauseRequest,
        SnoozeRequest,
        StateReport,
        StatusReport,
    )

SIGNALS = ("pause", "resume", "snooze", "acknowledge", "definition_changed", "update_definition")
MOST_NAME = 100  # characters of an unknown signal's name that are told
LONGEST_SNOOZE = timedelta(days=3660)


class AlertMessages:
    """Signals, updates and queries of one alert workflow."""

    def __init__(self, live: LiveAlert, inbox: Inbox) -> None:
        self.live, self.inbox = live, inbox

    def status(self) -> StatusReport:
        """As it is now."""
        alert, state = self.live.alert, self.live.state
        return StatusReport(alert.id, alert.version, state.status.value, state.reason)

    def _pause(self, reason: str, detail: str) -> None:
        self.live.pause(workflow.now(), reason, detail)
        self.inbox.woken = True

    def _resume(self) -> None:
        self.live.enable(True)
        self.live.resume(workflow.now())
        self.inbox.woken = True

    def _refuse_when_over(self) -> None:
        alert, state = self.live.alert, self.live.state
        if state.is_over:
            raise ApplicationError(f"alert {alert.id} is over ({state.reason}); update it to arm it again")

    @workflow.signal(name="pause", description='Stop evaluating. Input: {"reason": "…"}, may be left out.')
    def pause_signal(self, request: PauseRequest = PauseRequest()) -> None:
        """INACTIVE until resumed."""
        self.live.memory.schedule(snoozed_until=None)
        self.live.enable(False)
        self._pause(Reason.PAUSED, request.reason)

    @workflow.signal(name="resume", description="Go on evaluating, in the status before the pause. No input.")
    def resume_signal(self) -> None:
        """Bars that closed meanwhile are not evaluated."""
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
            told = in_zone(until, request.timezone)
        except (ValueError, OverflowError) as error:
            self.live.memory.tell_problem(f"snooze ignored: {error}")
            show_details(self.live)
            return
        if self.live.state.is_over:
            return
        self.live.memory.schedule(snoozed_until=until)
        self.live.enable(True)
        why = f": {request.reason}" if request.reason else ""
        self._pause(Reason.SNOOZED, f"until {told}{why}")

    @workflow.signal(description='The definition\'s row was edited. Input: {"version": 3}, may be left out.')
    def definition_changed(self, request: DefinitionChanged = DefinitionChanged()) -> None:
        """The row is read and adopted when it is newer."""
        if request.version == 0 or request.version > self.live.alert.version:
            memory = self.live.memory
            memory.row = replace(memory.row, reload=True, pause_reason=request.reason)
            self.inbox.woken = True

    @workflow.signal(description="Stop repeating this fire's reminders. No input.")
    def acknowledge(self) -> None:
        """Holds until the next fire."""
        self.live.acknowledge(workflow.now())
        self.inbox.woken = True
        show_details(self.live)

    @workflow.signal(
        name=BARS_OBSERVED, description="From the watch: bars that matter to this alert, with its revision."
    )
    def bars_observed(self, nudge: BarsObserved) -> None:
        """Taken by the main loop when it fits the state; else the alert looks for itself."""
        self.inbox.nudges.append(nudge)
        self.inbox.woken = True

    @workflow.signal(
        name="update_definition",
        description='Change the definition, without an answer: see the update of the same name. Input: {"rule": "AAPL > 160"}.',
    )
    def update_definition_signal(self, changes: Any = None) -> None:
        """As the update; nobody waits for an answer, so that a refusal is an event and the alert's problem."""
        try:
            self._adopt(self._edited(changes))
        except ApplicationError as error:
            self.live.refuse(f"signal update_definition: {error.message}", workflow.now())
            self.inbox.woken = True
            show_details(self.live)

    @workflow.signal(dynamic=True, description="Any other name does nothing; it is told as the alert's problem.")
    def unknown_signal(self, name: str, given: Sequence[RawValue]) -> None:
        """A misspelt signal is received all the same: its sender hears of no fault."""
        self.live.memory.tell_problem(f"signal '{name[:MOST_NAME]}' is unknown; known are {', '.join(SIGNALS)}")
        show_details(self.live)

    @workflow.update(name="pause", description='Stop evaluating. Input: {"reason": "…"}, may be left out.')
    def pause_update(self, request: PauseRequest = PauseRequest()) -> StatusReport:
        """As the signal, with an answer."""
        self.pause_signal(request)
        return self.status()

    @pause_update.validator
    def _may_pause(self, request: PauseRequest = PauseRequest()) -> None:
        self._refuse_when_over()

    @workflow.update(name="resume", description="Go on evaluating. No input.")
    def resume_update(self) -> StatusReport:
        """As the signal, with an answer."""
        self._resume()
        return self.status()

    @resume_update.validator
    def _may_resume(self) -> None:
        self._refuse_when_over()

    @workflow.update(description='Change the definition. Input: the fields to change, e.g. {"rule": "AAPL > 160"}.')
    def update_definition(self, changes: dict[str, Any]) -> StatusReport:
        """Applies the edit, then writes it through to its row; a newer row wins."""
        self._adopt(self._edited(changes))
        return self.status()

    @update_definition.validator
    def _may_update(self, changes: dict[str, Any]) -> None:
        self._edited(changes)

    def _adopt(self, definition: AlertDefinition) -> None:
        if definition != self.live.definition:
            self.live.edit(definition, workflow.now())
            self.inbox.woken = True

    def _edited(self, changes: Any) -> AlertDefinition:
        try:
            return edited(self.live.definition, changes)
        except InvalidInput as error:
            faults = "; ".join(str(fault) for fault in error.faults)
            raise ApplicationError(f"definition refused: {faults}", type="InvalidDefinition") from None

    @workflow.update(description="Evaluate now and answer with the result. No input.")
    async def evaluate_now(self) -> EvaluationReport:
        """Steps any new closed bar, then says how the newest was judged. The schedule stays as it is."""
        memory, inbox = self.live.memory, self.inbox
        seen = {event.id for event in memory.recent}
        inbox.requested += 1
        ticket = inbox.requested
        await workflow.wait_condition(lambda: inbox.evaluated >= ticket)
        said = self._explained()
        return EvaluationReport(
            alert=self.live.alert.id,
            status=memory.state.status.value,
            reason=memory.state.reason,
            truth=said["truth"],
            why=said["why"],
            bar_close=said.get("bar_close"),
            values=said.get("values", {}),
            conditions=said["conditions"],
            events=[event.kind.value for event in memory.recent if event.id not in seen],
            problem=memory.problem,
        )

    @evaluate_now.validator
    def _may_evaluate(self) -> None:
        self._refuse_when_over()
        if self.live.state.is_paused:
            reason = self.live.state.reason
            raise ApplicationError(f"alert {self.live.alert.id} is paused ({reason}); resume it first")

    @workflow.query(name="state", description="The whole state, the definition and the next tick.")
    def state_query(self) -> StateReport:
        """What the alert remembers."""
        alert, memory = self.live.alert, self.live.memory
        return StateReport(
            alert=alert.id,
            version=alert.version,
            definition=alert.definition.as_json(),
            state=memory.state,
            next_tick=self.live.next_look(workflow.now()),
            watched_until=memory.due.watched_until,
            snoozed_until=memory.due.snoozed_until,
            problem=memory.problem,
            pending_events=len(memory.outbox.events),
            recent=memory.recent,
        )

    @workflow.query(
        name="explain", description="Each condition's values on the last bar, and why it did or did not fire."
    )
    def explain_query(self) -> dict[str, Any]:
        """The last judgement, taken apart."""
        return self._explained() | {"problem": self.live.memory.problem}

    def _explained(self) -> dict[str, Any]:
        memory = self.live.memory
        return explain(self.live.alert, memory.sides_before, memory.state, memory.problem)

"""AlertWorkflow: one alert from its definition to its end, over years and crashes.

The main loop alone runs activities and continues as new; messages only change the alert's memory and wake it.
"""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from domain.live_alert import LiveAlert
    from workflows.alarm import Alarm
    from workflows.alert_messages import AlertMessages
    from workflows.alert_nudges import take_nudges
    from workflows.alert_outbox import publish
    from workflows.alert_row import settle_definition
    from workflows.alert_tick import tick
    from workflows.inbox import Inbox
    from workflows.messages import AlertInput, StatusReport

WRITTEN_AGAIN = interface.SHORTEST_FETCH  # what SQL lacks is tried again so soon, if no tick comes first


@workflow.defn(name="AlertWorkflow")
class AlertWorkflow(AlertMessages):
    """Steered by signals and updates, looked at by queries; see ``workflows.messages`` for their JSON."""

    @workflow.init
    def __init__(self, given: AlertInput) -> None:
        super().__init__(LiveAlert(given.alert, given.memory), Inbox())
        self.history_limit = given.history_limit
        self.slot: datetime | None = None  # of the last tick
        self.alarm = Alarm()

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
        live, inbox = self.live, self.inbox
        has_looked = False
        while True:
            inbox.woken = False
            is_in_history = not (has_looked or live.memory.row.is_unsettled or live.memory.to_tell)
            await settle_definition(live, inbox)
            take_nudges(live, inbox, workflow.now())
            await publish(live, inbox, is_in_history=is_in_history)
            if await self._has_ended():
                return self.status()
            self._continue_when_long()
            has_looked = await self._wait()
            if has_looked:
                if live.memory.row.reload:  # an edit that came with the tick is judged by it
                    await settle_definition(live, inbox)
                if not inbox.deleted:
                    await tick(live, inbox, self.slot)

    async def _has_ended(self) -> bool:
        """Whether nothing is left to do, whoever asked for something in the last moment included."""
        if not (self.inbox.deleted or self.live.is_finished):
            return False
        self.inbox.evaluated = self.inbox.requested
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.inbox.deleted or self.live.is_finished

    async def _wait(self) -> bool:
        """Until a tick is due (True), a message came, or what SQL lacks is to be tried again."""
        inbox, memory = self.inbox, self.live.memory
        if inbox.calls:
            return inbox.is_asked
        due, other = self.live.next_tick(workflow.now()), self._next_errand()
        until = min((at for at in (due, other) if at is not None), default=None)
        what = "snoozed" if self.live.state.is_paused else "next tick"
        self.alarm.set(until, f"{what} {until:%H:%M:%S}" if until else "")
        await workflow.wait_condition(lambda: inbox.calls or self.alarm.has_rung)
        if inbox.calls:
            return inbox.is_asked
        if until == due:
            self.slot = memory.due.tick
            memory.schedule(tick=None)
            return True
        if until == memory.due.snoozed_until:
            self.live.resume(workflow.now())
            inbox.woken = True
        elif until == memory.due.reminder:
            self.live.remind(workflow.now())
        return False

    def _next_errand(self) -> datetime | None:
        """The next moment something but a tick is to be done."""
        again = workflow.now() + WRITTEN_AGAIN if self.live.is_unwritten else None
        snoozed = self.live.memory.due.snoozed_until if self.live.state.is_paused else None
        reminder = self.live.next_reminder(workflow.now())
        return min((at for at in (again, snoozed, reminder) if at is not None), default=None)

    def _continue_when_long(self) -> None:
        info = workflow.info()
        if not info.is_continue_as_new_suggested() and info.get_current_history_length() < self.history_limit:
            return
        if self.inbox.woken or not workflow.all_handlers_finished():
            return
        workflow.continue_as_new(
            AlertInput(self.live.alert, self.live.memory, self.history_limit),
            memo=dict(workflow.memo()),  # what was upserted would be lost otherwise
        )

"""An alert as it lives: what bars, messages and its row do to it. Pure: every time is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain import rearm, reminders, ticks
from domain.alert import Alert, AlertEvent, AlertState, EventKind, Reason, new_event
from domain.alert_memory import AlertMemory, Shown
from domain.bar import BarSnapshot
from domain.compiled_rule import Side
from domain.definition import AlertDefinition
from domain.outbox import EvaluationRun, Projection

TOLD = (
    EventKind.TRIGGERED, EventKind.REMINDER, EventKind.LATE, EventKind.DATA_STALE, EventKind.EXPIRED, EventKind.ERROR,
)  # fmt: skip
RECENT = 5
DISCARDED = "discarded what was edited through Temporal ({}): the row had been edited since it was made"
RENUMBERED = "numbered anew: edited on both sides"


class LiveAlert:
    """An alert with its memory. Nothing but its methods changes either."""

    def __init__(self, alert: Alert, memory: AlertMemory) -> None:
        self.alert, self.memory = alert, memory
        self.offered = False  # to the watch, with the state that is recorded next
        if memory.shown is None:
            memory.shown = Shown(memory.state.status.value, alert.version)

    @property
    def state(self) -> AlertState:
        """Its state."""
        return self.memory.state

    @property
    def definition(self) -> AlertDefinition:
        """Its definition."""
        return self.alert.definition

    @property
    def is_idle(self) -> bool:
        """Whether it looks at no bars: paused, or over."""
        return self.state.is_paused or self.state.is_over

    @property
    def is_watched(self) -> bool:
        """Whether the watch looks for it: its own ticks are no more than checks of that."""
        return self.memory.due.watched_until is not None

    @property
    def is_unwritten(self) -> bool:
        """Whether SQL should have something that it has not: events, evaluations, an edit."""
        return self.memory.outbox.is_behind(self.projection) or self.memory.row.unsaved_from is not None

    @property
    def projection(self) -> Projection:
        """What SQL's lists should show."""
        state = self.state
        revision = state.revision if self.is_watched else None
        return Projection(state.status.value, state.reason, self.alert.version, self.memory.due.snoozed_until, revision)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.state.is_over and not self.is_unwritten and not self.memory.row.reload

    def is_expired(self, now: datetime) -> bool:
        """Whether its definition's time is up."""
        expires_at = self.definition.options.expires_at
        return expires_at is not None and now >= expires_at

    def take(self, transition: rearm.Transition) -> None:
        """A new state, with its events."""
        state, events = transition
        self._become(state)
        self.note(events)

    def _become(self, state: AlertState) -> None:
        """Each state that differs has a revision of its own, by which those who keep a copy know theirs."""
        before = self.memory.state
        if state is not before:
            self.memory.state = replace(state, revision=before.revision + 1)

    def note(self, events: Sequence[AlertEvent]) -> None:
        """Events to be recorded, and told where people must hear of them."""
        if events:
            memory = self.memory
            memory.outbox = memory.outbox.with_events(events)
            memory.to_tell += tuple(event for event in events if event.kind in TOLD and not event.late)
            memory.recent = (*memory.recent, *events)[-RECENT:]
            if any(event.kind is EventKind.TRIGGERED for event in events):
                memory.schedule(reminder=None)

    # bars

    def step(self, snapshot: BarSnapshot, as_of: datetime, source: str, *, record: bool = False) -> None:
        """One closed bar, judged on a provider's bars; ``as_of`` is the market's time, by which a fire may be late.

        ``record`` wants a run of it though nothing happens.
        """
        before, memory = self.state, self.memory
        state, events = rearm.step(self.alert, before, snapshot)
        self._become(state)
        events = [replace(event, source=source, detail=event.detail or self._why(event.kind)) for event in events]
        if state is not before:
            memory.sides_before = before.sides
        self._record_run(snapshot, before, events, every=record)
        memory.outbox = memory.outbox.with_step(moved=self._has_moved(before))
        if events and as_of - snapshot.bar_close > ticks.lateness_limit(self.definition):
            events = [replace(event, late=event.kind is EventKind.TRIGGERED) for event in events]
            for event in events:
                if event.late:
                    memory.outbox = memory.outbox.with_late(event)
        self.note(events)

    def carry(self, before: AlertState, quiet: int, sides: dict[str, Side]) -> None:
        """Over bars that mattered to nobody, to where they led; the last of them found the comparisons on ``sides``."""
        was, memory = self.state, self.memory
        self._become(replace(before, revision=was.revision))
        memory.sides_before = sides
        memory.outbox = memory.outbox.with_step(moved=self._has_moved(was), bars=quiet)

    def _why(self, kind: EventKind) -> str:
        """Of values that are missing, what is known to be the cause."""
        return self.memory.problem if kind is EventKind.DATA_STALE else ""

    def step_forming(self, snapshot: BarSnapshot, source: str) -> None:
        """The forming bar under ``evaluate_on: tick``."""
        state, events = rearm.step_forming(self.alert, self.state, snapshot)
        self.take((state, [replace(event, source=source) for event in events]))

    def _record_run(
        self, snapshot: BarSnapshot, before: AlertState, events: Sequence[AlertEvent], *, every: bool
    ) -> None:
        every = every or self.definition.options.record == "all"
        if every or events or self.state.status is not before.status:
            kinds = tuple(event.kind.value for event in events)
            status, reason = self.state.status.value, self.state.reason
            run = EvaluationRun(snapshot.bar_close, status, reason, kinds, snapshot.values)
            self.memory.outbox = self.memory.outbox.with_run(run)

    def _has_moved(self, before: AlertState) -> bool:
        state = self.state
        counts = self.definition.rearm.persistence > 1 and state.persistence_count != before.persistence_count
        return state.sides != before.sides or before.last_bar_close is None or counts

    def skipped(self, until: datetime) -> None:
        """The outage was too long to catch up with all of it."""
        said = f"bars that closed before {until:%Y-%m-%d %H:%M:%S} UTC were not evaluated: the outage was too long"
        self.note([new_event(self.alert, self.state, EventKind.ERROR, until, detail=said)])

    def refuse(self, problem: str, now: datetime) -> None:
        """What somebody sent who does not hear the answer: told once, however often it is sent in a row."""
        memory, before = self.memory, self.memory.problem
        memory.tell_problem(problem)
        if memory.problem == before:
            return
        at_once = sum(event.kind is EventKind.ERROR and event.at == now for event in memory.recent)
        self.note([new_event(self.alert, self.state, EventKind.ERROR, now, ordinal=at_once, detail=memory.problem)])

    def lack(self, problem: str, slot: datetime, now: datetime, *, refused: bool) -> None:
        """A tick without data: counted like an UNKNOWN bar; a refusal is told once."""
        memory = self.memory
        if refused and problem != memory.problem:
            self.note([new_event(self.alert, self.state, EventKind.ERROR, now, detail=problem)])
        memory.tell_problem(problem)
        status, reason = self.state.status.value, self.state.reason
        memory.outbox = memory.outbox.with_run(EvaluationRun(slot, status, reason, error=problem or "no data"))
        state, events = rearm.unknown(self.alert, self.state, now)
        self.take((state, [replace(event, detail=memory.problem) for event in events]))

    def expire(self) -> None:
        """The end by the definition's time."""
        self.take(rearm.expire(self.alert, self.state))

    def tell_late(self) -> None:
        """One notice for all fires that came too late to be told on their own, when the catch-up is through."""
        late = self.memory.outbox.late
        if late is None or (self.memory.due.catching_up and not self.is_idle):
            return
        last = late.last
        span = f"{late.first:%Y-%m-%d %H:%M:%S}" + (f" to {last.at:%Y-%m-%d %H:%M:%S}" if late.count > 1 else "")
        notice = new_event(self.alert, self.state, EventKind.LATE, last.at, count=late.count, detail=f"{span} UTC")
        self.memory.outbox = replace(self.memory.outbox, late=None)
        self.note([replace(notice, values=last.values, bar_close=last.bar_close, source=last.source)])

    def tell_lost(self, now: datetime) -> bool:
        """What SQL will never have is told, once it has all the rest; whether there was anything to tell."""
        outbox = self.memory.outbox
        if not outbox.lost or outbox.events:
            return False
        said = f"{outbox.lost} events or evaluations were not recorded: the database was away for too long"
        self.memory.outbox = replace(outbox, lost=0)
        self.note([new_event(self.alert, self.state, EventKind.ERROR, now, detail=said)])
        return True

    # ticks

    def next_tick(self, now: datetime) -> datetime | None:
        """When it looks at bars next: kept until it has come, so that a message cannot skip it. None while it looks at none."""
        memory = self.memory
        if self.is_idle:
            memory.schedule(tick=None, watched_until=None)
            return None
        if memory.due.tick is None:
            memory.schedule(tick=self._self_check(now) or self.due_after(now))
        again, tick = memory.due.look_again, memory.due.tick
        if again is None or tick is None:
            return tick
        return again if self.is_expired(now) else min(again, tick)

    def _self_check(self, now: datetime) -> datetime | None:
        watched_until, expires_at = self.memory.due.watched_until, self.definition.options.expires_at
        if watched_until is None or watched_until <= now:
            return None
        return watched_until if expires_at is None else min(watched_until, max(expires_at, now))

    def next_look(self, now: datetime) -> datetime | None:
        """When somebody looks for it next: it, or the watch at a tick of its cron."""
        due = self.memory.due
        return self.due_after(now) if self.is_watched and due.jitter is not None and not self.is_idle else due.tick

    def be_watched(self, until: datetime | None) -> None:
        """From now on the watch looks for it, from the state on that was recorded; None: it looks for itself."""
        if until != self.memory.due.watched_until:
            self.memory.schedule(watched_until=until, tick=None)

    def due_after(self, now: datetime) -> datetime:
        """The tick after a time, jitter and the definition's end included."""
        memory, expires_at = self.memory, self.definition.options.expires_at
        if memory.due.jitter is None:
            memory.schedule(jitter=ticks.jitter(self.definition, self.alert.id, now))
        assert memory.due.jitter is not None
        due = ticks.next_tick(self.definition, self.state, now, memory.due.next_close) + memory.due.jitter
        return due if expires_at is None else min(due, max(expires_at, now))

    # messages

    def pause(self, now: datetime, reason: str, detail: str) -> None:
        """INACTIVE until resumed."""
        self.take(rearm.pause(self.alert, self.state, now, reason, detail))

    def resume(self, now: datetime) -> None:
        """Bars that closed meanwhile are not evaluated."""
        self.memory.schedule(snoozed_until=None, look_again=None)
        self.take(rearm.resume(self.alert, self.state, now, now - self.memory.due.market_lag))

    def acknowledge(self, now: datetime) -> None:
        """No more reminders of this fire."""
        self.take(reminders.acknowledge(self.alert, self.state, now))

    def next_reminder(self, now: datetime) -> datetime | None:
        """When this fire is told again: counted from when it was told, or the one before was. None when it is not."""
        memory, every = self.memory, self.definition.options.remind_every
        if every is None or not reminders.is_wanted(self.alert, self.state):
            memory.schedule(reminder=None)
        elif memory.due.reminder is None:
            memory.schedule(reminder=now + timedelta(seconds=every))
        return memory.due.reminder

    def remind(self, now: datetime) -> None:
        """Tells this fire again; after an outage once, not as often as it was missed."""
        self.memory.schedule(reminder=None)
        self.take(reminders.remind(self.alert, self.state, now))

    def enable(self, enabled: bool) -> None:
        """A pause or resume through Temporal is an edit of the row, written through like any other."""
        if enabled is self.memory.row.enabled or self.state.is_over:
            return
        self.alert = self._edited_to(self.definition)
        self.memory.row = replace(self.memory.row, enabled=enabled)

    def edit(self, definition: AlertDefinition, now: datetime) -> None:
        """The definition's next version, to be written through to its row."""
        self.adopt(self._edited_to(definition), now)

    def _edited_to(self, definition: AlertDefinition) -> Alert:
        row, alert = self.memory.row, self.alert
        unsaved_from = alert.version if row.unsaved_from is None else row.unsaved_from
        self.memory.row = replace(row, unsaved_from=unsaved_from, unsaved_why="")
        return Alert(id=alert.id, user_id=alert.user_id, version=alert.version + 1, definition=definition)

    def adopt(self, alert: Alert, now: datetime, *, silently: bool = False, detail: str = "") -> None:
        """Lives on as ``alert`` says; ``silently`` when only pause or resume changed, which say so themselves."""
        earlier, self.alert, memory = self.alert, alert, self.memory
        if silently and alert.definition == earlier.definition:
            return
        state, events = rearm.updated(earlier, alert, self.state, now, now - memory.due.market_lag)
        self.take((state, [replace(event, detail=detail) for event in events]))
        old, new = earlier.definition, alert.definition
        if (old.cron, old.timezone, old.options) != (new.cron, new.timezone, new.options):
            memory.schedule(tick=None, jitter=None, reminder=None, watched_until=None)
        if not new.keeps_state_of(old):
            memory.sides_before = {}
            memory.schedule(tick=None, next_close=None, look_again=None, looks=0, watched_until=None)

    # its row

    def follow(self, enabled: bool, now: datetime) -> None:
        """The row says whether the alert is enabled; what it said before is no longer of interest."""
        row = self.memory.row
        if enabled is row.enabled:
            return
        self.memory.row = replace(row, enabled=enabled)
        if not enabled:
            self.memory.schedule(snoozed_until=None)
            self.pause(now, Reason.PAUSED, row.pause_reason or "disabled")
        elif self.state.is_paused:
            self.resume(now)

    def compare(self, found: Alert, enabled: bool, sent: Alert, made_from: int | None, now: datetime) -> bool:
        """What the row says now, against what was ``sent`` to it or was there already; whether it is to be written again."""
        row = self.memory.row
        if found.version < (sent.version if made_from is None else made_from):
            # a restored backup, older than what we began with
            self.memory.row = replace(row, unsaved_from=found.version)
            return True
        if found.version == sent.version and found.definition == sent.definition:
            unsaved = found.version if self.alert is not sent else None  # edited again meanwhile
            self.memory.row = replace(row, unsaved_from=unsaved)
            if unsaved is None:
                self.follow(enabled, now)
            return False
        return self._give_way(found, enabled, made_from, now)

    def _give_way(self, found: Alert, enabled: bool, made_from: int | None, now: datetime) -> bool:
        """The row was edited by somebody else and wins; an edit of ours that it had not got is told as discarded.

        A version names one definition: when both sides have made the same one, the row's gets the next.
        """
        row, newest = self.memory.row, self.alert.version
        version = max(newest, found.version)
        began_with = row.unsaved_from if made_from is None else made_from
        edits = began_with is not None
        oldest = newest if began_with is None else began_with + 1
        discarded = f"version {newest}" if oldest >= newest else f"versions {oldest} to {newest}"
        again = found.version <= newest
        if again:
            self.memory.row = replace(row, unsaved_from=found.version, unsaved_why=RENUMBERED)
            found = found.model_copy(update={"version": version + 1})
        else:
            self.memory.row = replace(row, unsaved_from=None, unsaved_why="")
        silently = enabled is not row.enabled and not edits
        self.adopt(found, now, silently=silently, detail=DISCARDED.format(discarded) if edits else "")
        self.follow(enabled, now)
        return again

"""Most bars change nothing but counters. ``observe`` finds those that matter, so that nobody need be woken for the others.

A bar is *quiet* when ``step`` makes no event of it and leaves the status as it is. Pure, like ``step``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from domain.alert import Alert, AlertEvent, AlertState, EventKind, Status
from domain.bar import BarSnapshot
from domain.compiled_rule import Side, Sides, Truth
from domain.rearm import STALE_AFTER, is_released, step

MOST_SNAPSHOTS, MOST_BYTES = 200, 256 * 1024  # of one answer
QUIET_RUN = (
    50  # so many quiet bars after one that mattered are not sent along: the next answer carries the state over them
)
NOBODY_WAITS_FOR = frozenset({EventKind.SUPPRESSED})


@dataclass(frozen=True)
class Observed:
    """``before`` is the state carried over ``quiet`` bars; ``snapshots`` are to be stepped from it, in order.

    ``sides`` are those that the last quiet bar found, to explain it by. ``more``: the bars after these were not looked at.
    """

    before: AlertState
    snapshots: tuple[BarSnapshot, ...] = ()
    quiet: int = 0
    sides: dict[str, Side] = field(default_factory=dict)
    more: bool = False


class Observer:
    """Carries one alert over quiet bars, in memory and in a few microseconds each.

    ``looks`` takes a bar that is quiet and leaves any other alone; ``state`` is the state after all that it took.
    """

    __slots__ = (
        "_bar",
        "_base",
        "_close",
        "_count",
        "_expires",
        "_persistence",
        "_released",
        "_rule",
        "_sides",
        "_status",
        "_unknown",
        "alert",
        "quiet",
        "sides_before",
    )  # fmt: skip

    def __init__(self, alert: Alert, state: AlertState) -> None:
        self.alert = alert
        self._rule = alert.compiled
        self._persistence = alert.definition.rearm.persistence
        self._expires = alert.definition.options.expires_at
        self.resume(state)

    def resume(self, state: AlertState) -> None:
        """Goes on from another state."""
        self._base, self._status = state, state.status
        self._bar: Any = state.last_snapshot
        self._close = state.last_bar_close
        self._count, self._unknown, self._released = state.persistence_count, state.unknown_count, state.released
        self._sides: Sides = state.sides
        self.quiet, self.sides_before = 0, self._sides

    @property
    def close(self) -> datetime | None:
        """Close of the newest bar that it has seen."""
        return self._close

    @property
    def bar(self) -> Any:
        """The newest bar that it has seen, as it was handed in."""
        return self._bar

    @property
    def base(self) -> AlertState:
        """The state that it goes on from: no quiet bar changes its status or reason."""
        return self._base

    @property
    def state(self) -> AlertState:
        """The state after all that it took."""
        if not self.quiet and self._unknown == self._base.unknown_count:
            return self._base
        return replace(
            self._base,
            last_bar_close=self._close,
            last_snapshot=self._bar,
            persistence_count=self._count,
            unknown_count=self._unknown,
            released=self._released,
            sides=dict(self._sides),
        )

    def looks(self, bar: BarSnapshot) -> bool:
        """Whether the bar is quiet, and taken. One that is not newer is neither: it is passed over."""
        close = bar.bar_close
        if self._status is Status.INACTIVE or (self._close is not None and close <= self._close):
            return True
        sides = self._sides
        if self._rule.has_sides:
            sides = dict(sides)
        return self.judged(close, self._rule.truth(bar.values, sides), sides, bar)

    def judged(self, close: datetime, truth: Truth, sides: Sides, bar: Any) -> bool:
        """The same of a newer bar of which the rule's truth is known already; ``bar`` is whatever ``releases`` understands."""
        if self.ends(close):
            return False
        if truth is None:
            if self._unknown + 1 == STALE_AFTER:
                return False
            self._unknown += 1
            if self._bar is not None:
                self._bar = bar
        else:
            fired_while_forming = self._base.triggered_at == close
            count = 0 if truth is False else self._count + (not fired_while_forming)
            ready = truth and not fired_while_forming and count >= self._persistence
            if not self._is_quiet(close, truth, ready, bar):
                return False
            self._count, self._unknown, self._bar = count, 0, bar
        self._close, self.sides_before, self._sides = close, self._sides, sides
        self.quiet += 1
        return True

    def ends(self, close: datetime) -> bool:
        """Whether its time is up with a bar that closes then."""
        return self._expires is not None and close >= self._expires

    def passes_over(self, close: datetime, bar: Any) -> None:
        """A bar that counts for nothing, such as those on which a preview's indicators are not warm yet."""
        self._close, self.quiet = close, self.quiet + 1
        if self._bar is not None:
            self._bar = bar

    def releases(self, bar: Any, truth: bool) -> bool:
        """Whether the bar lets the alert go from its fire."""
        return is_released(self.alert, self._base, bar.values, truth)

    def _is_quiet(self, close: datetime, truth: bool, ready: bool, bar: Any) -> bool:
        if self._bar is None and truth and self.alert.definition.options.skip_if_already_true:
            return False
        if self._status is Status.ARMED:
            return not ready
        released = self.releases(bar, truth)
        if self._status is Status.TRIGGERED:
            return not released
        until = self._base.cooldown_until
        if until is None or ready or close >= until:
            return False
        self._released = self._released or released
        return True

    def lacks(self) -> bool:
        """Whether a look without data is quiet, and counted."""
        if self._unknown + 1 == STALE_AFTER:
            return False
        self._unknown += 1
        return True


def observe(
    alert: Alert, state: AlertState, bars: Iterable[BarSnapshot], *, every: bool = False, is_all: bool = True
) -> Observed:
    """The bars that matter, in one bounded answer: stepping them from ``before`` equals stepping every bar from ``state``.

    ``every``: all of them matter, since each is to be recorded. ``is_all``: these are all the bars there are.
    """
    observer, coming = Observer(alert, state), iter(bars)
    first = None
    for bar in coming:
        if every or not observer.looks(bar):
            first = bar
            break
    before = observer.state
    quiet, sides = observer.quiet, dict(observer.sides_before)
    if first is None:
        return Observed(before, (), quiet, sides, more=not is_all)
    found, more = _that_matter(alert, before, first, coming, every=every)
    return Observed(before, tuple(found), quiet, sides, more=more or not is_all)


def _that_matter(
    alert: Alert, state: AlertState, first: BarSnapshot, coming: Iterable[BarSnapshot], *, every: bool
) -> tuple[list[BarSnapshot], bool]:
    """From the first one on, and whether any were left out: as many as there is room for, or until it has been quiet for long."""
    found, room, last = [first], MOST_BYTES - first.size, 0
    state, _ = step(alert, state, first)
    for bar in coming:
        room -= bar.size
        if len(found) >= MOST_SNAPSHOTS or room < 0:
            return found, True
        if state.status is Status.INACTIVE:
            return found, False
        after, events = step(alert, state, bar)
        found.append(bar)
        if every or events or after.status is not state.status:
            last = len(found) - 1
        elif len(found) - 1 - last >= QUIET_RUN:
            return found[: last + 1], True
        state = after
    return found, False


def can_wait(before: AlertState, after: AlertState, events: Iterable[AlertEvent]) -> bool:
    """Whether nobody needs to hear at once of what a bar brought."""
    return after.status is before.status and all(event.kind in NOBODY_WAITS_FOR for event in events)

"""A watched alert in memory: carried over quiet bars, held where one matters until its workflow has taken it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from activities.interface import BarsObserved, EvaluateResult, Freshness
from activities.watch.run_log import RunLog
from domain.alert import Alert, AlertState, Status
from domain.bar import BarSnapshot
from domain.compiled_rule import Side
from domain.observing import MOST_BYTES, MOST_SNAPSHOTS, Observer, can_wait
from domain.outbox import EvaluationRun
from domain.rearm import step, step_forming

MOST_HELD = 30  # bars of which nobody need hear at once; then they are told all the same


class Replica:
    """From a revision of the alert's state on. ``runs`` is there where each bar is to be recorded; ``shown_at`` is for lists.

    Times are the market's, but for ``until``, at which the alert looks for itself.
    """

    __slots__ = (
        "alert", "before", "forming", "held", "keys", "nudge", "observer", "quiet", "revision", "runs", "shown_at",
        "sides", "until",
    )  # fmt: skip

    def __init__(self, alert: Alert, state: AlertState, until: datetime, runs: RunLog | None = None) -> None:
        self.alert, self.until, self.runs = alert, until, runs
        self.shown_at: datetime | None = None
        self.keys = tuple(dict.fromkeys(("close", *alert.definition.operands)))
        self.observer = Observer(alert, state)
        self.revision = state.revision
        self.begin(state)

    def begin(self, state: AlertState) -> None:
        """At the state that its workflow has recorded."""
        self.observer.resume(state)
        self.revision = state.revision
        self.held: list[BarSnapshot] = []
        self.before: AlertState | None = None
        self.quiet, self.sides = 0, dict[str, Side]()
        self.forming: BarSnapshot | None = None
        self.nudge: BarsObserved | None = None

    @property
    def last_close(self) -> datetime | None:
        """Close of the newest bar that it has seen."""
        return self.observer.close

    @property
    def bar_length(self) -> timedelta:
        """From a bar's open to its close."""
        return self.alert.definition.timeframe.length

    @property
    def newest(self) -> BarSnapshot | None:
        """The newest bar that it has seen, with its own values."""
        seen = self.observer.bar
        return None if seen is None else self.own(seen)

    @property
    def is_waiting(self) -> bool:
        """Whether its workflow was told of what mattered and has not said what became of it: it is left alone until then."""
        return self.nudge is not None

    def see(self, bars: Sequence[BarSnapshot]) -> bool:
        """Whether the workflow is to be told now. ``bars`` are new closed ones, in order."""
        for index, bar in enumerate(bars):
            if not self.held:
                if self.observer.looks(bar):
                    if self.runs is not None and self.observer.close == bar.bar_close:
                        self._note(self.runs, bar.bar_close, values=self.own(bar).values)
                    continue
                self._hold(bar)
            else:
                self.held.append(self.own(bar))
                if self.observer.looks(bar):
                    continue
            if self._steps(bar):
                self._bring_along(bars[index + 1 :])
                return True
        return len(self.held) >= MOST_HELD

    def _hold(self, bar: BarSnapshot) -> None:
        observer = self.observer
        self.before, self.quiet, self.sides = self._state(), observer.quiet, dict(observer.sides_before)
        self.held = [self.own(bar)]

    def _steps(self, bar: BarSnapshot) -> bool:
        """Whether somebody must hear of the bar at once."""
        state = self.observer.state
        after, events = step(self.alert, state, bar)
        self.observer.resume(after)
        return not can_wait(state, after, events)

    def _bring_along(self, bars: Sequence[BarSnapshot]) -> None:
        """Bars after one that is told at once: the workflow would ask for them next."""
        room = MOST_BYTES - sum(bar.size for bar in self.held)
        for bar in bars[: MOST_SNAPSHOTS - len(self.held)]:
            own = self.own(bar)
            room -= own.size
            if room < 0:
                return
            self.held.append(own)

    def see_forming(self, bar: BarSnapshot) -> bool:
        """Whether the forming bar fires it."""
        if self.held or self.observer.state.status is not Status.ARMED:
            return False
        _, events = step_forming(self.alert, self.observer.state, bar)
        if events:
            self.forming = self.own(bar)
        return bool(events)

    def lack(self, slot: datetime, problem: str) -> bool:
        """Whether a tick without data is to be told: the third in a row is."""
        is_quiet = self.observer.lacks()
        if is_quiet and self.runs is not None:
            self._note(self.runs, slot, error=problem or "no data")
        return not is_quiet

    def _note(self, runs: RunLog, slot: datetime, **found: Any) -> None:
        base = self.observer.base
        runs.add(self.alert.id, self.alert.version, EvaluationRun(slot, base.status.value, base.reason, **found))

    def told(self, result: EvaluateResult | None, shard: int, *, is_written: bool = True) -> BarsObserved:
        """The nudge; without a result, the alert is to look for itself.

        So is one whose earlier runs could not be written: its workflow goes over all bars again, and keeps their runs itself.
        """
        if result is not None and (is_written or self.runs is None or not self.held or self.forming is not None):
            return self.observed(result, shard)
        self.nudge = BarsObserved(self.revision, self.alert.version, None, shard)
        return self.nudge

    def observed(self, result: EvaluateResult, shard: int) -> BarsObserved:
        """What is told of it; ``result`` says of the market what all who hear its bars are told."""
        has_data = result.freshness in (Freshness.FRESH, Freshness.SETTLING)
        told = replace(
            result,
            snapshots=tuple(self.held) if has_data else (),
            forming=self.forming,
            before=self.before if self.held else self._state(),
            quiet=self.quiet if self.held else self.observer.quiet,
            sides=self.sides if self.held else dict(self.observer.sides_before),
            more=False,
            skipped_until=None,
            ready_at=None,
            clock=None,
        )
        self.nudge = BarsObserved(self.revision, self.alert.version, told, shard)
        return self.nudge

    def _state(self) -> AlertState:
        state = self.observer.state
        seen = state.last_snapshot
        return state if seen is None else replace(state, last_snapshot=self.own(seen))

    def own(self, bar: BarSnapshot) -> BarSnapshot:
        """The bar with the values of its rule alone: those of all who hear it come together."""
        if len(bar.values) == len(self.keys):
            return bar
        return replace(bar, values={key: bar.values[key] for key in self.keys if key in bar.values})

"""What the watch observed: taken when it began at the state the alert has, else a reason to look for itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.interface import EvaluateResult, Freshness
    from domain.live_alert import LiveAlert
    from workflows.alert_tick import WITH_BARS, judge
    from workflows.inbox import Inbox


def take_nudges(live: LiveAlert, inbox: Inbox, now: datetime) -> None:
    """All that came, in order. One that is lost, doubled, late or from a watch that went on too long can change nothing."""
    nudges, inbox.nudges = inbox.nudges, []
    for nudge in nudges:
        if live.is_idle:
            continue
        result = nudge.result
        if result is not None and (nudge.version, nudge.revision) == (live.alert.version, live.state.revision):
            _take(live, result, now)
        elif result is None or _has_more(live, result):
            live.memory.schedule(look_again=now)


def _take(live: LiveAlert, result: EvaluateResult, now: datetime) -> None:
    as_of = max(
        result.as_of, now - live.memory.due.market_lag
    )  # it may have been on its way for long: then a fire is late
    judge(live, replace(result, as_of=as_of))
    live.memory.schedule(next_close=result.next_close)
    if result.freshness in WITH_BARS:
        live.memory.tell_problem(result.problem)
    else:
        refused = result.freshness is Freshness.REFUSED
        live.lack(result.problem, result.as_of, now, refused=refused)


def _has_more(live: LiveAlert, result: EvaluateResult) -> bool:
    """Whether it tells of anything that the alert has not seen already."""
    seen = live.state.last_bar_close
    newest = [bar.bar_close for bar in (*result.snapshots, *([result.forming] if result.forming else []))]
    return seen is None or not newest or max(newest) > seen

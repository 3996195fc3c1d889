"""The alerts' own record: how often they fired, what the price did afterwards, how late they were, whether they were heard."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from activities.jobs.executor import JobFailed, Task
from activities.jobs.reports.figures import finite
from activities.jobs.reports.source import Source
from activities.market_data.feeds.series import BarSeries
from activities.outcomes import AFTER, hopes_for_a_fall, outcome
from domain.alert import AlertEvent, EventKind
from domain.bar import by_close
from domain.definition import AlertDefinition
from domain.report import ReportParams
from domain.timeframe import Timeframe

SOON = 3  # bars from a rearm to the next fire that make it a false one
MOST_FIRES = 1000  # of one alert whose outcome is looked at, the newest
KINDS = (EventKind.TRIGGERED, EventKind.REARMED)
Recorded = tuple[datetime, AlertEvent]


@dataclass
class _Record:
    """What is known of one alert, or of all."""

    fires: int = 0
    rearms: int = 0
    false_rearms: int = 0
    late: int = 0
    delays: list[float] = field(default_factory=list)  # seconds from the bar's close to the recorded fire
    moves: dict[int, list[float]] = field(default_factory=lambda: {bars: [] for bars in AFTER})  # per cent
    hits: dict[int, int] = field(default_factory=lambda: dict.fromkeys(AFTER, 0))

    def add(self, other: _Record) -> None:
        """The other's counts, too."""
        for name in ("fires", "rearms", "false_rearms", "late"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays += other.delays
        for bars in AFTER:
            self.moves[bars] += other.moves[bars]
            self.hits[bars] += other.hits[bars]

    def figures(self) -> dict[str, Any]:
        """``outcomes``: of the fires after which so many bars have closed, the mean and median move and the share of hits."""
        return {
            "fires": self.fires,
            "rearms": self.rearms,
            "false_rearms": self.false_rearms,
            "late": self.late,
            "delay_p50": _quantile(self.delays, 0.50),
            "delay_p95": _quantile(self.delays, 0.95),
            "outcomes": {str(bars): self._outcome(bars) for bars in AFTER},
        }

    def _outcome(self, bars: int) -> dict[str, Any]:
        return outcome(self.moves[bars], self.hits[bars])


async def performance_report(source: Source, task: Task, params: ReportParams) -> dict[str, Any]:
    """``total`` and ``alerts``: fires of the last ``days``, what came 1, 5 and 20 bars later, rearms that were followed by a fire
    within three bars, the delay from a bar's close to the recorded fire in seconds; ``deliveries`` by channel and status.

    A move is ``close[n bars after] / close[at the fire] - 1`` in per cent. It is a hit when the price rose, or fell where the
    alert is tagged ``short``, ``sell`` or ``bearish``.
    """
    since = source.clock() - timedelta(days=params.days)
    alerts = {
        one.id: one.alert.definition
        for one in await source.alerts(task.user_id)
        if not params.symbols or one.alert.definition.symbol in params.symbols
    }
    async with source.database.transaction() as work:
        events = await work.events.of_these(list(alerts), KINDS, since)
        told = await work.deliveries.outcomes(list(alerts), since)
    by_alert: dict[str, list[Recorded]] = {}
    for one in events:
        by_alert.setdefault(one[1].alert_id, []).append(one)
    series, failed = await _bars(source, task, alerts, by_alert)
    total, rows = _Record(), []
    for alert_id, happened in by_alert.items():
        definition = alerts[alert_id]
        record = _record(definition, happened, series.get((definition.symbol, definition.timeframe)))
        total.add(record)
        head = {"alert": alert_id, "name": definition.name, "symbol": definition.symbol, "rule": str(definition.rule)}
        rows.append({**head, **record.figures()})
    rows.sort(key=lambda one: (-one["fires"], one["alert"]))
    return {
        "since": since.isoformat(),
        "days": params.days,
        "watched": len(alerts),
        "total": total.figures(),
        "alerts": rows,
        "by_day": _by_day(events, since, source.clock()),
        "deliveries": told,
        "failed": failed,
    }


async def _bars(
    source: Source, task: Task, alerts: dict[str, AlertDefinition], events: dict[str, list[Recorded]]
) -> tuple[dict[tuple[str, Timeframe], BarSeries], dict[str, str]]:
    """The bars since the first fire that is looked at, of each ticker and timeframe that fired."""
    begins: dict[Timeframe, dict[str, datetime]] = {}
    for alert_id, happened in events.items():
        fires = [event.bar_close for _, event in happened if event.kind is EventKind.TRIGGERED and event.bar_close]
        if fires:
            definition = alerts[alert_id]
            first = min(fires[-MOST_FIRES:])
            known = begins.setdefault(definition.timeframe, {})
            known[definition.symbol] = min(first, known.get(definition.symbol, first))
    found: dict[tuple[str, Timeframe], BarSeries] = {}
    failed: dict[str, str] = {}
    for frame, firsts in begins.items():
        try:
            some, bad = await source.on_bars.series(list(firsts), frame, 1, min(firsts.values()), task.tell)
        except JobFailed as error:
            failed |= {f"{symbol} {frame}": str(error) for symbol in firsts}
            continue
        found |= {(symbol, frame): one for symbol, one in some.items()}
        failed |= {f"{symbol} {frame}": why for symbol, why in bad.items()}
    return found, failed


def _record(definition: AlertDefinition, happened: Sequence[Recorded], series: BarSeries | None) -> _Record:
    record, rearmed = _Record(), None
    falls = hopes_for_a_fall(definition)
    for recorded, event in happened:
        if event.kind is EventKind.REARMED:
            record.rearms += 1
            rearmed = event.bar_close or event.at
            continue
        record.fires += 1
        at = event.bar_close or event.at
        if rearmed is not None and _apart(definition.timeframe, series, rearmed, at) <= SOON:
            record.false_rearms += 1
        rearmed = None
        if event.late:
            record.late += 1
        else:
            record.delays.append(max(0.0, (recorded - at).total_seconds()))
        if series is not None and event.bar_close is not None:
            _follow(record, series, event.bar_close, falls=falls)
    return record


def _follow(record: _Record, series: BarSeries, fired: datetime, *, falls: bool) -> None:
    at = bisect_left(series.bars, fired, key=by_close)
    if at >= len(series.bars) or series.bars[at].close_time != fired:
        return
    close = series.bars[at].close
    for bars in AFTER:
        if at + bars >= len(series.bars) or not close or series.is_broken(at, at + bars):
            continue
        move = finite((series.bars[at + bars].close / close - 1) * 100)
        if move is not None:
            record.moves[bars].append(move)
            record.hits[bars] += move < 0 if falls else move > 0


def _apart(frame: Timeframe, series: BarSeries | None, earlier: datetime, later: datetime) -> float:
    """Bars between two closes: those that there are, else as many as fit."""
    if series is None or not series.bars or earlier < series.bars[0].close_time:
        return (later - earlier) / frame.length
    return bisect_left(series.bars, later, key=by_close) - bisect_left(series.bars, earlier, key=by_close)


def _by_day(events: Sequence[Recorded], since: datetime, now: datetime) -> list[list[Any]]:
    """Fires of each day (UTC), the days without any included."""
    counts = {since.date() + timedelta(days=day): 0 for day in range((now.date() - since.date()).days + 1)}
    for _, event in events:
        if event.kind is EventKind.TRIGGERED and event.at.date() in counts:
            counts[event.at.date()] += 1
    return [[day.isoformat(), count] for day, count in counts.items()]


def _quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values do not exceed (nearest rank)."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]

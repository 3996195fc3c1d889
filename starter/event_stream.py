"""What happens to all alerts, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.alert import AlertEvent
from starter.clock import now
from starter.context import Context
from storage.stored_schedule import StoredSchedule

POLL_SECONDS = 0.5
MOST, PAGE = 10_000, 500
OVERLAP = timedelta(seconds=5)  # of what was committed later than it was written
MARKS = {"triggered": "▲", "rearmed": "○", "suppressed": "·", "late": "◷"}


@dataclass(frozen=True)
class EventFilter:
    """Which events: of these kinds (none: all), of alerts of a ticker, a tag, a group."""

    kinds: tuple[str, ...] = ()
    symbol: str = ""
    tag: str = ""
    group: str = ""

    @property
    def every_alert(self) -> bool:
        """Whether it asks nothing of the alert."""
        return not (self.symbol or self.tag or self.group)

    def takes(self, event: AlertEvent, stored: StoredSchedule | None) -> bool:
        """Whether this one; of an alert that is gone only where nothing is asked of it."""
        if self.kinds and event.kind.value not in self.kinds:
            return False
        if self.every_alert:
            return True
        if stored is None or stored.schedule is None:
            return False
        definition = stored.alert.definition
        return (
            self.symbol in ("", definition.symbol)
            and (not self.tag or self.tag in definition.tags)
            and self.group in ("", definition.group)
        )


def event_line(event: AlertEvent, name: str) -> str:
    """One event for the terminal."""
    values = "  ".join(f"{key}={value:.6g}" for key, value in event.values.items() if value is not None)
    mark = MARKS.get(event.kind.value, "•")
    when = event.bar_close or event.at
    return (
        f"{when:%Y-%m-%d %H:%M:%S}Z {mark} {event.kind.value:<10} {name:<24} {event.status.value:<9} {values}".rstrip()
    )


async def following(
    context: Context, wanted: EventFilter, limit: int, *, go_on: bool
) -> AsyncIterator[tuple[AlertEvent, str]]:
    """The newest ``limit`` events with their alerts' names, oldest first; then those to come, each once."""
    known: dict[str, StoredSchedule | None] = {}
    async with context.database.transaction() as work:
        past = await work.events.newest(limit if wanted.every_alert else MOST, wanted.kinds)
    fitting = [one for one in past if wanted.takes(one[1], await _alert(context, known, one[1].alert_id))]
    for _, event in fitting[-limit:]:
        yield event, _name(known, event)
    if not go_on:
        return
    since = max((at for at, _ in past), default=now())
    seen = {event.id: at async for at, event in _all_after(context, since - OVERLAP) if at <= since}
    while True:
        async for at, event in _all_after(context, since - OVERLAP):
            if event.id in seen:
                continue
            seen[event.id], since = at, max(since, at)
            if wanted.takes(event, await _alert(context, known, event.alert_id)):
                yield event, _name(known, event)
        seen = {id: at for id, at in seen.items() if at > since - 2 * OVERLAP}
        await asyncio.sleep(POLL_SECONDS)


async def _all_after(context: Context, since: datetime) -> AsyncIterator[tuple[datetime, AlertEvent]]:
    """Every event recorded after a time, some hundreds at a time, however many there are."""
    cursor = since, ""
    while True:
        async with context.database.transaction() as work:
            page = await work.events.after(cursor, PAGE)
        for one in page:
            yield one
        if len(page) < PAGE:
            return
        cursor = page[-1][0], page[-1][1].id


async def _alert(context: Context, known: dict[str, StoredSchedule | None], alert_id: str) -> StoredSchedule | None:
    if alert_id not in known:
        async with context.database.transaction() as work:
            known[alert_id] = await work.schedules.get(alert_id)
    return known[alert_id]


def _name(known: dict[str, StoredSchedule | None], event: AlertEvent) -> str:
    stored = known.get(event.alert_id)
    return str(stored.name or stored.id) if stored is not None else event.alert_id

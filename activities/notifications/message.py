"""The words of a notification, rendered once when the event happens: the owner's own template, or ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from domain.alert import Alert, AlertEvent, EventKind
from domain.bar import FIELDS
from domain.compiled_rule import Leaf
from domain.definition import has_derived_name
from domain.template import PLACEHOLDERS, filled

TITLES = {
    EventKind.TRIGGERED: "",
    EventKind.LATE: "fired while we were away",
    EventKind.REMINDER: "is still triggered",
    EventKind.DATA_STALE: "has no data",
    EventKind.EXPIRED: "has expired",
    EventKind.ERROR: "cannot be evaluated",
    EventKind.REARMED: "is armed again",
}
HIGH = (EventKind.TRIGGERED, EventKind.REMINDER, EventKind.DATA_STALE, EventKind.ERROR)
IMPORTANT = (*HIGH, EventKind.LATE)  # as the alert says, if urgent
OWN_WORDS = (EventKind.TRIGGERED, EventKind.REMINDER, EventKind.LATE)  # what an owner's template speaks of
SIGNS = {True: "✓", False: "✗", None: "·"}  # of a crossing the notice knows one side only
CROSSING = " crosses"
MOST_SUBJECT = 300
MOST_LEAVES = 12


@dataclass(frozen=True)
class Message:
    """Subject (one line) and body (plain text)."""

    subject: str
    body: str


def render(alert: Alert, event: AlertEvent, link: str = "", last: AlertEvent | None = None) -> Message:
    """What the owner reads. ``link`` leads to the alert, where there is such a place; ``last`` is the fire before."""
    values = context(alert, event, link, last)
    template = alert.definition.message_template
    if template and event.kind in OWN_WORDS:
        subject, _, rest = filled(template, values).strip().partition("\n")
        lines = [rest.strip()] if rest.strip() else []
        if event.kind is EventKind.LATE:
            lines.append(_late(event))
        elif event.kind is EventKind.REMINDER:
            subject, lines = f"{subject} {TITLES[event.kind]}", [event.detail, *lines]
    else:
        subject, lines = _subject(alert, event, values), _lines(alert, event, values)
    lines.append(f"Alert {alert.id}, event {event.id[:12]}" + (f"\n{link}" if link else ""))
    return Message(subject[:MOST_SUBJECT], "\n".join(lines))


def context(alert: Alert, event: AlertEvent, link: str = "", last: AlertEvent | None = None) -> dict[str, Any]:
    """What a template may name, by name. Times are in the alert's own zone; None is what is missing.

    ``change`` is in percent of the price at the fire before.
    """
    definition, zone = alert.definition, ZoneInfo(alert.definition.timezone)
    found: dict[str, Any] = dict.fromkeys(PLACEHOLDERS)
    found |= {name: event.values.get(name) for name in FIELDS}
    return found | {
        "ticker": definition.symbol,
        "symbol": definition.symbol,
        "timeframe": str(definition.timeframe),
        "name": definition.name,
        "price": event.values.get("close"),
        "rule": str(definition.rule),
        "values": ", ".join(f"{name} = {number(value)}" for name, value in event.values.items()),
        "status": event.status.value,
        "reason": event.reason,
        "time": _local(event.at, zone),
        "bar_time": _local(event.bar_close, zone) if event.bar_close else None,
        "count": event.count,
        "trigger_count": event.trigger_count,
        "user_id": alert.user_id,
        "alert_id": alert.id,
        "tags": ", ".join(definition.tags),
        "detail": event.detail,
        "source": event.source,
        "link": link or None,
        **(_since(event, last, zone) if last is not None else {}),
    }


def _since(event: AlertEvent, last: AlertEvent, zone: ZoneInfo) -> dict[str, Any]:
    before, price = last.values.get("close"), event.values.get("close")
    change = None if not before or price is None else (price - before) / abs(before) * 100
    return {"last_price": before, "last_time": _local(last.bar_close or last.at, zone), "change": change}


def _subject(alert: Alert, event: AlertEvent, values: dict[str, Any]) -> str:
    """``AAPL 151.2: rsi(14) > 70 and close > 150 (1h)``, with what happened where it is no fire."""
    definition = alert.definition
    price = "" if values["price"] is None else f" {number(values['price'])}"
    what = str(definition.rule) if has_derived_name(definition) else definition.name
    title = TITLES.get(event.kind, event.kind.value)
    return f"{definition.symbol}{price}: {what} ({definition.timeframe})" + (f" {title}" if title else "")


def _lines(alert: Alert, event: AlertEvent, values: dict[str, Any]) -> list[str]:
    lines = []
    if event.kind is EventKind.LATE:
        lines.append(_late(event))
    elif event.detail:
        lines.append(event.detail)
    if event.values and event.kind is not EventKind.DATA_STALE:
        leaves = alert.compiled.explain(event.values, {})
        lines += [_leaf(leaf) for leaf in leaves[:MOST_LEAVES]]
        named = {name for name in alert.definition.operands if any(name in leaf.text for leaf in leaves)}
        others = {name: value for name, value in event.values.items() if name not in named and value is not None}
        if others:
            lines.append(", ".join(f"{name} = {number(value)}" for name, value in others.items()))
    if event.bar_close:
        late = " (late)" if event.late else ""
        source = f", by {event.source}" if event.source else ""
        lines.append(f"Bar closed {values['bar_time']}{late}{source}")
    if event.trigger_count:
        lines.append(
            f"Fired {event.trigger_count} time{'s' if event.trigger_count > 1 else ''}; now {event.status.value}"
        )
    if values["change"] is not None:
        lines.append(
            f"{values['change']:+.2f} % since it fired at {number(values['last_price'])}, {values['last_time']}"
        )
    if alert.definition.tags:
        lines.append(f"Tags: {values['tags']}")
    return lines


def _leaf(leaf: Leaf) -> str:
    """``✓ rsi(14) > 70: 71.4``."""
    others = [number(value) for value in leaf.right if number(value) not in leaf.text.split()]
    against = f" against {' and '.join(others)}" if others else ""
    sign = SIGNS[None if CROSSING in leaf.text else leaf.truth]
    return f"{sign} {leaf.text}: {number(leaf.left)}{against}"


def _late(event: AlertEvent) -> str:
    times = f"{event.count} time{'s' if event.count > 1 else ''}"
    return f"It fired {times} on bars that closed earlier: {event.detail}"


def _local(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone.key}"


def priority(alert: Alert, kind: EventKind) -> str:
    """``normal``, ``high`` or ``urgent``: as the alert says for its fires and for what keeps it from firing, else normal."""
    own = alert.definition.priority
    return own if kind in (IMPORTANT if own == "urgent" else HIGH) else "normal"


def number(value: float | None) -> str:
    """As people read it: six digits, and no fewer than two after the point."""
    if value is None:
        return "missing"
    whole = len(str(int(abs(value)))) if isfinite(value) else 0
    return f"{value:.{max(6, whole + 2)}g}"


def about_of(alert: Alert) -> dict[str, Any]:
    """What programs are told of an alert beside its event."""
    definition = alert.definition
    return {
        "symbol": definition.symbol,
        "timeframe": definition.timeframe,
        "name": definition.name,
        "rule": str(definition.rule),
        "tags": list(definition.tags),
    }

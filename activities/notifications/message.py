"""The words of a notification, rendered once when the event happens."""

from __future__ import annotations

from dataclasses import dataclass

from domain.alert import Alert, AlertEvent, EventKind

TITLES = {
    EventKind.TRIGGERED: "triggered",
    EventKind.LATE: "fired while we were away",
    EventKind.DATA_STALE: "has no data",
    EventKind.EXPIRED: "has expired",
    EventKind.ERROR: "cannot be evaluated",
    EventKind.REARMED: "is armed again",
}
PRIORITIES = {EventKind.TRIGGERED: "high", EventKind.DATA_STALE: "high", EventKind.ERROR: "high"}


@dataclass(frozen=True)
class Message:
    """Subject (one line) and body (plain text)."""

    subject: str
    body: str


def render(alert: Alert, event: AlertEvent) -> Message:
    """What the owner reads."""
    definition = alert.definition
    title = TITLES.get(event.kind, event.kind.value)
    subject = f"{definition.symbol} {definition.timeframe}: {definition.name} {title}"
    lines = [f"Rule: {definition.rule}"]
    if event.kind is EventKind.LATE:
        lines.append(
            f"It fired {event.count} time{'s' if event.count > 1 else ''} on bars that closed earlier: {event.detail}"
        )
    elif event.detail:
        lines.append(event.detail)
    if event.values:
        lines.append("Values: " + ", ".join(f"{name} = {_number(value)}" for name, value in event.values.items()))
    if event.bar_close:
        source = f", by {event.source}" if event.source else ""
        lines.append(f"Bar closed: {event.bar_close:%Y-%m-%d %H:%M:%S} UTC{source}")
    lines.append(f"Status: {event.status.value} ({event.reason}), fired {event.trigger_count} times")
    lines.append(f"Alert {alert.id}, event {event.id}")
    return Message(subject[:300], "\n".join(lines))


def priority(kind: EventKind) -> str:
    """``normal``, ``high`` or ``urgent`` as the notification service knows them."""
    return PRIORITIES.get(kind, "normal")


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.10g}"

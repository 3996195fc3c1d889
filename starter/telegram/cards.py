"""Alerts and schedules as a chat shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from activities.notifications.message import number
from domain.alert import Alert, Reason, Status
from domain.cron import describe
from domain.definition import AlertDefinition, has_derived_name
from domain.job import Job
from domain.zones import zone
from starter.telegram.replies import Button, Reply, button, in_pages, text
from storage.stored_schedule import INVALID, StoredSchedule

SIGNS = {Status.ARMED: "🟢", Status.TRIGGERED: "🔴", Status.COOLDOWN: "🟡", Status.INACTIVE: "⏸", INVALID: "⚠️"}
TRUTHS = {"TRUE": "✓", "FALSE": "✗"}
PAGE = 8
MOST_LABEL = 44
NONE_YET = "No alerts yet. Try <code>/alert AAPL &gt; 150</code>"


def alert_card(stored: StoredSchedule, note: str = "", asleep_until: datetime | None = None) -> Reply:
    """One alert, with what can be done to it; ``note`` is what was just done, which the row may not say yet."""
    above = f"{text(note)}\n\n" if note else ""
    if not isinstance(stored.schedule, Alert):
        faults = "\n".join(f"{text(one.path)}: {text(one.message)}" for one in stored.faults[:5])
        unusable = f"{above}⚠️ <b>{text(stored.name or stored.id)}</b> cannot be used:\n{faults}"
        return Reply(unusable, ((button("Delete", "delete", stored.id),), (Button("« List", "list"),)))
    definition = stored.schedule.definition
    asleep_until = asleep_until or (stored.snoozed_until if stored.reason == Reason.SNOOZED else None)
    paused = stored.status == Status.INACTIVE or not stored.enabled or asleep_until is not None
    shown = "paused" if not stored.enabled else f"{stored.status} ({stored.reason})"
    if stored.enabled and asleep_until is not None:
        shown = f"snoozed until {_at(asleep_until, definition.timezone)}"
    status = f"{SIGNS[Status.INACTIVE] if paused else SIGNS.get(stored.status, '')} {shown}"
    lines = [
        above + _title(definition),
        text(status),
    ]
    if stored.next_run_at is not None and not paused:
        lines.append(f"Next look {_at(stored.next_run_at, definition.timezone)}")
    if stored.trigger_count:
        last = f", last {_at(stored.triggered_at, definition.timezone)}" if stored.triggered_at else ""
        lines.append(f"Fired {stored.trigger_count} time{'s' if stored.trigger_count > 1 else ''}{last}")
    lines.append(f"<code>{text(stored.id)}</code>")
    first = [button("Resume", "resume", stored.id)] if paused else [
        button("Pause", "pause", stored.id), button("Snooze 1 h", "snooze", stored.id)
    ]  # fmt: skip
    if definition.options.remind_every is not None and stored.status == Status.TRIGGERED:
        first.append(button("Acknowledge", "acknowledge", stored.id))
    rows = (
        tuple(first),
        (button("Chart", "chart", stored.id), button("Explain", "explain", stored.id)),
        (button("Delete", "delete", stored.id), Button("« List", "list")),
    )
    return Reply("\n".join(lines), rows)


def alert_list(alerts: Sequence[StoredSchedule], page: int = 0, note: str = "") -> Reply:
    """A page of alerts; each is opened by its button."""
    above = f"{text(note)}\n\n" if note else ""
    if not alerts:
        return Reply(above + NONE_YET)
    shown, page, pages = in_pages(alerts, page, PAGE)
    rows: list[tuple[Button, ...]] = [(button(_label(one), "show", one.id),) for one in shown]
    if pages > 1:
        rows.append(tuple(Button(sign, f"list:{(page + step) % pages}") for sign, step in (("‹", -1), ("›", 1))))
    where = f", page {page + 1} of {pages}" if pages > 1 else ""
    count = f"{len(alerts)} alert{'s' if len(alerts) > 1 else ''}"
    return Reply(f"{above}<b>{count}</b>{where}", tuple(rows))


def really_delete(stored: StoredSchedule) -> Reply:
    """Asks once more."""
    name = stored.schedule.definition.name if stored.schedule else stored.id
    rows = ((button("Yes, delete", "erase", stored.id), button("No", "show", stored.id)),)
    return Reply(f"Delete <b>{text(name)}</b>? Its history stays.", rows)


def explained(stored: StoredSchedule, said: dict[str, Any]) -> Reply:
    """Each condition with its values, and why it did or did not fire."""
    lines = [f"<b>{text(said['rule'])}</b>: {text(said['truth'])}"]
    for one in said["conditions"]:
        right = " and ".join(number(value) for value in one["right"])
        values = f"{number(one['left'])} against {right}"
        lines.append(f"{TRUTHS.get(one['truth'], '·')} {text(one['condition'])}: {text(values)}")
    if said.get("bar_close"):
        lines.append(f"On the bar that closed {_at(said['bar_close'], stored.alert.definition.timezone)}")
    lines.append(text(f"{said['status']}: {said['why']}"))
    if said.get("problem"):
        lines.append(text(f"Problem: {said['problem']}"))
    return Reply("\n".join(lines), ((button("« Back", "show", stored.id),),))


def schedule_list(jobs: Sequence[StoredSchedule], note: str = "") -> Reply:
    """What else runs, when, and buttons to run or stop it."""
    above = f"{text(note)}\n\n" if note else ""
    if not jobs:
        return Reply(f"{above}No schedules yet. Try <code>/schedule report AAPL MSFT at 16:30</code>")
    lines, rows = [], []
    for one in jobs[:PAGE]:
        name = one.name or one.id
        if not isinstance(one.schedule, Job):
            lines.append(f"⚠️ <b>{text(name)}</b> cannot be used")
            continue
        definition = one.schedule.definition
        sign, when = ("▶️" if one.enabled else "⏸"), f"{describe(definition.parsed_cron)}, {definition.timezone}"
        due = f"; next {_at(one.next_run_at, definition.timezone)}" if one.enabled and one.next_run_at else ""
        lines.append(f"{sign} <b>{text(name)}</b> ({one.job_type}): {text(when + due)}")
        turn = button("Pause", "stop", one.id) if one.enabled else button("Resume", "start", one.id)
        rows.append((button(_short(f"Run {name}"), "run", one.id), turn))
    if len(jobs) > PAGE:
        lines.append(f"and {len(jobs) - PAGE} more: <code>alerts schedules list</code>")
    return Reply(above + "\n".join(lines), tuple(rows))


def _title(definition: AlertDefinition) -> str:
    """Its name, unless nobody gave it one, and its rule."""
    rule = f"{text(definition.symbol)} {definition.timeframe}: <code>{text(definition.rule)}</code>"
    return rule if has_derived_name(definition) else f"<b>{text(definition.name)}</b>\n{rule}"


def _label(stored: StoredSchedule) -> str:
    name = stored.schedule.definition.name if stored.schedule else stored.id
    sign = SIGNS.get(stored.status, "") if stored.enabled else SIGNS[Status.INACTIVE]
    return _short(f"{sign} {name}")


def _short(label: str) -> str:
    return label if len(label) <= MOST_LABEL else f"{label[: MOST_LABEL - 1]}…"


def _at(at: datetime | str, timezone: str) -> str:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return text(f"{moment.astimezone(zone(timezone)):%Y-%m-%d %H:%M} {timezone}")

"""Commands that show alerts: list, show, explain, evaluate, history."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.alert import AlertEvent, EventKind, Reason, Status
from domain.nearness import distance
from starter.cli.complete import groups, statuses
from starter.cli.options import AlertId, Json
from starter.cli.output import (
    FAILED,
    Failure,
    ago,
    number,
    pairs,
    plain,
    print_json,
    print_lines,
    print_table,
    say,
    short,
)
from starter.cli.session import among, is_known, run_command
from starter.context import Context
from starter.event_stream import event_line
from starter.liveness import Liveness, Seen, liveness
from starter.selection import Selection, chosen
from storage.stored_schedule import INVALID, StoredSchedule

if TYPE_CHECKING:
    from storage.deliveries import Delivery


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for name, command in (
        ("list", list_alerts), ("show", show), ("explain", explain), ("evaluate", evaluate), ("history", history),
        ("events", events),
    ):  # fmt: skip
        app.command(name)(command)


def list_alerts(
    status: Annotated[
        str,
        typer.Option(help="Only ARMED, TRIGGERED, COOLDOWN, INACTIVE or INVALID.", autocompletion=statuses),
    ] = "",
    symbol: Annotated[str, typer.Option(help="Only this ticker.")] = "",
    tag: Annotated[str, typer.Option(help="Only with this tag.")] = "",
    group: Annotated[str, typer.Option(help="Only of this group.", autocompletion=groups)] = "",
    as_json: Json = False,
) -> None:
    """List alerts with their status, their last look and how far they are from firing.

    Example: alerts list --status TRIGGERED
    """
    among(status.upper(), [*Status, INVALID, ""], "--status")

    async def work(context: Context) -> tuple[list[StoredSchedule], Liveness]:
        selection = Selection(tag=tag, symbol=symbol.strip(), group=group, status=status, everything=True)
        found = await chosen(context, selection)
        return found, await liveness(context, found)

    found, alive = run_command(work)
    if as_json:
        print_json([{**stored_json(one), **alive.seen[one.id].as_json()} for one in found])
        return
    rows = [
        [one.id, *_meaning(one), *_alive(alive.seen[one.id]), str(one.trigger_count), short(one.triggered_at)]
        for one in found
    ]
    columns = ["id", "symbol", "bars", "rule", "status", "last look", "value", "away", "fires", "last fire"]
    print_table(columns, rows, 'no alerts; add one with: alerts add "AAPL > 150"')
    if found and alive.warning:
        say(alive.warning)


def _alive(seen: Seen) -> list[str]:
    """When it looked, at which price, and how far from firing that is."""
    away = "-" if seen.away is None else "true" if not seen.away else f"{seen.away * 100:.2f} %"
    return [ago(seen.looked_at), number(seen.values.get("close")) if seen.values else "-", away]


def _meaning(one: StoredSchedule) -> list[str]:
    """Ticker, bars, rule and status; of a row that cannot be read its faults instead of the rule."""
    if one.schedule is None:
        return [str(one.target or ""), "", "; ".join(map(str, one.faults)), one.status]
    definition = one.alert.definition
    return [definition.symbol, definition.timeframe, str(definition.rule), f"{one.status} ({one.reason})"]


def show(id: AlertId, as_json: Json = False) -> None:
    """Show one alert: its definition and, when it runs, its live state.

    Example: alerts show aapl-3f9c2a
    """

    from starter import alerts
    from starter.clock import now
    from starter.watching import watch_state, watcher_of

    async def work(context: Context) -> tuple[Any, dict[str, Any], str, str, Liveness, str]:
        stored = await context.alert(id)
        alive = await liveness(context, [stored])
        async with context.database.transaction() as unit:
            last = await unit.events.of_alert(stored.id, kinds=[EventKind.PAUSED], limit=1, newest_first=True)
            watched = (await unit.watched.of([stored.id])).get(stored.id)
        paused = last[0].detail if last else ""
        by = watcher_of(watched, await watch_state(context.database, context.settings, now()))
        try:
            return stored, await alerts.query(context, id, "state"), "", paused, alive, by
        except Exception as error:
            if not is_known(error):
                raise
            return stored, {}, str(error), paused, alive, by

    stored, live, problem, paused, alive, by = run_command(work)
    seen = alive.seen[stored.id]
    if as_json:
        print_json({**stored_json(stored), **seen.as_json(), "watched_by": by or None, "live": live or None})
        return
    print_table(["", id], _shown(stored, live, paused, seen, by))
    if problem:
        say(f"as last recorded: {problem}")
    elif alive.warning:
        say(alive.warning)


def _shown(stored: Any, live: dict[str, Any], paused: str, seen: Seen, by: str) -> list[list[str]]:
    """All that its owner said, and how it is; what was left at its default is left out."""
    definition, state = stored.alert.definition, live.get("state", {})
    status, reason = state.get("status", stored.status), state.get("reason", stored.reason)
    values, bar_close = (state.get("last_snapshot") or {}).get("values"), state.get("last_bar_close")
    if by or not values:  # the watch has seen more than the workflow was told
        values, bar_close = seen.values, seen.bar_close or bar_close
    away = distance(stored.alert, values) if values else None
    options = definition.options.model_dump(mode="json", exclude_defaults=True)
    rows = [
        ["name", definition.name],
        ["description", definition.description],
        ["rule", f"{definition.symbol} {definition.timeframe}: {definition.rule}"],
        ["rearm", str(definition.rearm)],
        ["schedule", f"{definition.cron} ({definition.timezone})"],
        ["channels", ", ".join(definition.notification_channels) or "none"],
        ["priority", definition.priority],
        ["message", definition.message_template],
        ["tags", ", ".join(definition.tags)],
        ["group", definition.group],
        ["options", pairs(options)],
        ["custom", pairs(definition.custom)],
        ["owner", stored.user_id],
        ["version", str(stored.alert.version)],
        ["status", f"{status} ({reason})"],
        ["paused", paused if status == Status.INACTIVE and reason in (Reason.PAUSED, Reason.SNOOZED) else ""],
        ["last look", ago(seen.looked_at)],
        ["next tick", short(stored.next_run_at) if by else str(live.get("next_tick") or "-")],
        ["watched", by],
        ["last bar", str(bar_close or short(stored.last_bar_close))],
        ["values", _values(dict(values))],
        ["away", f"{away * 100:.2f} % from firing" if away else ""],
        ["fires", str(state.get("trigger_count", stored.trigger_count))],
        ["last fire", short(stored.triggered_at) if stored.triggered_at else ""],
        ["problem", str(live.get("problem") or "-")],
    ]
    return [row for row in rows if row[1]]


def explain(id: AlertId, as_json: Json = False) -> None:
    """Say why an alert did or did not fire on its last bar.

    Example: alerts explain aapl-3f9c2a
    """
    from starter import alerts

    _print_judgement(run_command(lambda context: alerts.query(context, id, "explain")), as_json)


def evaluate(id: AlertId, as_json: Json = False) -> None:
    """Evaluate an alert now, without moving its schedule, and show the result.

    Example: alerts evaluate aapl-3f9c2a
    """
    from starter import alerts

    said = run_command(lambda context: alerts.send(context, id, "evaluate_now"))
    _print_judgement(said, as_json)
    if not said["conditions"]:
        raise Failure(f"{id} could not be evaluated: {said.get('problem') or said['why']}", FAILED)


def _print_judgement(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(said)
        return
    rows = [
        [
            one["condition"],
            number(one["left"]),
            ", ".join(number(value) for value in one["right"]),
            one["truth"],
        ]
        for one in said["conditions"]
    ]
    if rows:
        print_table(["condition", "left", "right", "truth"], rows)
    on = f"rule {said['truth']} on the bar closed {said['bar_close']}: " if said.get("bar_close") else ""
    say(f"{said['status']}: {on}{said['why']}")
    if said.get("events"):
        say(f"happened now: {', '.join(said['events'])}")
    if said.get("problem") and said["problem"] not in said["why"]:
        say(f"problem: {said['problem']}")


def history(
    id: AlertId,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind (repeat).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List what happened to an alert, newest first.

    Example: alerts history aapl-3f9c2a --kind triggered
    """
    from starter import alerts

    for one in kind or []:
        among(one, list(EventKind), "--kind")
    found = run_command(lambda context: alerts.history(context, id, kind or [], limit))
    if as_json:
        print_json([event_json(event) | {"deliveries": [_delivery(one) for one in told]} for event, told in found])
        return
    rows = [
        [
            short(event.at),
            event.kind.value + (" (late)" if event.late else ""),
            event.status.value,
            event.reason,
            _values(event.values),
            event.source or "-",
            event.detail,
            "; ".join(_told(one) for one in told),
        ]
        for event, told in found
    ]
    columns = ["time", "event", "status", "reason", "values", "source", "detail", "told"]
    print_table(columns, rows, "nothing has happened yet")


def events(
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind (repeat).")] = None,
    symbol: Annotated[str, typer.Option(help="Only of this ticker.")] = "",
    tag: Annotated[str, typer.Option(help="Only of alerts with this tag.")] = "",
    group: Annotated[str, typer.Option(help="Only of alerts of this group.", autocompletion=groups)] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the past.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it happens; Ctrl-C ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """List what happened to all alerts, newest last; --follow goes on as it happens.

    Example: alerts events --follow --kind triggered
    """
    from starter.event_stream import EventFilter, following

    for one in kind or []:
        among(one, list(EventKind), "--kind")
    wanted = EventFilter(tuple(kind or ()), symbol.strip().upper(), tag, group)

    async def work(context: Context) -> int:
        count = 0
        async for event, name in following(context, wanted, limit, go_on=follow):
            count += 1
            print_lines(json.dumps(plain({**event_json(event), "name": name})) if as_json else event_line(event, name))
        return count

    if not run_command(work) and not as_json:
        say("nothing has happened yet")


def event_json(event: AlertEvent) -> dict[str, Any]:
    """For programs."""
    return dataclasses.asdict(event)


def _delivery(one: Delivery) -> dict[str, Any]:
    return {"channel": one.channel, "status": one.status, "attempts": one.attempts, "error": one.last_error}


def _told(one: Delivery) -> str:
    return f"{one.channel} {one.status}" + (f" ({one.last_error})" if one.last_error else "")


def stored_json(one: Any) -> dict[str, Any]:
    """An alert's row for programs; its definition reads back."""
    if one.schedule is None:
        faults = [fault.as_json() for fault in one.faults]
        return {"id": one.id, "user_id": one.user_id, "status": one.status, "enabled": one.enabled, "errors": faults}
    alert = one.alert
    return {
        "id": alert.id,
        "user_id": alert.user_id,
        "name": alert.definition.name,
        "symbol": alert.definition.symbol,
        "timeframe": alert.definition.timeframe,
        "rule": str(alert.definition.rule),
        "version": alert.version,
        "enabled": one.enabled,
        "status": one.status,
        "reason": one.reason,
        "trigger_count": one.trigger_count,
        "triggered_at": one.triggered_at,
        "last_bar_close": one.last_bar_close,
        "last_values": one.last_values,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "definition": alert.definition.as_json(),
    }


def _values(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name}={number(value)}" for name, value in values.items()) or "-"

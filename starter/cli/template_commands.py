"""Commands on messages: what an alert's words come to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from domain.alert import AlertEvent, EventKind, Status, event_id
from domain.errors import Fault, InvalidInput
from domain.template import PLACEHOLDERS, template_faults
from starter.cli.options import AlertId, Json
from starter.cli.output import print_json, print_lines, print_table, say
from starter.cli.session import among, run_command
from starter.clock import now
from starter.context import Context


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    own = typer.Typer(help="Messages: what an alert's own words come to.", no_args_is_help=True)
    own.command("preview")(preview)
    own.command("placeholders")(placeholders)
    app.add_typer(own, name="template")


def preview(
    id: AlertId,
    text: Annotated[str, typer.Option("--text", help="Try these words instead of the alert's own.")] = "",
    kind: Annotated[str, typer.Option(help="triggered, late, data_stale, error …")] = "triggered",
    as_json: Json = False,
) -> None:
    """Show what an alert's message would say now, with its last values.

    Example: alerts template preview aapl-3f9c2a --text "{ticker} is at {price:.2f}"
    """
    from activities.notifications.message import context, render

    among(kind, list(EventKind), "--kind")
    if faults := template_faults(text):
        raise InvalidInput("options", [Fault("--text", one) for one in faults])

    async def work(opened: Context) -> Any:
        stored = await opened.alert(id)
        async with opened.database.transaction() as work:
            has_last = stored.trigger_count and kind == EventKind.TRIGGERED
            last = await work.events.fire_before(id, now()) if has_last else None
        return stored, opened.settings.link, last

    stored, link, last = run_command(work)
    alert = stored.alert
    if text:
        definition = alert.definition.model_copy(update={"message_template": text})
        alert = alert.model_copy(update={"definition": definition})
    at = stored.last_bar_close or now()
    event = AlertEvent(
        id=event_id(id, alert.version, at, EventKind(kind), 0), alert_id=id, version=alert.version, kind=EventKind(kind), at=at,
        status=Status.TRIGGERED, reason="preview", bar_close=stored.last_bar_close,
        values=stored.last_values if isinstance(stored.last_values, dict) else {}, trigger_count=int(stored.trigger_count) + 1,
    )  # fmt: skip
    message = render(alert, event, link.replace("{id}", id), last)
    if as_json:
        print_json({"subject": message.subject, "body": message.body, "values": context(alert, event, link, last)})
        return
    if not event.values:
        say("note: no bar has been judged yet, so the values are missing")
    print_lines(message.subject, message.body)


def placeholders(as_json: Json = False) -> None:
    """List what a message may name.

    Example: alerts template placeholders
    """
    if as_json:
        print_json(list(PLACEHOLDERS))
    else:
        print_table(["placeholder"], [[f"{{{name}}}"] for name in PLACEHOLDERS])

"""The options that name a definition's fields, and what they come to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from starter.quiet import span_of

Symbol = Annotated[str | None, typer.Option(help="Ticker, when the rule does not name it.")]
Frame = Annotated[str | None, typer.Option("--timeframe", "-t", help="Bar length: 1m, 5m, 1h, 1d …")]
Name = Annotated[str | None, typer.Option(help="A name for people.")]
Cron = Annotated[str | None, typer.Option(help="When to look; default: as each bar closes.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="IANA zone of the cron.")]
Rearm = Annotated[str | None, typer.Option(help="edge, simple, hysteresis, cooldown, persistence, crossing or once.")]
Cooldown = Annotated[float | None, typer.Option(help="Seconds of pause after a fire.")]
Persistence = Annotated[int | None, typer.Option(help="Bars in a row that must be true.")]
Channel = Annotated[list[str] | None, typer.Option(help="log, webhook, webhook:NAME, notify … (repeat).")]
Tag = Annotated[list[str] | None, typer.Option(help="A tag (repeat).")]
Urgency = Annotated[
    str | None,
    typer.Option("--priority", help="normal, high or urgent, which is told in quiet hours, too; default: high."),
]
RemindEvery = Annotated[
    str | None, typer.Option(help="Tell a fire again so often until it is acknowledged: 30m, 2h; 'off' ends it.")
]
RemindMax = Annotated[int | None, typer.Option(help="At most so many reminders of a fire; default: no end.")]
PLAIN = ("symbol", "timeframe", "name", "cron", "timezone", "priority")
REARM = {"rearm": "type", "cooldown": "cooldown", "persistence": "persistence"}
OFF = "off"


def named_fields(given: dict[str, Any]) -> dict[str, Any]:
    """The definition's fields, of a command's options by their names; others are passed over.

    Raises:
        InvalidInput: a span of time that is none.
    """
    found = {name: given[name] for name in PLAIN if given[name] is not None}
    found |= {
        name: given[option] for name, option in (("notification_channels", "channel"), ("tags", "tag")) if given[option]
    }
    if rearm := {name: given[option] for option, name in REARM.items() if given[option] is not None}:
        found["rearm"] = rearm
    if options := _options(given["remind_every"], given["remind_max"]):
        found["options"] = options
    return found


def _options(every: str | None, most: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if every is not None and every.strip().lower() == OFF:
        return {"remind_every": None, "remind_max": None}
    if every is not None:
        found["remind_every"] = span_of(every, "--remind-every", "definition").total_seconds()
    if most is not None:
        found["remind_max"] = most
    return found


def over(stored: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Options that are changed, over those that are there; None takes one away."""
    whole = {**stored, **changes}
    return {name: value for name, value in whole.items() if value is not None}

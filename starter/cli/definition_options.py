"""The options that say what a definition can say, for every command that writes one, and what they come to."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from domain.errors import Fault, InvalidInput
from starter.cli import inputs
from starter.cli.complete import channels, rearm_types, timeframes, zones
from starter.clock import now
from starter.times import frame_of, moment_of, span_of
from worker.settings import load_settings

OFF = ("off", "none", "never")
_TIMING, _FIRING, _TELLING = "When it looks", "When it fires again", "What is told"


def _text(name: str, help: str, panel: str | None = None, **more: Any) -> Any:
    return Annotated[str | None, typer.Option(name, help=help, rich_help_panel=panel, **more)]


OPTIONS: dict[str, Any] = {
    "symbol": _text("--symbol", "Ticker, when the rule does not name it."),
    "timeframe": Annotated[
        str | None, typer.Option("--timeframe", "-t", help="Bar length: 1m, 5m, 1h, 1d …", autocompletion=timeframes)
    ],
    "name": _text("--name", "A name for people."),
    "description": _text("--description", "What it is for."),
    "tag": Annotated[list[str] | None, typer.Option("--tag", help="A tag (repeat).")],
    "group": _text("--group", "A group of alerts that are steered together."),
    "cron": _text("--cron", "When to look; default: as each bar closes.", _TIMING),
    "timezone": _text("--timezone", "IANA zone of the cron, and of times you write.", _TIMING, autocompletion=zones),
    "market_hours": Annotated[
        bool | None, typer.Option("--market-hours/--all-hours", help="Only bars of the regular session.")
    ],
    "tick": Annotated[
        bool | None, typer.Option("--on-tick/--on-close", help="Let the forming bar fire, or wait for its close (default).")
    ],
    "lookback": Annotated[int | None, typer.Option("--lookback", help="Bars that its indicators see; default: as they need.")],
    "expires": _text("--expires", "When it ends: 2d, 'friday 16:00', 2026-12-31; 'off' takes it away.", _FIRING),
    "rearm": _text(
        "--rearm", "edge, simple, hysteresis, cooldown, persistence, crossing or once.", _FIRING, autocompletion=rearm_types
    ),
    "once": Annotated[bool, typer.Option("--once", help="Fire once and be done: --rearm once.")],
    "always": Annotated[bool, typer.Option("--always", help="Fire on every bar while true: --rearm simple.")],
    "cooldown": _text("--cooldown", "Pause after a fire: 90 (seconds), 15m, 1h.", _FIRING),
    "persistence": Annotated[int | None, typer.Option("--persistence", help="Bars in a row that must be true.")],
    "threshold": _text("--threshold", "Hysteresis: false by this fraction before it may fire again: 0.02 or 2%.", _FIRING),
    "level": Annotated[float | None, typer.Option("--level", help="Hysteresis: past this value before it may fire again.")],
    "direction": _text("--direction", "Crossing: up, down or both.", _FIRING),
    "max_triggers": Annotated[int | None, typer.Option("--max-triggers", help="End after so many fires.")],
    "skip_if_true": Annotated[
        bool | None,
        typer.Option("--skip-if-true/--fire-if-true", help="True from the beginning: wait, or fire (default)."),
    ],
    "catchup": _text("--catchup", "After downtime: all missed bars (default), or the latest.", _FIRING),
    "channel": Annotated[
        list[str] | None,
        typer.Option(
            "--channel", help="A destination's name, or log, telegram, email, webhook, notify (repeat).", autocompletion=channels
        ),
    ],
    "message": _text("--message", "Your own words, with {ticker}, {close} and the like.", _TELLING),
    "priority": _text("--priority", "normal, high (default), or urgent: told in quiet hours, too.", _TELLING),
    "remind_every": _text("--remind-every", "Tell a fire again so often until it is acknowledged: 30m; 'off' ends it.", _TELLING),
    "remind_max": Annotated[int | None, typer.Option("--remind-max", help="At most so many reminders of a fire.")],
}  # fmt: skip
PLAIN = ("symbol", "timeframe", "name", "description", "group", "cron", "timezone", "priority")
RENAMED = {"channel": "notification_channels", "tag": "tags", "message": "message_template"}
OF_OPTIONS = {
    "market_hours": "market_hours_only", "lookback": "lookback", "max_triggers": "max_triggers", "remind_max": "remind_max",
    "skip_if_true": "skip_if_already_true", "catchup": "catchup",
}  # fmt: skip
OF_REARM = ("persistence", "level", "direction")


def takes_definition(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command these options, but for those it has itself; it gets the fields that they come to as ``fields``."""

    hints = get_type_hints(command, include_extras=True)

    @wraps(command)
    def run(**given: Any) -> None:
        chosen = {name: given.pop(name, None) for name in OPTIONS if name not in hints}
        command(**given, fields=fields_of(chosen))

    own = [one for one in inspect.signature(command).parameters.values() if one.name != "fields"]
    empty = {name: False if name in ("once", "always") else None for name in OPTIONS}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=empty[name], annotation=kind)
        for name, kind in OPTIONS.items()
        if name not in hints
    ]
    own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name]) for one in own]
    vars(run)["__signature__"] = inspect.Signature([*own, *added])
    run.__annotations__ = {one.name: one.annotation for one in [*own, *added]}
    del run.__wrapped__
    return run


def fields_of(given: dict[str, Any]) -> dict[str, Any]:
    """The definition's fields, of options by their names; None in ``options`` sets one back to its default.

    Raises:
        InvalidInput: with every option that cannot be read.
    """
    faults: list[Fault] = []
    found = {name: given[name] for name in PLAIN if given.get(name) is not None}
    if "timeframe" in found:
        found["timeframe"] = frame_of(found["timeframe"])
    found |= {name: given[option] for option, name in RENAMED.items() if given.get(option)}
    if rearm := _rearm(given, faults):
        found["rearm"] = rearm
    if options := _options(given, faults):
        found["options"] = options
    if faults:
        raise InvalidInput("options", faults)
    return found


def _rearm(given: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """What is said of rearm; its type follows from what belongs to one type alone."""
    found = {name: given[name] for name in OF_REARM if given.get(name) is not None}
    if given.get("cooldown") is not None:
        found["cooldown"] = _seconds(given["cooldown"], "--cooldown", faults, zero=True)
    if given.get("threshold") is not None:
        found["threshold"] = _fraction(given["threshold"], faults)
    types = [("--once", "once")] if given.get("once") else []
    types += [("--always", "simple")] if given.get("always") else []
    types += [("--rearm", given["rearm"])] if given.get("rearm") is not None else []
    if len(types) > 1:
        faults.append(Fault(", ".join(name for name, _ in types), "give one of them"))
    if types:
        found["type"] = types[0][1]
    elif found.keys() & {"threshold", "level"}:
        found["type"] = "hysteresis"
    elif "direction" in found:
        found["type"] = "crossing"
    return found


def _options(given: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: given[option] for option, name in OF_OPTIONS.items() if given.get(option) is not None
    }
    if given.get("tick") is not None:
        found["evaluate_on"] = "tick" if given["tick"] else "close"
    every, expires = given.get("remind_every"), given.get("expires")
    if every is not None and _is_off(every):
        found |= {"remind_every": None, "remind_max": None}
    elif every is not None:
        found["remind_every"] = _seconds(every, "--remind-every", faults)
    if expires is not None:
        found["expires_at"] = None if _is_off(expires) else _moment(expires, given.get("timezone"), faults)
    return found


def _is_off(text: str) -> bool:
    return text.strip().lower() in OFF


class WrittenTime(str):
    """A time as ISO, with what was written for it: on an alert that there is, that is wall time of the alert's own zone."""

    text: str
    zone: str

    def __new__(cls, text: str, zone: str) -> WrittenTime:
        """In a zone; ``InvalidInput`` where it is none."""
        found: datetime = moment_of(text, inputs.zone(zone), now(), "--expires")
        made = super().__new__(cls, found.isoformat())
        made.text, made.zone = text, zone
        return made


def _moment(text: str, zone: str | None, faults: list[Fault]) -> str | None:
    try:
        return WrittenTime(text, zone or load_settings().scheduler_timezone)
    except InvalidInput as error:
        faults += error.faults
        return None


def in_zone_of(options: dict[str, Any], zone: str, given: str | None) -> dict[str, Any]:
    """The options with a written time in an alert's own zone, unless the command names one."""
    at = options.get("expires_at")
    if given is None and isinstance(at, WrittenTime) and at.zone != zone:
        return {**options, "expires_at": str(WrittenTime(at.text, zone))}
    return options


def _seconds(text: str, option: str, faults: list[Fault], *, zero: bool = False) -> float:
    if zero and text.strip() in ("0", "0s"):
        return 0.0
    try:
        return span_of(text, option, "options").total_seconds()
    except InvalidInput as error:
        faults += error.faults
        return 0.0


def _fraction(text: str, faults: list[Fault]) -> float:
    number = text.strip()
    try:
        return float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        faults.append(Fault("--threshold", "expected a fraction such as 0.02, or 2%", text))
        return 0.0


def over(stored: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Options that are changed, over those that are there; None takes one away."""
    whole = {**stored, **changes}
    return {name: value for name, value in whole.items() if value is not None}

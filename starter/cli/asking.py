"""``alerts add`` without arguments: asks for one thing after the other, and says at once what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from domain.definition import read_definition
from domain.errors import InvalidInput
from domain.timeframe import Timeframe
from starter.cli.definition_options import fields_of
from starter.cli.output import say
from worker.settings import Settings

ANY = "X"  # stands for each of several tickers while a rule is read
AFTER = {
    "1": ("fire once and be done", {"once": True}),
    "2": ("fire again after it was false (edge)", {}),
    "3": ("fire on every bar while it is true", {"always": True}),
    "4": ("fire again after a pause", {}),
}


def asked_step_by_step(
    settings: Settings, fields: dict[str, Any], *, of_several: bool = False
) -> tuple[str, dict[str, Any]]:
    """The rule and the fields; what options said already is not asked again, nor a ticker where there are several."""
    say("An alert in six questions; an empty answer takes what stands in brackets, Ctrl-C ends it.")
    found = dict(fields)
    symbol = found.get("symbol") or (ANY if of_several else _until("Ticker", "", _symbol))
    frame = found.get("timeframe") or _until("Bars (1m, 5m, 1h, 1d …)", "1h", Timeframe)
    rule = _until(
        "Rule, such as rsi(14) > 70 and price above 150",
        "",
        lambda text: str(read_definition({"rule": text, "symbol": symbol, "timeframe": frame}).rule),
    )
    say(f"  understood as: {rule}")
    given: dict[str, Any] = {}
    if "rearm" not in found:
        for number, (words, _) in AFTER.items():
            say(f"  {number}  {words}")
        choice = _until("After it has fired", "2", _among(tuple(AFTER)))
        given |= AFTER[choice][1]
        if choice == "4":
            given["cooldown"] = _until("Pause", "1h", lambda text: fields_of({"cooldown": text}) and text)
    if "options" not in found:
        zone = found.get("timezone") or settings.scheduler_timezone
        ends = _until(
            f"Until when (2d, friday 16:00, a date; times are {zone})",
            "for good",
            lambda text: text if text == "for good" else fields_of({"expires": text, "timezone": zone}) and text,
        )
        given |= {} if ends == "for good" else {"expires": ends, "timezone": zone}
    if "notification_channels" not in found:
        words = "Told by (a destination's name, log, telegram, email, webhook …; commas between)"
        told = _until(words, "log", lambda text: _channels(text, symbol) and text)
        given["channel"] = _names(told)
    found |= fields_of(given)
    found |= {"timeframe": str(frame), **({} if of_several else {"symbol": symbol})}
    return rule, found


def _symbol(text: str) -> str:
    return read_definition({"rule": "close > 0", "symbol": text}).symbol


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _channels(text: str, symbol: str) -> bool:
    return bool(read_definition({"rule": "close > 0", "symbol": symbol, "notification_channels": _names(text)}))


def _among(known: tuple[str, ...]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in known:
            raise ValueError(f"expected one of {', '.join(known)}")
        return text

    return check


def _until(question: str, default: str, read: Callable[[str], Any]) -> Any:
    """Asks until the answer can be used."""
    while True:
        text = typer.prompt(question, default=default or None, err=True).strip()
        try:
            return read(text)
        except InvalidInput as error:
            for fault in error.faults:
                say(f"  {fault.message}")
        except ValueError as error:
            say(f"  {error}")

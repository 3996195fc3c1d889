"""Reads what people hand to commands: definition files, expressions, options."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from activities.files import read_at_most
from domain import zones
from domain.definition import AlertDefinition
from domain.errors import Fault, InvalidInput
from domain.ids import CHOSEN_HINT, may_be_chosen
from domain.known_keys import hint
from domain.own_types import NONE, OwnTypes
from domain.schedule_draft import ScheduleDraft, read_alert
from domain.ticker import ticker
from starter.cli.output import INVALID, Failure
from worker.settings import Settings

MOST_USER = 64
ENOUGH = 1000  # faults: a file with more is another kind of file
MOST_BYTES = 64 << 20  # of a file of definitions


def read_json(path: str) -> Any:
    """JSON of a file, or of stdin for ``-``.

    Raises:
        InvalidInput: with the line and column of the fault.
    """
    try:
        raw = sys.stdin.buffer.read(MOST_BYTES) if path == "-" else read_at_most(Path(path), MOST_BYTES)
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise InvalidInput(path, [Fault("$", "there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(path, [Fault("$", f"cannot be read: {error}")]) from None
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidInput(path, [Fault("$", "is nested too deeply")]) from None
    except ValueError as error:
        where = f"line {error.lineno} column {error.colno}: " if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        stripped = text.strip()
        if stripped and stripped[0] not in '{["' and "\n" not in stripped:
            return stripped  # a file that holds an expression
        raise InvalidInput(path, [Fault("$", f"is no JSON: {where}{reason}")]) from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def definitions_in(path: str) -> list[tuple[str, Any]]:
    """The definitions of a file with their JSON paths: one, or a list of them."""
    data = read_json(path)
    if isinstance(data, list):
        if not data:
            raise InvalidInput(path, [Fault("$", "expected at least one definition")])
        return [(f"$[{index}]", one) for index, one in enumerate(data)]
    return [("$", data)]


def one_definition(what: str) -> Any:
    """The definition a file or expression holds, as JSON data; a text becomes a rule.

    Raises:
        InvalidInput: unreadable, or a file with several.
    """
    given: Any = what
    if is_file(what):
        found = definitions_in(what)
        if len(found) != 1:
            raise InvalidInput(what, [Fault("$", f"expected one definition, found {len(found)}")])
        given = found[0][1]
    return {"rule": given} if isinstance(given, str) else given


def owned(data: Any) -> tuple[Any, str | None]:
    """A definition without its ``user_id``, a number or a text, and that; None where it names none.

    Raises:
        InvalidInput: it is neither.
    """
    if not isinstance(data, dict) or "user_id" not in data:
        return data, None
    owner = data["user_id"]
    if isinstance(owner, bool) or not isinstance(owner, int | str) or not 0 < len(str(owner)) <= MOST_USER:
        raise InvalidInput(
            "definition", [Fault("$.user_id", f"expected a number or a text of 1 to {MOST_USER}", owner)]
        )
    return {name: value for name, value in data.items() if name != "user_id"}, str(owner)


@dataclass(frozen=True)
class Given:
    """A definition as a file has it, with the owner, the id and the rest that it names beside it."""

    definition: AlertDefinition
    owner: str | None = None
    id: str | None = None
    enabled: bool = True


def read_all(path: str, overrides: dict[str, Any] | None = None, own: OwnTypes = NONE) -> list[Given]:
    """All definitions of a file, also as 'alerts list --json' and 'alerts export' write them, or every fault of all of them.

    Raises:
        InvalidInput: as said.
    """
    found: list[Given] = []
    faults: list[Fault] = []
    for base, data in definitions_in(path):
        try:
            data, row = unpacked(data)
            data, owner = owned(data)
            one = read_alert(merged(data, overrides or {}), own)
            found.append(Given(one, owner or row.get("user_id"), row.get("id"), row.get("enabled", True)))
        except InvalidInput as error:
            faults += error.under(base)
        if len(faults) > ENOUGH:
            faults.insert(0, Fault("$", f"has so many faults that nothing after {base} was looked at"))
            break
    if faults:
        raise InvalidInput(path, faults)
    return found


def unpacked(data: Any) -> tuple[Any, dict[str, Any]]:
    """The definition of what a list or an export has, which names its id and owner and holds it; anything else as it is.

    Raises:
        InvalidInput: id or owner are no such thing.
    """
    if not isinstance(data, dict) or not isinstance(data.get("definition"), dict) or "rule" not in data["definition"]:
        return data, {}
    row: dict[str, Any] = {}
    faults = []
    if data.get("id") is not None:
        row["id"] = str(data["id"])
        faults += faults_of_id(row["id"])
    if data.get("user_id") is not None:
        row["user_id"] = owned({"user_id": data["user_id"]})[1]
    if not isinstance(data.get("enabled", True), bool):
        faults.append(Fault("$.enabled", "expected true or false", data["enabled"]))
    if faults:
        raise InvalidInput("definition", faults)
    row["enabled"] = data.get("enabled", True)
    return data["definition"], row


def tickers(text: str, option: str) -> list[str]:
    """Tickers with commas or blanks between, each once.

    Raises:
        InvalidInput: naming each that is none.
    """
    found: dict[str, None] = {}
    faults = []
    for name in re.split(r"[,\s]+", text.strip(", ")):
        try:
            found[ticker(name)] = None
        except ValueError as error:
            faults.append(Fault(option, str(error), name[:40]))
    if faults:
        raise InvalidInput("options", faults)
    return list(found)


def read_schedule(data: Any, folder: Any, timezone: str = "UTC") -> Any:
    """The schedule a file holds, checked like a row and by the operator's own schemas.

    Raises:
        InvalidInput: with every fault.
    """
    known = {"id", "user_id", "job_type", "name", "target", "task_params", "cron", "timezone", "enabled"}
    if not isinstance(data, dict):
        raise InvalidInput("schedule", [Fault("$", "expected an object", data)])
    data, _ = owned(data)
    faults = [Fault(f"$.{name}", f"unknown key{hint(name, known)}") for name in sorted(set(data) - known)]
    texts = ("job_type", "name", "cron", "timezone", "target")
    faults += [
        Fault(f"$.{name}", "expected text", data[name]) for name in texts if not isinstance(data.get(name, ""), str)
    ]
    if not isinstance(data.get("enabled", True), bool):
        faults.append(Fault("$.enabled", "expected true or false", data["enabled"]))
    if not isinstance(data.get("id", ""), str | int):
        faults.append(Fault("$.id", "expected a text or a number", data["id"]))
    if faults:
        raise InvalidInput("schedule", faults)
    draft = ScheduleDraft(
        data.get("job_type", ""),
        data.get("task_params"),
        data.get("name", ""),
        data.get("target"),
        data.get("cron", ""),
        data.get("timezone") or timezone,
        folder.own(),
    )
    definition = draft.definition()
    folder.check_definition(definition)
    return definition


def merged(data: Any, overrides: dict[str, Any]) -> Any:
    """What the file says with what the options say over it."""
    if not overrides:
        return data
    if isinstance(data, str):
        data = {"rule": data}
    if not isinstance(data, dict):
        return data
    rearm = overrides.get("rearm")
    if isinstance(rearm, dict) and isinstance(data.get("rearm"), dict):
        overrides = {**overrides, "rearm": {**data["rearm"], **rearm}}
    options = overrides.get("options")
    if isinstance(options, dict) and isinstance(data.get("options"), dict):
        overrides = {**overrides, "options": {**data["options"], **options}}
    return {**data, **overrides}


def is_file(text: str) -> bool:
    """Whether an argument names a definition file rather than being an expression."""
    return text == "-" or text.endswith(".json") or (not re.search(r"[<>=\s]", text) and Path(text).is_file())


def alert_id(text: str) -> str:
    """A usable id.

    Raises:
        Failure: when it is none.
    """
    if not may_be_chosen(text):
        raise Failure(f"'{text}' is no id; use {CHOSEN_HINT}", INVALID)
    return text


def faults_of_id(text: str) -> list[Fault]:
    """Why a text is no id; none where it is one."""
    return [] if may_be_chosen(text) else [Fault("$.id", f"expected {CHOSEN_HINT}", text)]


def user(text: str) -> str:
    """Whose something is.

    Raises:
        InvalidInput: when it is no name of sensible length.
    """
    if not 1 <= len(text) <= MOST_USER:
        raise InvalidInput("options", [Fault("--user", f"expected 1 to {MOST_USER} characters", text)])
    return text


def owner(settings: Settings, user_id: str) -> str:
    """Whose something is, where somebody is named; else the user of this installation.

    Raises:
        InvalidInput: as ``user``.
    """
    return user(user_id or settings.alerts_user_id)


def zone(name: str, option: str = "--timezone") -> ZoneInfo:
    """An IANA time zone."""
    try:
        return zones.zone(name)
    except ValueError as error:
        raise InvalidInput("options", [Fault(option, str(error), name)]) from None


def moment(text: str, zone: ZoneInfo, option: str) -> datetime:
    """A time as ISO; without an offset it is wall time of the zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            "options", [Fault(option, "expected an ISO time such as 2026-01-05T14:30:00Z", text)]
        ) from None
    if not 1900 <= found.year <= 2200:
        raise InvalidInput("options", [Fault(option, "expected a year from 1900 to 2200", text)])
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def parameters(given: list[str]) -> dict[str, float]:
    """``--param name=number`` options.

    Raises:
        InvalidInput: naming each that cannot be read.
    """
    found: dict[str, float] = {}
    faults = []
    for text in given:
        name, separator, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not separator or not name or not math.isfinite(number):
            faults.append(Fault("--param", "expected name=number, e.g. length=14", text))
        else:
            found[name.strip()] = int(number) if number == int(number) else number
    if faults:
        raise InvalidInput("options", faults)
    return found

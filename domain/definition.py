"""What people write to get an alert, in all its short forms, and the one full form they compile to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from pydantic import AwareDatetime, Field, ValidationError, field_validator, model_validator

from domain.bounds import refuse_too_much
from domain.cron import CronError, CronExpression
from domain.cron import parse as parse_cron
from domain.dialects import NOTIFIED, Translation, translated
from domain.errors import MOST_FAULTS, Fault, InvalidInput, MoreFaults, more_than
from domain.known_keys import hint, keys_at
from domain.operand import Model, SeriesOperand
from domain.rearm_policy import YEAR, Rearm, misfits
from domain.rule import MAX_COMPARISONS, MAX_DEPTH, Node, comparisons, depth, parts_of, series, unqualified
from domain.rule_size import refuse_too_large
from domain.short_forms import ALIASES, expand
from domain.template import template_faults
from domain.text import Line, Lines
from domain.ticker import Ticker
from domain.timeframe import Timeframe
from domain.zones import zone

SCHEMA_VERSION = 1
MOST_TAG_BYTES = 1900
MAX_OTHERS = 10  # other tickers in a rule
MAX_SERIES = 300
MAX_PARTS = 2_000
CHANNELS = ("log", "notify", "telegram", "email", "webhook")  # declared by activities/notifications/channels
CHANNEL = re.compile(r"[a-z][a-z0-9_-]{0,62}|webhook:[a-z0-9][a-z0-9_-]{0,62}")
Priority = Literal["normal", "high", "urgent"]
CHANNEL_HINT = f"expected {', '.join(CHANNELS)}, webhook:<name>, or the name of a destination"


def _derived_name(symbol: str, frame: Timeframe, rule: Node) -> str:
    return f"{symbol} {frame}: {rule}"[:200]


def refuse_known(custom: dict[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Lets own fields pass that hide none of ours.

    Raises:
        ValueError: naming those that do.
    """
    if hidden := sorted(set(custom) & set(known)):
        raise ValueError(f"{', '.join(hidden)}: a field of ours cannot stand here as well")
    return custom


class Options(Model):
    """What may be set beside the rule. ``lookback`` is in bars, ``jitter`` in seconds; ``expires_at`` needs an offset.

    ``lookback`` left out means as many bars as the rule's indicators need, at least 250. ``remind_every`` is in seconds: so often
    is a fire told again while the alert stays TRIGGERED and nobody acknowledges it, at most ``remind_max`` times.
    """

    lookback: int | None = Field(default=None, ge=250, le=50_000)
    once_per_bar: Literal[True] = True
    evaluate_on: Literal["close", "tick"] = "close"
    expires_at: AwareDatetime | None = None
    max_triggers: int | None = Field(default=None, ge=1)
    market_hours_only: bool = False
    catchup: Literal["all", "latest"] = "all"
    jitter: float | None = Field(default=None, ge=0, le=300)
    record: Literal["changes", "all"] = "changes"
    skip_if_already_true: bool = False
    remind_every: float | None = Field(default=None, ge=60, le=YEAR)
    remind_max: int | None = Field(default=None, ge=1, le=10_000)

    @field_validator("expires_at", mode="before")
    @classmethod
    def _a_text(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, str | datetime):
            raise ValueError("expected an ISO time with an offset such as 2026-12-31T21:00:00Z")
        return value

    @field_validator("expires_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is not None and not 1970 <= value.year <= 9000:
            raise ValueError("expected a year from 1970 to 9000")
        return value.astimezone(UTC) if value else None


class AlertDefinition(Model):
    """One alert as its owner defines it. ``rule`` may be text or a tree; the model always holds the tree."""

    schema_version: Literal[1] = 1
    name: Line = Field(default="", max_length=255)
    description: Lines = Field(default="", max_length=2000)
    symbol: Ticker
    timeframe: Timeframe = Timeframe("1m")
    rule: Node
    rearm: Rearm = Rearm()
    options: Options = Options()
    cron: str = ""
    timezone: str = "UTC"
    notification_channels: tuple[str, ...] = Field(default=("log",), max_length=10)
    tags: tuple[Line, ...] = Field(default=(), max_length=20)
    group: Line = Field(default="", max_length=64)
    message_template: Lines = Field(default="", max_length=2000)
    priority: Priority = "high"
    custom: dict[str, Any] = Field(default_factory=dict)

    @field_validator("custom")
    @classmethod
    def _of_its_own(cls, value: dict[str, Any]) -> dict[str, Any]:
        return refuse_known(value, cls.model_fields)

    @field_validator("message_template")
    @classmethod
    def _known_placeholders(cls, value: str) -> str:
        if faults := template_faults(value):
            raise ValueError("; ".join(faults))
        return value

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        zone(value)
        return value

    @field_validator("cron")
    @classmethod
    def _readable_cron(cls, value: str) -> str:
        if value:
            try:
                parse_cron(value)
            except CronError as error:
                raise ValueError("; ".join(fault.message for fault in error.faults)) from None
        return value

    @field_validator("notification_channels")
    @classmethod
    def _known_channels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        bad = [name for name in value if not CHANNEL.fullmatch(name)]
        if bad:
            raise ValueError(f"unknown channel {', '.join(bad)}; {CHANNEL_HINT}")
        return tuple(dict.fromkeys(value))

    @field_validator("tags")
    @classmethod
    def _short_tags(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not 0 < len(tag) <= 64 for tag in value):
            raise ValueError("each tag must have 1 to 64 characters")
        if len(json.dumps(value)) > MOST_TAG_BYTES:
            raise ValueError("the tags are too long together; Temporal holds 2 kB of them")
        return tuple(dict.fromkeys(value))

    @field_validator("rule")
    @classmethod
    def _sensible_rule(cls, value: Node) -> Node:
        if depth(value) > MAX_DEPTH:
            raise ValueError(f"the rule is nested deeper than {MAX_DEPTH} levels")
        if len(comparisons(value)) > MAX_COMPARISONS:
            raise ValueError(f"the rule has more than {MAX_COMPARISONS} comparisons")
        return value

    @model_validator(mode="after")
    def _whole(self) -> AlertDefinition:
        object.__setattr__(self, "rule", unqualified(self.rule, self.symbol))
        faults = misfits(self.rearm, self.rule) + self._reminder_faults()
        own = self.timeframe.length
        if len(self.operands) > MAX_SERIES:
            faults.append(f"the rule reads {len(self.operands):,} series, at most {MAX_SERIES}")
        if (size := sum(map(parts_of, comparisons(self.rule)))) > MAX_PARTS:
            faults.append(f"the rule is calculated from {size:,} parts, at most {MAX_PARTS:,}")
        if len(others := {one.symbol for one in self.operands.values() if one.symbol}) > MAX_OTHERS:
            faults.append(f"the rule reads {len(others)} other tickers, at most {MAX_OTHERS}")
        if others and self.options.evaluate_on == "tick":
            faults.append("the forming bar is not compared with other tickers; leave out 'evaluate_on'")
        for operand in self.operands.values():
            if operand.timeframe and operand.timeframe.length < own:
                faults.append(f"{operand.key} is on a lower timeframe than the alert's {self.timeframe}")
        if faults:
            raise ValueError("; ".join(faults))
        if not self.cron:
            object.__setattr__(self, "cron", self.timeframe.default_cron)
        if not self.name:
            object.__setattr__(self, "name", _derived_name(self.symbol, self.timeframe, self.rule))
        return self

    def _reminder_faults(self) -> list[str]:
        options, policy = self.options, self.rearm.policy
        if options.remind_every is None:
            return ["'remind_max' goes with 'remind_every'"] if options.remind_max is not None else []
        if policy.always_released or policy.single_shot:
            return [
                f"reminders come while an alert stays TRIGGERED, which one of type {self.rearm.type} never does; "
                "take edge, hysteresis or persistence"
            ]
        return []

    @cached_property
    def operands(self) -> dict[str, SeriesOperand]:
        """Every series the rule looks up, by the key of its value."""
        return series(self.rule)

    @cached_property
    def parsed_cron(self) -> CronExpression:
        """The schedule, read."""
        return parse_cron(self.cron)

    @cached_property
    def digest(self) -> str:
        """Hash of all fields; equal definitions have equal digests."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()[:16]

    def canonical(self) -> str:
        """JSON with sorted keys, defaults left out."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"))

    def as_json(self) -> dict[str, Any]:
        """The full form as plain JSON values, defaults left out; reads back as an equal definition."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @cached_property
    def memory_key(self) -> str:
        """Hash of what an alert's memory is of; a memory is valid under every definition with the same key."""
        whole = self.as_json()
        text = json.dumps({name: whole.get(name) for name in ("rule", "symbol", "timeframe", "rearm")}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def keeps_state_of(self, earlier: AlertDefinition) -> bool:
        """Whether an edit from ``earlier`` to this leaves the alert's memory valid."""
        same = (self.rule, self.symbol, self.timeframe, self.rearm)
        return same == (earlier.rule, earlier.symbol, earlier.timeframe, earlier.rearm)


def read_definition(data: Any) -> AlertDefinition:
    """A definition from JSON data or an expression, in any accepted form.

    Raises:
        InvalidInput: with every fault, by JSON path.
    """
    if isinstance(data, str):
        data = {"rule": data}
    if not isinstance(data, dict):
        raise InvalidInput("definition", [Fault("$", "expected an object or an expression", data)])
    refuse_too_much(data, "definition")
    refuse_too_large(data.get("rule", data.get("expression")))
    found = translated(data)
    definition, faults = _validated(found.data, bool(found.faults))
    faults = [*found.faults, *_as_written(faults, found)]
    if definition is None or faults:
        raise InvalidInput("definition", faults)
    return definition


def _validated(data: dict[str, Any], has_faults: bool) -> tuple[AlertDefinition | None, list[Fault]]:
    """The definition, and all that is wrong with it; what follows from a fault that is known already is not told."""
    data, faults = expand(data, has_faults)
    try:
        return AlertDefinition.model_validate(data), faults
    except ValidationError as error:
        known = [fault.path for fault in faults]
        faults += [
            fault for fault in faults_of(error) if isinstance(fault, MoreFaults) or not _follows_from(fault.path, known)
        ]
    return None, faults


def chosen(definition: AlertDefinition) -> dict[str, Any]:
    """The full form without a name and a cron that were only derived from the rest."""
    data = definition.as_json()
    if data["cron"] == definition.timeframe.default_cron:
        del data["cron"]
    if has_derived_name(definition):
        del data["name"]
    return data


def has_derived_name(definition: AlertDefinition) -> bool:
    """Whether nobody gave it a name."""
    return definition.name == _derived_name(definition.symbol, definition.timeframe, definition.rule)


def edited(definition: AlertDefinition, changes: dict[str, Any]) -> AlertDefinition:
    """The definition with some fields replaced; ``None`` sets one back to its default.

    A name or cron that was only derived is derived anew.

    Raises:
        InvalidInput: with every fault; nothing is changed.
    """
    data = chosen(definition)
    if not isinstance(changes, dict):
        raise InvalidInput("definition", [Fault("$", "expected an object with the fields to change", changes)])
    spread = translated({name: value for name, value in changes.items() if name in NOTIFIED})
    named = {name: value for name, value in changes.items() if name not in NOTIFIED} | spread.data
    changed = {ALIASES.get(name, name): value for name, value in named.items()}
    if "condition" in changed:
        data.pop("rule", None)
    data.update({name: value for name, value in changed.items() if value is not None})
    for name, value in changed.items():
        if value is None:
            data.pop(name, None)
    try:
        found, faults = read_definition(data), spread.faults
    except InvalidInput as error:
        raise InvalidInput("definition", [*spread.faults, *_as_written(error.faults, spread)]) from None
    if faults:
        raise InvalidInput("definition", faults)
    return found


def _as_written(faults: Iterable[Fault], translation: Translation) -> list[Fault]:
    """Where their writer wrote."""
    return [one if isinstance(one, MoreFaults) else one.at(translation.written(one.path)) for one in faults]


def _follows_from(path: str, known: list[str]) -> bool:
    """Whether a fault at ``path`` may only be the echo of one that is known already."""
    return any(path.startswith(other) or other.startswith(path) for other in known)


def faults_of(error: ValidationError) -> list[Fault]:
    """Pydantic's findings as faults, without its repetitions; the first of them, and how many more there are."""
    details = error.errors(include_url=False)
    above = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    own = [detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in above]
    told = {json_path(detail["loc"]) for detail in own if detail["type"] != "tuple_type"}
    own = [one for one in own if one["type"] != "tuple_type" or not _is_told(json_path(one["loc"]), told)]
    found = [Fault(json_path(one["loc"]), _message(one, error.title), _value(one)) for one in own[:MOST_FAULTS]]
    return found + more_than(len(own))


def _is_told(path: str, told: set[str]) -> bool:
    """Whether the other reading of a value, which may be one or a pair, has a fault that says more."""
    return any(other == path or other.startswith((f"{path}.", f"{path}[")) for other in told)


def _message(detail: Any, title: str) -> str:
    text: str = detail["msg"].removeprefix("Value error, ")
    name = detail["loc"][-1] if detail["loc"] else ""
    if detail["type"] == "extra_forbidden":
        return f"unknown key{hint(str(name), keys_at(title, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return "is needed: the ticker, in the rule ('AAPL > 150') or by itself" if name == "symbol" else "is needed"
    if detail["type"] == "literal_error":
        names = re.findall(r"'([^']+)'", str(detail.get("ctx", {}).get("expected", "")))
        return f"{text[:1].lower()}{text[1:]}{hint(str(detail['input']), names, lists=False)}"
    if name == "symbol" and detail["type"] == "string_pattern_mismatch":
        return "expected a ticker such as AAPL, BTC-USD or EURUSD=X"
    if name == "screener_set":
        return "expected the name of a set of tickers, or 'custom' with symbols"
    if name == "once_per_bar":
        return "an alert fires at most once per bar; leave it out or true"
    return text[:1].lower() + text[1:]


def _value(detail: Any) -> Any:
    value = detail["input"]
    if detail["type"] == "missing" or not isinstance(value, str | int | float | bool | None):
        return None if isinstance(value, dict | list | tuple | Model) else repr(value)
    return value


def json_path(location: tuple[str | int, ...]) -> str:
    """``$.rule.and[0].left`` from pydantic's location, without its union tags."""
    path = "$"
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not (part.startswith(("<", "tuple[", "function-", "tagged-union["))):
            path += f".{part}"
    return path

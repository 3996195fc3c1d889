"""What is thrown at the REST API: each operation of its document, each of its inputs, each value of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.hostile.catalogue import BODIES, VALUES

LONGEST_ADDRESS = 12_000
A_ROW = 12  # a list of more has more of the same
MOST_NAMES = 60  # so has an object
GOOD: dict[str, Any] = {
    "createAlert": {"symbol": "AAPL", "rule": "close > 1e9", "timeframe": "1h", "enabled": False},
    "updateAlert": {"description": "edited"},
    "previewAlert": {
        "definition": {"expression": "AAPL > 1"},
        "bars": [{"time": f"2026-01-05T14:{minute:02d}:00Z", "close": 1.0 + minute % 3} for minute in range(60)],
    },
    "pauseAlert": {"reason": "x", "seconds": 60},
    "createSchedule": {
        "job_type": "report",
        "cron": "@yearly",
        "enabled": False,
        "task_params": {"symbols": ["AAPL"], "report_type": "daily_summary"},
    },
    "replaceSchedule": {
        "job_type": "report",
        "cron": "@yearly",
        "task_params": {"symbols": ["AAPL"]},
        "enabled": False,
    },
    "runReport": {"symbols": ["AAPL"], "timeframe": "1d"},
    "runScreener": {"symbols": ["AAPL"], "filter_criteria": {"min_volume": 1, "conditions": ["close > 1"]}, "top_n": 5},
}
TREE = {
    "and": [{"left": {"indicator": "rsi", "params": {"timeperiod": 14}}, "op": ">", "right": 70}, {"not": "close > 1"}]
}
HEADERS = ("If-Match", "Idempotency-Key", "Authorization", "Content-Type", "Cookie")


@dataclass(frozen=True)
class Thrown:
    """One request; ``what`` says where the bad value is."""

    what: str
    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


def everything(document: dict[str, Any], ids: dict[str, str]) -> Iterator[Thrown]:
    """All requests, in the document's order. ``ids`` fill the paths' parameters."""
    for template, operations in document["paths"].items():
        for method, operation in operations.items():
            name = operation["operationId"]
            path = template
            for parameter, value in ids.items():
                path = path.replace(f"{{{parameter}}}", value)
            here = [f"{name} path", f"{name} query"]
            yield from _in_address(here, method, template, path, operation)
            if "requestBody" in operation:
                yield from _in_body(name, method, path)
                yield from _in_headers(name, method, path, GOOD.get(name, {}))


def _in_address(here: list[str], method: str, template: str, path: str, operation: dict[str, Any]) -> Iterator[Thrown]:
    texts = {what: value for what, value in VALUES.items() if isinstance(value, str)}
    parameters = [one for one in operation.get("parameters", []) if one.get("in") == "query"]
    for what, value in texts.items():
        text = quote(value[:4000], safe="")[:LONGEST_ADDRESS]
        if "{" in template:
            begin, _, rest = template.partition("{")
            yield Thrown(
                f"{here[0]}: {what}", method, f"{begin}{text or '-'}{rest.partition('}')[2]}", _good(operation)
            )
        for one in parameters:
            yield Thrown(f"{here[1]} {one['name']}: {what}", method, f"{path}?{one['name']}={text}", _good(operation))
    if parameters:
        many = "&".join(f"{parameters[0]['name']}=1" for _ in range(800))
        yield Thrown(f"{here[1]}: repeated", method, f"{path}?{many}", _good(operation))


def _good(operation: dict[str, Any]) -> bytes | None:
    body = GOOD.get(operation["operationId"])
    return json.dumps(body).encode() if body is not None else None


def _in_body(name: str, method: str, path: str) -> Iterator[Thrown]:
    for what, raw in BODIES.items():
        yield Thrown(f"{name} body: {what}", method, path, raw)
    good = GOOD.get(name, {})
    for what, value in VALUES.items():
        yield Thrown(f"{name} body: {what}", method, path, _json(value))
        for place, body in replaced(good, value):
            yield Thrown(f"{name} {place}: {what}", method, path, _json(body))
        if "symbol" in good:
            for place, rule in replaced(TREE, value):
                yield Thrown(f"{name} $.rule{place[1:]}: {what}", method, path, _json({**good, "rule": rule}))
            for more in (
                "options",
                "rearm",
                "tags",
                "notification_channels",
                "name",
                "id",
                "cron",
                "timezone",
                "user_id",
            ):
                yield Thrown(f"{name} $.{more}: {what}", method, path, _json({**good, more: value}))


def replaced(good: Any, value: Any, place: str = "$") -> Iterator[tuple[str, Any]]:
    """The body with each of its parts in turn replaced."""
    if isinstance(good, dict):
        for name, part in list(good.items())[: 1 if len(good) > MOST_NAMES else None]:
            yield f"{place}.{name}", {**good, name: value}
            for deeper, body in replaced(part, value, f"{place}.{name}"):
                yield deeper, {**good, name: body}
        yield f"{place}.unknown", {**good, "unknown": value}
    elif isinstance(good, list):
        for at, part in enumerate(good[:1] if len(good) > A_ROW else good):
            yield f"{place}[{at}]", [*good[:at], value, *good[at + 1 :]]
            for deeper, body in replaced(part, value, f"{place}[{at}]"):
                yield deeper, [*good[:at], body, *good[at + 1 :]]


def _in_headers(name: str, method: str, path: str, good: Any) -> Iterator[Thrown]:
    for header in HEADERS:
        for what in ("a long text", "markup", "a slow pattern", "digits"):
            text = str(VALUES[what])[:12_000].encode("ascii", "ignore").decode()
            yield Thrown(f"{name} {header}: {what}", method, path, _json(good), {header: text})


def _json(value: Any) -> bytes:
    return json.dumps(value).encode(errors="surrogatepass")

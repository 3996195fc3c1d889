"""The older ways of writing an alert, turned into the full form; faults are told where their writer wrote.

``{"ticker", "rule": {"operator": "and", "conditions": [{"indicator", "operator", "value"}]}, "notify": {"channels"}}``, alone or
mixed with our own form at any level. Pure: data in, data out; nothing is checked that the definition checks itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.bar import FIELDS
from domain.errors import Fault
from domain.known_keys import hint

GROUPS = ("and", "or", "not")
OPERATORS = {
    "=": "==", "eq": "==", "ne": "!=", "gt": ">", "gte": ">=", "ge": ">=", "lt": "<", "lte": "<=", "le": "<=",
    "above": ">", "below": "<", "cross_above": "crosses_above", "cross_below": "crosses_below", "cross": "crosses",
}  # fmt: skip
LEAF = ("indicator", "operator", "op", "value", "params", "output", "offset", "timeframe", "source", "bars", "compare")
OPERAND = ("indicator", "params", "output", "offset", "timeframe", "source")
NOTIFY = {"channels": "notification_channels", "message_template": "message_template"}
NOTIFY_ALERT = {**NOTIFY, "priority": "priority"}
NOTIFIED = ("notify", *NOTIFY_ALERT.values())  # what says who is told, in either dialect
PRICE = "price"  # means the close, wherever it is written


@dataclass
class Translation:
    """``data`` in the full form; ``moved`` says for paths of ours where that part was written."""

    data: dict[str, Any]
    moved: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def written(self, path: str) -> str:
        """The writer's path of one of ours."""
        best = max((ours for ours in self.moved if _is_under(path, ours)), key=len, default=None)
        return path if best is None else self.moved[best] + path[len(best) :]


def translated(data: Mapping[str, Any]) -> Translation:
    """The full form of what somebody wrote; what is in it already stays as it is."""
    found = Translation(dict(data))
    if found.data.get("rearm", False) is None:
        del found.data["rearm"]
    spread(found, "notify", NOTIFY_ALERT)
    if isinstance(found.data.get("rule"), dict):
        found.data["rule"] = _node(found.data["rule"], "$.rule", "$.rule", found)
    return found


def spread(found: Translation, name: str, fields: Mapping[str, str]) -> None:
    """An object whose fields stand beside it in the full form."""
    if name not in found.data:
        return
    given = found.data.pop(name)
    if given is None:
        return
    if not isinstance(given, dict):
        found.faults.append(Fault(f"$.{name}", f"expected an object with {', '.join(fields)}", given))
        return
    for key, value in given.items():
        ours = fields.get(str(key))
        if ours is None:
            found.faults.append(Fault(f"$.{name}.{key}", f"unknown key; known are {', '.join(fields)}"))
        elif ours in found.data:
            found.faults.append(Fault(f"$.{name}.{key}", f"is given twice: '{ours}' stands beside it"))
        else:
            found.data[ours] = value
            found.moved[f"$.{ours}"] = f"$.{name}.{key}"


def _node(node: Any, ours: str, theirs: str, found: Translation) -> Any:
    """A part of a rule in the full form."""
    if not isinstance(node, dict):
        return node
    if "conditions" in node:
        return _group(node, ours, theirs, found)
    if "indicator" in node and "left" not in node:
        return _leaf(node, ours, theirs, found)
    changed = dict(node)
    for word in GROUPS:
        parts = node.get(word)
        if isinstance(parts, list):
            changed[word] = [
                _node(one, f"{ours}.{word}[{at}]", f"{theirs}.{word}[{at}]", found) for at, one in enumerate(parts)
            ]
        elif isinstance(parts, dict):
            changed[word] = _node(parts, f"{ours}.{word}", f"{theirs}.{word}", found)
    if ours != theirs:
        found.moved[ours] = theirs
    return changed


def _group(node: dict[str, Any], ours: str, theirs: str, found: Translation) -> Any:
    """``{"operator": "and", "conditions": [...]}``."""
    written, parts = node.get("operator", "and"), node["conditions"]
    word = written.strip().lower() if isinstance(written, str) else written
    found.faults += [
        Fault(f"{theirs}.{key}", "unknown key; a group has operator and conditions")
        for key in node
        if key not in ("operator", "conditions")
    ]
    if word not in GROUPS:
        found.faults.append(Fault(f"{theirs}.operator", "expected and, or, not", written))
        word = "and"
    if not isinstance(parts, list) or not parts:
        found.faults.append(Fault(f"{theirs}.conditions", "expected a list of at least one condition", parts or None))
        return None
    found.moved[ours] = theirs
    found.moved[f"{ours}.{word}"] = f"{theirs}.conditions"
    if word != "not":
        return {
            word: [
                _node(one, f"{ours}.{word}[{at}]", f"{theirs}.conditions[{at}]", found) for at, one in enumerate(parts)
            ]
        }
    if len(parts) > 1:
        found.faults.append(
            Fault(f"{theirs}.conditions", "'not' takes one condition; put several into an 'and' or an 'or'")
        )
        return None
    found.moved[f"{ours}.not"] = f"{theirs}.conditions[0]"
    return {"not": _node(parts[0], f"{ours}.not", f"{theirs}.conditions[0]", found)}


def _leaf(node: dict[str, Any], ours: str, theirs: str, found: Translation) -> dict[str, Any]:
    """``{"indicator": "rsi", "operator": ">", "value": 70}``, with ``params``, ``output`` and the like beside it."""
    found.moved |= {ours: theirs, f"{ours}.right": f"{theirs}.value"}
    found.faults += [Fault(f"{theirs}.{key}", f"unknown key{hint(str(key), LEAF)}") for key in node if key not in LEAF]
    leaf: dict[str, Any] = {
        "left": _operand({key: node[key] for key in OPERAND if key in node}, f"{ours}.left", theirs, found)
    }
    name = "operator" if "operator" in node else "op"
    if name in node:
        written = node[name]
        word = written.strip().lower() if isinstance(written, str) else written
        leaf["op"] = OPERATORS.get(word, word) if isinstance(word, str) else word
        found.moved[f"{ours}.op"] = f"{theirs}.{name}"
    else:
        found.faults.append(Fault(f"{theirs}.operator", "is needed: > >= < <= == != crosses_above …"))
        leaf["op"] = ">"
    if "value" in node:
        leaf["right"] = _value(node["value"], f"{ours}.right", f"{theirs}.value", found)
    else:
        found.faults.append(Fault(f"{theirs}.value", "is needed: a number, a name, or another indicator"))
        leaf["right"] = 0
    return leaf | {key: node[key] for key in ("bars", "compare") if key in node}


def _value(value: Any, ours: str, theirs: str, found: Translation) -> Any:
    if isinstance(value, list):
        return [_value(one, f"{ours}[{at}]", f"{theirs}[{at}]", found) for at, one in enumerate(value)]
    if isinstance(value, dict) and "indicator" in value:
        return _operand(value, ours, theirs, found)
    return value


def _operand(given: dict[str, Any], ours: str, theirs: str, found: Translation) -> dict[str, Any]:
    """An indicator, or a field of the bar where it is one; ``price`` is the close."""
    name = given.get("indicator")
    operand = {key: value for key, value in given.items() if value is not None}
    if isinstance(operand.get("source"), str) and operand["source"].lower() == PRICE:
        operand["source"] = "close"
    found.moved |= {ours: f"{theirs}.indicator", **{f"{ours}.{key}": f"{theirs}.{key}" for key in given}}
    word = name.strip().lower() if isinstance(name, str) else name
    if word in (PRICE, *FIELDS):
        operand["field"] = "close" if word == PRICE else word
        del operand["indicator"]
        found.moved[f"{ours}.field"] = f"{theirs}.indicator"
        for key in ("params", "output", "source"):  # of a bar's field they say nothing
            if not operand.get(key):
                operand.pop(key, None)
    elif isinstance(word, str):
        operand["indicator"] = word
    return operand


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or (path.startswith(prefix) and path[len(prefix)] in ".[")

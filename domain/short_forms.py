"""Our own short forms of a definition: texts for rules and their parts, named conditions, other names of fields."""

from __future__ import annotations

import re
from typing import Any

from domain import expression
from domain.errors import Fault, InvalidInput

SHORT_CONDITIONS = {
    "price_above": ("close > {}", None),
    "price_below": ("close < {}", None),
    "volume_spike": ("volume > {} * sma(volume, 20)[1]", 2.0),
    "rsi_oversold": ("rsi(14) < {}", 30.0),
    "rsi_overbought": ("rsi(14) > {}", 70.0),
}
ALIASES = {"ticker": "symbol", "expression": "rule", "channels": "notification_channels"}


def expand(data: dict[str, Any], has_faults: bool = False) -> tuple[dict[str, Any], list[Fault]]:
    """Turns short forms into the full one, collecting the faults of their texts; a rule may be lacking when there are others."""
    data = dict(data)
    for alias, name in ALIASES.items():
        if alias in data and name not in data:
            data[name] = data.pop(alias)
    if isinstance(data.get("rearm"), str):
        data["rearm"] = {"type": data["rearm"]}
    if isinstance(data.get("symbol"), str):
        data["symbol"] = data["symbol"].strip().upper()  # as a rule's text names it
    faults: list[Fault] = []
    if "condition" in data and "rule" not in data:
        faults += _expand_condition(data)
    data["rule"] = _expand_texts(data.get("rule"), "$.rule", faults, data)
    if data["rule"] is None:
        if not faults and not has_faults:
            faults.append(Fault("$.rule", "a rule is needed: a text such as 'AAPL > 150', or a tree"))
        data["rule"] = {"left": {"field": "close"}, "op": ">", "right": 0}
    return data, faults


def _expand_condition(data: dict[str, Any]) -> list[Fault]:
    condition, threshold = data.pop("condition"), data.pop("threshold", None)
    if isinstance(condition, str) and condition not in SHORT_CONDITIONS and re.search(r"[<>=]|\s", condition):
        data["rule"] = condition
        return []
    known = SHORT_CONDITIONS.get(condition) if isinstance(condition, str) else None
    if known is None:
        return [Fault("$.condition", f"expected one of {', '.join(SHORT_CONDITIONS)}", condition)]
    text, default = known
    threshold = default if threshold is None else threshold
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or threshold != threshold:
        return [Fault("$.threshold", "expected a number", threshold)]
    data["rule"] = text.format(repr(threshold))
    return []


def _expand_texts(node: Any, path: str, faults: list[Fault], data: dict[str, Any]) -> Any:
    """Replaces texts in the tree by what they mean; the ticker a text names becomes the symbol."""
    if isinstance(node, str):
        try:
            parsed = expression.parse(node)
        except InvalidInput as error:
            faults += error.under(path)
            return None
        if parsed.symbol is not None and data.setdefault("symbol", parsed.symbol) != parsed.symbol:
            faults.append(Fault(path, f"names {parsed.symbol}, but the alert's symbol is {data['symbol']}", node))
        return parsed.rule
    if not isinstance(node, dict):
        return node
    expanded = dict(node)
    for word in ("and", "or"):
        if isinstance(node.get(word), list):
            parts = [_expand_texts(part, f"{path}.{word}[{i}]", faults, data) for i, part in enumerate(node[word])]
            expanded[word] = [part for part in parts if part is not None] or None
            if expanded[word] is None and parts:
                return None
    if "not" in node:
        expanded["not"] = _expand_texts(node["not"], f"{path}.not", faults, data)
        if expanded["not"] is None:
            return None
    for side in ("left", "right"):
        if side in node:
            expanded[side] = _expand_operands(node[side], f"{path}.{side}", faults)
    return expanded


def _expand_operands(value: Any, path: str, faults: list[Fault]) -> Any:
    if isinstance(value, list):
        return [_expand_operands(part, f"{path}[{i}]", faults) for i, part in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        rule = expression.parse(f"{value} != 0").rule
    except InvalidInput as error:
        message = error.faults[0].message.removesuffix(", but the text ends")
        faults.append(Fault(path, message, value))
        return 0
    return getattr(rule, "left", 0)

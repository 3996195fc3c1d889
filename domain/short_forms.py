"""Our own short forms of a definition: texts for rules and their parts, named conditions, other names of fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from domain import expression, indicators
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
    texts = _Texts(data, faults)
    data["rule"] = texts.expanded(data.get("rule"), "$.rule")
    if texts.mentioned is not None:
        data.setdefault("symbol", texts.mentioned)
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


@dataclass
class _Texts:
    """Replaces texts in a rule by what they mean; the ticker and the timeframe that they name become the alert's."""

    data: dict[str, Any]
    faults: list[Fault]
    mentioned: str | None = None  # the first of the tickers that are named beside the alert's own

    def expanded(self, node: Any, path: str) -> Any:
        """The node without texts; None where one cannot be read."""
        if isinstance(node, str):
            return self._parsed(node, path)
        if not isinstance(node, dict):
            return node
        expanded = dict(node)
        for word in ("and", "or"):
            if isinstance(node.get(word), list):
                parts = [self.expanded(part, f"{path}.{word}[{i}]") for i, part in enumerate(node[word])]
                expanded[word] = [part for part in parts if part is not None] or None
                if expanded[word] is None and parts:
                    return None
        if "not" in node:
            expanded["not"] = self.expanded(node["not"], f"{path}.not")
            if expanded["not"] is None:
                return None
        for side in ("left", "right"):
            if side in node:
                expanded[side] = self._operands(node[side], f"{path}.{side}")
        return expanded

    def _parsed(self, text: str, path: str) -> Any:
        try:
            parsed = expression.parse(text)
        except InvalidInput as error:
            self.faults += error.under(path)
            if named := expression.ticker_in(text):
                self.data.setdefault("symbol", named)
            return None
        named, frame = parsed.symbol, parsed.timeframe
        if named is not None and self.data.setdefault("symbol", named) != named:
            own = self.data["symbol"]
            also = f" for the indicator write {named.lower()}(…)," if indicators.is_known(named) else ""
            message = f"names {named}, but the alert's symbol is {own};{also} for another ticker's price {named}:close"
            self.faults.append(Fault(path, message, text))
        if frame is not None and self.data.setdefault("timeframe", frame) != frame:
            message = f"says {frame}, but the alert's timeframe is {self.data['timeframe']}"
            self.faults.append(Fault(path, message, text))
        self.mentioned = self.mentioned or parsed.mentioned
        return parsed.rule

    def _operands(self, value: Any, path: str) -> Any:
        if isinstance(value, list):
            return [self._operands(part, f"{path}[{i}]") for i, part in enumerate(value)]
        if isinstance(value, dict) and isinstance(value.get("of"), list):
            return {**value, "of": self._operands(value["of"], f"{path}.of")}
        if not isinstance(value, str):
            return value
        own = self.data.get("symbol")
        try:
            return expression.operand_in(value, own if isinstance(own, str) else None)
        except InvalidInput as error:
            message = error.faults[0].message.removesuffix(", but the text ends")
            self.faults.append(Fault(path, message, value))
            return 0

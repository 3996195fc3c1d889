"""The JSON Schemas of the full forms, widened to everything that the reader takes: texts, short forms, the older dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.dialects import LEAF, NOTIFY, NOTIFY_ALERT, PRICE
from domain.job import JobType
from domain.job_dialects import KINDS
from domain.job_words import OPERATIONS

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
RULE: Schema = {"$ref": "#/$defs/Rule"}
OPERAND: Schema = {"$ref": "#/$defs/Operand"}
CHANNELS: Schema = {
    "type": "array",
    "items": {"type": "string"},
    "description": "Another name of notification_channels.",
}
NUMBER_OR_TEXT: Schema = {"type": ["integer", "string"]}


def _notify(fields: Mapping[str, str]) -> Schema:
    return {
        "anyOf": [
            {"type": "null"},
            {"type": "object", "additionalProperties": False, "properties": {name: {} for name in fields}},
        ],
        "description": f"Who is told, and how: {', '.join(fields.values())} in one object.",
    }


def widened(schema: Schema, job_type: str) -> Schema:
    """What people may write of that type."""
    if job_type == JobType.ALERT:
        return _alert(schema)
    return _job(schema, job_type)


def _alert(schema: Schema) -> Schema:
    own, defs = dict(schema["properties"]), dict(schema["$defs"])
    own["rule"] = RULE | {
        "description": "A text such as 'rsi(14) > 70 and close > 150', or a tree; either may hold the other."
    }
    own["rearm"] = {"anyOf": [own["rearm"], {"type": "null"}, TEXT]}
    own |= {
        "ticker": own["symbol"] | {"title": "Ticker", "description": "Another name of symbol."},
        "expression": TEXT | {"description": "Another name of rule, as a text."},
        "condition": TEXT | {"description": "price_above and the like with threshold, or a rule as a text."},
        "threshold": {"type": ["number", "null"]},
        "notify": _notify(NOTIFY_ALERT),
        "channels": CHANNELS,
        "user_id": NUMBER_OR_TEXT,
    }
    for name in ("And", "Or"):
        word = name.lower()
        defs[name] = _with(defs[name], **{word: {"type": "array", "items": RULE, "minItems": 1}})
    defs["Not"] = _with(defs["Not"], **{"not": RULE})
    comparison = defs["Comparison"]["properties"]
    right = {"anyOf": [OPERAND, {"type": "array", "items": OPERAND, "minItems": 2, "maxItems": 2}]}
    defs["Comparison"] = _with(defs["Comparison"], left=OPERAND, right=right, op=TEXT)
    field = defs["FieldOperand"]["properties"]["field"]
    defs["FieldOperand"] = _with(defs["FieldOperand"], field=field | {"enum": [*field["enum"], PRICE]})
    parts = defs["CalculatedOperand"]["properties"]["of"]
    defs["CalculatedOperand"] = _with(defs["CalculatedOperand"], of=parts | {"items": OPERAND})
    text, params = {"type": ["string", "null"]}, {"type": ["object", "null"]}
    defs["IndicatorOperand"] = _with(defs["IndicatorOperand"], source=text, params=params)
    operands = [
        {"type": "number"},
        TEXT,
        *({"$ref": f"#/$defs/{name}"} for name in ("FieldOperand", "IndicatorOperand", "CalculatedOperand")),
    ]
    defs["Operand"] = {"anyOf": operands, "description": "A number, a text such as 'sma(50)', a field, an indicator."}
    defs["Group"] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["conditions"],
        "properties": {"operator": TEXT, "conditions": {"type": "array", "items": RULE, "minItems": 1}},
        "description": "As the older services wrote it: 'and', 'or' or 'not' of conditions.",
    }
    kept = {name: comparison[name] for name in ("bars", "compare")}
    leaf = {name: defs["IndicatorOperand"]["properties"].get(name, {}) for name in LEAF} | kept
    value = {"anyOf": [OPERAND, {"type": "array", "items": OPERAND, "minItems": 2, "maxItems": 2}]}
    defs["Leaf"] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["indicator", "value"],
        "anyOf": [{"required": ["operator"]}, {"required": ["op"]}],
        "properties": leaf | {"indicator": TEXT, "operator": TEXT, "op": TEXT, "value": value},
        "description": "As the older services wrote it: an indicator or price, an operator, a value.",
    }
    trees = [{"$ref": f"#/$defs/{name}"} for name in ("And", "Or", "Not", "Comparison", "Group", "Leaf")]
    defs["Rule"] = {"anyOf": [TEXT, *trees]}
    one_of = [{"required": [name]} for name in ("rule", "expression", "condition")]
    return {name: value for name, value in schema.items() if name != "required"} | {
        "$defs": defs,
        "type": ["object", "string"],
        "properties": own,
        "anyOf": one_of,
    }


def _with(schema: Schema, **properties: Schema) -> Schema:
    return schema | {"properties": schema["properties"] | properties}


def _job(schema: Schema, job_type: str) -> Schema:
    own, defs = dict(schema["properties"]), dict(schema.get("$defs", {}))
    if "symbols" in own:
        own["symbols"] = {"anyOf": [own["symbols"], TEXT | {"description": "Tickers with commas or spaces between."}]}
    if "notification_channels" in own:
        own |= {"notify": _notify(NOTIFY), "channels": CHANNELS}
    if job_type == JobType.REPORT:
        inner = {name: value for name, value in own.items() if name not in ("options", "notify", "channels")}
        own["parameters"] = {"type": "object", "additionalProperties": False, "properties": inner}
    if job_type == JobType.SCREENER:
        criteria = defs["FilterCriteria"]["properties"]["conditions"]
        parts = {"type": ["string", "object"], "description": "A text, or a part of an alert's rule."}
        defs["FilterCriteria"] = _with(defs["FilterCriteria"], conditions=criteria | {"items": parts})
    if job_type == JobType.DATA_PROCESSING:
        kind = {"enum": sorted(KINDS), "description": "The kind of data."}
        steps = {"type": "array", "minItems": 1, "items": {"enum": list(OPERATIONS)}}
        own |= {"kind": kind, "data_type": kind, "operations": steps}
    needed = [name for name in schema.get("required", []) if name != "symbols"]  # they may be the row's target
    rest = {name: value for name, value in schema.items() if name not in ("required", "$defs")}
    return rest | {"properties": own} | ({"$defs": defs} if defs else {}) | ({"required": needed} if needed else {})

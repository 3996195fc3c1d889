"""The older ways of writing a job's parameters, turned into the full form; faults are told where their writer wrote.

``{"report_type", "parameters": {"symbols", …}}``, ``{"data_source", "operations": [...], "symbols"}``, and what ``target`` said:
tickers, the name of a set, a report's type, a kind of data. Pure: data in, data out; what is unknown is left to the models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from domain.dialects import NOTIFY, Translation, spread
from domain.errors import Fault
from domain.job_words import CUSTOM, OPERATIONS, REPORT_TYPES
from domain.vendor_data import Kind

KINDS = {
    "earnings_data": Kind.EARNINGS, "news_data": Kind.NEWS, "quotes": Kind.STOCK_QUOTES, "stock_data": Kind.STOCK_QUOTES,
    "options_data": Kind.OPTIONS_CHAIN, "options": Kind.OPTIONS_CHAIN, "historical_data": Kind.HISTORICAL_PRICES,
    "price_data": Kind.HISTORICAL_PRICES, "company_data": Kind.COMPANY_INFO, "economic_data": Kind.ECONOMIC_EVENTS,
} | {kind.value: kind for kind in Kind}  # fmt: skip
PARAMETERS = ("report_type", "symbols", "timeframe", "include_charts", "notification_channels")
WORDS = frozenset(("parameters", "operations", "data_type", "notify", "channels", "options"))  # beside the models' own
_TICKERS = re.compile(r"[A-Za-z0-9.^=/_:-]+(?:[,;\s]+[A-Za-z0-9.^=/_:-]+)*[,;\s]*")
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def translated_params(job_type: str, params: Mapping[str, Any], target: str | None) -> Translation:
    """The full form of what somebody wrote; what is in it already stays as it is."""
    found = Translation(dict(params))
    spread(found, "notify", NOTIFY)
    _renamed(found, "channels", "notification_channels")
    if job_type == "report":
        _report(found, target)
    elif job_type == "screener":
        _screener(found, target)
    elif job_type == "data_processing":
        _data(found, target)
    if isinstance(found.data.get("symbols"), str):
        found.data["symbols"] = _split(found.data["symbols"])
    return found


def _report(found: Translation, target: str | None) -> None:
    if isinstance(found.data.get("parameters"), dict):
        names = {name: name for name in (*PARAMETERS, *found.data["parameters"])}
        spread(found, "parameters", names)
    if target in REPORT_TYPES:
        found.data.setdefault("report_type", target)
    else:
        _tickers_from(found, target)


def _screener(found: Translation, target: str | None) -> None:
    if "screener_set" not in found.data and "symbols" not in found.data and target and _NAME.fullmatch(target):
        found.data["screener_set"] = target
        found.moved["$.screener_set"] = "$.target"
    elif found.data.get("screener_set", CUSTOM) == CUSTOM:
        _tickers_from(found, target)


def _data(found: Translation, target: str | None) -> None:
    for name in ("kind", "data_type", "data_source"):
        named = found.data.get(name)
        if isinstance(named, str) and named in KINDS and (name == "kind" or "kind" not in found.data):
            del found.data[name]
            found.data["kind"] = KINDS[named].value
            found.moved["$.kind"] = f"$.{name}"
    if target in KINDS:
        found.data.setdefault("kind", KINDS[target].value)
    elif found.data.get("kind") != Kind.ECONOMIC_EVENTS:
        _tickers_from(found, target)
    steps = found.data.pop("operations", None)
    if steps is None:
        return
    wrong = [one for one in steps if one not in OPERATIONS] if isinstance(steps, list) else [steps]
    if wrong or not steps:
        message = f"expected a list of some of {', '.join(OPERATIONS)}"
        found.faults.append(Fault("$.operations", message, wrong[0] if wrong else steps))
    else:
        found.data.setdefault("operation", max(steps, key=OPERATIONS.index))
        found.moved["$.operation"] = "$.operations"


def _tickers_from(found: Translation, target: str | None) -> None:
    """``target`` as the tickers, where the parameters name none."""
    if target and "symbols" not in found.data and _TICKERS.fullmatch(target.strip()):
        found.data["symbols"] = _split(target)
        found.moved["$.symbols"] = "$.target"


def _split(text: str) -> list[str]:
    return [one for one in re.split(r"[,;\s]+", text) if one]


def _renamed(found: Translation, name: str, ours: str) -> None:
    if name in found.data and ours not in found.data:
        found.data[ours] = found.data.pop(name)
        found.moved[f"$.{ours}"] = f"$.{name}"
